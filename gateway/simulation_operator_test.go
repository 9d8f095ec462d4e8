package gateway_test

import (
	"errors"
	"time"

	"ocigate/gateway/operation"
)

// operate releases entries of operations that are unknown for long, past the
// gateway's keeper, and at times while that is about to record what became of
// them.
func (s *story) operate(d *dice, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(d.upTo(4 * time.Second)):
		}
		store := s.running().disk
		ops, err := store.List(s.t.Context(), operation.Query{Open: true, State: operation.Unknown, Limit: 100})
		if err != nil || len(ops) == 0 {
			continue
		}
		op := pick(d, ops)
		order := operation.Release{ID: op.ID, By: "operator", Reason: "cannot wait"}
		if held := op.Holds(); len(held) > 1 && d.oneIn(2) {
			order.Entries = []string{held[0].Key}
		}
		_, err = order.Record(s.t.Context(), store, settleTime)
		if _, refused := errors.AsType[*operation.ReleaseError](err); !refused {
			s.logf("release of %s, %v: %v", op.Caller.RequestID, order.Entries, err)
		}
	}
}
