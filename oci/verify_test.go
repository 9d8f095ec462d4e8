package oci

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Client.Verify and Client.VerifyByCommand: the forms of the command, and what happens if
// the platform supports none, closes the connection or has lost the session. To add a
// case, add it to the table of TestVerificationUsesASupportedCommand.

func TestVerificationUsesASupportedCommand(t *testing.T) {
	for name, test := range map[string]struct {
		release Release
		way     string
		unknown []string
		sent    []string // first
		later   []string
	}{
		"release 24": {release: 24, sent: []string{verify22V4}, later: []string{verify22V4}},
		"release 23": {release: 23, sent: []string{verify14sp8}, later: []string{verify14sp8}},
		"unknown, refused in its place": {
			way: inPlace, unknown: []string{verify22V4}, sent: []string{verify22V4, verify14sp8}, later: []string{verify14sp8},
		},
		"unknown, the document refused": {
			way: asDocument, unknown: []string{verify22V4}, sent: []string{verify22V4, verify14sp8}, later: []string{verify14sp8},
		},
		"neither form: a login of its own": {
			way: inPlace, unknown: []string{verify22V4, verify14sp8}, sent: []string{verify22V4, verify14sp8}, later: []string{verify22V4, verify14sp8},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &picky{way: test.way}
			p.lacks(test.unknown...)
			withPicky(t, p, func(o *Options) { o.Release = test.release }, func(t *testing.T, c *Client) {
				for _, want := range [][]string{test.sent, test.later} {
					who, err := verifyOver(c, t.Context())
					if err != nil || who.LoginType != "System" {
						t.Fatalf("got %+v, %v", who, err)
					}
					p.wantVerified(t, want)
				}
			})
		})
	}
}

// No request has credentials verified twice, since each time may count against
// the account.
func TestVerificationThatClosesConnections(t *testing.T) {
	p := &picky{way: closesThere}
	p.lacks(verify22V4)
	withPicky(t, p, nil, func(t *testing.T, c *Client) {
		for range 2 {
			answersOf(t, c, question)
			_, err := verifyOver(c, t.Context())
			if _, lost := errors.AsType[*LostError](err); !lost || NotDone(err) {
				t.Errorf("got %v", err)
			}
			p.wantVerified(t, []string{verify22V4})
			time.Sleep(closedApart)
		}
		for range 2 {
			if _, err := verifyOver(c, t.Context()); err != nil {
				t.Error(err)
			}
			p.wantVerified(t, []string{verify14sp8})
		}
		p.lacks(verify22V4, verify14sp8)
		for range 2 {
			_, _ = verifyOver(c, t.Context()) // lost
			p.wantVerified(t, []string{verify14sp8})
			time.Sleep(closedApart)
			answersOf(t, c, question)
		}
		for range 2 {
			if _, err := verifyOver(c, t.Context()); err != nil {
				t.Error(err)
			}
			p.wantVerified(t, []string{}) // by a login
		}
		p.lacks()
		time.Sleep(suspected)
		if _, err := verifyOver(c, t.Context()); err != nil {
			t.Error(err)
		}
		p.wantVerified(t, []string{verify22V4})
	})
}

// The refusal of a lost session is not about the credentials, and they are not
// verified twice.
func TestVerificationOverASessionThatIsNotLoggedInAnyMore(t *testing.T) {
	lost := true
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) {
		switch logins, _, _, _ := p.counts(); {
		case strings.HasPrefix(r.commands[0], "Login") || r.commands[0] == "AuthenticationRequest":
			lost = logins < 2
			wellAnswered(p, c, r)
		case lost && r.commands[0] == verify22V4:
			c.write(r.session, r.tracking, refusalOf("9901"))
		case lost:
			c.write(r.session, r.tracking, refusalOf("9900")) // with another text
		case r.commands[0] == verify22V4:
			c.reply(r, "AuthenticationVerifyResponse22V4", "<loginType>System</loginType><isEnterprise>false</isEnterprise>")
		default:
			wellAnswered(p, c, r)
		}
	}
	run(t, p, nil, func(t *testing.T, c *Client) {
		_, err := verifyOver(c, t.Context())
		_, unclear := errors.AsType[*LostError](err)
		if _, refused := errors.AsType[*ErrorReply](err); !unclear || refused || NotDone(err) {
			t.Errorf("got %v", err)
		}
		if _, _, _, received := p.counts(); len(received) != 2 {
			t.Errorf("received %v", received)
		}
		if who, err := verifyOver(c, t.Context()); err != nil || who.LoginType != "System" {
			t.Errorf("over another session: %+v, %v", who, err)
		}
	})
}

// A write that was sent once is not reported as never sent.
func TestAWriteThatWasSentAndThenFindsNoSession(t *testing.T) {
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) {
		logins, _, _, _ := p.counts()
		switch {
		case r.commands[0] == "LoginRequest14sp4" && logins > 1:
			c.refuse(r, 4962)
		case strings.HasPrefix(r.commands[0], "Login") || r.commands[0] == "AuthenticationRequest":
			wellAnswered(p, c, r)
		default:
			c.refuse(r, 9900)
		}
	}
	run(t, p, nil, func(t *testing.T, c *Client) {
		_, err := c.Write(t.Context(), change, nil)
		_, unavailable := errors.AsType[*UnavailableError](err)
		if !unavailable || !errors.Is(err, ErrNotLoggedIn) || !NotDone(err) {
			t.Errorf("got %v", err)
		}
	})
}
