package operation_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
)

// These tests specify what operators see of unknown operations. To add a case, make
// operations unknown in a bubble, and compare what Unknown returns.

func TestUnknownReturnsTheNewest(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.observer.fails()
		var ids []string
		for n := range 5 {
			ids = append(ids, r.unknown(want("", strconv.Itoa(n))))
			after(time.Second)
		}
		r.begin(want("", "running")) // not sent
		for _, test := range []struct {
			limit int
			want  []string
		}{{0, nil}, {2, []string{ids[4], ids[3]}}, {9, []string{ids[4], ids[3], ids[2], ids[1], ids[0]}}} {
			newest, count := r.Unknown(test.limit, 1)
			var got []string
			for _, u := range newest {
				got = append(got, u.ID)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || count != 5 {
				t.Errorf("limit %d: %d operations (-want +got)\n%s", test.limit, count, diff)
			}
		}
		after(settle)
		r.freed(ids[4])
		after(20 * time.Second) // the keeper notices the release
		if newest, count := r.Unknown(1, 1); count != 4 || newest[0].ID != ids[3] {
			t.Errorf("after a release: %d, %v", count, newest)
		}
	})
}

func TestUnknownShowsWhatIsHeldAndWhatItBlocks(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.observer.fails()
		op := want("", "1", "2", "3")
		op.Claims = []operation.Claim{{Kind: "list", Key: "G"}}
		begun := time.Now()
		id := r.unknown(op)
		expected := operation.Unresolved{
			ID: id, Route: "assign", Target: op.Target, UnknownAt: begun.UTC(), PlatformEndpoint: "n1",
			Held: []string{"1", "2"}, HeldCount: 4,
		}
		check := func() {
			t.Helper()
			newest, _ := r.Unknown(1, 2)
			expected.Readings, _ = r.ReadBack(id)
			if diff := cmp.Diff([]operation.Unresolved{expected}, newest); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		}
		check()
		after(3 * time.Second)
		check()
		if expected.Readings.Failure != errBlind.Error() {
			t.Errorf("the reading's failure is %q", expected.Readings.Failure)
		}
		for range 2 {
			if _, err := r.Begin(t.Context(), want("", "2")); !isHeld(err) {
				t.Fatal(err)
			}
			expected.Refused++
		}
		// The plan may need more than the request names.
		w := r.begin(want("", "other"))
		w.Plan(planned(want("", "other", "3").Entries))
		if err := w.Intend(t.Context(), 1, "n1"); !isHeld(err) {
			t.Fatal(err)
		}
		w.Close()
		expected.Refused, expected.RefusedAt = 3, time.Now()
		check()
		if newest, _ := r.Unknown(1, 9); len(newest[0].Held) != 4 || newest[0].Held[3] != "list:G" {
			t.Errorf("it holds %q", newest[0].Held)
		}
	})
}

func isHeld(err error) bool {
	_, ok := errors.AsType[*operation.HeldError](err)
	return ok
}
