package auth

import (
	"maps"
	"net/http"
	"slices"
)

// Levels returns all levels, the lowest first.
func Levels() []Level { return slices.Sorted(maps.Keys(levels)) }

// A Scheme is a way in which a request is authenticated, for the description of the
// API.
type Scheme struct {
	// Name identifies the scheme in the description. It never changes.
	Name   string
	Method Method
	// HTTP is the scheme in the header Authorization, in lower case. If it is empty,
	// the credential is in Header or in Cookie.
	HTTP           string
	Header, Cookie string
	Doc            string
}

// IsToken reports whether the credential is a token, which a login makes and a logout
// ends.
func (s Scheme) IsToken() bool { return s.Method.isToken() }

// In reports whether a request has a credential of this scheme, valid or not.
func (s Scheme) In(r *http.Request) bool {
	cred, err := readCredential(r)
	return err == nil && cred.method == s.Method
}

// Schemes returns the schemes of which a request must have exactly one.
func Schemes() []Scheme {
	return []Scheme{
		{
			Name: "bearer", Method: MethodToken, HTTP: "bearer",
			Doc: "The access_token of a login: for people who sign in with the platform's credentials.",
		},
		{
			Name: "cookie", Method: MethodCookie, Cookie: cookieName,
			Doc: "The same token as a cookie, which a login sets: for browsers. A cookie beside one of the headers is ignored.",
		},
		{
			Name: "basic", Method: MethodBasic, HTTP: "basic",
			Doc: "The id and secret of a client that is listed in the configuration under auth.clients: for services.",
		},
		{
			Name: "api_key", Method: MethodAPIKey, Header: apiKeyHeader,
			Doc: "ID.SECRET of the same clients, for callers that cannot send Basic.",
		},
	}
}
