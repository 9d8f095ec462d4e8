package oci

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Logins: the methods, the identity in the reply, and Client.Authenticate. To add a case
// of a reply, add it to the table of TestIdentityOf or TestSignedLoginNeedsANonceAndMD5.

func TestAuthenticateReturnsTheIdentityOverASeparateConnection(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		switch r.commands[0] {
		case "LoginRequest14sp4":
			c.reply(r, "LoginResponse14sp4", `<loginType>Group</loginType><locale>en_US</locale><encoding>ISO-8859-1</encoding>`+
				`<groupId>g</groupId><serviceProviderId>sp</serviceProviderId><isEnterprise>true</isEnterprise><passwordExpiresDays>3</passwordExpiresDays>`)
		default:
			wellAnswered(p, c, r)
		}
	}}
	run(t, p, nil, func(t *testing.T, c *Client) {
		who, err := c.Authenticate(t.Context(), "admin", "secret")
		if err != nil {
			t.Fatal(err)
		}
		want := Identity{UserID: "admin", LoginType: "Group", ServiceProviderID: "sp", GroupID: "g", IsEnterprise: true, PasswordExpiresDays: new(3)}
		if diff := cmp.Diff(want, who); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		p.serving.Wait()
		if logins, logouts, open, _ := p.counts(); logins != 1 || logouts != 1 || open != 0 {
			t.Errorf("%d logins, %d logouts, %d connections", logins, logouts, open)
		}
		p.mu.Lock()
		p.answer = func(_ *platform, c *link, r asked) { c.refuse(r, 4962) }
		p.mu.Unlock()
		_, err = c.Authenticate(t.Context(), "admin", "wrong")
		if refused, ok := errors.AsType[*ErrorReply](err); !ok || refused.Number != 4962 || strings.Contains(err.Error(), "wrong") {
			t.Errorf("a wrong password: %v", err)
		}
	})
}

func TestAuthenticateTriesEndpointsInBackoffLast(t *testing.T) {
	p := &platform{dial: func(_ context.Context, address string) error {
		if address == "primary:2208" {
			time.Sleep(5 * time.Second)
			return errors.New("no answer")
		}
		return nil
	}}
	run(t, p, func(o *Options) {
		o.Endpoints = append(o.Endpoints, Endpoint{Name: "secondary", Address: "secondary:2208", UserID: "gate", Password: "secret"})
		o.BackoffInitial = time.Minute
	}, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := c.Authenticate(t.Context(), "admin", "secret"); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestAutomaticLoginTriesAnotherMethodOnlyAfterAValidationError(t *testing.T) {
	for name, test := range map[string]struct {
		number int
		want   []string
	}{
		"unknown command": {validationError, []string{"LoginRequest22V5", "LoginRequest22V2", "AuthenticationRequest", "LoginRequest14sp4"}},
		"wrong password":  {4962, []string{"LoginRequest22V5"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tried []string
				p := &platform{answer: func(p *platform, c *link, r asked) {
					tried = append(tried, r.commands[0])
					if strings.HasPrefix(r.commands[0], "LoginRequest22") {
						c.refuse(r, test.number)
						return
					}
					wellAnswered(p, c, r)
				}}
				options, err := Options{Release: 24, Endpoints: []Endpoint{{Address: "a:1"}}, Dial: p.Dial}.withDefaults()
				if err != nil {
					t.Fatal(err)
				}
				e := newEndpoint(options.Endpoints[0], options)
				conn, err := p.Dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				s := newSession(e, newLine(conn), func(*session, error) {})
				var reading sync.WaitGroup
				reading.Go(s.readAll)
				methods := []LoginMethod{LoginPlain22V5, LoginPlain22V2, LoginSigned}
				_, err = s.loginByFirstSupported(t.Context(), methods, "gate", "secret")
				if (err == nil) != (test.number == validationError) {
					t.Errorf("got %v", err)
				}
				if diff := cmp.Diff(test.want, tried); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				s.close(errors.New("done"))
				reading.Wait()
				p.serving.Wait()
			})
		})
	}
}

func TestAuthenticateTriesTheNextEndpointOnlyIfTheFirstIsDown(t *testing.T) {
	down := true
	p := &platform{dial: func(_ context.Context, address string) error {
		if down && address == "primary:2208" {
			return errors.New("connection refused")
		}
		return nil
	}}
	run(t, p, func(o *Options) {
		o.Endpoints = append(o.Endpoints, Endpoint{Address: "secondary:2208"})
	}, func(t *testing.T, c *Client) {
		if _, err := c.Authenticate(t.Context(), "admin", "secret"); err != nil {
			t.Errorf("by the second: %v", err)
		}
		p.serving.Wait()
		down = false
		p.answer = func(_ *platform, c *link, r asked) { c.refuse(r, 4962) }
		if _, err := c.Authenticate(t.Context(), "admin", "wrong"); err == nil {
			t.Error("a wrong password is accepted")
		}
		if diff := cmp.Diff([]string{"primary:2208", "secondary:2208", "primary:2208"}, p.dialed); diff != "" {
			t.Errorf("dialed (-want +got):\n%s", diff)
		}
	})
}

// The caller limits how many there are at a time. A limit here, where nobody knows which
// of them may not wait, would make known users wait for guesses.
func TestAuthenticateWaitsForNoOther(t *testing.T) {
	p := &platform{dial: func(context.Context, string) error { time.Sleep(2 * time.Second); return nil }}
	run(t, p, nil, func(t *testing.T, c *Client) {
		start := time.Now()
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				if _, err := c.Authenticate(t.Context(), "admin", "secret"); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("20 checks at the same time took %v", took)
		}
	})
}

func TestSignedLoginNeedsANonceAndMD5(t *testing.T) {
	for challenge, good := range map[string]bool{
		`<nonce>1</nonce><passwordAlgorithm>MD5</passwordAlgorithm>`: true,
		`<nonce>1</nonce>`: true,
		`<nonce>1</nonce><passwordAlgorithm>SHA</passwordAlgorithm>`: false,
		`<nonce/><passwordAlgorithm>MD5</passwordAlgorithm>`:         false,
		``: false,
	} {
		p := &platform{answer: func(p *platform, c *link, r asked) {
			if r.commands[0] == "AuthenticationRequest" {
				c.reply(r, "AuthenticationResponse", challenge)
				return
			}
			wellAnswered(p, c, r)
		}}
		run(t, p, nil, func(t *testing.T, c *Client) {
			_, err := c.Authenticate(t.Context(), "admin", "secret")
			if logins, _, _, _ := p.counts(); (err == nil) != good || logins == 1 != good {
				t.Errorf("%s: %v, %d logins", challenge, err, logins)
			}
		})
	}
}

func TestIdentityOf(t *testing.T) {
	for children, want := range map[string]*Identity{
		`<loginType>System</loginType>`:                             {UserID: "asked", LoginType: "System"},
		`<loginType>User</loginType><userId>u@d</userId>`:           {UserID: "u@d", LoginType: "User"},
		`<loginType>User</loginType><userId/>`:                      {UserID: "asked", LoginType: "User"},
		`<userId>u</userId>`:                                        nil,
		`<loginType>User</loginType><isEnterprise>x</isEnterprise>`: nil,
		`<loginType>User</loginType><passwordExpiresDays/>`:         nil,
	} {
		replies, err := ParseReplies([]byte(wrap(`<command xsi:type="LoginResponse" xmlns="">` + children + `</command>`)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := IdentityOf(replies[0], "asked")
		if (err != nil) != (want == nil) {
			t.Errorf("%s: %v", children, err)
		}
		if want != nil {
			if diff := cmp.Diff(*want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", children, diff)
			}
		}
	}
}
