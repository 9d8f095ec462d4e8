package gateway_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// Helpers for tests with faults of the platform.

// inBubble runs a test with the time of synctest and without a network.
func inBubble(t *testing.T, s setup, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, startInBubble(t, s)) })
}

// wantWrites checks how many writes the platform received, and how many it carried out.
func (r *rig) wantWrites(t *testing.T, received, applied int) {
	t.Helper()
	writes := r.platform.Writes()
	if len(writes) != received {
		t.Errorf("the platform received %d writes, want %d: %+v", len(writes), received, writes)
	}
	done := slices.DeleteFunc(writes, func(w ocisim.Entry) bool { return !w.Applied })
	if len(done) != applied {
		t.Errorf("the platform carried out %d writes, want %d", len(done), applied)
	}
}

// wantUnknown checks for a response that names the unknown entries, the path of the
// operation, and when to read it. It returns the id of the operation.
func wantUnknown(t *testing.T, got response, w writeCase) string {
	t.Helper()
	id := got.wantOutcome(t, "unknown")
	details := got.apiError(t).Details
	if diff := cmp.Diff([]string{w.entry}, details.Entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if details.Operation != operationPath(id) {
		t.Errorf("details.operation is %q, the id %s", details.Operation, id)
	}
	got.wantRetryAfter(t)
	return id
}

func wantWords(t *testing.T, failure apiError, words string) {
	t.Helper()
	if got := failure.Details.Errors["0"].Summary; got != words {
		t.Errorf("the platform's words are %q, want %q", got, words)
	}
}

// wantHolder checks that the route that shows the entry has its value after the write if
// done is true, and that before the write otherwise.
func (r *rig) wantHolder(t *testing.T, w writeCase, done bool) {
	t.Helper()
	route, ok := routeNamed(w.Shown.By)
	if !ok {
		t.Fatalf("%s is shown by %q, which is no route", w.route, w.Shown.By)
	}
	shown := r.call(t, call{path: ownPath(route), client: w.call.client})
	shown.wantStatus(t, http.StatusOK)
	for text, want := range map[string]bool{w.Shown.Before: !done, w.Shown.After: done} {
		if text != "" && strings.Contains(shown.body, text) != want {
			t.Errorf("%s shows %s: %t", w.Shown.By, text, !want)
		}
	}
}

func withCommand(fault, command string) string {
	kind, rest, _ := strings.Cut(fault, " ")
	return strings.TrimSpace(kind + " command=" + command + " " + rest)
}

// retriedLater makes a request with the key "k", and returns the response to a repetition
// when the outcome is known.
func (r *rig) retriedLater(t *testing.T, w writeCase) response {
	t.Helper()
	r.call(t, w.call.keyed("k"))
	time.Sleep(time.Minute)
	return r.call(t, w.call.keyed("k"))
}

// loseReply makes a write that the platform does not carry out, and whose reply is lost. It
// returns the operation's id.
func (r *rig) loseReply(t *testing.T, w writeCase, key string) string {
	t.Helper()
	r.inject(t, withCommand("drop-before-apply times=1", w.command))
	asked := w.call
	if key != "" {
		asked = asked.keyed(key)
	}
	got := r.call(t, asked)
	got.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
	return got.wantOutcome(t, "unknown")
}

// halfWriter sends each command without its last entry.
type halfWriter struct{ gateway.Writer }

func (w halfWriter) Write(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error) {
	elements := command.Elements()
	return w.Writer.Write(ctx, oci.NewWrite(command.Name(), elements[:len(elements)-1]...), before)
}

// partlyDone returns the write with a second entry, and a setup in which that entry is not
// done and the platform reports an error.
func (w writeCase) partlyDone() (writeCase, setup) {
	w.call.body = w.Half.Body
	return w, setup{
		seed: func(seed *ocisim.Seed) {
			own := &seed.Tenants[slices.IndexFunc(seed.Tenants, func(t ocisim.Tenant) bool { return t.ID == ownTenant })]
			own.Ranges, own.Prefixes = append(own.Ranges, w.Half.Ranges...), append(own.Prefixes, w.Half.Prefixes...)
		},
		faults:  []string{withCommand("error-after-apply number=4999 summary=half", w.command)},
		gateway: func(o *gateway.Options) { o.Writer = halfWriter{o.Writer} },
	}
}
