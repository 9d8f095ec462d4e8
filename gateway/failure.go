package gateway

import (
	"context"
	"errors"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci"
	"ocigate/translate/errcode"
)

// shortly is the Retry-After of an error if no better time is known.
const shortly = time.Second

// readFailure returns the error of the API for a failed read from the platform.
func readFailure(err error) *errcode.Error {
	if failure, ok := errors.AsType[*errcode.Error](err); ok {
		return failure
	}
	_, unsupported := errors.AsType[*oci.UnsupportedError](err)
	switch {
	case unsupported:
		return errcode.Wrap(errcode.NotAvailableInRelease, err)
	case oci.NotDone(err):
		return unsentFailure(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errcode.Wrap(errcode.PlatformTimeout, err)
	}
	return errcode.Wrap(errcode.PlatformError, err)
}

// checkFailure returns the error of the API for a failed check before a write. Nothing
// was sent, whatever the reason, and the status must promise that.
func checkFailure(err error) *errcode.Error {
	failure := readFailure(err)
	if failure.Code.PromisesNotDone() || failure.Code == errcode.Internal {
		return failure
	}
	unchecked := *failure
	unchecked.Code, unchecked.RetryAfter = errcode.PlatformCheckFailed, shortly
	return &unchecked
}

// unsentFailure returns the error of the API for a command that the platform did not
// get, or did not accept.
func unsentFailure(err error) *errcode.Error {
	failure := &errcode.Error{Code: errcode.PlatformUnavailable, RetryAfter: shortly, Cause: err}
	if unavailable, ok := errors.AsType[*oci.UnavailableError](err); ok {
		failure.RetryAfter = unavailable.RetryAfter
	} else if errors.Is(err, oci.ErrBusy) {
		return busyFailure(err)
	} else if errors.Is(err, operation.ErrUnusable) {
		failure.Code = errcode.JournalUnavailable
	}
	return failure
}

// busyMessages are the messages of requests that got no session, by the reason. Those without
// one have the text of the code.
var busyMessages = map[oci.BusyReason]string{
	oci.BusyFull:      "All sessions with the platform are in use, and too many requests wait for one; nothing was changed.",
	oci.BusyDisplaced: "All sessions with the platform are in use, and the request had to make room in the queue for a caller who has fewer there; nothing was changed.",
	oci.BusyDeadline:  "All sessions with the platform are in use, and the request could not have been served in its time; nothing was changed.",
	oci.BusyWait:      "All sessions with the platform are in use, and none became free in time; nothing was changed.",
}

// busyFailure returns the error of the API for a request that got no session with the
// platform. Its Retry-After is the time in which the requests of the same caller that wait now
// are served, as far as it is known.
func busyFailure(err error) *errcode.Error {
	failure := &errcode.Error{Code: errcode.PlatformBusy, RetryAfter: shortly, Cause: err}
	if busy, ok := errors.AsType[*oci.BusyError](err); ok {
		failure.Message = busyMessages[busy.Reason]
		failure.RetryAfter = max(shortly, busy.RetryAfter)
	}
	return failure
}
