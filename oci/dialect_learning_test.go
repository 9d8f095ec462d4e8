package oci

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What the client learns from replies about the forms that a platform supports: see the
// table at dialect. To add a case, script a picky platform, send commands, and check what
// the platform was sent and Client.Stats reports as fallbacks.

func TestWhatIsLearnedOfAPlatformIsRemembered(t *testing.T) {
	p := &picky{way: asDocument}
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

func TestAValidationErrorOfASupportedCommandIsNotDueToTheRelease(t *testing.T) {
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

// A command that the platform does not support, and that has no other form,
// does not fail the others of its document.
func TestUnsupportedCommandsAreReportedAsUnsupported(t *testing.T) {
	for _, way := range []string{inPlace, asDocument} {
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
						t.Errorf("the platform's text is lost: %v", replies[2].Err())
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

// If the release supports the command, refusals of it are not
// remembered: its content may be the cause.
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
			_ = ask(c, t.Context()) // two connections are closed at the same time
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

// A form that is only suspected is tried again, at growing intervals.
func TestSuspectedFormsAreTriedLessOftenUntilAReply(t *testing.T) {
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
			t.Error("a reply did not end the series")
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
