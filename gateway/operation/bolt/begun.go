package bolt

import (
	"slices"
	"time"

	"ocigate/gateway/operation"
)

// begun are the operations that are only received: they need not outlive the
// process.
type begun struct {
	operations map[string]operation.Operation // by id
	keys       map[string]string              // ids by idempotency key
	holds      map[string]string              // ids by claim
}

func newBegun() begun {
	return begun{map[string]operation.Operation{}, map[string]string{}, map[string]string{}}
}

func (b *begun) add(op *operation.Operation) {
	b.remove(op.ID)
	b.operations[op.ID] = clone(*op)
	if op.HoldsKey() {
		b.keys[string(callerKey(op))] = op.ID
	}
	for _, c := range op.Holds() {
		b.holds[string(claimKey(op, c))] = op.ID
	}
}

func (b *begun) remove(id string) {
	op, found := b.operations[id]
	if !found {
		return
	}
	delete(b.operations, id)
	if key := string(callerKey(&op)); b.keys[key] == id {
		delete(b.keys, key)
	}
	for _, c := range op.Holds() {
		if key := string(claimKey(&op, c)); b.holds[key] == id {
			delete(b.holds, key)
		}
	}
}

// claimed finds the operation that has the key of another, if any.
func (b *begun) claimed(op *operation.Operation, now time.Time) (operation.Operation, bool) {
	other, found := b.operations[b.keys[string(callerKey(op))]]
	return other, found && other.ID != op.ID && now.Before(other.KeyExpires)
}

// holder is the id of the operation that has the claim, empty for none.
func (b *begun) holder(op *operation.Operation, c operation.Claim) string {
	return b.holds[string(claimKey(op, c))]
}

// clone makes an operation that shares nothing with another.
func clone(op operation.Operation) operation.Operation {
	op.Entries = slices.Clone(op.Entries)
	for i := range op.Entries {
		e := &op.Entries[i]
		e.Before, e.After = slices.Clone(e.Before), slices.Clone(e.After)
	}
	op.Claims = slices.Clone(op.Claims)
	op.Answer = slices.Clone(op.Answer)
	op.Corrections = slices.Clone(op.Corrections)
	op.Releases = slices.Clone(op.Releases)
	return op
}
