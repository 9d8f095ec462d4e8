package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/auth"
	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// handle is the journey of a request to that row. What is not the caller's to
// know is refused before anything is looked up. Each step may end it with an
// error, which the error writer answers with.
func (g *Gateway) handle(e Route) echo.HandlerFunc {
	described := e.Describe()
	return func(c echo.Context) error {
		record := recordOf(c)
		record.endpoint = e.Name
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
		ctx, cancel := context.WithTimeoutCause(c.Request().Context(), g.options.RequestTimeout, &timeOverError{g.options.RequestTimeout})
		defer cancel()
		ctx = oci.WithTrackingID(ctx, record.requestID)
		oversized := checkLength(c.Request(), g.bodyLimit(e))
		if oversized != nil {
			leaveUnread(c.Response(), c.Request()) // whatever the answer is
		}
		if e.Session != nil {
			return e.Session(g, ctx, c)
		}
		if e.Change != nil {
			beginWrite(c, described)
		}
		who, err := g.admit(ctx, c)
		if err != nil {
			return err
		}
		target := e.Scope.Target(func(name string) string { return pathParameter(c, name) })
		if err := e.refuse(who, target); err != nil {
			return err
		}
		if oversized != nil {
			return oversized
		}
		if e.Change == nil {
			return g.read(ctx, c, e, who, target, described.Params)
		}
		if problems := overrides(c.Request()); len(problems) > 0 {
			return errcode.Invalid(errcode.InvalidParameters, problems...)
		}
		return g.change(ctx, c, e, target, described)
	}
}

// read answers from the platform or from the journal. All problems of path and
// query are named at once.
func (g *Gateway) read(ctx context.Context, c echo.Context, e Route, who auth.Principal, target scope.Target, declared []translate.Param) error {
	if e.Query != nil {
		if problems := overrides(c.Request()); len(problems) > 0 {
			return errcode.Invalid(errcode.InvalidParameters, problems...)
		}
	}
	params, problems := parametersOf(c.Request(), declared)
	if problems = append(g.pathProblems(e, target), problems...); len(problems) > 0 {
		return errcode.Invalid(errcode.InvalidParameters, problems...)
	}
	if e.Journal != nil {
		return e.Journal(g, ctx, c, who, params)
	}
	body, err := e.Query.Read(ctx, target, params)
	if err != nil {
		return readFailure(err)
	}
	tag := body.ETag()
	c.Response().Header().Set(headerETag, tag)
	if isKnown(c.Request(), tag) {
		return c.NoContent(http.StatusNotModified)
	}
	return g.writeBody(c, e.Status, body)
}

// pathProblems are what is wrong with the ids of the path.
func (g *Gateway) pathProblems(e Route, target scope.Target) []errcode.Problem {
	return g.options.Services.engine.Problems(e.Scope, target)
}

// refuse is the error for a caller whose level is too low, or whose scope does
// not cover the target of the path. The scope of an endpoint that answers from
// the journal is not in its path.
func (e Route) refuse(who auth.Principal, target scope.Target) error {
	switch {
	case e.Journal != nil && who.Level >= e.Level,
		e.Journal == nil && who.May(e.Level, target),
		e.Self && who.Is(target):
		return nil
	}
	return errcode.New(errcode.Forbidden)
}

// admit finds out who is calling.
func (g *Gateway) admit(ctx context.Context, c echo.Context) (auth.Principal, error) {
	who, err := g.options.Auth.Authenticate(c.Request().WithContext(ctx), recordOf(c).clientIP)
	if errors.Is(err, context.DeadlineExceeded) {
		// It waited for its turn to be hashed. Nothing was sent, and the status
		// of a write must say so.
		return auth.Principal{}, &errcode.Error{
			Code: errcode.PlatformBusy, Message: "The credentials could not be verified in time; nothing was changed.",
			RetryAfter: shortly, Cause: err,
		}
	}
	if err != nil {
		return auth.Principal{}, g.authFailure(c, err)
	}
	recordOf(c).principal = who
	return who, nil
}

// rawPath makes the router see every path percent-encoded. Without it, whether
// parameters arrive decoded would depend on what else is in the path. A path
// that net/url kept as it was sent stays so: EscapedPath would encode it anew
// where it holds a character that should have been escaped, and would turn an
// escaped slash into a real one.
func rawPath(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if u := c.Request().URL; u.RawPath == "" {
			u.RawPath = u.EscapedPath()
		}
		return next(c)
	}
}

// pathParameter is a parameter of the path, percent-decoded once.
func pathParameter(c echo.Context, name string) string {
	decoded, err := url.PathUnescape(c.Param(name))
	if err != nil {
		return "" // net/http lets no such path through; an empty id is refused
	}
	return decoded
}

// writeJSON writes a value as the documentation prints it: < > and & are left
// as they are.
func writeJSON(c echo.Context, status int, value any) error {
	return writeMedia(c, status, echo.MIMEApplicationJSON, value)
}

func writeMedia(c echo.Context, status int, media string, value any) error {
	body, err := marshal(value)
	if err != nil {
		return err
	}
	return c.Blob(status, media, body)
}

// marshal is the JSON of a value as the documentation prints it.
func marshal(value any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, errcode.Wrap(errcode.Internal, err)
	}
	return body.Bytes(), nil
}

// writeTagged answers a read of the journal with a value and its entity tag, or that
// the caller has it already.
func writeTagged(c echo.Context, value any) error {
	body, err := marshal(value)
	if err != nil {
		return err
	}
	tag := translate.TagOf(body)
	c.Response().Header().Set(headerETag, tag)
	if isKnown(c.Request(), tag) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
}

// jsonWriter writes a body as a [translate.Body] does.
type jsonWriter interface {
	WriteJSON(w *bufio.Writer) error
}

// pieceBytes is how much of a body is written at a time.
const pieceBytes = 32 << 10

// writeBody writes a body in pieces, so that a large one is never held as a
// whole. One that fits into a piece tells its length. When the header is out,
// with the first piece, nothing but the connection can fail.
func (g *Gateway) writeBody(c echo.Context, status int, body jsonWriter) error {
	response := c.Response()
	response.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	response.Status = status // goes out with the first piece
	piece, ok := g.pieces.Get().(*bufio.Writer)
	if !ok {
		piece = bufio.NewWriterSize(nil, pieceBytes)
	}
	piece.Reset(response)
	defer func() {
		piece.Reset(nil)
		g.pieces.Put(piece)
	}()
	if err := body.WriteJSON(piece); err != nil {
		return err
	}
	if !response.Committed {
		response.Header().Set(echo.HeaderContentLength, strconv.Itoa(piece.Buffered()))
	}
	return piece.Flush()
}

// authFailure is what a caller is told who is not known, or not believed.
func (g *Gateway) authFailure(c echo.Context, err error) error {
	if throttled, ok := errors.AsType[*auth.ThrottledError](err); ok {
		g.options.Metrics.throttled(throttled.Method)
		return &errcode.Error{Code: errcode.RateLimited, RetryAfter: throttled.RetryAfter, Cause: err}
	}
	switch {
	case errors.Is(err, auth.ErrCrossOrigin), errors.Is(err, auth.ErrUnsupportedLoginType), errors.Is(err, auth.ErrNoScope):
		return errcode.Wrap(errcode.Forbidden, err)
	case errors.Is(err, auth.ErrNoCredentials), errors.Is(err, auth.ErrBadCredentials):
		told := errcode.Wrap(errcode.Unauthenticated, err)
		if errors.Is(err, auth.ErrBadCredentials) {
			told.Message = "The credentials were not accepted."
		}
		for _, challenge := range g.options.Auth.Challenges(c.Request()) {
			c.Response().Header().Add(echo.HeaderWWWAuthenticate, challenge)
		}
		return told
	}
	return readFailure(err)
}
