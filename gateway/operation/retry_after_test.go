package operation_test

import (
	"testing"
	"time"

	"ocigate/gateway/operation"
)

// This test specifies how long callers are asked to wait. To add a case, add a row: what
// happens to an operation of A, and how long each of the replicas A and B then says.

func TestRetryAfter(t *testing.T) {
	const unread = 2 * time.Second // until the first reading, and a second
	begun := func(r *rig) *operation.Write { return r.send(want("", "1")) }
	unknown := func(r *rig) *operation.Write { w := begun(r); w.Close(); return w }
	for _, c := range []struct {
		state string
		make  func(r *rig) *operation.Write
		then  func(a, b *rig)
		a, b  time.Duration
	}{
		{"running, at once", begun, nil, time.Second, time.Second},
		{"running for a while", begun, func(_, _ *rig) { after(3 * time.Second) }, 3 * time.Second, 3 * time.Second},
		{"running for long", begun, func(_, _ *rig) { after(time.Minute) }, 30 * time.Second, 5 * time.Second},
		{"unknown, and not read", unknown, nil, settle + time.Second, settle + time.Second},
		{"unknown, and read without an effect", unknown, func(_, _ *rig) { after(20 * time.Second) }, settle - 19*time.Second, settle - 19*time.Second},
		{"unknown, when the settle time is over", unknown, func(a, _ *rig) {
			a.observer.fails()
			after(settle + 5*time.Second)
		}, 6 * time.Second, 5 * time.Second},
		{"ended", unknown, func(a, _ *rig) {
			a.observer.shows("+")
			after(2 * time.Second)
		}, 0, 0},
		{"taken over from one that has stopped", begun, func(a, _ *rig) {
			a.crash()
			after(lease)
		}, -1, unread},
		{"taken over from one that may still be sending", begun, func(a, _ *rig) {
			a.crash()
			a.journal.setFree("A", true)
			after(time.Second)
		}, -1, unread},
		{"taken over from one that may still be sending, and read without an effect", begun, func(a, _ *rig) {
			a.crash()
			a.journal.setFree("A", true)
			after(3 * time.Second)
		}, -1, lease/2 + settle + time.Second - 2*time.Second},
	} {
		t.Run(c.state, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				b := newRig(t, r.journal, "B")
				c.make(r)
				if c.then != nil {
					c.then(r, b)
				}
				for _, replica := range []struct {
					*rig
					want time.Duration
				}{{r, c.a}, {b, c.b}} {
					if replica.want < 0 {
						continue // it has stopped
					}
					for _, id := range r.journal.ids() {
						op := replica.get(id)
						if got := replica.RetryAfter(&op); got != replica.want {
							t.Errorf("%v, want %v", got, replica.want)
						}
					}
				}
			})
		})
	}
}

// TestRetryAfterOfAnOutcomeThatIsKnownMeanwhile has the outcome found out between the reading of
// an operation and the question when to ask again: not when its outcome would have been known
// otherwise, and not when it is checked once more.
func TestRetryAfterOfAnOutcomeThatIsKnownMeanwhile(t *testing.T) {
	for _, c := range []struct {
		outcome operation.State
		shows   string
		after   time.Duration
	}{
		{operation.Done, "+", 3 * time.Second},
		{operation.NotDone, "", settle + 5*time.Second},
	} {
		t.Run(string(c.outcome), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.send(want("", "1")).Close()
				unknown := r.get(r.journal.ids()[0])
				if c.shows != "" {
					r.observer.shows(c.shows)
				}
				after(c.after)
				if now := r.get(unknown.ID); now.State != c.outcome {
					t.Fatalf("the state is %v", now.State)
				}
				if got := r.RetryAfter(&unknown); got != time.Second {
					t.Errorf("%v, want a second", got)
				}
			})
		})
	}
}
