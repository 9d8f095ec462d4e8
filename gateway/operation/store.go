package operation

import (
	"context"
	"time"

	"ocigate/translate/scope"
)

// Store keeps operations, keys and the audit trail. Its methods may be called
// by several goroutines at once.
//
// An error of none of the types named says that the store is not usable at the
// moment, and why. It must then find back by itself once it can be: whatever
// was recorded is still there, and whether the failed call took effect is
// open.
type Store interface {
	// Begin enters an operation that is Received, for as long as its owner
	// lives: claims its key and holds its entries and claims, or does nothing. The
	// key is judged before the entries.
	//
	// The error is a [*KeyUsedError] where the key of the same caller and
	// endpoint stands for another operation and has not expired, and a
	// [*HeldError] where another operation holds one of the entries or claims.
	Begin(ctx context.Context, op Operation) error

	// Abandon forgets an operation that never got further than Begin. It
	// does nothing where there is none.
	Abandon(ctx context.Context, op Operation) error

	// Record makes an operation durable as it is now, and the event of the
	// audit trail with it, unless that is the zero Event. Either may be there
	// without the other when it fails, but never an Intent without its event
	// when it succeeds.
	//
	// An Intent takes what the operation holds ([Operation.Holds]) and did not
	// hold yet. The error is a [*HeldError] where another operation holds some of
	// that, or has freed it after this one was begun and may have changed it
	// ([Operation.Touches]), so that the plan may be out of date; then nothing is
	// recorded. What an operation of any state does not hold is free, also while it
	// is open; once it ended as [NotTaken] so is its key ([Operation.HoldsKey]).
	//
	// The error is [ErrConflict] unless the stored version is lower, or the
	// same and of the same owner. An operation may not be there, since its owner
	// was taken for dead before its intent, or the store has lost it. Then an Intent
	// is a conflict: nothing has held the entries meanwhile, so that the plan may be
	// out of date. Nothing of that step was sent. Any other record is entered anew,
	// because it may be all that is known of something that was sent; it is a
	// conflict where its key or what it holds is another's meanwhile.
	Record(ctx context.Context, op Operation, event Event) error

	// Get finds an operation. The error is [ErrNotFound] where there is none.
	Get(ctx context.Context, id string) (Operation, error)

	// List finds operations, those that were received last first.
	List(ctx context.Context, q Query) ([]Operation, error)

	// Adopt makes the owner that of all operations that are [Operation.Open]
	// and whose own is dead, and returns them. Those that were only Received
	// are forgotten. The owner of the call counts as alive from now on, for
	// as long as the store waits before it gives somebody up. What a failed
	// call took over all the same, the owner's next one returns.
	Adopt(ctx context.Context, owner string) ([]Operation, error)

	// Touched returns those of the entries that op has here which an operation may
	// have changed ([Operation.Touches]) that was begun after this one and got as
	// far as an intent, with the id of that operation, or of the last of several.
	// The entries may be some of those that are stored.
	Touched(ctx context.Context, op Operation) (map[Claim]string, error)

	// Append adds an event to the audit trail that belongs to no operation.
	Append(ctx context.Context, event Event) error

	// Prune forgets the operations that were over before that time and are not
	// open, and all keys that have expired.
	Prune(ctx context.Context, before time.Time) error

	// Check reports whether an operation could be recorded now: its error says
	// why not. It finds that out without recording anything.
	Check(ctx context.Context) error

	// Close gives up what the store holds. Any other method returns an error
	// afterwards.
	Close() error
}

// Query says which operations to list.
type Query struct {
	// Target is what the operations are about: itself or a part of it. The zero
	// Target stands for all. One with a user has a group, and one with a group has
	// a tenant.
	Target scope.Target
	// State is that of the operations, empty for any. Of those that have not
	// ended and are not running, Unknown.
	State State
	// Open asks for those only that are [Operation.Open], or Received.
	Open bool
	// Before is an id: only operations that were received before that one
	// are listed. Empty for all.
	Before string
	// Limit is how many at the most, 1 or more.
	Limit int
}
