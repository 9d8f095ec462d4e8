package gateway_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway"
)

// The readiness of a replica.

// journal is one whose state the test sets.
type journal struct {
	since time.Time
	err   error
}

func (j *journal) JournalState() (time.Time, error) { return j.since, j.err }

func TestReadinessFollowsTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		admin := gateway.NewAdmin(gateway.NewMetrics("test"))
		admin.FollowJournal(j, 10*time.Second)
		want := func(status int, body string) {
			t.Helper()
			recorder := httptest.NewRecorder()
			admin.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
			if got := recorder.Body.String(); recorder.Code != status || !strings.HasPrefix(got, body) {
				t.Errorf("%d %q, want %d %q", recorder.Code, got, status, body)
			}
		}
		fails := func() { j.since, j.err = time.Now(), errors.New("bolt: /journal: no space left on device") }
		const reason = "not ready: writes are refused because the journal has been unusable since 2000-01-01T00:00:00Z: bolt: /journal: no space left on device\n"

		fails()
		want(503, "not ready\n") // it does not serve yet
		admin.SetReady(true)
		want(200, "ready\n")
		time.Sleep(10*time.Second - 1)
		want(200, "ready\n")
		time.Sleep(time.Nanosecond)
		want(503, reason)
		time.Sleep(time.Hour)
		want(503, reason)
		*j = journal{}
		want(200, "ready\n")
		fails() // the time starts again
		want(200, "ready\n")
		time.Sleep(time.Minute)
		want(503, "not ready: ")
		admin.SetDraining()
		want(503, "draining\n")
		*j = journal{}
		want(503, "draining\n")
		admin.SetReady(false)
		want(503, "not ready\n")
	})
}
