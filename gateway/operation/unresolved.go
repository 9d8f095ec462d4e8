package operation

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"ocigate/translate/scope"
)

// An Unresolved is what operators need of an operation of this process that is unknown.
type Unresolved struct {
	ID, Route string
	Target    scope.Target
	UnknownAt time.Time
	// PlatformEndpoint is the endpoint of the platform that it was sent to.
	PlatformEndpoint string
	// Held are the names of the first of the entries and claims that no other
	// operation can have, each as a release accepts it (see [Names]); HeldCount is
	// the number of all.
	Held      []string
	HeldCount int
	// Refused is how many operations this process has refused because they needed
	// something that this operation holds, and RefusedAt when the last of them was.
	Refused   int
	RefusedAt time.Time
	// Readings describes the attempts to find out the outcome.
	Readings ReadBack
}

// Unknown returns the operations of this process that are unknown: the newest, at most
// limit, with at most maxHeld names of what each holds, and the number of all. It calls
// neither the store nor the platform.
func (k *Keeper) Unknown(limit, maxHeld int) (newest []Unresolved, count int) {
	chosen, count := k.newestUnknown(limit)
	for i := range chosen {
		chosen[i].addHeld(maxHeld)
		newest = append(newest, chosen[i].Unresolved)
	}
	return newest, count
}

// unresolvedOperation is an operation with its description. The operation's entries and
// claims do not change.
type unresolvedOperation struct {
	op Operation
	Unresolved
}

// newestUnknown returns the newest unknown operations, without what they hold, and the
// number of all.
func (k *Keeper) newestUnknown(limit int) (newest []unresolvedOperation, count int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var chosen []*openOperation // sorted, the newest first
	for _, open := range k.open {
		if open.op.Over() {
			continue
		}
		count++
		at, _ := slices.BinarySearchFunc(chosen, open, compareNewest)
		if at == limit {
			continue
		}
		chosen = slices.Insert(chosen, at, open)
		chosen = chosen[:min(len(chosen), limit)]
	}
	for _, open := range chosen {
		op := open.op
		newest = append(newest, unresolvedOperation{op, Unresolved{
			ID: op.ID, Route: op.Route, Target: op.Target, UnknownAt: op.UnknownAt, PlatformEndpoint: op.PlatformEndpoint,
			Refused: open.refused, RefusedAt: open.refusedAt, Readings: k.readBackLocked(open),
		}})
	}
	return newest, count
}

// compareNewest sorts the operation that became unknown last first. Ids decide between
// equal times.
func compareNewest(a, b *openOperation) int {
	return cmp.Or(b.op.UnknownAt.Compare(a.op.UnknownAt), cmp.Compare(b.op.ID, a.op.ID))
}

// addHeld sets Held and HeldCount.
func (u *unresolvedOperation) addHeld(most int) {
	holds := u.op.Holds()
	u.HeldCount = len(holds)
	given := make(map[Claim]string, len(u.op.Entries))
	for _, e := range u.op.Entries {
		given[e.Claim()] = e.Given
	}
	names := u.op.Names()
	for _, claim := range holds[:min(len(holds), most)] {
		u.Held = append(u.Held, names.Of(claim, given[claim]))
	}
}

// noteRefused counts a refusal with an [*HeldError] for the operation that holds what
// was needed, if this process resolves it.
func (k *Keeper) noteRefused(err error) {
	held, ok := errors.AsType[*HeldError](err)
	if !ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if open, ok := k.open[held.ID]; ok {
		open.refused++
		open.refusedAt = time.Now()
	}
}
