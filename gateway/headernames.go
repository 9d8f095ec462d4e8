package gateway

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"ocigate/translate/errcode"
)

// Headers of responses by which clients find their way. Their values are in the
// documentation of the functions that set them.
const (
	// HeaderLink has links of RFC 8288: to the page of the error on each error
	// response, to the login on each 401, and to other pages of a list.
	HeaderLink = "Link"
	// HeaderAcceptPost has the media type that a POST to the path takes. It is on
	// the responses to OPTIONS and on 405 and 416, if the path serves POST. It is
	// defined in W3C Linked Data Platform 1.0, section 7.1.
	HeaderAcceptPost = "Accept-Post"
	// HeaderRateLimit has what is left of the caller's limit: r requests now, and all
	// of them after t seconds. HeaderRateLimitPolicy has the limit itself: q requests
	// in w seconds. They are on each response to a caller who has a limit, also to a
	// request that exceeds it. Both are lists of structured fields, as defined in
	// draft-ietf-httpapi-ratelimit-headers-10, with one item: "caller".
	HeaderRateLimit       = "RateLimit"
	HeaderRateLimitPolicy = "RateLimit-Policy"
)

// Relations of links.
const (
	// RelHelp is the registered relation of an error to its page.
	RelHelp = "help"
	// RelLogin is the relation of a 401 to the route that logs callers in. No
	// registered relation means that: create-form and service are about something
	// else. So it is an extension relation, which is an absolute URI that is only
	// compared and never fetched. Its host can belong to no other party: RFC 6761
	// reserves the domain.
	RelLogin = "https://ocigate.invalid/rel/login"
)

// link returns a value of [HeaderLink]. The target must be a path, with or without a query,
// that is escaped.
func link(target, relation string) string {
	return "<" + target + `>; rel="` + relation + `"`
}

// addLinks adds the links of an error response: see [HeaderLink].
func addLinks(header http.Header, code *errcode.Code) {
	header.Set(HeaderLink, link(ErrorPage(code), RelHelp))
	if code == errcode.Unauthenticated {
		header.Add(HeaderLink, link(loginPath, RelLogin))
	}
}

// acceptPost adds [HeaderAcceptPost] to a response, if it is one that has it. The
// status of the response must be known.
func (g *Gateway) acceptPost(c echo.Context) {
	switch {
	case c.Request().Method == http.MethodOptions,
		c.Response().Status == errcode.MethodNotAllowed.Status,
		c.Response().Status == errcode.BadMediaType.Status:
		if g.posted[c.Path()] {
			c.Response().Header().Set(HeaderAcceptPost, echo.MIMEApplicationJSON)
		}
	}
}

// loginPath is the path at which callers log in.
const loginPath = basePath + "/login/"

// postedPaths returns the paths that serve POST, in the router's syntax.
func postedPaths(routes []Route) map[string]bool {
	posted := map[string]bool{}
	for _, route := range routes {
		if route.Method != http.MethodPost {
			continue
		}
		for _, pattern := range route.patterns() {
			posted[pattern] = true
		}
	}
	return posted
}
