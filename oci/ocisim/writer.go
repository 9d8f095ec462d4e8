package ocisim

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

// reply is the answer to one command: a refusal, or data, or, where both are
// nil, success.
type reply struct {
	command string
	echo    string
	data    []node
	refusal *refusal
}

// envelope is what surrounds the commands of a document that is sent.
type envelope struct {
	sessionID   string
	trackingID  string
	hasTracking bool
}

// form is how a platform writes its documents.
type form struct {
	encoding    string
	errorCode   bool // write the element errorCode
	echo        bool // return the echo
	tracking    bool // return the tracking id
	hideColumns []string
}

// replies is a whole answer, without the newline that ends it.
func (f form) replies(e envelope, replies []reply) []byte {
	w := newWriter(f.encoding)
	w.open(e, f.tracking)
	for _, r := range replies {
		f.reply(w, r)
	}
	w.raw("</BroadsoftDocument>")
	return w.buf
}

func (f form) reply(w *writer, r reply) {
	switch {
	case r.refusal != nil:
		w.raw(`<command type="` + r.refusal.severity + `"`)
		f.writeEcho(w, r.echo)
		w.raw(` xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">`)
		w.nodes(f.refusal(r.refusal))
		w.raw("</command>")
	case r.data == nil:
		w.raw("<command")
		f.writeEcho(w, r.echo)
		w.raw(` xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`)
	default:
		w.raw("<command")
		f.writeEcho(w, r.echo)
		w.raw(` xsi:type="` + strings.Replace(r.command, "Request", "Response", 1) + `" xmlns="">`)
		w.nodes(r.data)
		w.raw("</command>")
	}
}

func (f form) refusal(r *refusal) []node {
	var nodes []node
	if f.errorCode {
		nodes = append(nodes, leaf("errorCode", strconv.Itoa(r.number)))
	}
	nodes = append(nodes, leaf("summary", r.summary()), leaf("summaryEnglish", r.summary()))
	return leafUnlessEmpty(nodes, "detail", r.detail)
}

func (f form) writeEcho(w *writer, echo string) {
	if f.echo {
		w.raw(` echo="`)
		w.text(echo)
		w.raw(`"`)
	}
}

// logout is the LogoutRequest that the server sends on its own account.
func (f form) logout(sessionID, userID, reason string) []byte {
	w := newWriter(f.encoding)
	w.open(envelope{sessionID: sessionID}, false)
	w.raw(`<command xsi:type="LogoutRequest" xmlns="">`)
	w.nodes([]node{leaf("userId", userID), leaf("reason", reason)})
	w.raw("</command></BroadsoftDocument>")
	return w.buf
}

// writer writes XML in one encoding.
type writer struct {
	buf      []byte
	encoding string
	set      *charmap.Charmap // nil for UTF-8
}

func newWriter(encoding string) *writer {
	return &writer{encoding: encoding, set: charsets[encoding]}
}

func (w *writer) open(e envelope, tracking bool) {
	w.raw(`<?xml version="1.0" encoding="` + w.encoding + `"?>` + "\n")
	w.raw(`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="` + namespaceXSI + `">`)
	w.raw(`<sessionId xmlns="">`)
	w.text(e.sessionID)
	w.raw(`</sessionId>`)
	if e.hasTracking && tracking {
		w.raw(`<trackingId xmlns="">`)
		w.text(e.trackingID)
		w.raw(`</trackingId>`)
	}
}

// raw writes markup, which is ASCII.
func (w *writer) raw(s string) { w.buf = append(w.buf, s...) }

// text writes character data or the value of an attribute.
func (w *writer) text(s string) {
	for _, r := range s {
		switch {
		case r == '&':
			w.raw("&amp;")
		case r == '<':
			w.raw("&lt;")
		case r == '>':
			w.raw("&gt;")
		case r == '"':
			w.raw("&quot;")
		case r < ' ':
			w.reference(r)
		case w.set == nil || r < 0x7f:
			w.buf = append(w.buf, string(r)...)
		default:
			b, ok := w.set.EncodeRune(r)
			if !ok {
				w.reference(r)
				continue
			}
			w.buf = append(w.buf, b)
		}
	}
}

func (w *writer) reference(r rune) { w.raw(fmt.Sprintf("&#%d;", r)) }

func (w *writer) nodes(nodes []node) {
	for _, n := range nodes {
		w.node(n)
	}
}

func (w *writer) node(n node) {
	switch {
	case n.null:
		w.raw("<" + n.name + ` xsi:nil="true"/>`)
	case n.table != nil:
		w.raw("<" + n.name + ">")
		w.table(n.table)
		w.raw("</" + n.name + ">")
	case n.text == "" && len(n.children) == 0:
		w.raw("<" + n.name + "/>")
	default:
		w.raw("<" + n.name + ">")
		w.text(n.text)
		w.nodes(n.children)
		w.raw("</" + n.name + ">")
	}
}

func (w *writer) table(t *table) {
	for _, heading := range t.headings {
		w.node(leaf("colHeading", heading))
	}
	for _, row := range t.rows {
		w.raw("<row>")
		for _, cell := range row {
			w.node(leaf("col", cell))
		}
		w.raw("</row>")
	}
}
