package auth

import (
	"errors"
	"fmt"
	"net/http"
)

// origins decides which requests of browsers may change something.
type origins struct {
	// logins checks logins, which a page sends without a cookie.
	logins *http.CrossOriginProtection
	// cookies checks requests with the cookie, which the browser adds by itself.
	cookies *http.CrossOriginProtection
}

// newOrigins returns the checks for these trusted origins. Its error names all that
// are not of the form in which browsers send an origin.
func newOrigins(trusted []string, cookies bool) (origins, error) {
	o := origins{logins: http.NewCrossOriginProtection(), cookies: http.NewCrossOriginProtection()}
	var errs []error
	for i, origin := range trusted {
		err := o.logins.AddTrustedOrigin(origin)
		if err == nil && cookies {
			err = o.cookies.AddTrustedOrigin(origin)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("TrustedOrigins[%d]: %w", i, err))
		}
	}
	return o, errors.Join(errs...)
}

// checkCookie returns [ErrCrossOrigin], wrapped with the reason, for a request with
// the cookie that a page of another origin may have sent, unless that origin is
// trusted with cookies.
func (o origins) checkCookie(r *http.Request) error { return crossOrigin(o.cookies.Check(r)) }

// CheckOrigin returns [ErrCrossOrigin], wrapped with the reason, if a request may
// change something and, according to the browser's headers, is from a page of
// another origin that is not among the trusted ones. A handler of logins should
// call it: otherwise another site could log a browser in as a user of the site's
// choice. [Authenticator.Authenticate] and [Authenticator.Logout] make a check of
// their own for cookies.
func (a *Authenticator) CheckOrigin(r *http.Request) error {
	return crossOrigin(a.origins.logins.Check(r))
}

func crossOrigin(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCrossOrigin, err)
	}
	return nil
}
