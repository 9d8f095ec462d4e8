package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// lastOnConnection reports whether a request must be the last one on its connection,
// because a proxy may disagree with net/http on where it ends.
//
// net/http reads a chunked body by its chunks, and drops a Content-Length beside
// Transfer-Encoding before any handler sees it. Under HTTP/1.0 it drops
// Transfer-Encoding, and reads the body by its Content-Length. A proxy may have done
// the opposite, and forwarded as a body what net/http would take for the next request,
// with headers of the sender's choice. RFC 9112, section 6.1, requires that the
// connection is closed in both cases. Handlers cannot see any more whether a request
// had both fields, so every request that may have had them counts: all chunked ones,
// and all of HTTP/1.0. Each of these costs its sender a connection.
func lastOnConnection(r *http.Request) bool {
	return r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0)
}

// closeAfter makes the response the last one on its connection. Over HTTP/2 it does
// nothing: there a body ends with its stream.
func closeAfter(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}

// unreadWait is how long the server waits for the rest of a body that the gateway does
// not read. The server discards that rest, so that a client which is still sending
// gets the response and not a reset connection.
const unreadWait = time.Second

// leaveUnread calls closeAfter, and limits how long the server waits for the request's
// body.
func leaveUnread(w http.ResponseWriter, r *http.Request) {
	closeAfter(w, r)
	limitRest(w, r)
}

// limitRest limits how long the server waits for the rest of a body. There must be a
// rest: after the end of a body, net/http continues to read in order to notice a
// disconnect, and would take the end of the wait for one, which would also affect later
// requests on the connection.
func limitRest(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		// Without a connection, as in tests, there is nothing to wait for.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unreadWait))
	}
}

// trackedBody is a request body that notes whether it was read to its end.
type trackedBody struct {
	io.ReadCloser
	ended bool
}

// Read implements io.Reader.
func (b *trackedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || errors.Is(err, io.EOF)
	return n, err
}
