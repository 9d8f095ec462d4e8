package oci

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The commands of these tests, in short.
const (
	tenantGet   = "ServiceProviderGetRequest17sp1"
	tenantGet22 = "ServiceProviderGetRequest22V4"
	authorized  = "GroupServiceGetAuthorizationRequest"
	services    = "GroupServiceGetAuthorizationListRequest"
	departments = "GroupDepartmentGetListRequest18"
	prefixList  = "GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest"
	assignPfx   = "GroupRouteListEnterpriseTrunkNumberPrefixAssignListRequest"
	versionGet  = "SystemSoftwareVersionGetRequest"
	versionRI   = "SystemSoftwareVersionGetRequestRI"
	verify22V4  = "AuthenticationVerifyRequest22V4"
	verify14sp8 = "AuthenticationVerifyRequest14sp8"
)

// The ways in which a platform refuses what it does not know.
const (
	inPlace     = "in the command's place"
	asWhole     = "the document as a whole"
	closesThere = "by closing the connection"
)

// picky is a platform that does not know some commands and elements. It notes
// the documents that it receives after logins, but for the probes of sessions: the names of their commands, with
// a "+" before the first where they carry a tracking id.
type picky struct {
	platform
	way     string
	version string // what it answers to the version command; "" refuses for lack of rights

	lock      sync.Mutex
	unknown   []string
	documents []string
}

func (p *picky) lacks(names ...string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.unknown = names
}

func (p *picky) sent() []string {
	p.lock.Lock()
	defer p.lock.Unlock()
	sent := p.documents
	p.documents = nil
	return sent
}

func (p *picky) act(_ *platform, c *link, r asked) {
	p.lock.Lock()
	unknown := func(name string) bool { return slices.Contains(p.unknown, name) }
	if !strings.HasPrefix(r.commands[0], "Log") && r.commands[0] != "AuthenticationRequest" && r.commands[0] != "VerifySessionIsValidRequest" {
		mark := ""
		if r.tracking != "" {
			mark = "+"
		}
		p.documents = append(p.documents, mark+strings.Join(r.commands, " "))
	}
	lacking := slices.DeleteFunc(slices.Clone(r.commands), func(name string) bool { return !unknown(name) })
	tracked := r.tracking != "" && unknown("trackingId")
	way, version := p.way, p.version
	p.lock.Unlock()
	switch {
	case len(lacking) == 0 && !tracked:
		p.answerAll(c, r, nil, version)
	case way == closesThere:
		_ = c.Close()
	case way == asWhole || tracked:
		c.write(r.session, r.tracking, refusalOf("6004"))
	default:
		p.answerAll(c, r, lacking, version)
	}
}

func refusalOf(number string) string {
	return `<command type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>[Error ` + number + `] no</summary><summaryEnglish/></command>`
}

// answerAll answers each command, those that are lacking with 6004.
func (p *picky) answerAll(c *link, r asked, lacking []string, version string) {
	if r.commands[0] == "AuthenticationRequest" || strings.HasPrefix(r.commands[0], "LoginRequest14") || r.commands[0] == "LogoutRequest" {
		if len(lacking) == 0 {
			wellAnswered(&p.platform, c, r)
			return
		}
	}
	var b strings.Builder
	for i, name := range r.commands {
		switch {
		case slices.Contains(lacking, name):
			b.WriteString(refusalOf("6004"))
		case (name == versionGet || name == versionRI) && version == "":
			b.WriteString(refusalOf("5404"))
		case name == versionGet || name == versionRI:
			fmt.Fprintf(&b, `<command echo=%q xsi:type=%q xmlns=""><version>%s</version></command>`, r.echoes[i], responseName(name), version)
		case strings.HasPrefix(name, "Authentication") || strings.HasPrefix(name, "Login"):
			fmt.Fprintf(&b, `<command echo=%q xsi:type=%q xmlns=""><loginType>System</loginType><isEnterprise>false</isEnterprise></command>`, r.echoes[i], responseName(name))
		default:
			fmt.Fprintf(&b, `<command echo=%q xsi:type=%q xmlns=""/>`, r.echoes[i], responseName(name))
		}
	}
	c.write(r.session, r.tracking, b.String())
}

// withPicky runs a test against such a platform.
func withPicky(t *testing.T, p *picky, change func(*Options), test func(t *testing.T, c *Client)) {
	t.Helper()
	p.answer = p.act
	run(t, &p.platform, change, test)
}

func detects(o *Options) { o.Release = ReleaseUnknown }

func (p *picky) wantSent(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, p.sent()); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

var group2 = []Element{Text("serviceProviderId", "t"), Text("groupId", "g")}

// context are the commands that a request of the API begins with.
func contextReads() []Read {
	return []Read{
		NewRead(tenantGet, Text("serviceProviderId", "t")),
		NewRead(authorized, append(slices.Clone(group2), Text("userServiceName", "Route List"))...),
		NewRead(question.Name()),
	}
}

// answersOf reads, and returns the names of the answers.
func answersOf(t *testing.T, c *Client, commands ...Read) string {
	t.Helper()
	replies, err := c.Read(WithTrackingID(t.Context(), "t-1"), commands...)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	names := make([]string, len(replies))
	for i, r := range replies {
		names[i] = r.Name()
		if r.Endpoint() == "" {
			t.Errorf("reply %d has no endpoint", i)
		}
	}
	return strings.Join(names, " ")
}

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
			t.Errorf("%s: the table does not say what is done in a release without it", f.name)
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
			way: asWhole, unknown: []string{authorized}, known: true,
			want: "ServiceProviderGetResponse17sp1 GroupServiceGetAuthorizationListResponse SystemGetResponse",
			sent: []string{"+" + tenantGet, "+" + authorized, "+" + question.Name(), "+" + services},
		},
		"a command that no form stands in for": {
			way: asWhole, unknown: []string{question.Name()},
			want: "ServiceProviderGetResponse17sp1 GroupServiceGetAuthorizationResponse ErrorResponse",
			sent: []string{tenantGet, authorized, question.Name()},
		},
		"a command with an older form": {
			way: asWhole, unknown: []string{authorized},
			want: "ServiceProviderGetResponse17sp1 GroupServiceGetAuthorizationListResponse SystemGetResponse",
			sent: []string{tenantGet, authorized, question.Name(), services},
		},
		"the tracking id": {
			way: asWhole, unknown: []string{"trackingId"},
			want: "ServiceProviderGetResponse17sp1 GroupServiceGetAuthorizationResponse SystemGetResponse",
			sent: []string{tenantGet, authorized, question.Name()},
		},
		"tracking id and a command": {
			way: asWhole, unknown: []string{"trackingId", authorized},
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
				whole := "+" + strings.Join([]string{tenantGet, authorized, question.Name()}, " ")
				if diff := cmp.Diff(append([]string{whole}, test.sent...), p.sent()); diff != "" {
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

func TestWhatIsLearnedOfAPlatformIsRemembered(t *testing.T) {
	p := &picky{way: asWhole}
	p.lacks("trackingId", authorized)
	withPicky(t, p, nil, func(t *testing.T, c *Client) {
		for range 2 { // the second one is refused for the tracking id alone
			answersOf(t, c, contextReads()...)
		}
		p.sent()
		answersOf(t, c, contextReads()...)
		p.wantSent(t, strings.Join([]string{tenantGet, services, question.Name()}, " "))
		want := []Fallback{{"tracking_id", "left out"}, {"service_authorization", services}}
		got := slices.DeleteFunc(c.Stats().Endpoints[0].Dialect.Fallbacks, func(f Fallback) bool { return f.Feature == "session_login" })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fall-backs (-want +got):\n%s", diff)
		}
	})
}

func TestAValidationErrorOfAKnownCommandIsNoMatterOfTheRelease(t *testing.T) {
	p := &picky{way: inPlace}
	withPicky(t, p, nil, func(t *testing.T, c *Client) {
		answersOf(t, c, contextReads()...)
		p.lacks(authorized)
		if got := answersOf(t, c, contextReads()...); !strings.Contains(got, "ErrorResponse") {
			t.Errorf("answers %s", got)
		}
		p.lacks()
		p.sent()
		if got := answersOf(t, c, contextReads()...); strings.Contains(got, "ErrorResponse") {
			t.Errorf("answers %s", got)
		}
		p.wantSent(t, "+"+strings.Join([]string{tenantGet, authorized, question.Name()}, " "))
	})
}

func TestAValidationErrorOfEveryFormTeachesNothing(t *testing.T) {
	p := &picky{way: inPlace}
	p.lacks(authorized, services)
	withPicky(t, p, nil, func(t *testing.T, c *Client) {
		if got := answersOf(t, c, contextReads()[1]); got != "ErrorResponse" {
			t.Errorf("answers %s", got)
		}
		p.lacks()
		p.sent()
		answersOf(t, c, contextReads()[1])
		p.wantSent(t, "+"+authorized)
	})
}

// A refusal of the whole document that is not about its form is the platform's
// word on its commands, or on the session.
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
		forgotten := true
		p := &platform{}
		p.answer = func(p *platform, c *link, r asked) {
			switch {
			case strings.HasPrefix(r.commands[0], "Login"):
				wellAnswered(p, c, r)
			case r.commands[0] == "AuthenticationRequest":
				if logins, _, _, _ := p.counts(); logins > 0 {
					forgotten = false
				}
				wellAnswered(p, c, r)
			case forgotten:
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

// prefixesOf lists the prefixes of a group.
func prefixesOf(groupID string) Read {
	return NewRead(prefixList, Text("serviceProviderId", "t"), Text("groupId", groupID))
}

func wantUnsupported(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*UnsupportedError](err); !ok {
		t.Errorf("got %v", err)
	}
}

// A command that the platform does not know, and that no other stands in for,
// does not fail the others of its document.
func TestCommandsThatThePlatformDoesNotKnowAreReportedAsSuch(t *testing.T) {
	for _, way := range []string{inPlace, asWhole} {
		t.Run("refused "+way, func(t *testing.T) {
			p := &picky{way: way}
			p.lacks(prefixList)
			withPicky(t, p, detects, func(t *testing.T, c *Client) {
				for _, groupID := range []string{"a", "a", "b"} {
					replies, err := c.Read(t.Context(), append(contextReads()[:2], prefixesOf(groupID))...)
					if err != nil {
						t.Fatal(err)
					}
					wantUnsupported(t, replies[2].Err())
					if refused, ok := errors.AsType[*ErrorReply](replies[2].Err()); !ok || refused.Number != 6004 {
						t.Errorf("the platform's words are lost: %v", replies[2].Err())
					}
					for _, r := range replies[:2] {
						if r.Err() != nil {
							t.Errorf("%s: %v", r.Name(), r.Err())
						}
					}
				}
				p.sent()
				_, err := c.Read(t.Context(), prefixesOf("c")) // two documents were refused for it
				wantUnsupported(t, err)
				p.wantSent(t)
				p.lacks()
				time.Sleep(suspected)
				if got := answersOf(t, c, prefixesOf("c")); got == "ErrorResponse" {
					t.Errorf("answers %s", got)
				}
			})
		})
	}
}

// Where the release has the command, refusals of it are not remembered: what it
// says may be to blame, or some trouble.
func TestAValidationErrorThatTheReleaseDoesNotExplainIsNotRemembered(t *testing.T) {
	p := &picky{way: inPlace}
	p.lacks(prefixList)
	withPicky(t, p, nil, func(t *testing.T, c *Client) {
		for _, groupID := range []string{"a", "b", "c"} {
			replies, err := c.Read(t.Context(), prefixesOf(groupID))
			if err != nil {
				t.Fatal(err)
			}
			wantUnsupported(t, replies[0].Err())
		}
		p.lacks()
		if got := answersOf(t, c, prefixesOf("a")); got == "ErrorResponse" {
			t.Errorf("answers %s", got)
		}
	})
}

func TestAnOptionalCommandThatClosesConnections(t *testing.T) {
	ask := func(c *Client, ctx context.Context) error {
		_, err := c.Read(ctx, NewRead(departments, group2...))
		return err
	}
	t.Run("is not supported the second time, for a while", func(t *testing.T) {
		p := &picky{way: closesThere}
		p.lacks(departments)
		withPicky(t, p, nil, func(t *testing.T, c *Client) {
			answersOf(t, c, question)
			p.sent()
			err := ask(c, t.Context())
			if _, lost := errors.AsType[*LostError](err); !lost {
				t.Errorf("the first time: %v", err)
			}
			p.wantSent(t, departments, departments) // a read is repeated once
			time.Sleep(closedApart)
			answersOf(t, c, question)
			p.sent()
			for range 3 {
				if err := ask(c, t.Context()); !NotDone(err) {
					t.Errorf("got %v", err)
				} else {
					wantUnsupported(t, err)
				}
			}
			p.wantSent(t, departments)
			answersOf(t, c, question)
			time.Sleep(suspected)
			p.sent()
			wantUnsupported(t, ask(c, t.Context())) // once more is enough
			p.wantSent(t, departments)
			answersOf(t, c, question)
			p.lacks()
			time.Sleep(2 * suspected)
			if err := ask(c, t.Context()); err != nil {
				t.Errorf("later: %v", err)
			}
		})
	})
	t.Run("counts one outage once", func(t *testing.T) {
		p := &picky{way: closesThere}
		withPicky(t, p, nil, func(t *testing.T, c *Client) {
			answersOf(t, c, question)
			p.lacks(departments)
			_ = ask(c, t.Context()) // two connections are closed at once
			p.lacks()
			time.Sleep(time.Minute)
			if err := ask(c, t.Context()); err != nil {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("counts only what happens in a row", func(t *testing.T) {
		received := 0
		p := &platform{answer: func(p *platform, c *link, r asked) {
			if r.commands[0] == departments {
				if received++; received%2 == 1 {
					_ = c.Close()
					return
				}
			}
			wellAnswered(p, c, r)
		}}
		run(t, p, nil, func(t *testing.T, c *Client) {
			for range 5 {
				if err := ask(c, t.Context()); err != nil {
					t.Errorf("got %v", err)
				}
			}
			if received != 10 {
				t.Errorf("received %d", received)
			}
		})
	})
	t.Run("does not count timeouts", func(t *testing.T) {
		p := &platform{answer: func(p *platform, c *link, r asked) {
			if r.commands[0] != departments {
				wellAnswered(p, c, r)
			}
		}}
		run(t, p, nil, func(t *testing.T, c *Client) {
			for range 4 {
				if err := ask(c, t.Context()); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			}
		})
	})
}

// What is only suspected is tried again, less and less often.
func TestSuspicionsGrowUntilAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDialect(24, func(Dialect) {})
		f := features[departments]
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440} {
			d.suspect(departments)
			time.Sleep(want*time.Minute - time.Second)
			if len(d.forms(f)) > 0 {
				t.Errorf("tried again before %d minutes", want)
			}
			time.Sleep(time.Second)
			if len(d.forms(f)) == 0 {
				t.Errorf("not tried again after %d minutes", want)
			}
		}
		d.noteAnswered(departments)
		d.suspect(departments)
		time.Sleep(suspected)
		if len(d.forms(f)) == 0 {
			t.Error("an answer did not end the row")
		}
	})
}

func TestACommandThatIsNotOptionalAndClosesConnectionsIsAnOutage(t *testing.T) {
	p := &picky{way: closesThere}
	p.lacks(tenantGet)
	withPicky(t, p, nil, func(t *testing.T, c *Client) {
		for range 3 {
			_, err := c.Read(t.Context(), contextReads()[0])
			if _, unsupported := errors.AsType[*UnsupportedError](err); err == nil || unsupported {
				t.Errorf("got %v", err)
			}
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

func TestAnotherVersionForgetsWhatWasLearned(t *testing.T) {
	p := &picky{version: "24.0", way: asWhole}
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
		"unknown to the parser":      {asWhole, "24", []string{versionGet, versionRI}, []string{versionGet, versionRI}},
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
	p := &picky{way: asWhole, version: "2022.08"}
	p.lacks(versionGet)
	withPicky(t, p, detects, func(t *testing.T, c *Client) {
		answersOf(t, c, contextReads()...)
		if got := c.Stats().Endpoints[0].Dialect.Release; got != 25 {
			t.Errorf("release %d", got)
		}
	})
}

// Whoever leaves while a document is asked again costs the platform no session.
func TestACallerWhoLeavesWhileADocumentIsAskedAgain(t *testing.T) {
	p := &picky{way: asWhole}
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

func TestVerificationByWhatThePlatformKnows(t *testing.T) {
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
		"unknown, refused as a whole": {
			way: asWhole, unknown: []string{verify22V4}, sent: []string{verify22V4, verify14sp8}, later: []string{verify14sp8},
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

// A session that was lost says nothing of the credentials, and they are not
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
			c.write(r.session, r.tracking, refusalOf("9900")) // in other words
		case r.commands[0] == verify22V4:
			c.say(r, "AuthenticationVerifyResponse22V4", "<loginType>System</loginType><isEnterprise>false</isEnterprise>")
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

// A write that was sent once is not reported as one that never was.
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

// wantVerified compares the documents that verify credentials.
func (p *picky) wantVerified(t *testing.T, want []string) {
	t.Helper()
	got := slices.DeleteFunc(p.sent(), func(d string) bool { return !strings.Contains(d, "AuthenticationVerify") })
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

// verifyOver is [Client.Verify] without its demand for TLS, of which the tests are
// in platform_test.go.
func verifyOver(c *Client, ctx context.Context) (Identity, error) {
	who, err := c.VerifyByCommand(ctx, "somebody", "their password")
	if _, unsupported := errors.AsType[*UnsupportedError](err); unsupported {
		return c.Authenticate(ctx, "somebody", "their password")
	}
	return who, err
}
