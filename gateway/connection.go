package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// lastOnConnection reports whether a request must be the last one that is
// served on its connection, because others may see its end elsewhere.
//
// net/http takes a body that is sent in chunks by its chunks, and drops a
// Content-Length beside Transfer-Encoding before any handler sees it. Under
// HTTP/1.0 it drops Transfer-Encoding, and takes the body by its
// Content-Length. A proxy on the way may have done the opposite, and passed on
// as a body what net/http would take for the next request, with the sender's
// choice of headers. RFC 9112, section 6.1, demands that the connection is
// closed in both cases. Since the two fields cannot be seen any more, each
// request that may have had them counts: all in chunks, and all of HTTP/1.0.
// Those who send such requests pay with a connection for each.
func lastOnConnection(r *http.Request) bool {
	return r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0)
}

// closeAfter makes the answer the last one of its connection. Over HTTP/2 it
// does nothing: there a body ends with its stream.
func closeAfter(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}

// unreadFor is how long the server waits for the rest of a body that nobody
// will read. What comes of it is thrown away, so that a sender who is still
// sending sees the answer and not a reset connection.
const unreadFor = time.Second

// leaveUnread does what closeAfter does, and has the server not wait for the
// request's body as long as for one that is read.
func leaveUnread(w http.ResponseWriter, r *http.Request) {
	closeAfter(w, r)
	boundRest(w, r)
}

// boundRest has the server not wait long for what is left of a body. There must
// be something left: behind its end, net/http reads on to notice when the caller
// leaves, and takes the end of the wait for that, with all that comes later over
// the connection.
func boundRest(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		// Without a connection, as in tests, there is nothing to wait for.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unreadFor))
	}
}

// restOfBody knows whether something is left of a body.
type restOfBody struct {
	io.ReadCloser
	ended bool // it was read to its end
}

// Read implements io.Reader.
func (b *restOfBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || errors.Is(err, io.EOF)
	return n, err
}
