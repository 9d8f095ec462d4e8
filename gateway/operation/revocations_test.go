package operation_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
)

// These tests specify how a keeper stores revocations and reads those of other processes.
// newRevoker on the same journal adds a replica.

// revoker is a keeper that reads revocations, with its store.
type revoker struct {
	*operation.Keeper
	store *store

	mu       sync.Mutex // guards the fields below
	read     []string   // the tokens of each call of Revoked, joined
	failures []string
}

func newRevoker(t *testing.T, s *store, owner string) *revoker {
	t.Helper()
	r := &revoker{store: s}
	r.Keeper = operation.NewKeeper(operation.Options{
		Store: s, Observe: (&observer{of: map[string]int{}}).Observe, Owner: owner,
		Revoked: func(list []operation.Revocation) {
			r.mu.Lock()
			defer r.mu.Unlock()
			text := ""
			for _, v := range list {
				text += v.Token + " "
			}
			r.read = append(r.read, text)
		},
		Trace: operation.Trace{Failed: func(doing string, _ error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.failures = append(r.failures, doing)
		}},
	})
	t.Cleanup(func() { r.Close(context.Background()) })
	synctest.Wait()
	return r
}

// wantRead checks what was read since the last call.
func (r *revoker) wantRead(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(want, r.read); diff != "" {
		t.Errorf("the revocations read (-want +got):\n%s", diff)
	}
	r.read = nil
}

// failed returns how often a failure of that kind was reported since the last call.
func (r *revoker) failed(doing string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, f := range r.failures {
		if f == doing {
			n++
		}
	}
	r.failures = nil
	return n
}

// revoke revokes a token, and reports whether the store has taken it.
func (r *revoker) revoke(t *testing.T, token string) bool {
	t.Helper()
	now := time.Now()
	return r.Revoke(t.Context(), operation.Revocation{Principal: "user", Token: token, Issued: now, Expires: now.Add(time.Hour)},
		operation.Event{Time: now, Kind: operation.EventLogout, Route: token}) == nil
}

func TestRevocationsAreReadWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(lease)
		a := newRevoker(t, newStore(j), "A")
		a.wantRead(t, "")
		a.revoke(t, "1")
		b := newRevoker(t, newStore(j), "B")
		b.wantRead(t, "1 ")
		a.revoke(t, "2")
		after(time.Second)
		b.wantRead(t, "2 ")
		a.wantRead(t, "1 2 ") // its own as well: a restored database may lack them
		after(time.Minute)
		b.wantRead(t, "1 2 ") // all of them, once a minute
		b.revoke(t, "3")
		if err := a.ReadRevocations(t.Context()); err != nil {
			t.Error(err)
		}
		a.wantRead(t, "1 2 ", "3 ")
	})
}

func TestRevocationsThatCannotBeRead(t *testing.T) {
	for _, f := range []fault{fails, hangs} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore(newJournal(lease))
			s.will(f)
			k := newRevoker(t, s, "A")
			if f == fails {
				<-k.RevocationsTried() // although it has failed
			}
			after(time.Minute)
			<-k.RevocationsTried()
			k.wantRead(t)
			if n := k.failed("reading the revoked tokens"); n != 1 {
				t.Errorf("reported %d times", n)
			}
			s.will(works)
			after(12 * time.Second)
			k.wantRead(t, "")
			s.will(fails, "Revocations")
			after(10 * time.Second)
			if n := k.failed("reading the revoked tokens"); n != 1 {
				t.Errorf("the second time reported %d times", n)
			}
		})
	}
}

func TestRevocationIsStoredOnceTheJournalIsUsable(t *testing.T) {
	for _, f := range []fault{fails, losesReply, storesEvent, hangs, hangsLate} {
		t.Run(fmt.Sprintf("with fault %d", f), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJournal(lease)
				s := newStore(j)
				k, other := newRevoker(t, s, "A"), newRevoker(t, newStore(j), "B")
				other.wantRead(t, "")
				s.will(f, "Revoke")
				if k.revoke(t, "1") || k.revoke(t, "2") {
					t.Error("the store has taken it")
				}
				after(time.Minute)
				if n := k.failed("storing a revoked token"); n != 2 {
					t.Errorf("%d failures were reported for two tokens", n)
				}
				s.will(works, "Revoke")
				after(15 * time.Second)
				s.count("Revoke")
				stored := map[string]bool{}
				j.mu.Lock()
				for _, v := range j.revoked {
					stored[v.Token] = true
				}
				events := map[string]bool{}
				for _, e := range j.trail {
					events[e.Route] = true
				}
				j.mu.Unlock()
				if want := map[string]bool{"1": true, "2": true}; !cmp.Equal(stored, want) || !cmp.Equal(events, want) {
					t.Errorf("stored %v, in the trail %v", stored, events)
				}
				after(time.Minute)
				if n := s.count("Revoke"); n != 0 {
					t.Errorf("stored again %d times", n)
				}
			})
		})
	}
}

func TestRevocationIsStoredWhenTheKeeperCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(lease)
		s := newStore(j)
		k := newRevoker(t, s, "A")
		s.will(fails, "Revoke")
		k.revoke(t, "1")
		s.will(works)
		k.Close(t.Context())
		newRevoker(t, newStore(j), "B").wantRead(t, "1 ")
	})
}

// TestRevocationThatNoStoreTakes checks that it does not hold up the others.
func TestRevocationThatNoStoreTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(lease)
		s := newStore(j)
		k := newRevoker(t, s, "A")
		s.faults.Lock()
		s.fault = func(method, id string) fault {
			if method == "Revoke" && len(id) > 1 {
				return fails
			}
			return works
		}
		s.faults.Unlock()
		for i := range 5 {
			k.revoke(t, fmt.Sprint("bad", i))
		}
		s.will(fails, "Revoke")
		k.revoke(t, "1")
		s.faults.Lock()
		s.fault = func(method, id string) fault {
			if method == "Revoke" && len(id) > 1 {
				return fails
			}
			return works
		}
		s.faults.Unlock()
		after(5 * time.Second)
		newRevoker(t, newStore(j), "B").wantRead(t, "1 ")
	})
}

func TestRevocationsThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(newJournal(lease))
		k := newRevoker(t, s, "A")
		s.will(fails, "Revoke")
		for i := range 4097 {
			k.revoke(t, fmt.Sprint(i))
		}
		if n := k.failed("keeping a revoked token until it can be stored"); n != 1 {
			t.Errorf("reported %d times", n)
		}
		s.will(works)
		after(2 * time.Second)
		k.mu.Lock()
		k.read = nil
		k.mu.Unlock()
		if list, _, err := s.Revocations(t.Context(), 0); err != nil || len(list) != 4096 {
			t.Errorf("%d are stored, %v", len(list), err)
		}
	})
}
