package bolt

import (
	"maps"
	"slices"
	"time"

	"ocigate/gateway/operation"
)

// begun has the operations that are only Received, which need not outlive the process.
// The lock of the store guards it.
type begun struct {
	operations map[string]operation.Operation // by id
	keys       map[string]string              // ids by idempotency key
	holds      map[string]string              // ids by claim
	// count numbers two kinds of events, in order: since has when an operation was
	// begun, freed when a recorded operation has freed something, both by id. freed
	// need only have numbers after the lowest of since.
	count        int
	since, freed map[string]int
	most         int // length of freed at which numbers that are too low are removed
}

func newBegun() begun {
	return begun{
		operations: map[string]operation.Operation{}, keys: map[string]string{}, holds: map[string]string{},
		since: map[string]int{}, freed: map[string]int{},
	}
}

// add adds an operation, in place of an earlier one of the same id.
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

// remove removes an operation, its key and what it holds.
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

// noteFreed notes that a recorded operation has freed something.
func (b *begun) noteFreed(id string) {
	if len(b.operations) == 0 {
		clear(b.freed) // no operation can ask for it
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

// claimed returns the operation that has the key of op, if another one has.
func (b *begun) claimed(op *operation.Operation, now time.Time) (operation.Operation, bool) {
	other, found := b.operations[b.keys[string(callerKey(op))]]
	return other, found && other.ID != op.ID && now.Before(other.KeyExpires)
}

// holder returns the id of the operation that has the claim, empty if none has.
func (b *begun) holder(op *operation.Operation, c operation.Claim) string {
	return b.holds[string(claimKey(op, c))]
}

// clone returns a copy of an operation that shares no memory with it.
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
