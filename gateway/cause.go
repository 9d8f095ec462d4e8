package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// timeoutError is the cause of a request's context that has reached RequestTimeout. It
// wraps context.DeadlineExceeded.
type timeoutError struct{ after time.Duration }

// Error implements error.
func (e *timeoutError) Error() string {
	return fmt.Sprintf("the request's time of %v is over", e.after)
}

// Unwrap returns context.DeadlineExceeded.
func (*timeoutError) Unwrap() error { return context.DeadlineExceeded }

// bodyReadError explains in its text why a body could not be read, for the log.
func bodyReadError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the caller's connection ended before the body did: %w", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the body did not arrive in time: %w", err)
	}
	return fmt.Errorf("reading the body: %w", err)
}
