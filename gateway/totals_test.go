package gateway_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
)

// The counts that are read without gathering all metrics.

type dropped uint64

func (d dropped) Dropped() uint64 { return uint64(d) }

func TestTotals(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		before := r.metrics.Totals()
		if diff := cmp.Diff(gateway.Totals{Durations: make([]uint64, len(gateway.DurationBounds())+1), Logins: map[string]uint64{}, Shed: map[string]uint64{}}, before); diff != "" {
			t.Errorf("before the first request (-want +got)\n%s", diff)
		}
		for range 3 {
			r.get(t, "numbers").wantStatus(t, http.StatusOK)
		}
		r.get(t, "numbers?unknown=1").wantStatus(t, http.StatusBadRequest)
		r.get(t, "numbers?unknown=1").wantStatus(t, http.StatusBadRequest)
		r.get(t, "nothing").wantStatus(t, http.StatusNotFound)
		after := r.metrics.Totals()
		var took uint64
		for _, n := range after.Durations {
			took += n
		}
		if after.Requests != 6 || took != 6 || after.InFlight != 0 {
			t.Errorf("%+v", after)
		}
		want := []gateway.ErrorTotal{{Name: "INVALID_PARAMETERS", Status: 400, Count: 2}, {Name: "ROUTE_NOT_FOUND", Status: 404, Count: 1}}
		if diff := cmp.Diff(want, after.Errors); diff != "" {
			t.Errorf("errors (-want +got)\n%s", diff)
		}
	})
}

func TestTotalsHaveDroppedLogLines(t *testing.T) {
	m := gateway.NewMetrics("test")
	if got := m.Totals().LogLinesDropped; got != 0 {
		t.Errorf("%d without a log", got)
	}
	m.WatchLog(dropped(7))
	if got := m.Totals().LogLinesDropped; got != 7 {
		t.Errorf("%d, want 7", got)
	}
}
