package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// The audit trail of requests: the lines of writes and logins. Add a fault and its events to
// TestEveryWriteIsAudited.

// events returns the events of the audit trail, which must be intact. The trail does not
// exist before the first event.
func (r *rig) events(t testing.TB) []operation.Event {
	t.Helper()
	trail := bolt.Trail(r.folder)
	var events []operation.Event
	for line, err := range trail {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		must(t, err)
		var event operation.Event
		must(t, json.Unmarshal(line, &event))
		events = append(events, event)
	}
	head, err := operation.Verify(trail)
	if err != nil || head.Sequence != int64(len(events)) {
		t.Errorf("the audit trail of %d lines has the head %v: %v", len(events), head, err)
	}
	return events
}

// recorded returns the entry as the journal has it, without an outcome.
func (e entryFacts) recorded(step int) operation.Entry {
	return operation.Entry{
		Kind: e.Kind, Given: e.Given, Key: e.key(), Start: e.Start, End: e.End,
		Before: json.RawMessage(e.Before), After: json.RawMessage(e.After), Step: step,
	}
}

// Every write that is sent leaves two lines: what is about to be sent, and what
// became of it.
func TestEveryWriteIsAudited(t *testing.T) {
	for _, w := range writeCases() {
		for _, c := range []struct {
			fault    string
			outcomes []string // in their order
			bases    []operation.Basis
			done     bool
		}{
			{"slow", []string{"intent", "done"}, []operation.Basis{"", operation.ByReply}, true},
			{"error-before-apply", []string{"intent", "not_done"}, []operation.Basis{"", operation.ByReply}, false},
			{"lose-login", []string{"intent", "not_done"}, []operation.Basis{"", operation.NotTaken}, false},
			{"drop-after-apply", []string{"intent", "unknown", "done"}, []operation.Basis{"", "", operation.ByReading}, true},
			{"drop-before-apply", []string{"intent", "unknown", "not_done"}, []operation.Basis{"", "", operation.ByReading}, false},
		} {
			t.Run(w.route+"/"+c.fault, func(t *testing.T) {
				inBubble(t, setup{faults: []string{withCommand(c.fault, w.command)}}, func(t *testing.T, r *rig) {
					began := time.Now()
					id := r.call(t, w.call.with("X-Request-Id", "Portal-42")).header.Get("Operation-Id")
					time.Sleep(time.Minute)
					got := r.events(t)
					if len(got) != len(c.outcomes) {
						t.Fatalf("%d lines, want %d: %+v", len(got), len(c.outcomes), got)
					}
					for i := range got {
						entry := w.Entry.recorded(1)
						want := operation.Event{
							Kind: operation.EventOutcome, Route: w.route, Operation: id, Outcome: c.outcomes[i],
							Caller: operation.Caller{
								Name: tenant, Client: true, Level: auth.TenantAdmin.String(), Method: "basic", ClientIP: "192.0.2.1", RequestID: "Portal-42",
							},
							TenantID: w.target.TenantID, GroupID: w.target.GroupID, UserID: w.target.UserID, PlatformEndpoint: "primary", Basis: c.bases[i],
						}
						switch c.outcomes[i] {
						case "intent":
							want.Kind = operation.EventIntent
						case "done":
							entry.Outcome = operation.Done
						case "not_done":
							entry.Outcome = operation.NotDone
						}
						for _, e := range w.Kept {
							kept := e.recorded(0)
							kept.Outcome = operation.Done
							want.Entries = append(want.Entries, kept)
						}
						want.Entries = append(want.Entries, entry)
						if diff := cmp.Diff(want, got[i], cmpopts.IgnoreFields(operation.Event{}, "Time")); diff != "" {
							t.Errorf("line %d (-want +got):\n%s", i+1, diff)
						}
						if at := got[i].Time; at.Before(began) || at.After(time.Now()) || at.Location() != time.UTC {
							t.Errorf("line %d is of %v", i+1, at)
						}
					}
				})
			})
		}
	}
}

// What was refused before it was recorded leaves no line.
func TestRefusedWritesAreNotAudited(t *testing.T) {
	r := start(t, setup{})
	for _, c := range []call{
		{method: http.MethodPost, path: ownList("numbers"), client: tenant, body: "{}"},
		{method: http.MethodPost, path: ownList("numbers"), client: tenant, body: `{"numbers":[{"minPhoneNumber":"+3225129000"}]}`},
		{method: http.MethodPost, path: ownList("numbers"), client: group, body: freeRange},
		{method: http.MethodPost, path: ownList("numbers"), body: freeRange},
		{method: http.MethodPost, path: ownList("numbers"), client: tenant, body: freeRange, header: http.Header{"Idempotency-Key": {""}}},
		{path: ownList("numbers"), client: tenant},
	} {
		r.call(t, c)
	}
	if events := r.events(t); len(events) != 0 {
		t.Errorf("the trail has %+v", events)
	}
}

// The line of the intent is written before the platform gets the command.
func TestIntentIsAuditedBeforeTheWriteIsSent(t *testing.T) {
	inBubble(t, setup{faults: []string{withCommand("stall", assignCommand)}}, func(t *testing.T, r *rig) {
		ended := make(chan response, 1)
		go func() { ended <- r.call(t, assignFreeRange()) }()
		time.Sleep(time.Second)
		r.wantWrites(t, 1, 0)
		events := r.events(t)
		if len(events) != 1 || events[0].Kind != operation.EventIntent {
			t.Errorf("the trail has %+v", events)
		}
		<-ended
	})
}

func TestLoginsAreAudited(t *testing.T) {
	s := setup{overTLS: true, auth: func(o *auth.Options) {
		o.AccountLimit = auth.Limit{FreeAttempts: 2, BaseDelay: time.Hour, MaxDelay: time.Hour}
	}}
	inBubble(t, s, func(t *testing.T, r *rig) {
		session, _ := r.login(t, "tenantadmin")
		r.call(t, loginCall("sysadmin", "a-wrong-password")).wantStatus(t, http.StatusUnauthorized)
		r.call(t, loginCall("reseller", passwordOf("reseller"))).wantStatus(t, http.StatusForbidden)
		r.call(t, call{method: http.MethodPost, path: "/api/v1/logout/", header: bearer(session.Token)}).wantStatus(t, http.StatusOK)
		r.call(t, call{method: http.MethodPost, path: "/api/v1/logout/", header: bearer(session.Token)}).wantStatus(t, http.StatusUnauthorized)
		r.call(t, loginCall("sysadmin", "another-wrong-password")).wantStatus(t, http.StatusUnauthorized)
		for range 3 { // of a flood there is no line
			r.call(t, loginCall("sysadmin", "a-wrong-password")).wantStatus(t, http.StatusTooManyRequests)
		}
		r.call(t, call{method: http.MethodPost, path: "/api/v1/login/", body: "{}"}).wantStatus(t, http.StatusBadRequest)

		type line struct{ kind, name, outcome, tenant, level string }
		var got []line
		for _, e := range r.events(t) {
			got = append(got, line{string(e.Kind), e.Caller.Name, e.Outcome, e.TenantID, e.Caller.Level})
			if e.Caller.ClientIP != "192.0.2.1" || e.Caller.RequestID == "" || e.Route != string(e.Kind) || e.Time.IsZero() {
				t.Errorf("the line has no address: %+v", e)
			}
		}
		want := []line{
			{"login", "tenantadmin", "ok", ownTenant, "Tenant Admin"},
			{"login", "sysadmin", "UNAUTHENTICATED", "", ""},
			{"login", "reseller", "FORBIDDEN", "", ""},
			{"logout", "tenantadmin", "ok", ownTenant, "Tenant Admin"},
			{"login", "sysadmin", "UNAUTHENTICATED", "", ""},
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(line{})); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

func TestAuditTrailHoldsNoSecrets(t *testing.T) {
	r := start(t, setup{})
	session, _ := r.login(t, "tenantadmin")
	r.call(t, loginCall("sysadmin", "a-wrong-password"))
	asked := assignFreeRange()
	asked.client, asked.header = anonymous, bearer(session.Token)
	r.call(t, asked.keyed("k")).wantStatus(t, http.StatusCreated)
	asked = writeCaseOf("itc_numbers_remove").call
	asked.client, asked.header = anonymous, http.Header{"X-Api-Key": {system + "." + clientSecret}}
	r.call(t, asked).wantStatus(t, http.StatusOK)
	r.call(t, call{method: http.MethodPost, path: "/api/v1/logout/", header: bearer(session.Token)}).wantStatus(t, http.StatusOK)

	files := r.journalFiles(t)
	if len(files) < 2 {
		t.Fatalf("the journal has %d files", len(files))
	}
	for name, content := range files { // the database, too
		for _, secret := range []string{
			gatewayPassword, passwordOf("tenantadmin"), "a-wrong-password", clientSecret, string(clientHash()),
			session.Token, session.Token[:strings.LastIndex(session.Token, ".")],
		} {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
	}
}

// A correction is a separate line. Reading back again without a result adds no line.
func TestCorrectionsAreAudited(t *testing.T) {
	for fault, want := range map[string][]operation.EventKind{
		"apply-late delay=3m": {operation.EventIntent, operation.EventOutcome, operation.EventOutcome, operation.EventCorrection},
		"stall":               {operation.EventIntent, operation.EventOutcome, operation.EventOutcome},
	} {
		t.Run(fault, func(t *testing.T) {
			inBubble(t, setup{faults: []string{withCommand(fault, assignCommand)}}, func(t *testing.T, r *rig) {
				r.call(t, assignFreeRange()).wantStatus(t, http.StatusGatewayTimeout)
				time.Sleep(10 * time.Minute)
				var got []operation.EventKind
				for _, e := range r.events(t) {
					got = append(got, e.Kind)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("lines (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A client without credentials can try this, and the throttle does not count what could
// not be verified.
func TestLoginsThatCannotBeVerifiedLeaveNoLine(t *testing.T) {
	inBubble(t, setup{faults: []string{"refuse"}}, func(t *testing.T, r *rig) {
		for range 100 {
			r.call(t, loginCall("anybody", "anything")).wantError(t, http.StatusServiceUnavailable, "PLATFORM_UNAVAILABLE")
		}
		if events := r.events(t); len(events) != 0 {
			t.Errorf("%d lines", len(events))
		}
	})
}
