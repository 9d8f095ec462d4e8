package ocisim_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name, user, password string
		want                 int
	}{
		{"accepts the right password", "gateway", "gateway-demo", 0},
		{"refuses a wrong password", "gateway", "wrong", 4962},
		{"refuses an unknown user", "nobody", "x", 4008},
		{"refuses a disabled account", "disabled", "disabled-demo", 5202},
		{"refuses an expired password", "expired", "expired-demo", 9903},
		{"does not tell a stranger that a password has expired", "expired", "wrong", 4962},
		{"refuses a user without a password", "ApioUserPlain@sip.netaxis.be", "x", 4962},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Run("signed", func(t *testing.T) {
				c := connect(t, newPlatform(t))
				if got := c.login(tt.user, tt.password).number(); got != tt.want {
					t.Errorf("error %d, want %d", got, tt.want)
				}
				wantSession := 0
				if tt.want != 0 {
					wantSession = 9900
				}
				if got := c.one("VerifySessionIsValidRequest", "").number(); got != wantSession {
					t.Errorf("afterwards error %d, want %d", got, wantSession)
				}
			})
			for _, command := range []string{"LoginRequest22V5", "LoginRequest22V2"} {
				t.Run(command, func(t *testing.T) {
					c := connect(t, newPlatform(t))
					if got := c.one(command, text("userId", tt.user)+text("password", tt.password)).number(); got != tt.want {
						t.Errorf("error %d, want %d", got, tt.want)
					}
				})
			}
			t.Run("verified for an administrator", func(t *testing.T) {
				c := login(t, newPlatform(t), "gateway")
				if got := c.one("AuthenticationVerifyRequest22V4", text("userId", tt.user)+text("password", tt.password)).number(); got != tt.want {
					t.Errorf("error %d, want %d", got, tt.want)
				}
			})
		})
	}
	t.Run("refuses a signed password without a nonce of that user", func(t *testing.T) {
		c := connect(t, newPlatform(t))
		nonce := c.one("AuthenticationRequest", text("userId", "sysadmin")).get("nonce")
		if got := c.one("LoginRequest14sp4", text("userId", "gateway")+text("signedPassword", sign(nonce, "gateway-demo"))).number(); got != 9905 {
			t.Errorf("error %d", got)
		}
	})
	t.Run("refuses a nonce that was used", func(t *testing.T) {
		c := connect(t, newPlatform(t))
		nonce := c.one("AuthenticationRequest", text("userId", "gateway")).get("nonce")
		signed := text("userId", "gateway") + text("signedPassword", sign(nonce, "gateway-demo"))
		if got := c.one("LoginRequest14sp4", signed).number(); got != 0 {
			t.Fatalf("error %d", got)
		}
		if got := c.one("LoginRequest14sp4", signed).number(); got != 9905 {
			t.Errorf("error %d", got)
		}
	})
	t.Run("14sp4 takes a plain password too", func(t *testing.T) {
		c := connect(t, newPlatform(t))
		if got := c.one("LoginRequest14sp4", text("userId", "gateway")+text("plainTextPassword", "gateway-demo")).kind(); got != "LoginResponse14sp4" {
			t.Errorf("answered %s", got)
		}
	})
}

func TestLoginAnswers(t *testing.T) {
	for user, want := range map[string]string{
		"gateway":                     "loginType=System locale=en_US encoding=ISO-8859-1 isEnterprise=false",
		"reseller":                    "loginType=Reseller locale=en_US encoding=ISO-8859-1 isEnterprise=false",
		"tenantadmin":                 "loginType=Service Provider locale=en_US encoding=ISO-8859-1 serviceProviderId=ApioSpTest isEnterprise=false",
		"entadmin":                    "loginType=Service Provider locale=en_US encoding=ISO-8859-1 serviceProviderId=ApioEntTest isEnterprise=true",
		"groupadmin":                  "loginType=Group locale=en_US encoding=ISO-8859-1 groupId=ApioGrpTest serviceProviderId=ApioSpTest isEnterprise=false",
		"departmentadmin":             "loginType=Group Department locale=en_US encoding=ISO-8859-1 groupId=ApioGrpTest serviceProviderId=ApioSpTest isEnterprise=false",
		"ApioUserTest@sip.netaxis.be": "loginType=User locale=en_US encoding=ISO-8859-1 groupId=ApioGrpTest serviceProviderId=ApioSpTest isEnterprise=false",
	} {
		t.Run("tells who "+user+" is", func(t *testing.T) {
			password := user + "-demo"
			if strings.Contains(user, "@") {
				password = "user-demo"
			}
			p := newPlatform(t)
			credentials := text("userId", user) + text("password", password)
			if got, want := fields(connect(t, p).login(user, password)), want+" userDomain=example.com"; got != want {
				t.Errorf("signed: %s", cmp.Diff(want, got))
			}
			plain, verified := want+" userDomain=example.com", want+" userId="+user
			switch user {
			case "reseller":
				plain += " resellerId=ApioReseller"
				verified += " resellerId=ApioReseller"
			case "ApioUserTest@sip.netaxis.be":
				verified = want + " lastName=Test firstName=Test userId=" + user
			}
			if got := fields(connect(t, p).one("LoginRequest22V5", credentials)); got != plain {
				t.Errorf("22V5: %s", cmp.Diff(plain, got))
			}
			if got := fields(login(t, p, "gateway").one("AuthenticationVerifyRequest22V4", credentials)); got != verified {
				t.Errorf("verified: %s", cmp.Diff(verified, got))
			}
		})
	}
}

func fields(e element) string {
	var all []string
	for _, c := range e.Children {
		all = append(all, c.XMLName.Local+"="+c.Text)
	}
	return strings.Join(all, " ")
}

func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(t, func(s *ocisim.Seed) {
			s.Platform.LockAfter, s.Platform.LockFor = 2, time.Minute
		})
		defer func() { _ = p.Close() }() // never fails
		try := func(password string) int { return connect(t, p).login("gateway", password).number() }
		got := []int{try("wrong"), try("gateway-demo"), try("wrong"), try("wrong"), try("gateway-demo")}
		time.Sleep(time.Minute)
		got = append(got, try("gateway-demo"))
		if diff := cmp.Diff([]int{4962, 0, 4962, 4962, 9904, 0}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLogout(t *testing.T) {
	for _, reason := range []string{"", text("reason", "Client Logout"), text("reason", "Going home"), "<reason/>"} {
		t.Run("answers and closes with the reason "+reason, func(t *testing.T) {
			c := login(t, newPlatform(t), "gateway")
			if got := c.one("LogoutRequest", text("userId", "gateway")+reason).kind(); got != "c:SuccessResponse" {
				t.Errorf("answered %s", got)
			}
			c.mustBeClosed()
		})
	}
}

func TestLogoutAll(t *testing.T) {
	p := newPlatform(t)
	before, c := connect(t, p), login(t, p, "gateway")
	if diff := cmp.Diff([]ocisim.Connection{{ID: 1}, {ID: 2, Login: "gateway"}}, p.Connections()); diff != "" {
		t.Error(diff)
	}
	p.LogoutAll("Server Connection Failure")
	said := parse(t, c.read()).all("command")[0]
	if got := said.kind() + " " + fields(said); got != "LogoutRequest userId=gateway reason=Server Connection Failure" {
		t.Error(got)
	}
	c.mustBeClosed()
	if got := before.one("AuthenticationRequest", text("userId", "gateway")).kind(); got != "AuthenticationResponse" {
		t.Errorf("a connection without a login was answered %s", got)
	}
}

func TestWithout(t *testing.T) {
	c := connect(t, newPlatform(t, func(s *ocisim.Seed) { s.Platform.Without = []string{"LoginRequest22*"} }))
	answer := c.one("LoginRequest22V5", text("userId", "gateway")+text("password", "gateway-demo"))
	if answer.number() != 6004 || answer.get("detail") != "unknown command LoginRequest22V5" {
		t.Errorf("answered %+v", answer)
	}
}

func TestSecretsStayOut(t *testing.T) {
	var log bytes.Buffer
	seed := ocisim.DemoSeed()
	p, err := ocisim.New(seed, ocisim.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, p)
	nonce := c.one("AuthenticationRequest", text("userId", "gateway")).get("nonce")
	signed := sign(nonce, "gateway-demo")
	c.one("LoginRequest14sp4", text("userId", "gateway")+text("signedPassword", signed))
	c.one("AuthenticationVerifyRequest22V4", text("userId", "sysadmin")+text("password", "sysadmin-demo"))
	c.one("LoginRequest22V5", text("userId", "sysadmin")+text("password", strings.Repeat("sysadmin-demo", 10)))
	c.one("LoginRequest22V5", text("userId", "sysadmin")+text("password", text("userId", "sysadmin-demo")))
	c.send("<a>sysadmin-demo&b;</a>")
	c.mustBeClosed()
	_ = p.Close()
	for where, printed := range map[string]string{
		"the log":        log.String(),
		"the ledger":     fmt.Sprintf("%+v", p.Ledger()),
		"the seed (%+v)": fmt.Sprintf("%+v", seed),
		"the seed (%#v)": fmt.Sprintf("%#v", seed),
		"a platform":     fmt.Sprintf("%x", seed.Administrators[0].Password),
	} {
		for _, secret := range []string{nonce, signed, "gateway-demo", "sysadmin-demo", "&b"} {
			if strings.Contains(printed, secret) {
				t.Errorf("%s holds %q", where, secret)
			}
		}
	}
	if !strings.Contains(log.String(), "AuthenticationVerifyRequest22V4") || len(p.Ledger()) != 5 {
		t.Errorf("the log or the ledger (%d entries) is not filled", len(p.Ledger()))
	}
}
