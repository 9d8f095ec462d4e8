package oci

import (
	"errors"
	"io"
	"strings"

	"github.com/beevik/etree"
)

// A second reader of documents, written with etree, which shares no code with the scanner.
// readers_test.go and grammar_streams_test.go compare the two.

// plainDocument is a document of the platform as one of the two readers of XML returns it:
// the scanner, or the tree that this file makes with etree.
type plainDocument struct {
	SessionID, TrackingID string
	Commands              []plainCommand
}

type plainCommand struct {
	Name, Echo string
	Failure    *ErrorReply
	Elements   []plainElement
}

// plainElement is an element of a command. Each comes before those inside,
// since cmp takes far too long for deep trees.
type plainElement struct {
	Depth      int // 0 for those of the command itself
	Name, Text string
	Nil        bool
	Table      [][]string // the headings first
}

// scanned is what the scanner reads from a stream that holds one document, and
// how many bytes it took.
func scanned(stream io.Reader, limit int) (plainDocument, int, error) {
	return scanNext(newScanner(stream, limit))
}

func scanNext(s *scanner) (plainDocument, int, error) {
	in, err := s.document()
	if err != nil {
		return plainDocument{}, 0, err
	}
	d := plainDocument{SessionID: in.sessionID.text, TrackingID: in.trackingID.text}
	for _, a := range in.commands {
		c := plainCommand{Name: a.name, Echo: a.echo.text, Failure: a.failure}
		for e := range a.All() {
			c.Elements = appendElement(c.Elements, e, 0)
		}
		d.Commands = append(d.Commands, c)
	}
	return d, s.at - s.start, nil
}

func appendElement(all []plainElement, e ReplyElement, depth int) []plainElement {
	plain := plainElement{Depth: depth, Name: e.Name(), Text: e.Text(), Nil: e.IsNil()}
	if table, err := e.Table(); err == nil {
		plain.Table = plainTable(table)
	}
	all = append(all, plain)
	for child := range e.All() {
		all = appendElement(all, child, depth+1)
	}
	return all
}

func plainTable(t *Table) [][]string {
	rows := [][]string{cellsOf(t.headings)}
	for row := range t.Rows() {
		rows = append(rows, cellsOf(row))
	}
	return rows
}

func cellsOf(r Row) []string {
	cells := []string{}
	for c := range Column(len(r.ends)) {
		cells = append(cells, r.Cell(c))
	}
	return cells
}

var errTree = errors.New("the tree is not a document of OCI-P")

// charsetReader returns a reader of documents in any supported encoding.
func charsetReader(name string, input io.Reader) (io.Reader, error) {
	e, err := EncodingByName(name)
	if err != nil {
		return nil, err
	}
	if e.single == nil {
		return input, nil
	}
	return e.single.NewDecoder().Reader(input), nil
}

// treeRead reads a document with etree. It checks less than the scanner.
func treeRead(document []byte) (plainDocument, error) {
	tree := etree.NewDocument()
	tree.ReadSettings = etree.ReadSettings{CharsetReader: charsetReader, PreserveDuplicateAttrs: true, ValidateInput: true}
	if err := tree.ReadFromBytes(document); err != nil {
		return plainDocument{}, err
	}
	root := tree.Root()
	if root == nil || root.Tag != "BroadsoftDocument" || root.NamespaceURI() != namespaceC || treeAttribute(root, "protocol") != "OCI" {
		return plainDocument{}, errTree
	}
	var d plainDocument
	for _, child := range root.ChildElements() {
		switch child.Tag {
		case "sessionId":
			d.SessionID = strings.Trim(treeText(child), blanks)
		case "trackingId":
			d.TrackingID = strings.Trim(treeText(child), blanks)
		case "command":
			c, err := treeCommand(child)
			if err != nil {
				return plainDocument{}, err
			}
			d.Commands = append(d.Commands, c)
		default:
			return plainDocument{}, errTree
		}
	}
	return d, treeNamespaces(root)
}

// treeNamespaces demands that all elements are in no namespace or in C.
func treeNamespaces(e *etree.Element) error {
	for _, child := range e.ChildElements() {
		if space := child.NamespaceURI(); space != namespaceC && (space != "" || child.Space != "") {
			return errTree
		}
		if err := treeNamespaces(child); err != nil {
			return err
		}
	}
	return nil
}

func treeCommand(e *etree.Element) (plainCommand, error) {
	name, err := treeType(e)
	if err != nil {
		return plainCommand{}, err
	}
	c := plainCommand{Name: name, Echo: treeAttribute(e, "echo")}
	if c.Elements, err = treeElements(nil, e, 0); err != nil {
		return plainCommand{}, err
	}
	if name == errorResponse {
		text := func(name string) string {
			for _, e := range c.Elements {
				if e.Depth == 0 && e.Name == name {
					return e.Text
				}
			}
			return ""
		}
		severity := Severity(treeAttribute(e, "type"))
		if severity == "" {
			severity = SeverityError
		}
		c.Failure = &ErrorReply{
			Severity: severity,
			Summary:  text("summary"), SummaryEnglish: text("summaryEnglish"), Detail: text("detail"),
		}
	}
	return c, nil
}

// treeElements appends the elements inside of another one that is no table.
func treeElements(all []plainElement, parent *etree.Element, depth int) ([]plainElement, error) {
	for _, child := range parent.ChildElements() {
		children := child.ChildElements()
		plain := plainElement{Depth: depth, Name: child.Tag, Nil: treeNil(child)}
		var err error
		switch blank := strings.Trim(treeText(child), blanks) == ""; {
		case plain.Nil && (!blank || len(children) > 0), len(children) > 0 && !blank:
			return nil, errTree
		case plain.Nil:
			all = append(all, plain)
		case len(children) == 0:
			plain.Text = treeText(child)
			all = append(all, plain)
		case children[0].Tag == "colHeading":
			plain.Table, err = treeTable(children)
			all = append(all, plain)
		default:
			all, err = treeElements(append(all, plain), child, depth+1)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// treeNil reports whether an element is marked as nil.
func treeNil(e *etree.Element) bool {
	for _, a := range e.Attr {
		if a.Key == "nil" && a.Space != "" && a.NamespaceURI() == namespaceXSI {
			value := strings.Trim(a.Value, blanks)
			return value == "true" || value == "1"
		}
	}
	return false
}

// treeAttribute is the value of an attribute without a prefix.
func treeAttribute(e *etree.Element, key string) string {
	for _, a := range e.Attr {
		if a.Space == "" && a.Key == key {
			return a.Value
		}
	}
	return ""
}

func treeType(e *etree.Element) (string, error) {
	for _, a := range e.Attr {
		if a.Key != "type" || a.Space == "" || a.NamespaceURI() != namespaceXSI {
			continue
		}
		prefix, name, prefixed := strings.Cut(strings.Trim(a.Value, blanks), ":")
		if !prefixed {
			return prefix, nil
		}
		for at := e; at != nil; at = at.Parent() {
			for _, bound := range at.Attr {
				if bound.Space == "xmlns" && bound.Key == prefix {
					if bound.Value == namespaceC {
						return name, nil
					}
					return "", errTree
				}
			}
		}
	}
	return "", errTree
}

func treeTable(children []*etree.Element) ([][]string, error) {
	rows := [][]string{{}}
	for _, child := range children {
		switch {
		case child.Tag == "colHeading" && len(rows) == 1:
			rows[0] = append(rows[0], treeText(child))
		case child.Tag == "row":
			cells := []string{}
			for _, cell := range child.ChildElements() {
				if cell.Tag != "col" {
					return nil, errTree
				}
				cells = append(cells, treeText(cell))
			}
			if len(cells) != len(rows[0]) {
				return nil, errTree
			}
			rows = append(rows, cells)
		default:
			return nil, errTree
		}
	}
	return rows, nil
}

func treeText(e *etree.Element) string {
	var text strings.Builder
	for _, child := range e.Child {
		if data, ok := child.(*etree.CharData); ok {
			text.WriteString(data.Data)
		}
	}
	return text.String()
}
