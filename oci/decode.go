package oci

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/beevik/etree"
)

// maxDepth is more than any reply of the schema needs; a deeper document is
// not one.
const maxDepth = 32

// maxAttributes is more than any element of the schema has.
const maxAttributes = 32

// incoming is a document from the platform.
type incoming struct {
	sessionID  string
	trackingID string // none where empty
	commands   []answer
}

// answer is one command of an incoming document.
type answer struct {
	Reply
	echo string // none where empty
}

// ParseReplies reads a document of the platform as a session would, apart from
// the question whose answer it is. Errors are of type [*ProtocolError].
func ParseReplies(document []byte) ([]Reply, error) {
	stream := newFrames(bytes.NewReader(document), len(document))
	framed, err := stream.document()
	if err != nil {
		return nil, protocolError("no whole document: %v", err)
	}
	if err := stream.await(); !errors.Is(err, io.EOF) {
		return nil, protocolError("something follows the document")
	}
	in, err := decode(framed)
	if err != nil {
		return nil, err
	}
	replies := make([]Reply, len(in.commands))
	for i, c := range in.commands {
		replies[i] = c.Reply
	}
	return replies, nil
}

// decode reads a document that [frames] has cut out of the stream.
func decode(document []byte) (incoming, error) {
	tree := etree.NewDocument()
	tree.ReadSettings = etree.ReadSettings{
		CharsetReader:          charsetReader,
		PreserveDuplicateAttrs: true,
		MaxDepth:               maxDepth,
	}
	if err := tree.ReadFromBytes(document); err != nil {
		return incoming{}, protocolError("the document is not well-formed: %v", err)
	}
	root := tree.Root()
	if root == nil || root.Tag != "BroadsoftDocument" || root.NamespaceURI() != namespaceC {
		return incoming{}, protocolError("the root is not BroadsoftDocument in namespace C")
	}
	if err := checkNames(root); err != nil {
		return incoming{}, err
	}
	if protocol := plainAttr(root, "protocol"); protocol != "OCI" {
		return incoming{}, protocolError("the document's protocol is %q", protocol)
	}
	var in incoming
	for _, child := range root.ChildElements() {
		switch child.Tag {
		case "sessionId":
			in.sessionID = strings.TrimSpace(textOf(child))
		case "trackingId":
			in.trackingID = strings.TrimSpace(textOf(child))
		case "command":
			a, err := decodeAnswer(child)
			if err != nil {
				return incoming{}, err
			}
			in.commands = append(in.commands, a)
		default:
			return incoming{}, protocolError("the document holds an element %s", child.Tag)
		}
	}
	return in, nil
}

// checkNames demands that every element below the root is in no namespace, as
// the schema has it, or in C, where a platform that leaves out xmlns="" puts
// it; and that no attribute stands twice.
func checkNames(root *etree.Element) error {
	for _, e := range root.ChildElements() {
		if space := e.NamespaceURI(); space != "" && space != namespaceC || e.Space != "" && space == "" {
			return protocolError("element %s is in namespace %q", e.FullTag(), space)
		}
		if len(e.Attr) > maxAttributes {
			return protocolError("element %s has %d attributes", e.Tag, len(e.Attr))
		}
		for i, a := range e.Attr {
			for _, b := range e.Attr[:i] {
				if a.Key == b.Key && a.Space == b.Space {
					return protocolError("element %s has attribute %s twice", e.Tag, a.FullKey())
				}
			}
		}
		if err := checkNames(e); err != nil {
			return err
		}
	}
	return nil
}

func decodeAnswer(command *etree.Element) (answer, error) {
	name, err := typeOf(command)
	if err != nil {
		return answer{}, err
	}
	a := answer{Reply: Reply{name: name}, echo: plainAttr(command, "echo")}
	for _, child := range command.ChildElements() {
		n, err := decodeNode(child)
		if err != nil {
			return answer{}, err
		}
		a.children = append(a.children, n)
	}
	if name == errorResponse {
		a.failure = a.errorReply(plainAttr(command, "type"))
	}
	return a, nil
}

// plainAttr is the attribute of that name in no namespace.
func plainAttr(e *etree.Element, key string) string {
	for _, a := range e.Attr {
		if a.Space == "" && a.Key == key {
			return a.Value
		}
	}
	return ""
}

// typeOf resolves the xsi:type of a command. Success and error are types of
// namespace C, all others are in none.
func typeOf(command *etree.Element) (string, error) {
	for _, attribute := range command.Attr {
		if attribute.Key != "type" || attribute.Space == "" || attribute.NamespaceURI() != namespaceXSI {
			continue
		}
		prefix, local, prefixed := strings.Cut(strings.TrimSpace(attribute.Value), ":")
		if !prefixed {
			return prefix, nil
		}
		if space := namespaceOf(command, prefix); space != namespaceC {
			return "", protocolError("type %s is in namespace %q", attribute.Value, space)
		}
		return local, nil
	}
	return "", protocolError("a command has no xsi:type")
}

// namespaceOf is what a prefix is bound to where the element stands.
func namespaceOf(e *etree.Element, prefix string) string {
	for ; e != nil; e = e.Parent() {
		for _, a := range e.Attr {
			if a.Space == "xmlns" && a.Key == prefix {
				return a.Value
			}
		}
	}
	return ""
}

func decodeNode(e *etree.Element) (node, error) {
	children := e.ChildElements()
	n := node{name: e.Tag}
	if len(children) == 0 {
		n.text = textOf(e)
		return n, nil
	}
	if children[0].Tag == "colHeading" {
		table, err := decodeTable(children)
		if err != nil {
			return node{}, err
		}
		n.table = table
		return n, nil
	}
	for _, child := range children {
		inner, err := decodeNode(child)
		if err != nil {
			return node{}, err
		}
		n.children = append(n.children, inner)
	}
	return n, nil
}

// decodeTable reads an OCITable: headings first, then rows with a cell for
// each of them.
func decodeTable(children []*etree.Element) (*Table, error) {
	table := &Table{}
	for _, child := range children {
		switch {
		case child.Tag == "colHeading" && len(table.rows) == 0:
			table.headings = append(table.headings, textOf(child))
		case child.Tag == "row":
			var cells []string
			for _, col := range child.ChildElements() {
				if col.Tag != "col" || len(col.ChildElements()) > 0 {
					return nil, protocolError("a table's row holds an element %s", col.Tag)
				}
				cells = append(cells, textOf(col))
			}
			if len(cells) != len(table.headings) {
				return nil, protocolError("a table of %d columns has a row of %d cells", len(table.headings), len(cells))
			}
			table.rows = append(table.rows, cells)
		default:
			return nil, protocolError("a table holds an element %s out of place", child.Tag)
		}
	}
	return table, nil
}

// textOf joins all the character data of an element, which comments and CDATA
// sections may split.
func textOf(e *etree.Element) string {
	if len(e.Child) == 1 {
		if data, ok := e.Child[0].(*etree.CharData); ok {
			return data.Data
		}
	}
	var text strings.Builder
	for _, child := range e.Child {
		if data, ok := child.(*etree.CharData); ok {
			text.WriteString(data.Data)
		}
	}
	return text.String()
}

func (r Reply) errorReply(severity string) *ErrorReply {
	e := &ErrorReply{Severity: Severity(severity)}
	if severity == "" {
		e.Severity = SeverityError
	}
	e.Summary, _ = r.Text("summary")
	e.SummaryEnglish, _ = r.Text("summaryEnglish")
	e.Detail, _ = r.Text("detail")
	if code, ok := r.Text("errorCode"); ok {
		if n, err := strconv.Atoi(strings.TrimSpace(code)); err == nil {
			e.Number = n
			return e
		}
	}
	e.Number = numberOfSummary(e.Summary)
	return e
}

// responseName is the type of the answer to a command that does not only
// succeed or fail.
func responseName(command string) string {
	i := strings.LastIndex(command, "Request")
	if i < 0 {
		return command
	}
	return command[:i] + "Response" + command[i+len("Request"):]
}

// match checks that the document is the answer to o: same session, same
// tracking id and echoes where they come back, and for each command, in order,
// an answer that it can have.
func (in incoming) match(o outgoing) ([]Reply, error) {
	if in.sessionID != o.sessionID {
		return nil, protocolError("the answer belongs to another session")
	}
	if in.trackingID != "" && in.trackingID != o.trackingID {
		return nil, protocolError("the answer has another tracking id")
	}
	if len(in.commands) != len(o.commands) {
		return nil, protocolError("%d commands got %d answers", len(o.commands), len(in.commands))
	}
	replies := make([]Reply, len(in.commands))
	for i, a := range in.commands {
		asked := o.commands[i].Name()
		if a.echo != "" && (len(o.echoes) == 0 || a.echo != o.echoes[i]) {
			return nil, protocolError("the answer to %s has another echo", asked)
		}
		switch a.name {
		case errorResponse:
			a.failure.Command = asked
		case successResponse, responseName(asked):
		default:
			return nil, protocolError("%s was answered with %s", asked, a.name)
		}
		replies[i] = a.Reply
	}
	return replies, nil
}

// forcedLogout tells whether the platform says goodbye, and why.
func (in incoming) forcedLogout() (reason string, ok bool) {
	if len(in.commands) != 1 || in.commands[0].name != "LogoutRequest" {
		return "", false
	}
	reason, _ = in.commands[0].Text("reason")
	return reason, true
}
