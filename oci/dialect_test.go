package oci

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Releases: how the version of a platform is read, which forms are sent to which release,
// and what happens after a refusal of a complete document. To add a release, add its
// version to TestReleaseIsReadFromEveryFormOfAVersion and its forms to
// TestCommandsGoOutInTheFormOfTheRelease.

func TestReleaseIsReadFromEveryFormOfAVersion(t *testing.T) {
	for version, want := range map[string]Release{
		"24": 24, "22": 22, "21sp1": 21, "Rel_24.0_1.944": 24, "Rel_22.0_1.1123": 22, "2022.08": 25, "2031": 25, "r23": 23, "17sp4": 17,
		"": ReleaseUnknown, "unknown": ReleaseUnknown, "0": ReleaseUnknown, "99999999999999999999": ReleaseUnknown,
	} {
		if got := parseRelease(version); got != want {
			t.Errorf("%q: %d, want %d", version, got, want)
		}
	}
}

func TestTableOfReleasesIsSound(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range dialectTable {
		always := false // a form is in every release
		for _, form := range f.forms {
			always = always || form.since == 0
			if seen[form.name] {
				t.Errorf("%s is in the table twice", form.name)
			}
			seen[form.name] = true
		}
		if !always && f.without == "" {
			t.Errorf("%s: the table does not state what is done in a release without it", f.name)
		}
	}
}

func TestCommandsGoOutInTheFormOfTheRelease(t *testing.T) {
	all := append(contextReads(), NewRead(departments, group2...))
	for release, want := range map[Release]string{
		21: strings.Join([]string{tenantGet, services, question.Name(), departments}, " "),
		22: strings.Join([]string{tenantGet, authorized, question.Name(), departments}, " "),
		23: strings.Join([]string{tenantGet, authorized, question.Name(), departments}, " "),
		24: "+" + strings.Join([]string{tenantGet, authorized, question.Name(), departments}, " "),
		25: "+" + strings.Join([]string{tenantGet, authorized, question.Name(), departments}, " "),
	} {
		t.Run(fmt.Sprint("release ", release, " set"), func(t *testing.T) {
			p := &picky{}
			withPicky(t, p, func(o *Options) { o.Release = release }, func(t *testing.T, c *Client) {
				answersOf(t, c, all...)
				p.wantSent(t, want)
			})
		})
		t.Run(fmt.Sprint("release ", release, " detected"), func(t *testing.T) {
			p := &picky{version: fmt.Sprint(release)}
			withPicky(t, p, detects, func(t *testing.T, c *Client) {
				answersOf(t, c, all...)
				p.wantSent(t, versionGet, want)
			})
		})
	}
}

func TestOlderFormKeepsItsOwnElements(t *testing.T) {
	list := features[authorized].forms[1].of(contextReads()[1])
	if diff := cmp.Diff(group2, list.Elements()); list.Name() != services || diff != "" {
		t.Errorf("%s (-want +got):\n%s", list.Name(), diff)
	}
}

func TestOneRefusalOfADocumentIsARefusalOfAllItsCommands(t *testing.T) {
	for name, test := range map[string]struct {
		way     string
		unknown []string
		want    string
		sent    []string // after the first document
		known   bool     // a tracking id was taken before
	}{
		"where tracking ids are taken": {
			way: asDocument, unknown: []string{authorized}, known: true,
			want: "ServiceProviderGetResponse17sp1 GroupServiceGetAuthorizationListResponse SystemGetResponse",
			sent: []string{"+" + tenantGet, "+" + authorized, "+" + question.Name(), "+" + services},
		},
		"a command without another form": {
			way: asDocument, unknown: []string{question.Name()},
			want: "ServiceProviderGetResponse17sp1 GroupServiceGetAuthorizationResponse ErrorResponse",
			sent: []string{tenantGet, authorized, question.Name()},
		},
		"a command with an older form": {
			way: asDocument, unknown: []string{authorized},
			want: "ServiceProviderGetResponse17sp1 GroupServiceGetAuthorizationListResponse SystemGetResponse",
			sent: []string{tenantGet, authorized, question.Name(), services},
		},
		"the tracking id": {
			way: asDocument, unknown: []string{"trackingId"},
			want: "ServiceProviderGetResponse17sp1 GroupServiceGetAuthorizationResponse SystemGetResponse",
			sent: []string{tenantGet, authorized, question.Name()},
		},
		"tracking id and a command": {
			way: asDocument, unknown: []string{"trackingId", authorized},
			want: "ServiceProviderGetResponse17sp1 GroupServiceGetAuthorizationListResponse SystemGetResponse",
			sent: []string{tenantGet, authorized, question.Name(), services},
		},
		"a command in its own place": {
			way: inPlace, unknown: []string{authorized},
			want: "ServiceProviderGetResponse17sp1 GroupServiceGetAuthorizationListResponse SystemGetResponse",
			sent: []string{services},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &picky{way: test.way}
			p.lacks(test.unknown...)
			withPicky(t, p, nil, func(t *testing.T, c *Client) {
				if test.known {
					p.lacks()
					answersOf(t, c, question)
					p.sent()
					p.lacks(test.unknown...)
				}
				if got := answersOf(t, c, contextReads()...); got != test.want {
					t.Errorf("answers %s", got)
				}
				document := "+" + strings.Join([]string{tenantGet, authorized, question.Name()}, " ")
				if diff := cmp.Diff(append([]string{document}, test.sent...), p.sent()); diff != "" {
					t.Errorf("documents (-want +got):\n%s", diff)
				}
				if logins, _, open, _ := p.counts(); logins != 1 || open != 1 {
					t.Errorf("%d logins, %d connections: the session is fine", logins, open)
				}
				if got := c.Stats().Endpoints[0]; got.Idle != 1 || got.Busy != 0 {
					t.Errorf("the session did not go back to the pool: %+v", got)
				}
			})
		})
	}
}

// A refusal of the complete document that is not about its form is about its commands,
// or about the session.
func TestARefusalOfADocumentForAnotherReason(t *testing.T) {
	t.Run("asks each command alone", func(t *testing.T) {
		first := true
		p := &platform{answer: func(p *platform, c *link, r asked) {
			if len(r.commands) == 2 && first {
				first = false
				c.write(r.session, r.tracking, refusalOf("4711"))
				return
			}
			wellAnswered(p, c, r)
		}}
		run(t, p, nil, func(t *testing.T, c *Client) {
			if got := answersOf(t, c, question, question); got != "SuccessResponse SuccessResponse" {
				t.Errorf("answers %s", got)
			}
			if logins, _, _, _ := p.counts(); logins != 1 {
				t.Errorf("%d logins", logins)
			}
			if !c.pool.endpoints[0].dialect.takesTrackingID() {
				t.Error("tracking ids are left out from now on")
			}
		})
	})
	t.Run("finds a session that is not logged in any more", func(t *testing.T) {
		removed := true
		p := &platform{}
		p.answer = func(p *platform, c *link, r asked) {
			switch {
			case strings.HasPrefix(r.commands[0], "Login"):
				wellAnswered(p, c, r)
			case r.commands[0] == "AuthenticationRequest":
				if logins, _, _, _ := p.counts(); logins > 0 {
					removed = false
				}
				wellAnswered(p, c, r)
			case removed:
				c.write(r.session, r.tracking, refusalOf("9900"))
			default:
				wellAnswered(p, c, r)
			}
		}
		run(t, p, nil, func(t *testing.T, c *Client) {
			if got := answersOf(t, c, question, question); got != "SuccessResponse SuccessResponse" {
				t.Errorf("answers %s", got)
			}
			if logins, _, _, _ := p.counts(); logins != 2 {
				t.Errorf("%d logins", logins)
			}
		})
	})
	for name, answer := range map[string]string{
		"with another echo":  strings.Replace(refusalOf("4711"), "<command", `<command echo="77"`, 1),
		"that is a warning":  strings.Replace(refusalOf("4711"), `"Error"`, `"Warning"`, 1),
		"that is no refusal": `<command xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`,
	} {
		t.Run("is no answer "+name, func(t *testing.T) {
			p := &platform{answer: func(p *platform, c *link, r asked) {
				if len(r.commands) == 2 {
					c.write(r.session, r.tracking, answer)
					return
				}
				wellAnswered(p, c, r)
			}}
			run(t, p, nil, func(t *testing.T, c *Client) {
				_, err := c.Read(t.Context(), question, question)
				if _, broken := errors.AsType[*ProtocolError](err); !broken {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestCommandsThatTheReleaseLacksAreNotSent(t *testing.T) {
	p := &picky{}
	withPicky(t, p, func(o *Options) { o.Release = 21 }, func(t *testing.T, c *Client) {
		_, readErr := c.Read(t.Context(), NewRead(prefixList, group2...))
		_, writeErr := c.Write(t.Context(), NewWrite(assignPfx, group2...), func(string) error { t.Error("about to be sent"); return nil })
		for _, err := range []error{readErr, writeErr} {
			unsupported, ok := errors.AsType[*UnsupportedError](err)
			if !ok || unsupported.Release != 21 || unsupported.Endpoint != "primary" || !NotDone(err) {
				t.Errorf("got %v", err)
			}
		}
		p.wantSent(t)
		if got := c.Stats().Endpoints[0]; got.Idle != 1 {
			t.Errorf("the session did not go back to the pool: %+v", got)
		}
	})
}

func TestVersionIsAskedForOnceAndAgainWhenASessionHasEnded(t *testing.T) {
	p := &picky{version: "22"}
	withPicky(t, p, func(o *Options) { detects(o); o.MinSessions, o.MaxSessions, o.MaxAge = 3, 3, time.Minute }, func(t *testing.T, c *Client) {
		synctest.Wait()
		p.wantSent(t, versionGet)
		time.Sleep(5 * time.Minute) // every session was replaced some times
		for _, document := range p.sent() {
			if document == versionGet {
				t.Error("the version was asked for again")
			}
		}
		p.lock.Lock()
		p.version = "Rel_24.0_1.944"
		p.lock.Unlock()
		c.pool.mu.Lock()
		s := c.pool.idle[0]
		c.pool.mu.Unlock()
		s.close(errors.New("cut"))
		time.Sleep(2 * time.Second)
		if got := c.Stats().Endpoints[0].Dialect; got.Release != 24 || got.Version != "Rel_24.0_1.944" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAnotherVersionResetsWhatWasLearned(t *testing.T) {
	p := &picky{version: "24.0", way: asDocument}
	p.lacks(authorized, "trackingId")
	var changes []Dialect
	withPicky(t, p, func(o *Options) {
		detects(o)
		o.Trace.DialectChanged = func(_ string, d Dialect) { changes = append(changes, d) }
	}, func(t *testing.T, c *Client) {
		answersOf(t, c, contextReads()...)
		answersOf(t, c, contextReads()...)
		p.lacks()
		p.lock.Lock()
		p.version = "24.1"
		p.lock.Unlock()
		c.pool.mu.Lock()
		s := c.pool.idle[0]
		c.pool.mu.Unlock()
		s.close(errors.New("restarted"))
		p.sent()
		answersOf(t, c, contextReads()...)
		p.wantSent(t, versionGet, "+"+strings.Join([]string{tenantGet, authorized, question.Name()}, " "))
	})
	if len(changes) != 4 || changes[3].Version != "24.1" {
		t.Errorf("reported %+v", changes)
	}
}

func TestAnEndpointWhoseReleaseIsUnknownWorks(t *testing.T) {
	for name, test := range map[string]struct {
		way     string
		version string
		unknown []string
		sent    []string
	}{
		"refused for lack of rights": {inPlace, "", nil, []string{versionGet}},
		"no number":                  {inPlace, "next", nil, []string{versionGet}},
		"unknown":                    {inPlace, "24", []string{versionGet, versionRI}, []string{versionGet, versionRI}},
		"unknown to the parser":      {asDocument, "24", []string{versionGet, versionRI}, []string{versionGet, versionRI}},
		"closed each time":           {closesThere, "24", []string{versionGet, versionRI}, []string{versionGet, versionGet, versionRI, versionRI}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &picky{way: test.way, version: test.version}
			p.lacks(test.unknown...)
			withPicky(t, p, func(o *Options) { detects(o); o.MaxWait = time.Minute }, func(t *testing.T, c *Client) {
				var err error
				for range 5 {
					if _, err = c.Read(WithTrackingID(t.Context(), "t-1"), contextReads()...); err == nil {
						break
					}
					time.Sleep(3 * time.Second)
				}
				if err != nil {
					t.Fatal(err)
				}
				p.wantSent(t, append(test.sent, strings.Join([]string{tenantGet, authorized, question.Name()}, " "))...)
				if got := c.Stats().Endpoints[0].Dialect.Release; got != ReleaseUnknown {
					t.Errorf("release %d", got)
				}
			})
		})
	}
}

func TestASystemIndependentOfReleasesIsDetected(t *testing.T) {
	p := &picky{way: asDocument, version: "2022.08"}
	p.lacks(versionGet)
	withPicky(t, p, detects, func(t *testing.T, c *Client) {
		answersOf(t, c, contextReads()...)
		if got := c.Stats().Endpoints[0].Dialect.Release; got != 25 {
			t.Errorf("release %d", got)
		}
	})
}

// A caller who is canceled while a document is sent again does not cost a session.
func TestACallerIsCanceledWhileADocumentIsSentAgain(t *testing.T) {
	p := &picky{way: asDocument}
	p.lacks(authorized)
	p.answer = func(pl *platform, c *link, r asked) {
		if !strings.HasPrefix(r.commands[0], "Log") && r.commands[0] != "AuthenticationRequest" {
			time.Sleep(time.Second)
		}
		p.act(pl, c, r)
	}
	run(t, &p.platform, nil, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		_, err := c.Read(ctx, contextReads()...)
		if _, lost := errors.AsType[*LostError](err); !lost || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		joined, err := c.Read(t.Context(), contextReads()...)
		if err != nil || joined[1].Err() != nil {
			t.Errorf("who asks behind them: %v", err)
		}
		if logins, _, _, _ := p.counts(); logins != 1 {
			t.Errorf("%d logins", logins)
		}
	})
}
