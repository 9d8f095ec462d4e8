package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// timeOverError is why the context of a request has ended: its time is over. It
// is a context.DeadlineExceeded.
type timeOverError struct{ after time.Duration }

func (e *timeOverError) Error() string {
	return fmt.Sprintf("the request's time of %v is over", e.after)
}

func (*timeOverError) Unwrap() error { return context.DeadlineExceeded }

// unreadBody says in words why a body could not be read.
func unreadBody(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the caller's connection ended before the body did: %w", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the body did not arrive in time: %w", err)
	}
	return fmt.Errorf("reading the body: %w", err)
}
