package gateway

import (
	"context"
	"errors"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci"
	"ocigate/translate/errcode"
)

// shortly is the advice for callers where nothing tells a better time.
const shortly = time.Second

// readFailure is what a caller is told of an error on the way to, or of, a
// question to the platform.
func readFailure(err error) *errcode.Error {
	if told, ok := errors.AsType[*errcode.Error](err); ok {
		return told
	}
	_, unsupported := errors.AsType[*oci.UnsupportedError](err)
	switch {
	case unsupported:
		return errcode.Wrap(errcode.NotAvailableInRelease, err)
	case oci.NotDone(err):
		return unsent(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errcode.Wrap(errcode.PlatformTimeout, err)
	}
	return errcode.Wrap(errcode.PlatformError, err)
}

// checkFailure is what a caller is told of an error in the checks before a
// write. Whatever went wrong, nothing was sent, and the status must say so.
func checkFailure(err error) *errcode.Error {
	told := readFailure(err)
	if told.Code.PromisesNotDone() || told.Code == errcode.Internal {
		return told
	}
	unchecked := *told
	unchecked.Code, unchecked.RetryAfter = errcode.PlatformCheckFailed, shortly
	return &unchecked
}

// unsent is for commands that the platform has not seen, or not taken.
func unsent(err error) *errcode.Error {
	told := &errcode.Error{Code: errcode.PlatformUnavailable, RetryAfter: shortly, Cause: err}
	if unavailable, ok := errors.AsType[*oci.UnavailableError](err); ok {
		told.RetryAfter = unavailable.RetryAfter
	} else if errors.Is(err, oci.ErrBusy) {
		told.Code = errcode.PlatformBusy
	} else if errors.Is(err, operation.ErrUnusable) {
		told.Code = errcode.JournalUnavailable
	}
	return told
}
