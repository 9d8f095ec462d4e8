package auth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

var (
	// ErrNoCredentials is returned if the request has no credentials.
	ErrNoCredentials = errors.New("no credentials")
	// ErrBadCredentials is returned if the credentials are not valid. A
	// [Verifier] returns it for a wrong name or password.
	ErrBadCredentials = errors.New("bad credentials")
	// ErrCrossOrigin is returned if a page of another origin may have sent the
	// request with a credential that the browser added by itself: the cookie
	// or Basic.
	ErrCrossOrigin = errors.New("cross-origin request")
	// ErrUnsupportedLoginType is returned if the platform accepted the
	// credentials, but the user's login type has no level in the API.
	ErrUnsupportedLoginType = errors.New("unsupported login type")
	// ErrNoRights is returned if the platform accepted the credentials, but restricts
	// the user to what the API does not have.
	ErrNoRights = errors.New("the platform gives the user no rights here")
	// ErrRightsUnknown is returned by a [Verifier] if the platform accepted the
	// credentials, but did not report how it restricts the user. The login fails, and
	// counts as one that succeeded.
	ErrRightsUnknown = errors.New("the platform did not report the rights of the user")
	// ErrNoScope is returned if the platform returned no tenant, group or user
	// for a login type that needs one.
	ErrNoScope = errors.New("the platform named no scope")
)

// Reason is why an attempt was rejected without verification.
type Reason string

// The reasons of a [ThrottledError].
const (
	ReasonFailures   Reason = "failures"    // too many earlier attempts failed
	ReasonInProgress Reason = "in_progress" // too many others of the account or address are in progress
	ReasonLogins     Reason = "logins"      // too many logins of the account or address succeeded
	ReasonBusy       Reason = "busy"        // there was no capacity to verify it
)

// reasonTexts are the reasons as clauses.
var reasonTexts = map[Reason]string{
	ReasonFailures:   "too many failed attempts",
	ReasonInProgress: "too many attempts in progress",
	ReasonLogins:     "too many logins",
	ReasonBusy:       "too many credentials to verify",
}

// Reasons returns all reasons, sorted.
func Reasons() []Reason { return slices.Sorted(maps.Keys(reasonTexts)) }

// ThrottledError is returned if an attempt was rejected without verification.
type ThrottledError struct {
	// RetryAfter is how long to wait before another attempt is accepted. It is
	// more than 0.
	RetryAfter time.Duration
	// Reason is why the attempt was rejected.
	Reason Reason
	// Method is the method of the attempt: MethodBasic or MethodAPIKey, and
	// MethodToken for a login.
	Method Method
}

// throttledBy returns a [*ThrottledError] with the method of the attempt. Any other
// error is returned unchanged.
func throttledBy(method Method, err error) error {
	if throttled, ok := errors.AsType[*ThrottledError](err); ok {
		return &ThrottledError{RetryAfter: throttled.RetryAfter, Reason: throttled.Reason, Method: method}
	}
	return err
}

// Error returns the reason and the time to wait.
func (e *ThrottledError) Error() string {
	return fmt.Sprintf("%s: retry after %v", reasonTexts[e.Reason], e.RetryAfter)
}

// prefixed adds a prefix to each of the errors that are not nil, and joins them.
// Joined errors are prefixed one by one, so that every line of the text has the
// prefix.
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

// InputError is returned if a login was not attempted because of its form.
type InputError struct {
	Problems []Problem // at least one
}

// Problem is one mistake in the form of a login.
type Problem struct {
	Field  string // "username" or "password"
	Reason string // a clause: "must not be empty"
}

// Error returns the problems, separated by semicolons.
func (e *InputError) Error() string {
	reasons := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		reasons[i] = p.Field + " " + p.Reason
	}
	return strings.Join(reasons, "; ")
}
