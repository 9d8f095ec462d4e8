package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// MaxWireText limits each document of a [WireExchange], in bytes. A longer one is cut,
// and ends with an ellipsis.
const MaxWireText = maxSearched

// A Wire is a trace of the documents that are exchanged with the platform under one
// context: see [WithWire].
type Wire struct {
	// Done is called once for each exchange: when it has ended, or when its caller
	// stopped waiting for it. It is called by the goroutine that made the exchange,
	// before that goes on, so it must be quick, and must not call the client. A panic
	// of Done is ignored: tracing cannot change what becomes of a command.
	Done func(WireExchange)
	// OwnReads makes an exchange for each read under the context, which no other
	// caller shares. Otherwise a read may be answered by the exchange of another
	// caller, and Done gets a WireExchange that is Joined and has no documents.
	OwnReads bool
}

// WireExchange is a document that was sent to the platform, and the reply to it.
//
// The documents are texts in UTF-8, decoded from the encoding that their XML
// declaration names, and otherwise as they were sent and received, except that
//
//   - the content of elements, attributes and table columns whose names are those of
//     secrets is replaced with "[redacted]", also in XML that a text repeats, and so is
//     each secret of the request in all texts of the reply;
//   - session ids are replaced with pseudonyms, which are the same for all documents of
//     a session: a session id is of no use without its connection, but platforms do not
//     promise that;
//   - each has [MaxWireText] bytes at most.
//
// Of a reply that was refused or cut off, rather too much is removed. They hold other
// data of customers, such as names and numbers.
type WireExchange struct {
	Endpoint string   // the name of the platform endpoint
	Session  string   // the pseudonym of the session
	Local    string   // the client's address of the session's connection
	Remote   string   // the platform's
	Commands []string // the names of the commands in the document
	// Joined reports that the read was answered by the exchange of another caller.
	// Then only Commands and Err are set.
	Joined bool
	// Sent reports whether any of the document may have been sent.
	Sent bool
	// SentAt is when the document was given to the connection, and Took is the time
	// from there to the end.
	SentAt time.Time
	Took   time.Duration
	// Request is the document, and Reply the one that was received for it: empty if
	// none was, and the received part if the exchange ended before all was received.
	Request, Reply string
	// Cut reports whether a document was longer than MaxWireText.
	Cut bool
	// Err is nil if the platform replied, whatever the reply says. Otherwise it is the
	// error that ended the exchange.
	Err error
}

type wireKey struct{}

// WithWire returns a context under which all exchanges are traced: those of reads and
// writes, of their repetitions, of checks whether a session is logged in, and the login
// of [Client.Authenticate]. The logins of the pool's sessions belong to no caller and are
// not traced. A WireExchange may arrive after the call that caused it was canceled.
func WithWire(ctx context.Context, w *Wire) context.Context {
	return context.WithValue(ctx, wireKey{}, w)
}

// wireOf returns the trace of ctx, or nil.
func wireOf(ctx context.Context) *Wire {
	w, _ := ctx.Value(wireKey{}).(*Wire)
	return w
}

// ownReads numbers the reads that no other caller shares.
var ownReads atomic.Uint64

// readKey returns the key under which callers share a read.
func (w *Wire) readKey(commands []Read) string {
	key := documentKey(commands)
	if w == nil || !w.OwnReads {
		return key
	}
	// No key of other documents is the same: none has a command without a name.
	return key + "\x00own" + strconv.FormatUint(ownReads.Add(1), 10)
}

// joined reports a read that was answered by the exchange of another caller.
func (w *Wire) joined(commands []Read, err error) {
	if w == nil || w.Done == nil {
		return
	}
	defer ignorePanic()
	x := WireExchange{Joined: true, Err: err}
	for _, c := range commands {
		x.Commands = append(x.Commands, c.name)
	}
	w.Done(x)
}

// ignorePanic is deferred where an exchange is reported: a fault of tracing must not
// change what becomes of a command.
func ignorePanic() { _ = recover() }

// wireRecord records one exchange of a trace. All its methods do nothing for nil.
type wireRecord struct {
	trace    *Wire
	session  *session
	document outgoing
	began    time.Time

	mu    sync.Mutex // guards the fields below
	ended bool       // the exchange was reported, or is about to be
	sent  bool
	reply []byte // at most MaxWireText of it
	size  int    // of the complete reply, as far as it was received
}

// record returns the record of an exchange, or nil without a trace.
func (w *Wire) record(s *session, document outgoing) *wireRecord {
	if w == nil || w.Done == nil {
		return nil
	}
	return &wireRecord{trace: w, session: s, document: document, began: time.Now()}
}

// markSent records that the document may have been sent.
func (r *wireRecord) markSent() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = true
}

// tap makes the scanner copy the document that has begun.
func (r *wireRecord) tap(stream *scanner) {
	if r == nil {
		return
	}
	stream.tap = r
	r.received(stream.buffer[stream.at:stream.end])
}

// received appends data of the reply.
func (r *wireRecord) received(data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.size += len(data)
	r.reply = append(r.reply, data[:min(len(data), MaxWireText-len(r.reply))]...)
}

// untap ends the copying. What is unread after a complete document is not part of it.
func (r *wireRecord) untap(stream *scanner, complete bool) {
	if r == nil {
		return
	}
	stream.tap = nil
	if !complete {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.size -= stream.end - stream.at
		r.reply = r.reply[:min(len(r.reply), r.size)]
	}
}

// end reports the exchange, unless it was reported already.
func (r *wireRecord) end(err error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	first, sent, reply, cut := !r.ended, r.sent, r.reply, r.size > len(r.reply)
	r.ended = true
	r.mu.Unlock()
	if !first {
		return
	}
	defer ignorePanic()
	x := WireExchange{
		Endpoint: r.session.endpoint.Name,
		Session:  pseudonym(r.session.id),
		Local:    r.session.line.LocalAddr().String(),
		Remote:   r.session.line.RemoteAddr().String(),
		Sent:     sent,
		SentAt:   r.began,
		Took:     time.Since(r.began),
		Err:      err,
	}
	x.Request, x.Cut = limitWireText(wireRequest(r.document, r.session.endpoint.options.Encoding), false)
	for _, c := range r.document.commands {
		x.Commands = append(x.Commands, c.Name())
	}
	if len(reply) > 0 {
		var replyCut bool
		x.Reply, replyCut = limitWireText(wireReply(reply, r.document, err == nil), cut)
		x.Cut = x.Cut || replyCut
	}
	r.trace.Done(x)
}

// limitWireText returns a text of limited length, and whether a part of it is missing.
// cut reports whether its end is missing already.
func limitWireText(text string, cut bool) (string, bool) {
	cut = cut || len(text) > MaxWireText
	if cut {
		text = clip(text+ellipsis, MaxWireText)
	}
	return text, cut
}

// pseudonym returns a text in the place of a session id. It is always the same for the
// same id.
func pseudonym(sessionID string) string {
	sum := sha256.Sum256([]byte(sessionID))
	return "session-" + hex.EncodeToString(sum[:4])
}
