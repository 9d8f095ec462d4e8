package operation

import (
	"context"
	"time"

	"ocigate/translate/scope"
)

// Store keeps operations, idempotency keys, revocations and the audit trail. Its methods can be
// called by several goroutines at the same time.
//
// An error that is none of the named ones means that the store is not usable at the
// moment, and why. The store must become usable again without a restart once it can:
// everything that was recorded is still there. Whether the failed call took effect is
// not known.
type Store interface {
	// Begin enters an operation that is Received, until its owner stops. It takes
	// the operation's key and holds its entries and claims, or does nothing. It
	// checks the key before the entries.
	//
	// The error is a [*KeyUsedError] if the key of the same caller and route
	// belongs to another operation and has not expired, and a [*HeldError] if
	// another operation holds one of the entries or claims.
	Begin(ctx context.Context, op Operation) error

	// Abandon removes an operation that is still as Begin has entered it. It does
	// nothing if there is none.
	Abandon(ctx context.Context, op Operation) error

	// Record makes the present state of an operation durable, together with the
	// event of the audit trail, unless that is the zero Event. If it fails, either
	// may have been stored without the other. If it succeeds, an Intent is never
	// stored without its event.
	//
	// An Intent takes what the operation holds ([Operation.Holds]) and did not
	// hold before. The error is a [*HeldError] if another operation holds some of
	// that, or has freed it after this one was begun and may have changed it
	// ([Operation.Touches]), so that the plan may be out of date; then nothing is
	// recorded. What an operation of any state does not hold is free, also while it
	// is open; once it ended as [NotTaken] so is its key ([Operation.HoldsKey]).
	//
	// The error is [ErrConflict] unless the stored version is lower, or the same
	// and of the same owner. The store may not have the operation, because its
	// owner was taken for stopped before the intent, or because the store has lost
	// it. Then an Intent is a conflict: the entries were not held meanwhile, so that
	// the plan may be out of date. Nothing of that step was sent. Any other record is
	// entered again, because it may be all that is known of a step that was sent; it
	// is a conflict if its key or what it holds belongs to another operation meanwhile.
	Record(ctx context.Context, op Operation, event Event) error

	// Get returns an operation. The error is [ErrNotFound] if there is none.
	Get(ctx context.Context, id string) (Operation, error)

	// List returns a page of the operations that match a query, the last received
	// first, and reports whether there are more.
	List(ctx context.Context, q Query) (page []Operation, more bool, err error)

	// Adopt makes owner the owner of all operations that are [Operation.Open] and
	// whose own owner has stopped, and returns them. Those that were only Received
	// are removed. Adopt also renews the lease of owner: the store takes an owner
	// for stopped if it has not called Adopt for the time of the lease. If a failed
	// call took operations over, the owner's next call returns them.
	Adopt(ctx context.Context, owner string) ([]Operation, error)

	// AdoptLost does what Adopt does to the operations of owners that have probably
	// stopped although their lease lasts, as far as the store can know that, and returns
	// them. It renews no lease. Such an owner may still run, and send what it has an intent
	// of, though no further step: the duration is how long after the return of AdoptLost
	// that may last, for any of them.
	AdoptLost(ctx context.Context, owner string) ([]Operation, time.Duration, error)

	// Touched returns those entries of op that another operation may have changed
	// ([Operation.Touches]) which was begun after op and got as far as an intent.
	// Each has the id of that operation, or of the last of several. op may have only
	// some of the stored entries.
	Touched(ctx context.Context, op Operation) (map[Claim]string, error)

	// Append adds an event to the audit trail that belongs to no operation.
	Append(ctx context.Context, event Event) error

	// Revoke adds a revocation, together with the event of the audit trail, unless that
	// is the zero Event. If it fails, either may have been stored without the other. It
	// replaces a revocation of the same principal and token, and those that the new one
	// covers ([Revocation.Merge]). Times are kept to the microsecond.
	Revoke(ctx context.Context, r Revocation, event Event) error

	// Revocations returns the revocations that were added after that revision, in
	// order, and the revision of the last one. It may return only some of them: there
	// are no more if it returns none. Revisions are greater than 0. A revocation is
	// returned by every later call with a lower revision, until it has expired or is
	// replaced, also if others are added at the same time.
	Revocations(ctx context.Context, after int64) ([]Revocation, int64, error)
	// Head returns the last line of the audit trail.
	Head(ctx context.Context) (Head, error)

	// Prune removes the operations that were over before that time and are not
	// open, and all keys and revocations that have expired.
	Prune(ctx context.Context, before time.Time) error

	// Check returns nil if an operation could be recorded now, and otherwise the
	// cause. It records nothing.
	Check(ctx context.Context) error

	// Close releases the resources of the store. Any other method returns an error
	// afterwards.
	Close() error
}

// Query selects the operations that [Store.List] returns.
type Query struct {
	// Target selects the operations about that target or a part of it. The zero
	// Target selects all. A Target with a user has a group, and one with a group has
	// a tenant.
	Target scope.Target
	// State selects the operations in that state; empty means any. An operation
	// that has not ended and is not running is Unknown.
	State State
	// Open selects only operations that are [Operation.Open], or Received.
	Open bool
	// Before is an id: only operations that were received before that one are
	// returned. Empty means all.
	Before string
	// Limit is the greatest number of operations to return, 1 or more.
	Limit int
	// MaxBytes is the greatest sum of the sizes of the operations to return, as JSON;
	// 0 means any. The first operation is returned whatever its size is. An operation
	// has some 200 bytes for each entry, and its page in memory is about twice as
	// large as the JSON.
	MaxBytes int
}

// Page collects the operations that [Store.List] returns.
type Page struct {
	Operations []Operation
	// More reports that an operation was not added.
	More bool

	query Query
	bytes int
}

// NewPage returns an empty page for a query.
func NewPage(q Query) *Page { return &Page{query: q} }

// Full notes that there is an operation for the page that has that size as JSON, and
// reports whether it cannot be added: then the page is complete, and has More.
func (p *Page) Full(size int) bool {
	n, most := len(p.Operations), p.query.MaxBytes
	p.More = p.More || n == p.query.Limit || most > 0 && n > 0 && p.bytes+size > most
	return p.More
}

// Add adds an operation of that size, unless the page is [Page.Full], and reports whether
// it did.
func (p *Page) Add(op Operation, size int) bool {
	if p.Full(size) {
		return false
	}
	p.Operations = append(p.Operations, op)
	p.bytes += size
	return true
}
