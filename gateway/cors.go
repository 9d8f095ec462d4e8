package gateway

import (
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// CORS are the pages of other origins whose scripts may use the API in a browser. The
// zero value is for none: then responses have no header of CORS.
type CORS struct {
	// Origins are compared exactly, in the form in which browsers send them:
	// "https://portal.example.com". auth.Options.TrustedOrigins must be the same.
	Origins []string
	// Credentials lets the browser send the cookie along with requests of these
	// pages, and keep the one of a login. Without it, they use the token.
	Credentials bool
	// MaxAge is how long a browser may keep the response to a preflight, in whole
	// seconds. 0 means not at all.
	MaxAge time.Duration
}

// CORSRequestHeaders returns the headers of requests that the API reads. Scripts of
// other origins may send them.
func CORSRequestHeaders() []string {
	names := []string{echo.HeaderAccept, echo.HeaderAuthorization, echo.HeaderContentType, traceparent, "X-API-Key"}
	return append(names, headerNames(requestHeaders())...)
}

// CORSResponseHeaders returns the headers of responses that have a meaning of the API.
// Scripts of other origins may read them.
func CORSResponseHeaders() []string {
	return slices.DeleteFunc(headerNames(responseHeaders()), func(name string) bool {
		return name == echo.HeaderCacheControl || name == echo.HeaderXContentTypeOptions || name == echo.HeaderSetCookie
	})
}

func headerNames(table []Header) []string {
	names := make([]string, len(table))
	for i, h := range table {
		names[i] = h.Name
	}
	return names
}

// cors returns the middleware that adds the headers of CORS to every response, also to
// errors, and that responds to preflights, which have no credentials. The methods of a
// preflight's response are those that the router serves at the path. A request from an
// origin that is not listed gets no header that lets its script read the response; what
// it must not change is refused by the check of the origin in package auth.
func cors(o CORS) echo.MiddlewareFunc {
	age := int(o.MaxAge / time.Second)
	if age == 0 {
		age = -1 // 0 would leave the header out, and browsers would choose
	}
	return middleware.CORSWithConfig(middleware.CORSConfig{
		Skipper: isUnknownPath,
		// Only this function decides: a list of origins could have wildcards.
		AllowOriginFunc:  func(origin string) (bool, error) { return slices.Contains(o.Origins, origin), nil },
		AllowHeaders:     CORSRequestHeaders(),
		ExposeHeaders:    CORSResponseHeaders(),
		AllowCredentials: o.Credentials,
		MaxAge:           age,
	})
}

// isUnknownPath reports whether a request is an OPTIONS of a path that has no route.
// The middleware would respond as if there were one; the router responds with 404.
func isUnknownPath(c echo.Context) bool {
	return c.Request().Method == http.MethodOptions && c.Get(echo.ContextKeyHeaderAllow) == nil
}
