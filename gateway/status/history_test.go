package status_test

import (
	"context"
	"encoding/json"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/gateway/status"
	"ocigate/oci"
)

// The samples of the last hour, in fake time. To add a case, change the sources between
// two samples, which are taken each 30 seconds.

// running returns a page that takes samples until the test ends. It has taken the first.
func running(t *testing.T, s *sources) *status.Page {
	t.Helper()
	page := status.New(s.options())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		page.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	synctest.Wait()
	time.Sleep(time.Millisecond) // tests look shortly after the samples
	return page
}

func TestHistory(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sources) {
		page := running(t, s)
		if h := page.Status(t.Context()).History; len(h.At) != 0 {
			t.Errorf("after the first sample: %+v", h)
		}
		s.change(func() {
			s.totals.Requests, s.totals.Errors = 60, []gateway.ErrorTotal{{Name: "A", Status: 400, Count: 15}, {Name: "B", Status: 503, Count: 3}}
			s.totals.Durations = make([]uint64, len(s.totals.Durations))
			s.totals.Durations[2], s.totals.Durations[len(s.totals.Durations)-1] = 40, 20 // 2.5 to 5 ms, above 30 s
			s.stats.Waiting = 4
		})
		time.Sleep(30 * time.Second)
		time.Sleep(30 * time.Second)
		got := page.Status(t.Context()).History
		null := math.NaN()
		want := &status.History{
			IntervalSeconds: 30, At: []time.Time{time.Date(2000, 1, 1, 0, 0, 30, 0, time.UTC), time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC)},
			Requests: status.Series{2, 0}, ClientErrors: status.Series{.5, 0}, ServerErrors: status.Series{.1, 0},
			P50: status.Series{.0025 + .0025*30/40, null}, P95: status.Series{30, null},
			Busy: status.Series{2, 2}, Waiting: status.Series{4, 4},
		}
		same := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 || math.IsNaN(a) && math.IsNaN(b) })
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		text, err := json.Marshal(got.P50)
		if err != nil || string(text) != "[0.004375,null]" {
			t.Errorf("%s, %v", text, err)
		}
		time.Sleep(3 * time.Hour)
		h := page.Status(t.Context()).History
		if n := len(h.At); n != 120 || len(h.P95) != n || len(h.Waiting) != n || h.At[119].Sub(h.At[0]) != 119*30*time.Second {
			t.Errorf("after hours there are %d samples from %v", n, h.At[0])
		}
	})
}

func TestAFaultyStatisticEndsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sources) {
		o := s.options()
		var works atomic.Bool
		o.Stats = func() oci.Stats {
			if !works.Load() {
				panic("a fault")
			}
			return s.snapshot()
		}
		page := status.New(o)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go page.Run(ctx)
		synctest.Wait()
		works.Store(true)
		time.Sleep(time.Minute + time.Millisecond)
		if h := page.Status(t.Context()).History; len(h.At) != 1 {
			t.Errorf("%d samples", len(h.At))
		}
	})
}

func TestErrorsOfTheLastHour(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sources) {
		time.Sleep(500 * time.Millisecond) // the page has whole seconds, and samples come at any time
		page := running(t, s)
		errors := func(list ...gateway.ErrorTotal) { s.change(func() { s.totals.Errors = list }) }
		want := func(when string, want ...status.ErrorCount) {
			t.Helper()
			if diff := cmp.Diff(want, page.Status(t.Context()).Requests.Errors); diff != "" {
				t.Errorf("%s (-want +got)\n%s", when, diff)
			}
		}
		errors(gateway.ErrorTotal{Name: "OLD", Status: 503, Count: 9})
		want("in the first hour", status.ErrorCount{Name: "OLD", Status: 503, Total: 9, LastHour: 9})
		time.Sleep(20 * time.Minute)
		errors(gateway.ErrorTotal{Name: "OLD", Status: 503, Count: 9}, gateway.ErrorTotal{Name: "NEW", Status: 400, Count: 2})
		time.Sleep(30 * time.Minute)
		want("in the first hour", status.ErrorCount{Name: "OLD", Status: 503, Total: 9, LastHour: 9}, status.ErrorCount{Name: "NEW", Status: 400, Total: 2, LastHour: 2})
		time.Sleep(15*time.Minute + time.Second)
		want("after an hour", status.ErrorCount{Name: "NEW", Status: 400, Total: 2, LastHour: 2}, status.ErrorCount{Name: "OLD", Status: 503, Total: 9})
		time.Sleep(5*time.Minute - time.Second) // the counts are kept now: each 5 minutes
		want("when counts are kept", status.ErrorCount{Name: "NEW", Status: 400, Total: 2, LastHour: 2}, status.ErrorCount{Name: "OLD", Status: 503, Total: 9})
		time.Sleep(time.Hour)
		want("after two", status.ErrorCount{Name: "OLD", Status: 503, Total: 9}, status.ErrorCount{Name: "NEW", Status: 400, Total: 2})
	})
}
