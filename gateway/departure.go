package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/operation"
	"ocigate/translate/errcode"
)

// A caller who leaves is no failure of the platform. Its request counts as
// CALLER_LEFT, unless the whole answer was written before it left.
//
// net/http ends the context of a request when the caller's side of the
// connection ends. A caller who closes that side alone, and still reads, looks
// the same: TCP has one FIN for both, and tells them apart only when something
// is sent. So such a caller counts as one who left. An answer is written all the
// same, since it may be read.

// hasLeft reports whether the caller's side of the connection has ended.
func hasLeft(c echo.Context) bool {
	return errors.Is(c.Request().Context().Err(), context.Canceled)
}

// departed is the error for a request that was ended by its caller's leaving,
// and otherwise told. A write that was sent goes on to its end, and what is told
// of it stays as it is.
func departed(c echo.Context, told *errcode.Error) *errcode.Error {
	outcome := c.Response().Header().Get(headerOperationOutcome)
	sent := outcome != "" && outcome != string(operation.NotDone)
	if sent || !hasLeft(c) || !errors.Is(told, context.Canceled) {
		return told
	}
	return errcode.Wrap(errcode.CallerLeft, told.Cause)
}

// withoutCaller is a context that ends at the deadline of ctx, but not when the
// caller leaves: what became of a write is found out as if it had stayed.
func withoutCaller(ctx context.Context) (context.Context, context.CancelFunc) {
	alone := context.WithoutCancel(ctx)
	if deadline, limited := ctx.Deadline(); limited {
		return context.WithDeadline(alone, deadline)
	}
	return context.WithCancel(alone)
}

// brokeOff reports whether a body could not be read because its connection
// ended, and not because of what it holds or because it took too long.
func brokeOff(r *http.Request, err error) bool {
	if r.ProtoMajor > 1 {
		// What ends a stream early is the end of the stream for both sides.
		return !errors.Is(err, os.ErrDeadlineExceeded)
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// outcome is what a request counts as: the status and the name of the error,
// noErrorName for none. answered is the status of the answer. A panic is our own
// failure, whether or not anybody is left to be told.
func (r *record) outcome(answered int) (status int, name string) {
	switch {
	case r.cause != nil:
		return errcode.Internal.Status, errcode.Internal.Name
	case r.unheard:
		return errcode.CallerLeft.Status, errcode.CallerLeft.Name
	case r.err != nil:
		return r.err.Code.Status, r.err.Code.Name
	}
	return answered, noErrorName
}
