package gateway_test

import (
	"errors"
	"time"

	"ocigate/gateway/operation"
)

// releaseEntries releases entries of operations that have been unknown for long. It uses
// the store directly, as the command line does, sometimes while the gateway's keeper is
// about to record an outcome.
func (s *simulation) releaseEntries(d *dice, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(d.upTo(4 * time.Second)):
		}
		store := s.current().disk
		ops, _, err := store.List(s.t.Context(), operation.Query{Open: true, State: operation.Unknown, Limit: 100})
		if err != nil || len(ops) == 0 {
			continue
		}
		op := pick(d, ops)
		release := operation.Release{ID: op.ID, By: "operator", Reason: "cannot wait"}
		if held := op.Holds(); len(held) > 1 && d.oneIn(2) {
			release.Entries = []string{held[0].Key}
		}
		_, err = release.Record(s.t.Context(), store, settleTime)
		if _, refused := errors.AsType[*operation.ReleaseError](err); !refused {
			s.logf("release of %s, %v: %v", op.Caller.RequestID, release.Entries, err)
		}
	}
}
