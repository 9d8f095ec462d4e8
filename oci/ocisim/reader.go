package ocisim

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/beevik/etree"
)

const (
	namespaceOCI = "C"
	namespaceXSI = "http://www.w3.org/2001/XMLSchema-instance"

	// maxCommands is the schema's limit for one document.
	maxCommands = 15
)

var (
	errDoctype  = errors.New("a DOCTYPE is not allowed")
	errTooLarge = errors.New("the document is larger than the limit")
)

// document is a request and its source.
type document struct {
	source      source
	sessionID   string
	trackingID  string
	hasTracking bool
	commands    []command
}

// command is one command of a document. The name of its node is its type.
type command struct {
	node
	echo string
	// index is its place among the child elements of the root.
	index int
}

// readDocument reads one document from the stream and no byte after it: from the
// first byte that is not white space to the end tag of the root element. It
// returns io.EOF if the stream ends between documents.
func readDocument(stream io.ByteScanner, limit int) ([]byte, error) {
	if err := skipSpace(stream); err != nil {
		return nil, err
	}
	rec := &recorder{source: stream, limit: limit}
	decoder := xml.NewDecoder(byBytes{rec})
	decoder.CharsetReader = charsetReader
	depth := 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil, malformed(err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, errDoctype
		case xml.StartElement:
			depth++
		case xml.EndElement:
			if depth--; depth == 0 {
				return rec.bytes, nil
			}
		case xml.CharData:
			// encoding/xml accepts text before the root.
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return nil, errors.New("text outside of the root element")
			}
		}
	}
}

// malformed returns an error without the message of encoding/xml about a syntax
// error, since that may quote a password.
func malformed(err error) error {
	if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
		return fmt.Errorf("not well-formed in line %d", syntax.Line)
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// skipSpace reads white space up to the first "<".
func skipSpace(stream io.ByteScanner) error {
	for {
		b, err := stream.ReadByte()
		if err != nil {
			return err
		}
		if isXMLSpace(rune(b)) {
			continue
		}
		if b != '<' {
			return errors.New("the document does not begin with \"<\"")
		}
		return stream.UnreadByte()
	}
}

// recorder keeps every byte that is read from its source, up to a limit.
type recorder struct {
	source io.ByteReader
	bytes  []byte
	limit  int
}

// ReadByte returns and keeps the next byte of the source.
func (r *recorder) ReadByte() (byte, error) {
	if len(r.bytes) >= r.limit {
		return 0, errTooLarge
	}
	b, err := r.source.ReadByte()
	if err == nil {
		r.bytes = append(r.bytes, b)
	}
	return b, err
}

// parseDocument parses a well-formed document. If it is not an OCI request, the
// error is a *refusal, and the document has those of its session id and tracking id
// that could be read.
func parseDocument(raw []byte) (document, error) {
	tree := etree.NewDocument()
	tree.ReadSettings = etree.ReadSettings{CharsetReader: charsetReader, PreserveCData: true}
	if err := tree.ReadFromBytes(raw); err != nil {
		return document{}, fmt.Errorf("reading a document: %w", malformed(err))
	}
	doc := document{source: raw}
	root := tree.Root()
	all := root.ChildElements()
	children := all
	if len(children) > 0 && children[0].Tag == "sessionId" && isOurs(children[0]) {
		doc.sessionID = collapse(children[0].Text())
		children = children[1:]
	}
	if len(children) > 0 && children[0].Tag == "trackingId" && isOurs(children[0]) {
		doc.trackingID, doc.hasTracking = collapse(children[0].Text()), true
		children = children[1:]
	}
	switch {
	case root.Tag != "BroadsoftDocument" || root.NamespaceURI() != namespaceOCI:
		return doc, invalid("the root element is not BroadsoftDocument in the namespace C")
	case attribute(root, "", "protocol") != "OCI":
		return doc, invalid("the attribute protocol is not OCI")
	case doc.sessionID == "":
		return doc, invalid("element sessionId is missing, empty or in another namespace")
	case len(children) == 0:
		return doc, invalid("a document must hold a command")
	case len(children) > maxCommands:
		return doc, invalid("a document must not hold more than %d commands", maxCommands)
	}
	var commands []command
	for i, e := range children {
		c, err := parseCommand(e)
		if err != nil {
			return doc, err
		}
		c.index = len(all) - len(children) + i
		commands = append(commands, c)
	}
	doc.commands = commands
	return doc, nil
}

// parseCommand parses an element command. Its error is a *refusal.
func parseCommand(e *etree.Element) (command, error) {
	switch {
	case e.Tag != "command":
		return command{}, invalid("element %s is not expected in a document", e.Tag)
	case !isOurs(e):
		return command{}, invalid("element command is in another namespace")
	}
	name, ok := typeName(e)
	if !ok {
		return command{}, invalid("a command has no xsi:type, or one with an unknown prefix")
	}
	body, err := parseNode(e)
	if err != nil {
		return command{}, err
	}
	body.name = name
	return command{node: body, echo: attribute(e, "", "echo")}, nil
}

// parseNode parses an element and all below it. Its error is a *refusal.
func parseNode(e *etree.Element) (node, error) {
	n := node{name: e.Tag}
	null := collapse(attribute(e, namespaceXSI, "nil"))
	n.null = null == "true" || null == "1"
	var text strings.Builder
	for _, token := range e.Child {
		switch t := token.(type) {
		case *etree.CharData:
			text.WriteString(t.Data)
		case *etree.Element:
			if !isOurs(t) {
				return node{}, invalid("element %s is in another namespace", t.Tag)
			}
			child, err := parseNode(t)
			if err != nil {
				return node{}, err
			}
			n.children = append(n.children, child)
		}
	}
	n.text = collapse(text.String())
	if n.text != "" && len(n.children) > 0 {
		return node{}, invalid("element %s holds text beside elements", e.Tag)
	}
	return n, nil
}

// isOurs reports whether an element below the root is in no namespace, as in the
// schema, or in that of the root, as with clients that omit xmlns="".
func isOurs(e *etree.Element) bool {
	return e.NamespaceURI() == "" || e.NamespaceURI() == namespaceOCI
}

// attribute returns the value of the attribute with a namespace and a name, whatever
// its prefix; "" if there is none.
func attribute(e *etree.Element, namespace, name string) string {
	for i := range e.Attr {
		a := &e.Attr[i]
		if a.Key != name {
			continue
		}
		uri, bound := "", true
		if a.Space != "" {
			uri, bound = prefixURI(e, a.Space)
		}
		if bound && uri == namespace {
			return a.Value
		}
	}
	return ""
}

// typeName returns the local part of the xsi:type, whose prefix must be bound.
func typeName(e *etree.Element) (string, bool) {
	value := collapse(attribute(e, namespaceXSI, "type"))
	prefix, local, prefixed := strings.Cut(value, ":")
	if !prefixed {
		return value, value != ""
	}
	_, bound := prefixURI(e, prefix)
	return local, bound && local != ""
}

// prefixURI returns the namespace to which a prefix is bound at an element.
func prefixURI(e *etree.Element, prefix string) (string, bool) {
	for ; e != nil; e = e.Parent() {
		for _, a := range e.Attr {
			if a.Space == "xmlns" && a.Key == prefix {
				return a.Value, true
			}
		}
	}
	return "", false
}
