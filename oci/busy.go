package oci

import (
	"fmt"
	"time"
)

// BusyReason is why a caller who wanted a session was refused.
type BusyReason string

// The reasons for refusing a caller who wanted a session.
const (
	// BusyFull means that as many requests waited as [Options.MaxWaiting] allows, and that
	// those of this caller were not fewer than their share.
	BusyFull BusyReason = "full"
	// BusyDisplaced means that the queue was full, and that the request had to leave it for
	// one of a caller who has fewer there.
	BusyDisplaced BusyReason = "displaced"
	// BusyDeadline means that the request would not have been served before the deadline
	// of its ctx, or would have waited for longer than [Options.MaxWait].
	BusyDeadline BusyReason = "deadline"
	// BusyWait means that the request has waited for [Options.MaxWait].
	BusyWait BusyReason = "wait"
	// BusyLeft means that the ctx has ended during the wait.
	BusyLeft BusyReason = "left"
)

// BusyReasons returns all reasons for refusing a caller who wanted a session.
func BusyReasons() []BusyReason {
	return []BusyReason{BusyFull, BusyDisplaced, BusyDeadline, BusyWait, BusyLeft}
}

// BusyError means that all sessions were in use, and that the caller got none. Nothing
// of the command was sent. errors.Is reports true for [ErrBusy].
type BusyError struct {
	Reason BusyReason
	// RetryAfter is the time in which the caller's requests are served that wait now, by
	// the session times of late and the caller's share; 30 s at the most. 0 means that it
	// is not known, or that none waits.
	RetryAfter time.Duration
	Waiting    int   // requests in the queue at the time of the refusal, of all callers
	Err        error // the cause, for BusyLeft; otherwise nil
}

// Error implements error.
func (e *BusyError) Error() string {
	text := ErrBusy.Error()
	switch e.Reason {
	case BusyFull:
		text += fmt.Sprintf(" and %d requests wait for one", e.Waiting)
	case BusyDisplaced:
		text += ": the request had to leave the queue for one of a caller with fewer there"
	case BusyDeadline:
		text += ": the request could not have been served in time"
	case BusyWait:
		text += ": the request has waited for as long as requests may"
	case BusyLeft:
		text += ": the caller left the queue"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Is reports whether the target is ErrBusy.
func (*BusyError) Is(target error) bool { return target == ErrBusy }

// Unwrap returns Err.
func (e *BusyError) Unwrap() error { return e.Err }

func (*BusyError) notDone() {}
