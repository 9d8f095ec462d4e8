package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

// writeJSON writes a value as the documentation prints it: < > and & are not
// escaped.
func writeJSON(c echo.Context, status int, value any) error {
	return writeMedia(c, status, echo.MIMEApplicationJSON, value)
}

// writeMedia writes a value as JSON with that media type.
func writeMedia(c echo.Context, status int, media string, value any) error {
	body, err := marshal(value)
	if err != nil {
		return err
	}
	return c.Blob(status, media, body)
}

// marshal returns the JSON of a value as the documentation prints it.
func marshal(value any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, errcode.Wrap(errcode.Internal, err)
	}
	return body.Bytes(), nil
}

// writeTagged writes the response to a read of the journal: the value with its entity
// tag, or status 304 if the caller has it already.
func writeTagged(c echo.Context, value any) error {
	body, err := marshal(value)
	if err != nil {
		return err
	}
	tag := translate.TagOf(body)
	c.Response().Header().Set(headerETag, tag)
	if IsKnown(c.Request(), tag) {
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

// writeBody writes a body in pieces, so that a large one is never in memory as a
// whole. A body that fits into one piece gets a Content-Length. The header goes out
// with the first piece; after that only the connection can fail.
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
