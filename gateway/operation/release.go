package operation

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Released is what an operator has decided about entries whose outcome was
// unknown: others may have them from then on.
type Released struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`     // the operator, as the operating system names them
	Reason string    `json:"reason"` // why, in their words
	// Entries are keys, as kind:key where the key alone names several entries of
	// the operation. Before there were two kinds in one operation, all were keys.
	Entries []string `json:"entries"`
}

// Release is an operator's order to free entries of an operation.
type Release struct {
	ID string `json:"id"`
	// Entries are those to free: each as kind:key, or as its key or the caller's or
	// the platform's spelling where that names no other entry of the operation. None
	// stands for all that are held.
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
	switch settled := op.UnknownAt.Add(settle); {
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
	isFreed := setOf(freed)
	op.Entries = slices.Clone(op.Entries) // others may be reading them
	var entries []Entry
	for i := range op.Entries {
		if e := &op.Entries[i]; isFreed[e.Claim()] {
			e.Released = true
			entries = append(entries, *e)
		}
	}
	names := op.Names()
	spelled := make([]string, len(freed))
	for i, c := range freed {
		spelled[i] = names.Of(c, c.Key)
	}
	op.Releases = append(slices.Clone(op.Releases), Released{At: now, By: r.By, Reason: r.Reason, Entries: spelled})
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

// choose finds the entries to free: all that are held, or those that are named, by
// their keys.
func (r Release) choose(op *Operation) ([]Claim, error) {
	held := claimsOf(op.Entries, Entry.isHeld)
	if len(r.Entries) == 0 {
		return held, nil
	}
	names, isHeld := op.Names(), setOf(held)
	var freed []Claim
	for _, name := range r.Entries {
		named := names.find(name)
		switch {
		case len(named) == 0:
			return nil, refuseRelease("the operation has no entry %q", name)
		case len(named) > 1:
			forms := make([]string, len(named))
			for i, c := range named {
				forms[i] = strconv.Quote(c.String())
			}
			return nil, refuseRelease("the operation has several entries %q: name one as %s", name, strings.Join(forms, " or "))
		case !isHeld[named[0]]:
			return nil, refuseRelease("the operation does not hold %q any more", name)
		}
		freed = append(freed, named[0])
	}
	sortByKey(freed)
	return slices.Compact(freed), nil
}

func sortByKey(claims []Claim) {
	slices.SortFunc(claims, func(a, b Claim) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Kind, b.Kind)) })
}

// String is the claim as kind:key.
func (c Claim) String() string { return c.Kind + ":" + c.Key }

func setOf(claims []Claim) map[Claim]bool {
	set := make(map[Claim]bool, len(claims))
	for _, c := range claims {
		set[c] = true
	}
	return set
}

// Names finds the entries of an operation by names. [Operation.Names] makes it.
type Names struct {
	byClaim    map[string]Claim   // kind:key
	bySpelling map[string][]Claim // keys, and spellings by the caller and the platform
}

// Names returns the names of the operation's entries as they are now.
func (o *Operation) Names() Names {
	n := Names{make(map[string]Claim, len(o.Entries)), make(map[string][]Claim, len(o.Entries))}
	for _, e := range o.Entries {
		c := e.Claim()
		n.byClaim[c.String()] = c
		for _, spelling := range []string{e.Key, e.Given, e.Start} {
			if claims := n.bySpelling[spelling]; spelling != "" && !slices.Contains(claims, c) {
				n.bySpelling[spelling] = append(claims, c)
			}
		}
	}
	return n
}

// find returns the entries that a name fits, each once, by their keys: the one whose
// kind:key it is, or else all whose key, or spelling by the caller or the platform,
// it is.
func (n Names) find(name string) []Claim {
	if c, ok := n.byClaim[name]; ok {
		return []Claim{c}
	}
	named := slices.Clone(n.bySpelling[name])
	sortByKey(named)
	return named
}

// Of is a name by which a release finds an entry of the operation: that spelling,
// which is the entry's key, Given or Start, or kind:key where the spelling does not
// name that entry alone. A claim that is no entry's has its kind:key.
func (n Names) Of(c Claim, spelling string) string {
	if named := n.find(spelling); len(named) == 1 && named[0] == c {
		return spelling
	}
	return c.String()
}

// keysOf are the keys of claims, in order.
func keysOf(claims []Claim) []string {
	keys := make([]string, len(claims))
	for i, c := range claims {
		keys[i] = c.Key
	}
	return keys
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

// concludeBy gives the entries at those places the outcomes that readings have
// proven, and the operation the state that follows. It stays Unknown for good
// where an entry has none.
func (o *Operation) concludeBy(places []int, outcomes []State, now time.Time) {
	o.Entries = withOutcomes(o.Entries, places, outcomes)
	if !slices.ContainsFunc(o.Entries, func(e Entry) bool { return e.Outcome == "" }) {
		o.conclude(o.whole(), ByReading, now)
		return
	}
	o.Version++
	if o.EndedAt.IsZero() {
		o.EndedAt = now
	}
}
