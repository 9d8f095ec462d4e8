package bolt

import (
	"maps"
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
	// count numbers what happens: since is when an operation was begun, freed when
	// one that was recorded has freed something, both by id. Of the latter only
	// those are kept that came after the oldest of the former.
	count        int
	since, freed map[string]int
	most         int // of freed, before those that are too old are looked for
}

func newBegun() begun {
	return begun{
		operations: map[string]operation.Operation{}, keys: map[string]string{}, holds: map[string]string{},
		since: map[string]int{}, freed: map[string]int{},
	}
}

func (b *begun) add(op *operation.Operation) {
	b.remove(op.ID)
	b.operations[op.ID] = clone(*op)
	b.count++
	b.since[op.ID] = b.count
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
	delete(b.since, id)
	if key := string(callerKey(&op)); b.keys[key] == id {
		delete(b.keys, key)
	}
	for _, c := range op.Holds() {
		if key := string(claimKey(&op, c)); b.holds[key] == id {
			delete(b.holds, key)
		}
	}
}

// noteFreed notes that an operation that was recorded has freed something.
func (b *begun) noteFreed(id string) {
	if len(b.operations) == 0 {
		clear(b.freed) // nobody asks
		return
	}
	if len(b.freed) >= b.most {
		oldest := slices.Min(slices.Collect(maps.Values(b.since)))
		maps.DeleteFunc(b.freed, func(_ string, at int) bool { return at < oldest })
		b.most = 2*len(b.freed) + 1024
	}
	b.count++
	b.freed[id] = b.count
}

// freedSince reports whether an operation has freed something after another was
// begun.
func (b *begun) freedSince(id string, op *operation.Operation) bool {
	return b.freed[id] > b.since[op.ID]
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
	op.Response = slices.Clone(op.Response)
	op.Corrections = slices.Clone(op.Corrections)
	op.Releases = slices.Clone(op.Releases)
	return op
}
