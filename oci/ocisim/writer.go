package ocisim

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// reply is the reply to one command: a refusal or data or, if both are nil,
// success.
type reply struct {
	command string
	echo    string
	data    []node
	refusal *refusal
}

// envelope is the part of a sent document around its commands.
type envelope struct {
	sessionID   string
	trackingID  string
	hasTracking bool
}

// form is the form of a platform's documents.
type form struct {
	encoding    string
	errorCode   bool // write the element errorCode
	echo        bool // return the echo
	tracking    bool // return the tracking id
	hideColumns []string
}

// replies returns a document of replies without the newline after it.
func (f form) replies(e envelope, replies []reply) []byte {
	w := newWriter(f.encoding)
	w.open(e, f.tracking)
	for _, r := range replies {
		f.reply(w, r)
	}
	w.raw("</BroadsoftDocument>")
	return w.buf
}

// reply writes one reply.
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

// refusal returns the elements of an ErrorResponse.
func (f form) refusal(r *refusal) []node {
	var nodes []node
	if f.errorCode {
		nodes = append(nodes, leaf("errorCode", strconv.Itoa(r.number)))
	}
	nodes = append(nodes, leaf("summary", r.summary()), leaf("summaryEnglish", r.summary()))
	if r.received != "" {
		return append(nodes, node{name: "detail", text: r.detail + "\n" + r.received, cdata: true})
	}
	return leafUnlessEmpty(nodes, "detail", r.detail)
}

func (f form) writeEcho(w *writer, echo string) {
	if f.echo {
		w.raw(` echo="`)
		w.text(echo)
		w.raw(`"`)
	}
}

// logout returns the document of an unsolicited LogoutRequest.
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

// open writes the declaration and the document up to its first command.
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
		case !w.encode(r):
			w.reference(r)
		}
	}
}

// encode writes a character, and reports whether the encoding has it.
func (w *writer) encode(r rune) bool {
	if w.set == nil {
		w.buf = utf8.AppendRune(w.buf, r)
		return true
	}
	b, ok := w.set.EncodeRune(r)
	if ok {
		w.buf = append(w.buf, b)
	}
	return ok
}

const cdataStart, cdataEnd = "<![CDATA[", "]]>"

// cdata writes character data in as many CDATA sections as necessary. A section can
// hold neither its own end mark nor a reference to a character that the encoding
// does not have or that a parser would change. A character that XML cannot hold,
// which a comment of a request may have, becomes U+FFFD.
func (w *writer) cdata(s string) {
	w.raw(cdataStart)
	for i, piece := range strings.Split(s, cdataEnd) {
		if i > 0 {
			w.raw("]]" + cdataEnd + cdataStart + ">")
		}
		for _, r := range piece {
			if !isXMLChar(r) {
				r = utf8.RuneError
			}
			if r == '\r' || !w.encode(r) {
				w.raw(cdataEnd)
				w.reference(r)
				w.raw(cdataStart)
			}
		}
	}
	w.raw(cdataEnd)
}

func isXMLChar(r rune) bool { return r >= ' ' && r != 0xfffe && r != 0xffff || isXMLSpace(r) }

// reference writes a character reference.
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
	case n.cdata:
		w.raw("<" + n.name + ">")
		w.cdata(n.text)
		w.raw("</" + n.name + ">")
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
