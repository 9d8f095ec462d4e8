package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/oci"
	"ocigate/translate/errcode"
)

// The headers Operation-Id and Operation-Outcome, panics, and held entries.

// Every response of a route that writes has the id of an operation and its true
// outcome.
func TestEveryResponseToAWriteHasItsOutcome(t *testing.T) {
	for _, w := range writeCases() {
		refused, whyRefused := refusedBody(t, w.route)
		for name, c := range map[string]struct {
			setup   setup
			arrange func(t *testing.T, r *rig)
			change  func(*call)
			status  int // 0 for that of the good response
			error   string
			outcome string
		}{
			"done": {outcome: "done"},
			"its form is bad": {
				change: func(c *call) { c.body = `{"none of its keys":0}` }, status: 400, error: "JSON_SCHEMA_VALIDATION", outcome: "not_done",
			},
			"it is no JSON": {
				change: func(c *call) { c.body = "x" }, status: 416, error: "BAD_MEDIA_TYPE", outcome: "not_done",
			},
			"a check refuses it": {
				change: func(c *call) { c.body = refused }, status: whyRefused.Status, error: whyRefused.Name, outcome: "not_done",
			},
			"no credentials": {
				change: func(c *call) { c.client = anonymous }, status: 401, error: "UNAUTHENTICATED", outcome: "not_done",
			},
			"the level is too low": {
				change: func(c *call) { c.client = clientBelow(w.level) }, status: 403, error: "FORBIDDEN", outcome: "not_done",
			},
			"the tenant is another's": {
				change: func(c *call) {
					c.path = strings.Replace(c.path, ownTenant, "footenant", 1)
					c.client = tenant // a System Admin's scope is everything
				},
				status: 403, error: "FORBIDDEN", outcome: "not_done",
			},
			"the target does not exist": {
				change: func(c *call) { *c = w.elsewhere(missing) }, status: 404, error: w.notFound(), outcome: "not_done",
			},
			"its entry is held": {
				arrange: func(t *testing.T, r *rig) { r.loseReply(t, w, "") },
				status:  409, error: "ENTRIES_HELD", outcome: "not_done",
			},
			"its key is for another": {
				arrange: func(t *testing.T, r *rig) { r.call(t, w.by(system).keyed("k")) },
				change:  func(c *call) { *c = w.another().keyed("k") },
				status:  422, error: "IDEMPOTENCY_KEY_REUSED", outcome: "not_done",
			},
			"the first with its key runs": { // whose operation the response has
				arrange: func(t *testing.T, r *rig) {
					r.inject(t, withCommand("slow delay=5s", w.command))
					go r.call(t, w.call.keyed("k"))
					synctest.Wait()
				},
				change: func(c *call) { *c = c.keyed("k") },
				status: 409, error: "REQUEST_RUNNING", outcome: "unknown",
			},
			"all sessions are in use": {
				setup: setup{platform: func(o *oci.Options) { o.MaxSessions = 1 }},
				arrange: func(t *testing.T, r *rig) {
					r.inject(t, "slow delay=15s command=GroupServiceGetAuthorizationRequest")
					go r.get(t, "available_numbers")
					synctest.Wait()
				},
				status: 503, error: "PLATFORM_BUSY", outcome: "not_done",
			},
			"the platform is down": {
				setup: setup{faults: []string{"refuse"}}, status: 503, error: "PLATFORM_UNAVAILABLE", outcome: "not_done",
			},
			"the platform cannot be asked": {
				setup:  setup{faults: w.stalled()},
				status: 503, error: "PLATFORM_CHECK_FAILED", outcome: "not_done",
			},
			"it cannot be recorded": {
				arrange: func(t *testing.T, r *rig) { r.breakJournal(t) },
				status:  503, error: "JOURNAL_UNAVAILABLE", outcome: "not_done",
			},
			"the platform refuses it": {
				setup:  setup{faults: []string{withCommand("error-before-apply", w.command)}},
				status: 400, error: "PLATFORM_REFUSED", outcome: "not_done",
			},
			"its reply is lost": {
				setup:  setup{faults: []string{withCommand("drop-before-apply", w.command)}},
				status: 504, error: "OUTCOME_UNKNOWN", outcome: "unknown",
			},
			"its reply proves nothing": {
				setup:  setup{faults: []string{withCommand("error-before-apply severity=Warning", w.command)}},
				status: 502, error: "PLATFORM_ERROR", outcome: "unknown",
			},
			"the gateway fails before it is recorded": {
				setup:  setup{gateway: func(o *gateway.Options) { o.Writer = &failing{Writer: o.Writer} }},
				status: 500, error: "INTERNAL", outcome: "not_done",
			},
			"the gateway fails when it is recorded": {
				setup:  setup{gateway: func(o *gateway.Options) { o.Writer = &failing{Writer: o.Writer, recorded: true} }},
				status: 500, error: "INTERNAL", outcome: "unknown",
			},
			"the gateway fails when it was sent": {
				setup:  setup{gateway: func(o *gateway.Options) { o.Writer = &failing{Writer: o.Writer, sent: true} }},
				status: 500, error: "INTERNAL", outcome: "unknown",
			},
		} {
			t.Run(w.route+"/"+name, func(t *testing.T) {
				inBubble(t, c.setup, func(t *testing.T, r *rig) {
					if c.arrange != nil {
						c.arrange(t, r)
					}
					asked := w.call
					change(c.change, &asked)
					got := r.call(t, asked)
					got.wantOutcome(t, c.outcome)
					if c.status == 0 {
						got.wantStatus(t, w.status)
						return
					}
					got.wantError(t, c.status, c.error)
				})
			})
		}
	}
}

// refusedBody returns the body of the route's first case that a check refuses although its
// form is good, and that is about what the demonstration has, and the error of that.
func refusedBody(t *testing.T, route string) (string, *errcode.Code) {
	t.Helper()
	e, _ := routeNamed(route)
	known := factsOf(t, route)
	for _, name := range known.checkedCases() {
		if asked := (quartet{route, name}).request(t); asked.isOfDemonstration(e) {
			code, _ := errcode.ByName(known.Cases[name].Error)
			return string(asked.Body), code
		}
	}
	t.Fatalf("%s has no case that a check refuses", route)
	return "", nil
}

// failing is a writer that panics once: before it does anything, when the
// write was recorded, or when it was sent.
type failing struct {
	gateway.Writer
	recorded, sent bool
	failed         bool
}

func (w *failing) Write(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error) {
	if w.failed {
		return w.Writer.Write(ctx, command, before)
	}
	w.failed = true
	switch {
	case w.sent:
		if _, err := w.Writer.Write(ctx, command, before); err != nil {
			return oci.Reply{}, err
		}
	case w.recorded:
		if err := before("primary"); err != nil {
			return oci.Reply{}, err
		}
	}
	panic("a bug")
}

// An outcome that is unknown after a panic of the gateway is found out like any other, and
// the entries are held no longer than that.
func TestFailureOfOursIsFoundOut(t *testing.T) {
	for name, c := range map[string]struct {
		writer failing
		state  string // "" if nothing was recorded
	}{
		"before it is recorded": {failing{}, ""},
		"when it is recorded":   {failing{recorded: true}, "not_done"},
		"when it was sent":      {failing{sent: true}, "done"},
	} {
		t.Run(name, func(t *testing.T) {
			s := setup{gateway: func(o *gateway.Options) {
				c.writer.Writer = o.Writer
				o.Writer = &c.writer
			}}
			inBubble(t, s, func(t *testing.T, r *rig) {
				id := r.call(t, assignFreeRange()).header.Get("Operation-Id")
				if line := r.log.last(t); line["operation_id"] != id || !strings.Contains(line["panic"].(string), "a bug") {
					t.Errorf("logged %v", line)
				}
				if c.state == "" {
					r.call(t, call{path: operationPath(id), client: system}).wantError(t, http.StatusNotFound, "OPERATION_NOT_FOUND")
					r.call(t, assignFreeRange()).wantStatus(t, http.StatusCreated)
					return
				}
				time.Sleep(time.Minute)
				r.wantState(t, id, c.state, "reading")
				if c.state == "not_done" {
					r.call(t, assignFreeRange()).wantStatus(t, http.StatusCreated)
				}
			})
		})
	}
}

// Reads are no operations.
func TestReadsTellOfNoOperation(t *testing.T) {
	r := start(t, setup{})
	for _, route := range apiRoutes() {
		if route.Change == nil {
			path := ownPath(route)
			r.call(t, call{method: route.Method, path: path, client: system}).wantNoOperation(t)
		}
	}
}

// While a write is unknown, no other may touch its entries through this
// gateway: otherwise a reading could show the effect of the other one.
func TestUnknownEntriesAreHeld(t *testing.T) {
	for _, w := range writeCases() {
		t.Run(w.route, func(t *testing.T) {
			inBubble(t, setup{}, func(t *testing.T, r *rig) {
				id := r.loseReply(t, w, "")
				got := r.call(t, w.call)
				failure := got.wantError(t, http.StatusConflict, "ENTRIES_HELD")
				if diff := cmp.Diff([]string{w.entry}, failure.Details.Entries); diff != "" {
					t.Errorf("entries (-want +got):\n%s", diff)
				}
				if failure.Details.Operation != operationPath(id) {
					t.Errorf("held by %s, want %s", failure.Details.Operation, id)
				}
				if got.wantOutcome(t, "not_done") == id {
					t.Error("the refused request has the id of the operation that holds its entries")
				}
				if wait := got.header.Get("Retry-After"); wait != "31" { // until the holder's outcome can be proven
					t.Errorf("Retry-After is %q", wait)
				}
				r.wantWrites(t, 1, 0)

				time.Sleep(time.Minute) // it is known
				r.call(t, w.call).wantStatus(t, w.status)
				r.wantWrites(t, 2, 1)
			})
		})
	}
}

func TestUnknownEntriesHoldNoOthers(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		r.loseReply(t, writeCaseOf("itc_numbers_assign"), "")
		for name, c := range map[string]call{
			"another entry":                 {method: http.MethodPost, path: ownList("numbers"), body: `{"numbers":[{"minPhoneNumber":"+3225127000"}]}`},
			"the same number of a tenant":   {method: http.MethodPost, path: listOf("footenant", "foogroup", "numbers"), body: freeRange},
			"a prefix":                      {method: http.MethodPost, path: ownList("prefixes"), body: `{"prefixes":[{"prefix":"+32-03"}]}`},
			"an entry of the group's other": {method: http.MethodDelete, path: ownList("numbers"), body: `{"numbers":[{"minPhoneNumber":"+3226127007"}]}`},
		} {
			c.client = system
			if got := r.call(t, c); got.status >= http.StatusBadRequest {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
		// In any spelling, in any company, and in either direction.
		for _, c := range []call{
			{method: http.MethodPost, path: ownList("numbers"), body: `{"numbers":[{"minPhoneNumber":"+32-25 126 999"}]}`},
			{method: http.MethodPost, path: ownList("numbers"), body: `{"numbers":[{"minPhoneNumber":"+3225128000"},{"minPhoneNumber":"+3225126999"}]}`},
			{method: http.MethodPost, path: listOf(ownTenant, "ApioGrpOther", "numbers"), body: freeRange},
			{method: http.MethodDelete, path: ownList("numbers"), body: freeRange},
			{method: http.MethodPost, path: ownList("numbers/remove"), body: freeRange},
		} {
			c.client = system
			failure := r.call(t, c).wantError(t, http.StatusConflict, "ENTRIES_HELD")
			if len(failure.Details.Entries) != 1 || !strings.HasPrefix(failure.Details.Entries[0], "+32") {
				t.Errorf("%s: entries %v", c.body, failure.Details.Entries)
			}
		}
	})
}

// Two writes of the same entries at the same time: the second waits for none.
func TestEntriesOfAWriteUnderWayAreHeld(t *testing.T) {
	for name, fault := range map[string]string{
		"while it is checked": "slow delay=5s command=ServiceProviderGetRequest17sp1",
		"while it is sent":    "slow delay=5s command=" + assignCommand,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setup{faults: []string{fault}}, func(t *testing.T, r *rig) {
				first := make(chan response, 1)
				go func() { first <- r.call(t, assignFreeRange()) }()
				synctest.Wait()
				r.call(t, assignFreeRange()).wantError(t, http.StatusConflict, "ENTRIES_HELD")
				got := <-first
				got.wantStatus(t, http.StatusCreated)
				r.wantWrites(t, 1, 1)
			})
		})
	}
}

// A write that is done partly is recognized after more than one reading; then the response
// names the missing entries.
func TestWriteThatIsDoneInPart(t *testing.T) {
	for _, w := range writeCases() {
		if w.Half == nil {
			continue
		}
		t.Run(w.route, func(t *testing.T) {
			half, s := w.partlyDone()
			inBubble(t, s, func(t *testing.T, r *rig) {
				first := r.call(t, half.call.keyed("k"))
				wantWords(t, first.wantError(t, http.StatusBadGateway, "PLATFORM_ERROR"), "[Error 4999] half")
				id := first.wantOutcome(t, "unknown")
				first.wantRetryAfter(t)

				got := r.retriedLater(t, half)
				got.wantReplay(t, id, "partly_done")
				of, _ := r.operation(t, id)
				missing := of.Entries[len(of.Entries)-1].Entry
				if half.Half.Answer != "" {
					got.wantBody(t, http.StatusMultiStatus, half.Half.Answer)
				} else if details := got.wantError(t, http.StatusBadGateway, "PARTLY_DONE").Details; details.Operation != operationPath(id) || !slices.Equal(details.Entries, []string{missing}) {
					t.Errorf("details %+v", details)
				}
				if got.header.Get("Retry-After") != "" {
					t.Error("there is nothing to wait for")
				}
				want := append(w.unchangedEntries(), entryResponse{w.entry, "done", 1, false}, entryResponse{missing, "not_done", 1, false})
				if diff := cmp.Diff(want, of.Entries); diff != "" || of.State != "partly_done" {
					t.Errorf("%s, entries (-want +got):\n%s", of.State, diff)
				}
				r.wantWrites(t, 1, 1)
			})
		})
	}
}

// A platform that refuses every command with the same error looks as if the session were
// not logged in, but it may have done the write.
func TestSameRefusalOfEverythingIsNoProof(t *testing.T) {
	for _, w := range writeCases() {
		t.Run(w.route, func(t *testing.T) {
			inBubble(t, setup{faults: []string{
				withCommand("error-after-apply", w.command), "error-before-apply command=VerifySessionIsValidRequest",
			}}, func(t *testing.T, r *rig) {
				got := r.call(t, w.call)
				got.wantStatus(t, w.status)
				got.wantOutcome(t, "done")
				r.wantHolder(t, w, true)
			})
		})
	}
}

// A write that was refused as not logged in, and whose second attempt was never sent, may
// have been done by the first attempt.
func TestWriteOfSeveralTriesIsLookedAt(t *testing.T) {
	for _, w := range writeCases() {
		t.Run(w.route, func(t *testing.T) {
			inBubble(t, setup{gateway: func(o *gateway.Options) { o.Writer = &twice{o.Writer} }}, func(t *testing.T, r *rig) {
				got := r.call(t, w.call)
				got.wantStatus(t, w.status)
				got.wantOutcome(t, "done")
			})
		})
	}
}

// twice is a Writer whose second attempt is never sent.
type twice struct{ gateway.Writer }

func (w *twice) Write(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error) {
	if _, err := w.Writer.Write(ctx, command, before); err != nil {
		return oci.Reply{}, err
	}
	return oci.Reply{}, errors.Join(before("secondary"), &oci.UnsentError{Endpoint: "secondary", Err: io.EOF})
}

// A write that was done although the platform reported a lost session does not count as
// never sent if there is no session for another attempt.
func TestAWriteThatWasDoneAndThenFindsNoSession(t *testing.T) {
	const refusal = `number=4961 summary="Session closed"`
	for name, test := range map[string]struct{ noSession, outcome string }{
		"the login is refused": {"error-before-apply number=4962 command=LoginRequest14sp4", "unknown"},
		// The reading waits for the next attempt to log in, and shows that it was done.
		"no endpoint answers": {"refuse", "done"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setup{platform: func(o *oci.Options) { o.MaxSessions = 1 }}, func(t *testing.T, r *rig) {
				r.get(t, "numbers").wantStatus(t, http.StatusOK)
				r.inject(t, "error-after-apply times=1 "+refusal+" command="+assignCommand)
				r.inject(t, "error-before-apply times=1 "+refusal+" command=VerifySessionIsValidRequest")
				r.inject(t, test.noSession+" times=1")
				got := r.call(t, assignFreeRange().keyed("k"))
				got.wantOutcome(t, test.outcome)
				r.wantWrites(t, 1, 1)
				time.Sleep(10 * time.Minute)
				again := r.call(t, assignFreeRange().keyed("k"))
				again.wantStatus(t, http.StatusCreated)
				again.wantOutcome(t, "done")
				r.wantWrites(t, 1, 1)
			})
		})
	}
}
