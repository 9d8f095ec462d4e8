package operation_test

import (
	"context"
	"time"

	"ocigate/gateway/operation"
)

// This file has the takeovers of the store of the keeper's tests (journal_test.go). It is no test
// of its own.

func (s *store) Adopt(ctx context.Context, owner string) ([]operation.Operation, error) {
	return s.adopt(ctx, "Adopt", owner, func(k *kept, now time.Time) bool { return !s.leases[k.Owner].After(now) })
}

// AdoptLost adopts immediately what belongs to owners in free.
func (s *store) AdoptLost(ctx context.Context, owner string) ([]operation.Operation, time.Duration, error) {
	ops, err := s.adopt(ctx, "AdoptLost", owner, func(k *kept, now time.Time) bool {
		return s.free[k.Owner] && s.halfLocked(owner, now) && s.leases[k.Owner].After(now)
	})
	return ops, s.lease / 2, err
}

// halfLocked reports whether more than half of an owner's lease is left.
func (j *journal) halfLocked(owner string, now time.Time) bool {
	return j.leases[owner].Add(-j.lease / 2).After(now)
}

// setFree makes others take an owner for stopped before its lease has run out, or not.
func (j *journal) setFree(owner string, free bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.free[owner] = free
}

// adopt makes a call of a method that adopts what other owners have stopped to take care of.
func (s *store) adopt(ctx context.Context, method, owner string, stopped func(k *kept, now time.Time) bool) (ops []operation.Operation, err error) {
	var answered []*kept
	err = s.do(ctx, method, "", func(bool) error {
		now := time.Now()
		if method == "Adopt" {
			s.leases[owner] = now.Add(s.lease)
		}
		for _, k := range s.ops {
			switch stopped := k.Owner != owner && stopped(k, now); {
			case stopped && k.State == operation.Received:
				s.removeLocked(k)
			case stopped && k.Open():
				k.Owner, k.unanswered = owner, method
				k.Version++
			}
			if k.Owner == owner && k.unanswered == method {
				answered = append(answered, k)
				ops = append(ops, k.Operation)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range answered {
		k.unanswered = ""
	}
	return ops, nil
}
