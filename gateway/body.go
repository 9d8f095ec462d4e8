package gateway

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"ocigate/translate/errcode"
)

// bodyLimit returns the largest body that a request to the route may have, in bytes,
// also if the route does not read it.
func (g *Gateway) bodyLimit(route Route) int64 {
	if route.Session != nil {
		return maxSessionBytes
	}
	return g.options.MaxBodyBytes
}

// checkLength returns an error for a body whose Content-Length exceeds the limit. It
// reads nothing of the body, so a client that waits for 100 Continue does not get it.
func checkLength(r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		return tooLarge(limit, fmt.Errorf("gateway: a body of %d bytes is announced", r.ContentLength))
	}
	return nil
}

// tooLarge returns the error for a body that exceeds the limit.
func tooLarge(limit int64, cause error) error {
	return &errcode.Error{
		Code: errcode.BodyTooLarge, Message: fmt.Sprintf("The body is too large: it may have %d bytes.", limit), Cause: cause,
	}
}

// readBody reads a JSON body of limited size.
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
	if errors.Is(err, os.ErrDeadlineExceeded) {
		closeAfter(c.Response(), r)
		return nil, errcode.Wrap(errcode.UploadTimeout, bodyReadError(err))
	}
	if err != nil && connectionEnded(r, err) {
		return nil, &errcode.Error{Code: errcode.CallerLeft, Message: "The connection was closed before the end of the request; nothing was changed.", Cause: bodyReadError(err)}
	}
	if err != nil {
		closeAfter(c.Response(), r)
		return nil, &errcode.Error{Code: errcode.InvalidParameters, Message: "The body could not be read to its end.", Cause: bodyReadError(err)}
	}
	return body, nil
}

// checkMedia returns an error for a body that is not declared as uncompressed JSON in
// UTF-8. Such a body is not read.
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

// readCharsets are the charsets that can be read as UTF-8; "" is for none given.
var readCharsets = []string{"", "utf-8", "utf8", "us-ascii"}

// charsetOf returns the charset that a Content-Type names, in lower case.
func charsetOf(value string) string {
	_, parameters, err := mime.ParseMediaType(withoutQuotes(value))
	if err != nil {
		return "" // the value is empty, since isJSON has accepted it
	}
	return strings.ToLower(parameters["charset"])
}

// identityCoding is the content coding for uncompressed content.
const identityCoding = "identity"

// codingOf returns the first coding in Content-Encoding other than identity, or "".
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
