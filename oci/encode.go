package oci

import "fmt"

const (
	namespaceC   = "C"
	namespaceXSI = "http://www.w3.org/2001/XMLSchema-instance"
)

// MaxCommands is how many commands a document may hold, by the published
// schema.
const MaxCommands = 15

// outgoing is a document on its way out.
type outgoing struct {
	sessionID  string
	trackingID string // none where empty
	commands   []Command
	echoes     []string // one for each command, or none at all
}

// echo is what the command at that place of the document has, empty for none.
func (o outgoing) echo(i int) string {
	if len(o.echoes) == 0 {
		return ""
	}
	return o.echoes[i]
}

// encode writes the document in that encoding. An error means that it cannot
// be written as XML; nothing was sent then. Names are written as they are:
// those of the schema hold nothing that would have to be escaped.
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

// usualRequest is room for nearly any request, in bytes.
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

// content writes what an element of that name holds, behind the attributes of
// its start tag, and its end.
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

// text writes the text of an element of that name. What has no place in the
// encoding becomes a numeric reference.
func (w *writer) text(name, text string) {
	if standsForItself(text) {
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

// standsForItself tells whether a text needs no escape in any encoding, as
// nearly all texts.
func standsForItself(text string) bool {
	for i := range len(text) {
		if c := text[i]; !plain[c] || c == '>' {
			return false
		}
	}
	return true
}
