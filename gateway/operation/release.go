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

// Released records that an operator has freed entries whose outcome was unknown: other
// operations can change them from then on.
type Released struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`     // the operator, as the operating system names them
	Reason string    `json:"reason"` // why, in their words
	// Entries are keys, or kind:key if the key alone names several entries of the
	// operation. Records from before an operation could have two kinds have keys only.
	Entries []string `json:"entries"`
}

// Release is an operator's order to free entries of an operation.
type Release struct {
	ID string `json:"id"`
	// Entries are those to free: each as kind:key, or as its key or the caller's or
	// the platform's spelling if that names no other entry of the operation. None
	// means all that are held.
	Entries []string `json:"entries,omitempty"`
	By      string   `json:"by"`
	Reason  string   `json:"reason"` // 1 to [MaxReason] characters, all printable
}

// MaxReason is the greatest length of the reason of an operator's order, in characters.
const MaxReason = 500

// ReleaseError is the reason why entries are not released. Nothing was changed.
type ReleaseError struct{ Reason string }

// Error returns the reason.
func (e *ReleaseError) Error() string { return "operation: not released: " + e.Reason }

func refuseRelease(format string, args ...any) error {
	return &ReleaseError{fmt.Sprintf(format, args...)}
}

// releaseTries is how often a release is tried while other processes record the same
// operation.
const releaseTries = 5

// Record frees entries of an operation that is [Unknown], and returns the operation
// with the release. The outcome of these entries stays unknown for good, and no reading
// proves anything about them any more, because other operations can change them from
// now on. The other entries of the operation are read back as before. Once it holds
// nothing any more the operation is over, and still Unknown. It keeps its idempotency
// key: a request that is repeated with the key must not be sent again.
//
// Any process that has the store can call Record, also while keepers work on the
// operation. If a keeper and Record store the operation at the same time, the first
// counts, and the other gets an [ErrConflict]; Record then tries again.
//
// settle is that of the keepers. The entries are not released within that time after
// the operation became unknown, because the platform may still carry it out.
//
// The error is [ErrNotFound] or a [*ReleaseError]. Any other error means that the store
// is not usable; then it is not known whether the entries were released.
func (r Release) Record(ctx context.Context, store Store, settle time.Duration) (Operation, error) {
	if problem := orderProblem(r.By, r.Reason); problem != "" {
		return Operation{}, &ReleaseError{problem}
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

// orderProblem returns what is wrong with the name of an operator or with the reason of
// their order, and an empty text if nothing is.
func orderProblem(by, reason string) string {
	switch {
	case strings.TrimSpace(reason) == "":
		return "it needs a reason, which the audit trail keeps"
	case utf8.RuneCountInString(reason) > MaxReason:
		return fmt.Sprintf("the reason has more than %d characters", MaxReason)
	case !isPrintable(reason):
		return "the reason must be one line of printable characters"
	case strings.TrimSpace(by) == "":
		return "it needs the name of who orders it"
	}
	return ""
}

// isPrintable reports whether a text has only printable characters.
func isPrintable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) })
}

// apply frees the entries in op, and returns the event for the audit trail.
func (r Release) apply(op *Operation, settle time.Duration, now time.Time) (Event, error) {
	switch settled := op.UnknownAt.Add(settle); {
	case op.State.Ended():
		return Event{}, refuseRelease("the operation has ended as %s and holds nothing", op.State)
	case op.Over():
		return Event{}, refuseRelease("the operation holds nothing any more")
	case op.State != Unknown:
		return Event{}, refuseRelease("the operation is being sent, or its process has stopped and a running one has to take it over first: its state is %s", op.State)
	case now.Before(settled):
		return Event{}, refuseRelease("the platform may still carry the operation out, until %s (journal.settle)", settled.Format(time.RFC3339))
	}
	freed, err := r.choose(op)
	if err != nil {
		return Event{}, err
	}
	isFreed := setOf(freed)
	op.Entries = slices.Clone(op.Entries) // other goroutines may be reading them
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
	// The owner is no process, and a different one each time, so that two records of
	// one version are never taken for the same. A keeper adopts the operation as it
	// does those of processes that have stopped.
	op.Owner = "release-" + rand.Text()
	if op.Over() {
		op.EndedAt = now
	}
	event := EventOf(EventRelease, op, now)
	event.Caller = Caller{Name: r.By, Level: operatorLevel, Method: operatorMethod}
	event.Entries, event.Reason = entries, r.Reason
	return event, nil
}

// The audit trail has these for an operator, who has no account of the API.
const (
	operatorLevel  = "operator"
	operatorMethod = "command line"
)

// choose returns the entries to free, sorted by key: all that are held, or those that
// the release names.
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

// String returns the claim as kind:key.
func (c Claim) String() string { return c.Kind + ":" + c.Key }

func setOf(claims []Claim) map[Claim]bool {
	set := make(map[Claim]bool, len(claims))
	for _, c := range claims {
		set[c] = true
	}
	return set
}

// Names finds the entries of an operation by name. [Operation.Names] returns it.
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

// find returns the entries with a name, each once and sorted by key: the entry whose
// kind:key it is, or otherwise all whose key, or whose spelling by the caller or the
// platform, it is.
func (n Names) find(name string) []Claim {
	if c, ok := n.byClaim[name]; ok {
		return []Claim{c}
	}
	named := slices.Clone(n.bySpelling[name])
	sortByKey(named)
	return named
}

// Of returns a name by which a release finds an entry of the operation: spelling, which
// is the entry's key, Given or Start, or kind:key if spelling does not name that entry
// alone. For a claim that belongs to no entry it returns kind:key.
func (n Names) Of(c Claim, spelling string) string {
	if named := n.find(spelling); len(named) == 1 && named[0] == c {
		return spelling
	}
	return c.String()
}

// keysOf returns the keys of claims, in order.
func keysOf(claims []Claim) []string {
	keys := make([]string, len(claims))
	for i, c := range claims {
		keys[i] = c.Key
	}
	return keys
}
