package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/operation"
	"ocigate/translate/errcode"
)

// A request whose caller disconnects counts as CALLER_LEFT and not as a failure of
// the platform, unless the complete response was written before.
//
// net/http cancels the context of a request when the caller's side of the connection
// ends. If a caller closes only that side and still reads, net/http sees no
// difference: TCP has one FIN for both cases, which differ only once something is
// sent. So such a caller counts as disconnected. The response is written nevertheless,
// since the caller may read it.

// disconnected reports whether the caller's side of the connection has ended.
func disconnected(c echo.Context) bool {
	return errors.Is(c.Request().Context().Err(), context.Canceled)
}

// disconnectError returns CALLER_LEFT if the request failed because its caller
// disconnected, and otherwise failure. A write that was sent continues after a
// disconnect, and keeps its own error.
func disconnectError(c echo.Context, failure *errcode.Error) *errcode.Error {
	outcome := c.Response().Header().Get(HeaderOperationOutcome)
	sent := outcome != "" && outcome != string(operation.NotDone)
	if sent || !disconnected(c) || !errors.Is(failure, context.Canceled) {
		return failure
	}
	return errcode.Wrap(errcode.CallerLeft, failure.Cause)
}

// detached returns a context that ends at the deadline of the request, but neither when the
// caller disconnects nor when their wait is over (see waitPreference): the gateway finds out
// the outcome of a write in any case.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	alone := context.WithoutCancel(ctx)
	deadline, limited := ctx.Value(deadlineKey{}).(time.Time)
	if !limited {
		deadline, limited = ctx.Deadline()
	}
	if limited {
		return context.WithDeadline(alone, deadline)
	}
	return context.WithCancel(alone)
}

// connectionEnded reports whether a body could not be read because its connection
// ended, and not because of its content or because it took too long.
func connectionEnded(r *http.Request, err error) bool {
	if r.ProtoMajor > 1 {
		// In HTTP/2, an early end of the body is the end of the stream for both sides.
		return !errors.Is(err, os.ErrDeadlineExceeded)
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// outcome returns the status and the name of the error with which a request is counted
// and logged; the name is noErrorName for a success. responded is the status of the
// response. A panic is a failure of the gateway, also if the caller has disconnected.
func (i *requestInfo) outcome(responded int) (status int, name string) {
	switch {
	case i.panicked != nil:
		return errcode.Internal.Status, errcode.Internal.Name
	case i.undelivered:
		return errcode.CallerLeft.Status, errcode.CallerLeft.Name
	case i.err != nil:
		return i.err.Code.Status, i.err.Code.Name
	}
	return responded, noErrorName
}
