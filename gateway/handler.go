package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/auth"
	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// handle returns the handler of a route. It authenticates and authorizes the
// caller before it looks anything up, so that a caller without rights learns
// nothing. Each step may return an error, which [Gateway.writeError] writes as the
// response.
func (g *Gateway) handle(route Route) echo.HandlerFunc {
	described := route.Describe()
	return func(c echo.Context) error {
		info := infoOf(c)
		info.route = route.Name
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
		ctx, cancel := context.WithTimeoutCause(c.Request().Context(), g.options.RequestTimeout, &timeoutError{g.options.RequestTimeout})
		defer cancel()
		ctx = oci.WithTrackingID(ctx, info.requestID)
		oversized := checkLength(c.Request(), g.bodyLimit(route))
		if oversized != nil {
			leaveUnread(c.Response(), c.Request()) // whatever the response is
		}
		if route.Session != nil {
			return route.Session(g, ctx, c)
		}
		if route.Change != nil {
			beginWrite(c, described)
		}
		who, err := g.authenticate(ctx, c)
		if err != nil {
			return err
		}
		target := route.Scope.Target(func(name string) string { return pathParameter(c, name) })
		if err := route.authorize(who, target); err != nil {
			return err
		}
		a := admitted{route, described, who, target, oversized}
		if route.Exchanges() && g.isTraced(c.Request(), target) {
			return g.serveTraced(ctx, c, a)
		}
		return g.serve(ctx, c, a)
	}
}

// serve carries out a request whose caller may make it.
func (g *Gateway) serve(ctx context.Context, c echo.Context, a admitted) error {
	if a.oversized != nil {
		return a.oversized
	}
	if a.route.Exchanges() {
		var cancel context.CancelFunc
		ctx, cancel = withWait(ctx, c)
		defer cancel()
	}
	if a.route.Change == nil {
		ctx = g.forCaller(ctx, a.who, false)
		return g.read(ctx, c, a.route, a.who, a.target, a.described.Params)
	}
	if problems := overrideProblems(c.Request()); len(problems) > 0 {
		return errcode.Invalid(errcode.InvalidParameters, problems...)
	}
	return g.change(ctx, c, a)
}

// read responds from the platform or from the journal. Its error names all problems
// of path and query together.
func (g *Gateway) read(ctx context.Context, c echo.Context, route Route, who auth.Principal, target scope.Target, declared []translate.Param) error {
	if route.Query != nil {
		if problems := overrideProblems(c.Request()); len(problems) > 0 {
			return errcode.Invalid(errcode.InvalidParameters, problems...)
		}
	}
	params, problems := parametersOf(c.Request(), declared)
	if problems = append(g.pathProblems(route, target), problems...); len(problems) > 0 {
		return errcode.Invalid(errcode.InvalidParameters, problems...)
	}
	if route.Journal != nil {
		return route.Journal(g, ctx, c, who, params)
	}
	body, err := route.Query.Read(ctx, target, params)
	if err != nil {
		return readFailure(err)
	}
	if page, ok := body.(*translate.Page); ok {
		setPageHeaders(c.Response().Header(), c.Request().URL, page)
	}
	tag := body.ETag()
	c.Response().Header().Set(headerETag, tag)
	if IsKnown(c.Request(), tag) {
		return c.NoContent(http.StatusNotModified)
	}
	return g.writeBody(c, route.Status, body)
}

// pathProblems returns the problems of the ids in the path.
func (g *Gateway) pathProblems(route Route, target scope.Target) []errcode.Problem {
	return g.options.Services.engine.Problems(route.Scope, target)
}

// authorize returns an error if the caller's level is too low, or if their scope
// does not cover the target of the path, or if it is a change and the platform lets
// the caller only read. A route that reads the journal has no
// target in its path: its handler checks the scope.
func (r Route) authorize(who auth.Principal, target scope.Target) error {
	switch {
	case r.Change != nil && who.ReadOnly:
		failure := errcode.New(errcode.Forbidden)
		failure.Message = "The platform lets this administrator read, but not change anything."
		return failure
	case r.Journal != nil && who.Level >= r.Level,
		r.Journal == nil && who.May(r.Level, target),
		r.Self && who.Is(target):
		return nil
	}
	return errcode.New(errcode.Forbidden)
}

// authenticate returns the caller, and notes them for the log. Its error may also be
// that the caller makes too many requests.
func (g *Gateway) authenticate(ctx context.Context, c echo.Context) (auth.Principal, error) {
	who, err := g.options.Auth.Authenticate(c.Request().WithContext(ctx), infoOf(c).clientIP)
	if err != nil {
		return auth.Principal{}, g.credentialsFailure(c, err)
	}
	infoOf(c).principal = who
	if who.Hash != "" {
		g.options.Metrics.hashUsed(who)
	}
	return who, g.limits.take(who, c.Response().Header())
}

// credentialsFailure returns the error for a request whose credentials the gateway itself
// could not verify.
func (g *Gateway) credentialsFailure(c echo.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		// The request waited for the keys of an issuer.
		// Nothing was sent, and the status of a write must promise that.
		return &errcode.Error{
			Code: errcode.PlatformBusy, Message: "The credentials could not be verified in time; nothing was changed.",
			RetryAfter: shortly, Cause: err,
		}
	}
	return g.authFailure(c, err)
}

// authFailure returns the error for a caller who could not be authenticated.
func (g *Gateway) authFailure(c echo.Context, err error) error {
	if throttled, ok := errors.AsType[*auth.ThrottledError](err); ok {
		g.options.Metrics.throttled(throttled)
		return &errcode.Error{Code: errcode.RateLimited, RetryAfter: throttled.RetryAfter, Cause: err}
	}
	if failure := externalFailure(err); failure != nil {
		return failure
	}
	switch {
	case errors.Is(err, auth.ErrRevocationsUnread):
		failure := errcode.Wrap(errcode.JournalUnavailable, err)
		failure.Message = "The token is older than this gateway process, which cannot read yet whether the token was revoked."
		failure.RetryAfter = shortly
		return failure
	case errors.Is(err, auth.ErrCrossOrigin):
		failure := errcode.Wrap(errcode.Forbidden, err)
		failure.Message = "A page of another origin may have sent this request, and that origin may not do so: nothing was done."
		return failure
	case errors.Is(err, auth.ErrUnsupportedLoginType), errors.Is(err, auth.ErrNoScope), errors.Is(err, auth.ErrNoRights):
		return errcode.Wrap(errcode.Forbidden, err)
	case errors.Is(err, auth.ErrNoCredentials), errors.Is(err, auth.ErrBadCredentials):
		failure := errcode.Wrap(errcode.Unauthenticated, err)
		failure.Message = "Authentication is required: log in with POST " + loginPath + ", or send the credentials of a configured client."
		if errors.Is(err, auth.ErrBadCredentials) {
			failure.Message = "The credentials were not accepted."
		}
		for _, challenge := range g.options.Auth.Challenges(c.Request()) {
			challenge = withTokenError(challenge, err)
			c.Response().Header().Add(echo.HeaderWWWAuthenticate, challenge)
		}
		return failure
	}
	return readFailure(err)
}

// rawPath gives the router every path percent-encoded. Without it, whether
// parameters arrive decoded would depend on what else is in the path. If net/url
// kept the path as it was sent, rawPath leaves it: EscapedPath would encode it again
// if it holds a character that should have been escaped, and would turn an escaped
// slash into a real one.
func rawPath(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if u := c.Request().URL; u.RawPath == "" {
			u.RawPath = u.EscapedPath()
		}
		return next(c)
	}
}

// pathParameter returns a parameter of the path, percent-decoded once.
func pathParameter(c echo.Context, name string) string {
	decoded, err := url.PathUnescape(c.Param(name))
	if err != nil {
		return "" // net/http lets no such path through; an empty id is refused
	}
	return decoded
}
