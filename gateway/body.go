package gateway

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"ocigate/translate/errcode"
)

// bodyLimit is the longest body that a request to that row may have, in bytes,
// whether the body is read or not.
func (g *Gateway) bodyLimit(e Route) int64 {
	if e.Session != nil {
		return maxSessionBytes
	}
	return g.options.MaxBodyBytes
}

// checkLength refuses a request whose body is known to be too long, before any
// of it is read: one who waits for 100 Continue is not told to go on.
func checkLength(r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		return tooLarge(limit, fmt.Errorf("gateway: a body of %d bytes is announced", r.ContentLength))
	}
	return nil
}

func tooLarge(limit int64, cause error) error {
	return &errcode.Error{
		Code: errcode.BodyTooLarge, Message: fmt.Sprintf("The body is too large: it may have %d bytes.", limit), Cause: cause,
	}
}

// readBody reads a JSON body of bounded size.
func readBody(c echo.Context, limit int64) ([]byte, error) {
	r := c.Request()
	if err := checkLength(r, limit); err != nil {
		return nil, err
	}
	if err := checkMedia(c); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, limit))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		leaveUnread(c.Response(), r)
		return nil, tooLarge(limit, err)
	}
	if err != nil && brokeOff(r, err) {
		return nil, &errcode.Error{Code: errcode.CallerLeft, Message: "The connection was closed before the end of the request; nothing was changed.", Cause: unreadBody(err)}
	}
	if err != nil {
		closeAfter(c.Response(), r)
		return nil, &errcode.Error{Code: errcode.InvalidParameters, Message: "The body could not be read to its end.", Cause: unreadBody(err)}
	}
	return body, nil
}

// checkMedia refuses a body that is said to be something else than JSON in
// UTF-8, as it is. What is refused is not read.
func checkMedia(c echo.Context) error {
	header := c.Request().Header
	if !isJSON(header.Values(echo.HeaderContentType)) {
		return &errcode.Error{
			Code: errcode.BadMediaType, Message: errcode.BadMediaType.Text,
			Problems: []errcode.Problem{{Reason: "must be sent with Content-Type application/json, given once, or with none"}},
		}
	}
	if charset := charsetOf(header.Get(echo.HeaderContentType)); !slices.Contains(readCharsets, charset) {
		return errcode.Invalid(errcode.BadMediaType, errcode.Problem{
			Parameter: echo.HeaderContentType, Reason: fmt.Sprintf("must not have the charset %.40q: JSON is read as UTF-8", charset),
		})
	}
	if coding := codingOf(header.Values(echo.HeaderContentEncoding)); coding != "" {
		c.Response().Header().Set(echo.HeaderAcceptEncoding, identityCoding) // RFC 9110, section 12.5.3
		return errcode.Invalid(errcode.BadMediaType, errcode.Problem{
			Parameter: echo.HeaderContentEncoding, Reason: fmt.Sprintf("must not be %.40q: bodies are read as they are sent, without compression", coding),
		})
	}
	return nil
}

// isJSON reports whether a Content-Type is application/json or not given. The
// API's documentation prints the value in quotes, and callers copy it.
func isJSON(values []string) bool {
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(withoutQuotes(values[0]))
	return err == nil && kind == echo.MIMEApplicationJSON && len(values) == 1
}

func withoutQuotes(value string) string { return strings.ReplaceAll(value, `"`, "") }

// readCharsets are the names of what is read as UTF-8, and "" for none.
var readCharsets = []string{"", "utf-8", "utf8", "us-ascii"}

// charsetOf is the charset that a Content-Type names, in lower case.
func charsetOf(value string) string {
	_, parameters, err := mime.ParseMediaType(withoutQuotes(value))
	if err != nil {
		return "" // it is empty, since isJSON takes it
	}
	return strings.ToLower(parameters["charset"])
}

// identityCoding is the coding that changes nothing.
const identityCoding = "identity"

// codingOf is the first coding that Content-Encoding names besides identity,
// or "".
func codingOf(values []string) string {
	for _, value := range values {
		for one := range strings.SplitSeq(value, ",") {
			if one = strings.Trim(one, " \t"); one != "" && !strings.EqualFold(one, identityCoding) {
				return one
			}
		}
	}
	return ""
}
