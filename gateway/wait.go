package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// waitPreference is the preference of RFC 7240, section 4.3, by which a caller gives the time
// for which they wait. Here it is the time in which the request must have got its turn: a
// session with the platform for its first command, and for a read also the replies. It only
// shortens RequestTimeout. A write that was sent is waited for as without it.
const waitPreference = "wait"

// maxWaitPreference is the longest wait that is read. Any longer one has no effect either.
const maxWaitPreference = 24 * time.Hour

// waitOf returns the wait that a request asks for. It reports false if there is none, or if
// it is not a whole number of seconds, 1 or more: RFC 7240 has preferences that are not
// understood ignored. The first one counts.
func waitOf(header http.Header) (time.Duration, bool) {
	for one := range preferred(header) {
		if name, rest := preference(one); strings.EqualFold(name, waitPreference) {
			return waitValue(rest)
		}
	}
	return 0, false
}

// waitValue returns the duration in what follows the name of the preference: "=5", for
// example, with parameters after it.
func waitValue(rest string) (time.Duration, bool) {
	value, given := strings.CutPrefix(strings.TrimLeft(rest, " \t"), "=")
	value, _, _ = strings.Cut(value, ";")
	value = strings.Trim(value, " \t")
	if inner, ok := strings.CutPrefix(value, `"`); ok {
		if value, ok = strings.CutSuffix(inner, `"`); !ok {
			return 0, false
		}
	}
	if !given || value == "" || strings.Trim(value, "0123456789") != "" {
		return 0, false
	}
	seconds, err := strconv.ParseUint(value, 10, 32)
	if err != nil { // only a number that is too large
		return maxWaitPreference, true
	}
	return min(time.Duration(seconds)*time.Second, maxWaitPreference), seconds > 0
}

// deadlineKey is the key of the deadline of a request without its preference.
type deadlineKey struct{}

// waitError is the cause of a request's context whose wait is over.
type waitError struct{ after time.Duration }

// Error implements error.
func (e *waitError) Error() string {
	return fmt.Sprintf("gateway: the request was not served within the %v of its Prefer header", e.after)
}

// Unwrap makes errors.Is report context.DeadlineExceeded.
func (*waitError) Unwrap() error { return context.DeadlineExceeded }

// withWait returns the context of a request with the deadline of its preference, if it has
// one, and notes in the response that it was applied.
func withWait(ctx context.Context, c echo.Context) (context.Context, context.CancelFunc) {
	wait, ok := waitOf(c.Request().Header)
	if !ok {
		return ctx, func() {}
	}
	applied(c, fmt.Sprintf("%s=%d", waitPreference, int(wait/time.Second)))
	if deadline, limited := ctx.Deadline(); limited {
		ctx = context.WithValue(ctx, deadlineKey{}, deadline)
	}
	return context.WithTimeoutCause(ctx, wait, &waitError{wait})
}

// applied adds a preference to those that the response says to have been applied.
func applied(c echo.Context, preference string) {
	header := c.Response().Header()
	if before := header.Get(headerPreferApplied); before != "" {
		preference = before + ", " + preference
	}
	header.Set(headerPreferApplied, preference)
}
