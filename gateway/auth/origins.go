package auth

import (
	"errors"
	"fmt"
	"net/http"
)

// origins decides which requests of browsers may change something.
type origins struct {
	// logins checks logins, which a page sends without credentials of the browser.
	logins *http.CrossOriginProtection
	// ambient checks requests with credentials that browsers add by themselves: see
	// Method.addedByBrowsers.
	ambient *http.CrossOriginProtection
}

// newOrigins returns the checks for these trusted origins. Its error names all that
// are not of the form in which browsers send an origin.
func newOrigins(trusted []string, ambient bool) (origins, error) {
	o := origins{logins: http.NewCrossOriginProtection(), ambient: http.NewCrossOriginProtection()}
	var errs []error
	for i, origin := range trusted {
		err := o.logins.AddTrustedOrigin(origin)
		if err == nil && ambient {
			err = o.ambient.AddTrustedOrigin(origin)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("TrustedOrigins[%d]: %w", i, err))
		}
	}
	return o, errors.Join(errs...)
}

// check returns [ErrCrossOrigin], wrapped with the reason, for a request that may change
// something, has a credential that browsers add by themselves, and, according to the
// browser's headers Sec-Fetch-Site and Origin, is from a page of another origin that is
// not trusted with such credentials. Services send neither of these headers.
func (o origins) check(r *http.Request, method Method) error {
	if !method.addedByBrowsers() {
		return nil
	}
	return crossOrigin(o.ambient.Check(r))
}

// CheckOrigin returns [ErrCrossOrigin], wrapped with the reason, if a request may
// change something and, according to the browser's headers, is from a page of
// another origin that is not among the trusted ones. A handler of logins should
// call it: otherwise another site could log a browser in as a user of the site's
// choice. [Authenticator.Authenticate] and [Authenticator.Logout] make a check of
// their own for the credentials that browsers add by themselves.
func (a *Authenticator) CheckOrigin(r *http.Request) error {
	return crossOrigin(a.origins.logins.Check(r))
}

func crossOrigin(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCrossOrigin, err)
	}
	return nil
}
