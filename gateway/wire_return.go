package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"ocigate/oci"
)

// serveWithWire serves a request, and writes its response with the documents that were
// exchanged for it. Status and headers are those of the response without them; only the
// body and its media type differ. A read is served without If-None-Match: a 304 has no
// body for the documents.
func (g *Gateway) serveWithWire(ctx context.Context, c echo.Context, a admitted, w *requestWire) error {
	if a.route.Query != nil {
		c.Request().Header.Del(headerIfNoneMatch)
	}
	out := c.Response()
	held := &heldResponse{out: out}
	c.SetResponse(echo.NewResponse(held, c.Echo()))
	defer c.SetResponse(out) // also after a panic
	if err := g.serve(ctx, c, a); err != nil {
		g.writeError(err, c)
		if held.begun {
			return nil // only the connection can have failed
		}
	}
	c.SetResponse(out)
	if held.begun {
		return held.end(w.body(&heldResponse{}))
	}
	body, err := marshal(w.body(held))
	if err != nil { // cannot happen: JSON can hold all of it
		_, err = held.writeTo(out)
		return err
	}
	out.Header().Del(echo.HeaderContentLength)
	out.Header().Set(echo.HeaderContentType, WireMedia) // Blob would keep the present one
	return c.Blob(held.statusCode(), WireMedia, body)
}

// maxHeld is how much of a body is held, in bytes. A longer one is written as it comes, as
// without the documents: a list may be much longer than what a gateway has in memory.
const maxHeld = 256 << 10

// heldResponse is a response that is not written yet. It has the header of the response
// that is written in its place.
type heldResponse struct {
	out    *echo.Response
	status int
	body   bytes.Buffer
	begun  bool // the body was too long to be held, and is being written
}

// Header implements http.ResponseWriter.
func (h *heldResponse) Header() http.Header { return h.out.Header() }

// WriteHeader implements http.ResponseWriter.
func (h *heldResponse) WriteHeader(status int) { h.status = status }

// Write implements http.ResponseWriter. Only a body that is JSON is written before its end:
// any other becomes a text.
func (h *heldResponse) Write(p []byte) (int, error) {
	if !h.begun && h.body.Len()+len(p) > maxHeld && h.Header().Get(echo.HeaderContentType) == echo.MIMEApplicationJSON {
		if err := h.begin(); err != nil {
			return 0, err
		}
	}
	if h.begun {
		return h.out.Write(p)
	}
	return h.body.Write(p)
}

// wireBeginning is how a wireBody begins that has no response.
const wireBeginning = `{"response":null`

// begin begins to write the body, with what is held.
func (h *heldResponse) begin() error {
	h.begun = true
	h.Header().Del(echo.HeaderContentLength)
	h.Header().Set(echo.HeaderContentType, WireMedia)
	h.out.WriteHeader(h.statusCode())
	if _, err := h.out.Write([]byte(strings.TrimSuffix(wireBeginning, "null"))); err != nil {
		return err
	}
	held := h.body.Bytes()
	h.body = bytes.Buffer{}
	_, err := h.out.Write(held)
	return err
}

// end writes the rest of a body that has begun. body has everything but the response.
func (h *heldResponse) end(body wireBody) error {
	rest, err := marshal(body)
	if err != nil { // cannot happen: JSON can hold all of it
		return err
	}
	_, err = h.out.Write(bytes.TrimPrefix(rest, []byte(wireBeginning)))
	return err
}

// Unwrap returns the writer below, for http.ResponseController.
func (h *heldResponse) Unwrap() http.ResponseWriter { return h.out }

func (h *heldResponse) statusCode() int {
	if h.status == 0 {
		return http.StatusOK
	}
	return h.status
}

// writeTo writes the response as it is.
func (h *heldResponse) writeTo(out *echo.Response) (int, error) {
	out.WriteHeader(h.statusCode())
	return out.Write(h.body.Bytes())
}

// body returns the body of a response with the documents. No more are taken.
func (w *requestWire) body(held *heldResponse) wireBody {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	body := wireBody{Response: responseOf(held), Wire: []wireExchange{}, Truncated: w.left > 0 || w.cut}
	for _, x := range w.exchanges {
		body.Wire = append(body.Wire, exchangeOf(x))
	}
	return body
}

// responseOf returns the body of a response as JSON: a text if it is not JSON itself, and
// null if there is none.
func responseOf(held *heldResponse) json.RawMessage {
	body := held.body.Bytes()
	switch {
	case len(body) == 0:
		return json.RawMessage("null")
	case json.Valid(body):
		return body
	}
	text, err := json.Marshal(strings.ToValidUTF8(string(body), "\uFFFD"))
	if err != nil {
		return json.RawMessage("null") // cannot happen: it is a text
	}
	return text
}

func exchangeOf(x oci.WireExchange) wireExchange {
	body := wireExchange{
		Endpoint: x.Endpoint, Session: x.Session, Local: x.Local, Remote: x.Remote, Commands: x.Commands,
		Seconds: x.Took.Seconds(), Request: x.Request, Reply: x.Reply,
	}
	if x.Sent {
		body.SentAt = x.SentAt.UTC()
	}
	if x.Err != nil {
		body.Error = short(x.Err.Error())
	}
	return body
}

// wireBody is a response with the documents of its request.
type wireBody struct {
	Response  json.RawMessage `json:"response" doc:"The body that the response has without the header: any JSON, or null if it has none." example:"{\"numbers\":[]}"`
	Wire      []wireExchange  `json:"wire" doc:"The exchanges with the platform, in the order in which they ended. Empty if none was needed: for a request that was refused, a write that was replayed, or a check whose result was known."`
	Truncated bool            `json:"truncated" doc:"Whether exchanges are missing, or parts of documents." example:"false"`
}

type wireExchange struct {
	Endpoint string    `json:"platform_endpoint" doc:"The name of the platform endpoint." example:"primary"`
	Session  string    `json:"session" doc:"A pseudonym of the session, in place of its id." example:"session-3fd30542"`
	Local    string    `json:"local_address" doc:"The gateway's address of the connection." example:"192.0.2.10:50112"`
	Remote   string    `json:"platform_address" doc:"The platform's address of the connection." example:"192.0.2.20:2208"`
	Commands []string  `json:"commands" doc:"The commands in the document." example:"[\"VerifySessionIsValidRequest\"]"`
	SentAt   time.Time `json:"sent_at,omitzero" doc:"When the document was sent. Absent if it was not." example:"2026-01-05T09:30:00.135Z"`
	Seconds  float64   `json:"seconds" doc:"The time from there to the reply, or to the end of the wait for it." example:"0.024"`
	Request  string    `json:"request" doc:"The document, as text and without secrets." example:"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><BroadsoftDocument …"`
	Reply    string    `json:"reply" doc:"The reply, likewise. Empty if there was none." example:"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><BroadsoftDocument …"`
	Error    string    `json:"error,omitempty" doc:"Why there was no complete reply. Absent if there was one, whatever it says."`
}
