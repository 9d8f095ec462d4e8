package operation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Released is what an operator has decided about entries whose outcome was
// unknown: others may have them from then on.
type Released struct {
	At      time.Time `json:"at"`
	By      string    `json:"by"`      // the operator, as the operating system names them
	Reason  string    `json:"reason"`  // why, in their words
	Entries []string  `json:"entries"` // keys
}

// Release is an operator's order to free entries of an operation.
type Release struct {
	ID string `json:"id"`
	// Entries are those to free: as the caller or the platform spells them, or
	// their keys. None stands for all that are held.
	Entries []string `json:"entries,omitempty"`
	By      string   `json:"by"`
	Reason  string   `json:"reason"` // 1 to [MaxReason] characters, all printable
}

// MaxReason is the longest reason of a release, in characters.
const MaxReason = 500

// ReleaseError says why entries are not released. Nothing was changed.
type ReleaseError struct{ Reason string }

func (e *ReleaseError) Error() string { return "operation: not released: " + e.Reason }

func refuseRelease(format string, args ...any) error {
	return &ReleaseError{fmt.Sprintf(format, args...)}
}

// releaseTries is how often a release is tried while others record the same
// operation.
const releaseTries = 5

// Record frees entries of an operation that is [Unknown], and returns it as it is
// then. What became of these entries stays unknown for good, and no reading
// proves anything about them any more, because others may change them from now
// on. What else the operation holds is read back as before. Where it holds
// nothing any more it is over, and still Unknown. Its idempotency key stays its
// own: a request that is repeated with it must not be sent again.
//
// It may be called in any process that has the store, and while keepers work on
// the operation: what they are about to record becomes an [ErrConflict] by the
// release, or the release by what they record. The first one counts.
//
// settle is that of the keepers. Within that time after it became unknown, the
// platform may still carry the operation out, so that its entries are not
// released.
//
// The error is [ErrNotFound] or a [*ReleaseError], or says that the store is not
// usable; then it is open whether they were released.
func (r Release) Record(ctx context.Context, store Store, settle time.Duration) (Operation, error) {
	if err := r.check(); err != nil {
		return Operation{}, err
	}
	for range releaseTries {
		op, err := store.Get(ctx, r.ID)
		if err != nil {
			return Operation{}, err
		}
		event, err := r.apply(&op, settle, time.Now().UTC())
		if err != nil {
			return Operation{}, err
		}
		if err = store.Record(ctx, op, event); !errors.Is(err, ErrConflict) {
			return op, err
		}
	}
	return Operation{}, refuseRelease("others keep recording it")
}

func (r Release) check() error {
	switch {
	case strings.TrimSpace(r.Reason) == "":
		return refuseRelease("it needs a reason, which the audit trail keeps")
	case utf8.RuneCountInString(r.Reason) > MaxReason:
		return refuseRelease("the reason has more than %d characters", MaxReason)
	case !utf8.ValidString(r.Reason) || strings.ContainsFunc(r.Reason, func(c rune) bool { return !unicode.IsPrint(c) }):
		return refuseRelease("the reason must be one line of printable characters")
	case strings.TrimSpace(r.By) == "":
		return refuseRelease("it needs the name of who orders it")
	}
	return nil
}

// apply changes an operation as the release wants it, and returns the event of
// the audit trail.
func (r Release) apply(op *Operation, settle time.Duration, now time.Time) (Event, error) {
	switch settled := op.DoubtedAt.Add(settle); {
	case op.State.Ended():
		return Event{}, refuseRelease("the operation has ended as %s and holds nothing", op.State)
	case op.Over():
		return Event{}, refuseRelease("the operation holds nothing any more")
	case op.State != Unknown:
		return Event{}, refuseRelease("the operation is on its way, or its process has died and a running one has to take it over first: its state is %s", op.State)
	case now.Before(settled):
		return Event{}, refuseRelease("the platform may still carry the operation out, until %s (journal.settle)", settled.Format(time.RFC3339))
	}
	freed, err := r.choose(op)
	if err != nil {
		return Event{}, err
	}
	op.Entries = slices.Clone(op.Entries) // others may be reading them
	var entries []Entry
	for i := range op.Entries {
		if e := &op.Entries[i]; slices.Contains(freed, e.Key) {
			e.Released = true
			entries = append(entries, *e)
		}
	}
	op.Releases = append(slices.Clone(op.Releases), Released{At: now, By: r.By, Reason: r.Reason, Entries: freed})
	op.Version++
	// Nobody's name, and another one each time, so that no two records of one
	// version are taken for the same. What is left of the operation is adopted
	// like those of the dead.
	op.Owner = "release-" + rand.Text()
	if op.Over() {
		op.EndedAt = now
	}
	event := EventOf(EventRelease, op, now)
	event.Caller = Caller{Name: r.By, Level: operatorLevel, Method: operatorMethod}
	event.Entries, event.Reason = entries, r.Reason
	return event, nil
}

// How the audit trail names an operator, who has no account of the API.
const (
	operatorLevel  = "operator"
	operatorMethod = "command line"
)

// choose finds the keys of the entries to free.
func (r Release) choose(op *Operation) ([]string, error) {
	held := op.Holds()
	if len(r.Entries) == 0 {
		return held, nil
	}
	var freed []string
	for _, wanted := range r.Entries {
		at := slices.IndexFunc(op.Entries, func(e Entry) bool {
			return wanted != "" && (wanted == e.Key || wanted == e.Given || wanted == e.Start)
		})
		switch {
		case at < 0:
			return nil, refuseRelease("the operation has no entry %q", wanted)
		case !slices.Contains(held, op.Entries[at].Key):
			return nil, refuseRelease("the operation does not hold %q any more", wanted)
		}
		freed = append(freed, op.Entries[at].Key)
	}
	slices.Sort(freed)
	return slices.Compact(freed), nil
}

// stillHeld reports whether the store still has the operation as the keeper knows
// it: so its entries were held while they were read, and what was seen is its own
// doing. An operation that somebody else has recorded meanwhile is theirs, and is
// not looked after any more. While the store cannot be read nobody knows, and the
// platform is not read until it can.
func (k *Keeper) stillHeld(d *doubt, op *Operation) bool {
	ctx, cancel := context.WithTimeout(k.life, storeTime)
	defer cancel()
	stored, err := k.options.Store.Get(ctx, op.ID)
	unreadable := err != nil && !errors.Is(err, ErrNotFound)
	if unreadable {
		k.failed(ctx, "reading an operation", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case unreadable:
		k.unreadable = true
		now := time.Now()
		d.failure = err
		d.postpone(now, now, k.options.Settle)
		return false
	case err == nil && (stored.Version > op.Version || stored.Version == op.Version && stored.Owner != op.Owner):
		if k.doubts[op.ID] == d {
			delete(k.doubts, op.ID)
		}
		return false
	}
	return true
}

// ofHeld is the part of a reading that is about the entries an operation holds.
func ofHeld(op *Operation, sight Sight) Sight {
	if len(op.Releases) == 0 {
		return sight
	}
	held := Sight{Node: sight.Node}
	for i, e := range op.Entries {
		if e.isHeld() {
			held.Effects = append(held.Effects, sight.Effects[i])
		}
	}
	return held
}

// outcomesWith are those of all entries of an operation once those of the ones
// that it holds are known, in their order.
func outcomesWith(op *Operation, held []State) []State {
	outcomes := make([]State, len(op.Entries))
	for i, e := range op.Entries {
		outcomes[i] = e.Outcome
		if e.isHeld() {
			outcomes[i], held = held[0], held[1:]
		}
	}
	return outcomes
}

// concludeBy gives the entries the outcomes that readings have proven, and the
// operation the state that follows. It stays Unknown for good where an entry has
// none.
func (o *Operation) concludeBy(outcomes []State, now time.Time) {
	o.Entries = withOutcomes(o.Entries, outcomes)
	if !slices.Contains(outcomes, "") {
		o.conclude(wholeOf(outcomes), ByReading, now)
		return
	}
	o.Version++
	if o.EndedAt.IsZero() {
		o.EndedAt = now
	}
}
