package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrNoCredentials says that the request does not tell who it is from.
	ErrNoCredentials = errors.New("no credentials")
	// ErrBadCredentials says that what the request brings does not prove who
	// it is from. A [Verifier] returns it for a wrong name or password.
	ErrBadCredentials = errors.New("bad credentials")
	// ErrCrossOrigin says that a page of another origin may have sent the
	// request with the browser's cookie.
	ErrCrossOrigin = errors.New("cross-origin request")
	// ErrUnsupportedLoginType says that the platform knows the caller, as a
	// kind of user that has no level here.
	ErrUnsupportedLoginType = errors.New("unsupported login type")
	// ErrNoScope says that the platform named no tenant, group or user for a
	// kind of user that has one.
	ErrNoScope = errors.New("the platform named no scope")
)

// ThrottledError says that an attempt was refused unseen, since too many
// before it failed or too many others are under way.
type ThrottledError struct {
	// RetryAfter is how long to wait before another attempt is looked at. It
	// is more than 0.
	RetryAfter time.Duration
	// Method is how the caller tried to prove its identity: MethodBasic or
	// MethodAPIKey, and MethodToken for a login.
	Method Method
}

// throttledBy gives a [*ThrottledError] the method of the attempt. Any other
// error stays as it is.
func throttledBy(method Method, err error) error {
	if throttled, ok := errors.AsType[*ThrottledError](err); ok {
		return &ThrottledError{RetryAfter: throttled.RetryAfter, Method: method}
	}
	return err
}

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many failed attempts: retry after %v", e.RetryAfter)
}

// prefixed puts a prefix before each of the errors that are not nil, and joins
// them. It looks into joined ones, so that every line of the text has it.
func prefixed(prefix string, errs ...error) error {
	type joined interface {
		error
		Unwrap() []error
	}
	var all []error
	for _, err := range errs {
		if several, ok := errors.AsType[joined](err); ok {
			all = append(all, prefixed(prefix, several.Unwrap()...))
		} else if err != nil {
			all = append(all, fmt.Errorf("%s: %w", prefix, err))
		}
	}
	return errors.Join(all...)
}

// InputError says that a login was not tried because of its form.
type InputError struct {
	Problems []Problem
}

// Problem is one thing wrong with the form of a login.
type Problem struct {
	Field  string // "username" or "password"
	Reason string // a clause: "must not be empty"
}

func (e *InputError) Error() string {
	reasons := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		reasons[i] = p.Field + " " + p.Reason
	}
	return strings.Join(reasons, "; ")
}
