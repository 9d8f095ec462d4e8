package oci

import "fmt"

const (
	namespaceC   = "C"
	namespaceXSI = "http://www.w3.org/2001/XMLSchema-instance"
)

// MaxCommands is the maximum number of commands in a document, by the published
// schema.
const MaxCommands = 15

// outgoing is a document that the client sends.
type outgoing struct {
	sessionID  string
	trackingID string // none if empty
	commands   []Command
	echoes     []string // one for each command, or none at all
}

// echo returns the echo of command i of the document, or "".
func (o outgoing) echo(i int) string {
	if len(o.echoes) == 0 {
		return ""
	}
	return o.echoes[i]
}

// encode returns the document in an encoding. An error says that it cannot be written
// as XML. Names are not escaped: those of the schema do not need it.
func (o outgoing) encode(in Encoding) ([]byte, error) {
	if len(o.commands) < 1 || len(o.commands) > MaxCommands {
		return nil, fmt.Errorf("oci: a document holds 1 to %d commands, not %d", MaxCommands, len(o.commands))
	}
	w := writer{to: make([]byte, 0, usualRequest), in: in}
	w.raw(`<?xml version="1.0" encoding="`, in.String(), `"?>`+
		`<BroadsoftDocument protocol="OCI" xmlns="`+namespaceC+`" xmlns:xsi="`+namespaceXSI+`">`)
	w.raw(`<sessionId xmlns=""`)
	w.content("sessionId", Element{Text: o.sessionID})
	if o.trackingID != "" {
		w.raw(`<trackingId xmlns=""`)
		w.content("trackingId", Element{Text: o.trackingID})
	}
	for i, c := range o.commands {
		w.raw(`<command xsi:type="`, c.Name(), `" xmlns=""`)
		if len(o.echoes) > 0 {
			w.raw(` echo="`, o.echoes[i], `"`)
		}
		w.content("command", Element{Children: c.Elements()})
		if w.err != nil {
			return nil, fmt.Errorf("oci: %s: %w", c.Name(), w.err)
		}
	}
	w.raw(`</BroadsoftDocument>`)
	return w.to, nil
}

// usualRequest is enough for nearly all requests, in bytes.
const usualRequest = 1 << 10

// writer writes XML in an encoding. It stops at the first error.
type writer struct {
	to  []byte
	in  Encoding
	err error
}

// raw writes ASCII as it is.
func (w *writer) raw(parts ...string) {
	for _, part := range parts {
		w.to = append(w.to, part...)
	}
}

// content writes the content and the end of an element, after the attributes of its
// start tag.
func (w *writer) content(name string, e Element) {
	if e.Nil {
		w.raw(` xsi:nil="true"`)
	}
	if e.Nil || e.Text == "" && len(e.Children) == 0 {
		w.raw(`/>`)
		return
	}
	w.raw(`>`)
	w.text(name, e.Text)
	for _, child := range e.Children {
		w.raw(`<`, child.Name)
		w.content(child.Name, child)
	}
	w.raw(`</`, name, `>`)
}

// text writes the text of an element. Characters that the encoding does not have
// become numeric references.
func (w *writer) text(name, text string) {
	if needsNoEscape(text) {
		w.raw(text)
		return
	}
	if err := checkText(text); err != nil && w.err == nil {
		w.err = fmt.Errorf("element %s %w", name, err)
	}
	for _, r := range text {
		switch r {
		case '&':
			w.raw("&amp;")
		case '<':
			w.raw("&lt;")
		case '>':
			w.raw("&gt;")
		default:
			w.to = w.in.appendRune(w.to, r)
		}
	}
}

// needsNoEscape reports whether a text needs no escape in any encoding, like nearly
// all texts.
func needsNoEscape(text string) bool {
	for i := range len(text) {
		if c := text[i]; !plain[c] || c == '>' {
			return false
		}
	}
	return true
}
