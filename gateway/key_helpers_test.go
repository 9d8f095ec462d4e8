package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"ocigate/translate/errcode"
)

// Helpers for tests of idempotency keys.

// wantReplay checks for the outcome of an operation that another request began.
func (r response) wantReplay(t testing.TB, id, outcome string) {
	t.Helper()
	if got := r.wantOutcome(t, outcome); got != id {
		t.Errorf("the operation is %s, want the first one's, %s", got, id)
	}
	if r.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("Idempotency-Replayed is %q", r.header.Get("Idempotency-Replayed"))
	}
}

// wantFirst checks for a response that was made for this request.
func (r response) wantFirst(t testing.TB, status int) {
	t.Helper()
	r.wantStatus(t, status)
	if value := r.header.Get("Idempotency-Replayed"); value != "" {
		t.Errorf("Idempotency-Replayed is %q", value)
	}
}

// wantRepeated checks for the response to a write that is done already.
func (r response) wantRepeated(t *testing.T, w writeCase) {
	t.Helper()
	if w.Again == "" {
		r.wantStatus(t, w.status)
		return
	}
	code, _ := errcode.ByName(w.Again)
	r.wantError(t, code.Status, w.Again)
}

func (r *rig) bearerOf(t testing.TB, username string) http.Header {
	t.Helper()
	session, _ := r.login(t, username)
	return bearer(session.Token)
}

func basicOf(t testing.TB, r *rig, client string) string {
	t.Helper()
	return r.request(t, call{client: client}).Header.Get("Authorization")
}

// retryUntilEnd repeats a request after each Retry-After, until it has a final response.
func (r *rig) retryUntilEnd(t testing.TB, c call) response {
	t.Helper()
	for range 100 {
		got := r.call(t, c)
		if got.status != http.StatusConflict && got.status != http.StatusGatewayTimeout {
			return got
		}
		time.Sleep(got.retryAfter(t))
	}
	t.Error("there is no end")
	return response{}
}
