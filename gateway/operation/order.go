package operation

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// TrailStore is a [Store] whose audit trail operators can archive.
type TrailStore interface {
	Store

	// Trail iterates over the audit trail from its first line to its last.
	Trail(ctx context.Context) Trail

	// Bounds returns what the store knows of its trail, also while the trail does not
	// agree with that.
	Bounds(ctx context.Context) (Bounds, error)

	// AcceptTrail continues a trail that lacks lines at its end, or at its beginning,
	// from its present last line. It adds a line with the order and the head that was
	// expected. The error is [ErrNothingToAccept] if no lines are missing.
	AcceptTrail(ctx context.Context, order TrailOrder) (Bounds, error)

	// ArchiveTrail removes the lines up to order.Head, which were archived, after it
	// has stored that head and a line with the order. Never the last line. If it
	// fails, some or all of the lines are still there: it can be called again.
	ArchiveTrail(ctx context.Context, order TrailOrder) error
}

// Bounds are the lines between which a store's trail lies.
type Bounds struct {
	Head Head `json:"head"` // the last line that must be there
	// Archived is the last line that need not be there any more, because it was archived, was
	// older than lines are kept, or was accepted as missing; the zero Head for none.
	Archived Head `json:"archived"`
	// Known reports that the store knows the head. It does not if it was created or
	// migrated and has not opened the trail yet.
	Known bool `json:"known"`
}

// TrailOrder is an operator's order about the audit trail.
type TrailOrder struct {
	By     string `json:"by"`               // the operator, as the operating system names them
	Reason string `json:"reason,omitempty"` // 1 to [MaxReason] characters; of an acceptance
	// Head is the last line that was archived, in the file Archive.
	Head    Head   `json:"head,omitzero"`
	Archive string `json:"archive,omitempty"`
}

// ErrNothingToAccept means that a trail has all the lines that its store knows.
var ErrNothingToAccept = errors.New("operation: the audit trail has all its lines: there is nothing to accept")

// Acceptance validates the order and returns the event of an acceptance.
func (o TrailOrder) Acceptance(expected Head, now time.Time) (Event, error) {
	if problem := orderProblem(o.By, o.Reason); problem != "" {
		return Event{}, fmt.Errorf("operation: the audit trail is not accepted: %s", problem)
	}
	return Event{Time: now.UTC(), Kind: EventTrailAccepted, Caller: o.caller(), Reason: o.Reason, Head: expected.String()}, nil
}

func (o TrailOrder) caller() Caller {
	return Caller{Name: o.By, Level: operatorLevel, Method: operatorMethod}
}

// Removal returns the event of a removal of lines that are older than they are kept. upTo
// is the last of them.
func Removal(upTo Head, now time.Time) Event {
	return Event{Time: now.UTC(), Kind: EventTrailRemoved, Caller: Caller{Name: "journal.audit.keep", Level: operatorLevel, Method: "setting"}, Head: upTo.String()}
}

// Archival returns the event of an archive.
func (o TrailOrder) Archival(now time.Time) Event {
	return Event{Time: now.UTC(), Kind: EventTrailArchived, Caller: o.caller(), Head: o.Head.String(), Archive: o.Archive}
}

// TrailError means that the audit trail and what its store knows of it do not agree.
// Nothing is recorded until they do, or until an operator has accepted it
// ([TrailStore.AcceptTrail]).
type TrailError struct {
	Expected, Found Head
	// Operation is one that the trail has and the store does not, which is older than
	// the trail. It is empty if the trail lacks lines.
	Operation string
	// Ahead reports that the trail has more lines behind Expected than a crash explains.
	Ahead bool
}

// Error describes both, and says what to do.
func (e *TrailError) Error() string {
	const todo = "restore what belongs together, or accept it: ocigate audit accept"
	switch {
	case e.Operation != "":
		return fmt.Sprintf("the database is older than the audit trail, whose last line is %d: it does not have the operation %s of a line behind %d; %s", e.Found.Sequence, e.Operation, e.Expected.Sequence, todo)
	case e.Ahead:
		return fmt.Sprintf("the database is older than the audit trail: it knows %d as its last line, and that is %d; %s", e.Expected.Sequence, e.Found.Sequence, todo)
	case e.Found.Sequence == 0:
		return fmt.Sprintf("lines of the audit trail are missing: it has none, and line %s was written; %s", e.Expected, todo)
	case e.Found.Sequence < e.Expected.Sequence:
		return fmt.Sprintf("lines of the audit trail are missing: it ends with line %d, and line %s was written; %s", e.Found.Sequence, e.Expected, todo)
	}
	return fmt.Sprintf("the audit trail is another one: it does not have the line %s that was written; %s", e.Expected, todo)
}
