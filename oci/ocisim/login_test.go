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

// This file specifies logins, verifications, locked accounts, logouts and the absence
// of secrets in logs and ledger. A new login command is an entry of plainLogins or of
// verifications, and of loginReplies if its reply differs.

var (
	plainLogins   = []string{"LoginRequest22", "LoginRequest22V2", "LoginRequest22V3", "LoginRequest22V4", "LoginRequest22V5"}
	verifications = []string{"AuthenticationVerifyRequest14sp8", "AuthenticationVerifyRequest22V4"}
)

func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name, user, password string
		want                 int
	}{
		{"accepts the right password", "gateway", "gateway-demo", 0},
		{"refuses a wrong password", "gateway", "wrong", 4962},
		{"accepts an administrator with the default domain", "gateway@example.com", "gateway-demo", 0},
		{"refuses an administrator with another domain", "gateway@other.example", "gateway-demo", 4008},
		{"refuses an unknown user", "unknown", "x", 4008},
		{"refuses a disabled account", "disabled", "disabled-demo", 5202},
		{"refuses an expired password", "expired", "expired-demo", 9903},
		{"does not report an expired password after a wrong one", "expired", "wrong", 4962},
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
			for _, name := range plainLogins {
				t.Run(name, func(t *testing.T) {
					c := connect(t, newPlatform(t))
					reply := c.one(name, text("userId", tt.user)+text("password", tt.password))
					if reply.number() != tt.want {
						t.Errorf("error %d, want %d", reply.number(), tt.want)
					}
					if kind := strings.Replace(name, "Request", "Response", 1); tt.want == 0 && reply.kind() != kind {
						t.Errorf("replied %s, want %s", reply.kind(), kind)
					}
				})
			}
			for _, name := range verifications {
				t.Run(name, func(t *testing.T) {
					c := login(t, newPlatform(t), "gateway")
					if got := c.one(name, text("userId", tt.user)+text("password", tt.password)).number(); got != tt.want {
						t.Errorf("error %d, want %d", got, tt.want)
					}
				})
			}
		})
	}
	t.Run("refuses a signed password without a nonce of that user", func(t *testing.T) {
		c := connect(t, newPlatform(t))
		nonce := c.one("AuthenticationRequest", text("userId", "sysadmin")).get("nonce")
		if got := c.one("LoginRequest14sp4", text("userId", "gateway")+text("signedPassword", sign(nonce, "gateway-demo"))).number(); got != 9905 {
			t.Errorf("error %d", got)
		}
	})
	t.Run("refuses a nonce that was used before", func(t *testing.T) {
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
	for name, want := range map[string]int{"LoginRequest22V3": 6004, "LoginRequest22V4": 0, "LoginRequest22V5": 0} {
		t.Run(fmt.Sprintf("%s with a signed password beside the plain one returns %d", name, want), func(t *testing.T) {
			c := connect(t, newPlatform(t))
			inner := text("userId", "gateway") + text("password", "gateway-demo") + text("signedPassword", "anything")
			if got := c.one(name, inner).number(); got != want {
				t.Errorf("error %d", got)
			}
		})
	}
	t.Run("LoginRequest14sp4 accepts a plain password, too", func(t *testing.T) {
		c := connect(t, newPlatform(t))
		if got := c.one("LoginRequest14sp4", text("userId", "gateway")+text("plainTextPassword", "gateway-demo")).kind(); got != "LoginResponse14sp4" {
			t.Errorf("replied %s", got)
		}
	})
}

func TestLoginReplies(t *testing.T) {
	for user, want := range map[string]string{
		"gateway":                     "loginType=System locale=en_US encoding=ISO-8859-1 isEnterprise=false",
		"reseller":                    "loginType=Reseller locale=en_US encoding=ISO-8859-1 isEnterprise=false",
		"tenantadmin":                 "loginType=Service Provider locale=en_US encoding=ISO-8859-1 serviceProviderId=ApioSpTest isEnterprise=false",
		"entadmin":                    "loginType=Service Provider locale=en_US encoding=ISO-8859-1 serviceProviderId=ApioEntTest isEnterprise=true",
		"groupadmin":                  "loginType=Group locale=en_US encoding=ISO-8859-1 groupId=ApioGrpTest serviceProviderId=ApioSpTest isEnterprise=false",
		"departmentadmin":             "loginType=Group Department locale=en_US encoding=ISO-8859-1 groupId=ApioGrpTest serviceProviderId=ApioSpTest isEnterprise=false",
		"ApioUserTest@sip.netaxis.be": "loginType=User locale=en_US encoding=ISO-8859-1 groupId=ApioGrpTest serviceProviderId=ApioSpTest isEnterprise=false",
	} {
		t.Run("has the login type and place of "+user, func(t *testing.T) {
			password := user + "-demo"
			if strings.Contains(user, "@") {
				password = "user-demo"
			}
			p := newPlatform(t)
			credentials := text("userId", user) + text("password", password)
			got := map[string]string{"LoginRequest14sp4": fields(connect(t, p).login(user, password))}
			for _, name := range plainLogins {
				got[name] = fields(connect(t, p).one(name, credentials))
			}
			for _, name := range verifications {
				got[name] = fields(login(t, p, "gateway").one(name, credentials))
			}
			if diff := cmp.Diff(loginReplies(user, want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// loginReplies returns the replies to every login and verification of a user. They
// have the same beginning.
func loginReplies(user, identity string) map[string]string {
	const refused = "[Error 9907] The login type cannot be expressed by this command, use LoginRequest22V2 or later"
	replies := map[string]string{"LoginRequest14sp4": identity + " userDomain=example.com"}
	for _, name := range plainLogins {
		replies[name] = identity + " userDomain=example.com"
	}
	for _, name := range verifications {
		replies[name] = identity + " userId=" + user
	}
	switch user {
	case "reseller":
		for _, name := range []string{"LoginRequest22V3", "LoginRequest22V4", "LoginRequest22V5", "AuthenticationVerifyRequest22V4"} {
			replies[name] += " resellerId=ApioReseller"
		}
		for _, name := range []string{"LoginRequest14sp4", "LoginRequest22", "AuthenticationVerifyRequest14sp8"} {
			replies[name] = "summary=" + refused + " summaryEnglish=" + refused
		}
	case apioUser:
		for _, name := range verifications {
			replies[name] = identity + " lastName=Test firstName=Test userId=" + user
		}
	}
	return replies
}

func TestLoginTypeThatCannotBeExpressed(t *testing.T) {
	for name, login := range map[string]func(*client) element{
		"LoginRequest14sp4": func(c *client) element { return c.login("reseller", "reseller-demo") },
		"LoginRequest22": func(c *client) element {
			return c.one("LoginRequest22", text("userId", "reseller")+text("password", "reseller-demo"))
		},
	} {
		t.Run(name+" does not log in", func(t *testing.T) {
			c := connect(t, newPlatform(t))
			if got := login(c).number(); got != 9907 {
				t.Errorf("error %d", got)
			}
			if got := c.one("VerifySessionIsValidRequest", "").number(); got != 9900 {
				t.Errorf("afterwards error %d", got)
			}
		})
	}
	t.Run("is not reported after a wrong password", func(t *testing.T) {
		if got := connect(t, newPlatform(t)).login("reseller", "wrong").number(); got != 4962 {
			t.Errorf("error %d", got)
		}
	})
}

// fields returns the children of an element as name=text.
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
		t.Run("replies and closes the connection with the reason "+reason, func(t *testing.T) {
			c := login(t, newPlatform(t), "gateway")
			if got := c.one("LogoutRequest", text("userId", "gateway")+reason).kind(); got != "c:SuccessResponse" {
				t.Errorf("replied %s", got)
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
	request := parse(t, c.read()).all("command")[0]
	if got := request.kind() + " " + fields(request); got != "LogoutRequest userId=gateway reason=Server Connection Failure" {
		t.Error(got)
	}
	c.mustBeClosed()
	if got := before.one("AuthenticationRequest", text("userId", "gateway")).kind(); got != "AuthenticationResponse" {
		t.Errorf("the reply on a connection without a login is %s", got)
	}
}

func TestWithout(t *testing.T) {
	c := connect(t, newPlatform(t, func(s *ocisim.Seed) { s.Platform.Without = []string{"LoginRequest22*"} }))
	reply := c.one("LoginRequest22V5", text("userId", "gateway")+text("password", "gateway-demo"))
	if reply.number() != 6004 || reply.reason() != "Invalid xsi:type qname: 'LoginRequest22V5' in element BroadsoftDocument@C" {
		t.Errorf("replied %+v", reply)
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
		t.Errorf("the log or the ledger (%d entries) is incomplete", len(p.Ledger()))
	}
}
