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
	holds      map[string]string              // ids by entry
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
	for _, entry := range op.Keys() {
		b.holds[string(entryKey(op, entry))] = op.ID
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
	for _, entry := range op.Keys() {
		if key := string(entryKey(&op, entry)); b.holds[key] == id {
			delete(b.holds, key)
		}
	}
}

// claimed finds the operation that has the key of another, if any.
func (b *begun) claimed(op *operation.Operation, now time.Time) (operation.Operation, bool) {
	other, found := b.operations[b.keys[string(callerKey(op))]]
	return other, found && other.ID != op.ID && now.Before(other.KeyExpires)
}

// holder is the id of another operation that has the entry, empty for none.
func (b *begun) holder(op *operation.Operation, entry string) string {
	if id := b.holds[string(entryKey(op, entry))]; id != op.ID {
		return id
	}
	return ""
}

// clone makes an operation that shares nothing with another.
func clone(op operation.Operation) operation.Operation {
	op.Entries = slices.Clone(op.Entries)
	op.Answer = slices.Clone(op.Answer)
	op.Corrections = slices.Clone(op.Corrections)
	return op
}
