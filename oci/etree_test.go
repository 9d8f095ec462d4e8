package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// plainDocument is a document of the platform as either of the two readers of
// XML sees it: the scanner, or the tree that this file makes with etree. They
// share no code.
type plainDocument struct {
	SessionID, TrackingID string
	Commands              []plainCommand
}

type plainCommand struct {
	Name, Echo string
	Failure    *ErrorReply
	Elements   []plainElement
}

// plainElement is an element of a command. Each stands before those inside,
// since cmp takes far too long for what is nested deeply.
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

// charsetReader makes a reader of documents in any of our encodings.
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

// treeRead reads a document with etree. It asks for less than the scanner.
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

// unusual are good documents, beside the spellings, in which a short cut could
// go wrong.
var unusual = map[string]string{
	"an empty root":              `<BroadsoftDocument protocol="OCI" xmlns="C"/>`,
	"UTF-8 without saying so":    wrap(`<command xsi:type="XResponse" xmlns=""><a>café</a></command>`)[len(`<?xml version="1.0" encoding="ISO-8859-1"?>`):],
	"a letter of Latin-1":        wrap("<command xsi:type=\"XResponse\" xmlns=\"\"><a>caf\xe9</a></command>"),
	"an echo":                    wrap(`<command echo="7" xsi:type="XResponse" xmlns=""/>`),
	"elements in elements":       wrap(`<command xsi:type="XResponse" xmlns=""><a><b>c</b><b/><b><d>e</d></b></a><f>g</f></command>`),
	"elements of one name":       wrap(`<command xsi:type="XResponse" xmlns=""><a>1</a><b><a>2</a><a><a>3</a></a></b><a/><c/><a>4</a></command>`),
	"elements that are nil":      wrap(`<command xsi:type="XResponse" xmlns=""><a xsi:nil="true"/><b xsi:nil=" 1 "> </b><c xsi:nil="false">d</c><e xsi:nil="0"/><f nil="true">g</f><h><i xsi:nil="true"/></h></command>`),
	"nil by another prefix":      wrap(`<command xsi:type="XResponse" xmlns="" xmlns:n="` + namespaceXSI + `"><a n:nil="true"/><b xmlns:n="D" n:nil="true">c</b></command>`),
	"nil in an error":            wrap(`<command type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>s</summary><summaryEnglish xsi:nil="true"/><x><y>z</y><y/></x></command>`),
	"elements as deep as may be": wrap(`<command xsi:type="XResponse" xmlns="">` + strings.Repeat("<a>", maxDepth-2) + "x" + strings.Repeat("</a><b/>", maxDepth-3) + `</a></command>`),
	"a heading that is none":     wrap(`<command xsi:type="XResponse" xmlns=""><a><b/><colHeading>c</colHeading><row><col/></row></a><colHeading>d</colHeading></command>`),
	"tables in elements":         wrap(`<command xsi:type="XResponse" xmlns=""><a><b/><t><colHeading>h</colHeading><row><col>c</col></row></t><t><colHeading>h</colHeading></t></a><d>e</d></command>`),
	"blanks between elements":    wrap("<command xsi:type=\"XResponse\" xmlns=\"\">\n <a>\n  <b> c </b>\r\n <!-- d --></a>\n</command>"),
	"a table":                    wrap(prefixTable),
	"two tables":                 wrap(prefixTable + strings.Replace(prefixTable, "Is Active", "Group Id", 1) + prefixTable),
	"a table without rows":       wrap(`<command xsi:type="XResponse" xmlns=""><t><colHeading>h</colHeading></t></command>`),
	"an empty heading":           wrap(strings.NewReplacer("Number Prefix", "").Replace(prefixTable)),
	"headings of other letters":  wrap(strings.NewReplacer("<colHeading>Number Prefix", `<colHeading a="">NUMBER PREFIX`).Replace(prefixTable)),
	"headings cut elsewhere":     wrap(strings.NewReplacer("<colHeading>Number Prefix", `<colHeading a="">Number`, "Is Active", " PrefixIs Active").Replace(prefixTable)),
	"headings with a prefix":     wrap(strings.NewReplacer("<command", `<command xmlns:c="C"`, "colHeading>", "c:colHeading>").Replace(prefixTable)),
	"a heading with CDATA":       wrap(strings.Replace(prefixTable, "Is Active", "<![CDATA[Is]]> Active", 1)),
	"a cell with an attribute":   wrap(strings.Replace(prefixTable, "<col>true", `<col a="b">true`, 1)),
	"a cell with a reference":    wrap(strings.Replace(prefixTable, "true", "a&amp;b", 1)),
	"a cell as deep as may be":   wrap(deepTable(maxDepth - 1)),
}

// ignoreNumbers leaves out what is read from the text of an error and not from
// its XML.
var ignoreNumbers = cmpopts.IgnoreFields(ErrorReply{}, "Number")

// compareReaders holds what the scanner makes of a stream against etree, and
// against itself where the stream comes in single bytes, so that no short cut
// is taken. It tells whether the scanner took a document.
func compareReaders(t *testing.T, stream []byte) bool {
	t.Helper()
	limit := len(stream) + 1
	whole, size, err := scanned(bytes.NewReader(stream), limit)
	dripped, drippedSize, drippedErr := scanned(iotest.OneByteReader(bytes.NewReader(stream)), limit)
	if diff := cmp.Diff(whole, dripped); diff != "" || size != drippedSize || (err == nil) != (drippedErr == nil) {
		t.Fatalf("whole (-): %d bytes, %v; in single bytes (+): %d bytes, %v\n%s", size, err, drippedSize, drippedErr, diff)
	}
	if err != nil {
		return false
	}
	// What it remembers of a document must not change how it reads the next.
	begin := len(stream) - len(bytes.TrimLeft(stream, blanks))
	document := stream[begin : begin+size]
	s := newScanner(io.MultiReader(strings.NewReader(wrap(prefixTable)),
		bytes.NewReader(document), iotest.OneByteReader(bytes.NewReader(document))), limit+scanBuffer)
	if _, _, err := scanNext(s); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"whole", "in single bytes"} {
		again, _, err := scanNext(s)
		if err != nil {
			t.Fatalf("behind other documents, %s: %v", kind, err)
		}
		if diff := cmp.Diff(whole, again); diff != "" {
			t.Fatalf("alone (-) and behind other documents, %s (+):\n%s", kind, diff)
		}
	}
	tree, err := treeRead(document)
	if err != nil {
		t.Fatalf("the scanner takes what etree refuses: %v", err)
	}
	if diff := cmp.Diff(tree, whole, ignoreNumbers, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("etree (-) and scanner (+) differ:\n%s", diff)
	}
	return true
}

// FuzzReaders looks for a document that the scanner takes and etree refuses or
// reads in another way.
func FuzzReaders(f *testing.F) {
	for _, document := range spellings {
		f.Add([]byte(document))
	}
	for _, document := range unusual {
		f.Add([]byte(document))
	}
	for _, document := range refused {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) > scanBuffer {
			return // a document that long is for the tests of size
		}
		compareReaders(t, stream)
	})
}

func TestReadersAgree(t *testing.T) {
	for _, documents := range []map[string]string{spellings, unusual} {
		for name, document := range documents {
			t.Run(name, func(t *testing.T) {
				if !compareReaders(t, []byte(document)) {
					t.Error("the scanner refuses the document")
				}
			})
		}
	}
}

func TestReadersAgreeWhereverTheBufferEnds(t *testing.T) {
	var cells strings.Builder
	for _, text := range []string{"a", "", "caf\xe9", "x&amp;y", "]]", "\r\n", "<![CDATA[]]]]>", "&#x20AC;<!-- - -->"} {
		cells.WriteString("<col>" + text + "</col>")
	}
	row := "<row>" + cells.String() + "</row>\n"
	headings := columns(8)
	table := wrap(`<command xsi:type="XResponse" xmlns=""><t>` + headings + strings.Repeat(row, 3*scanBuffer/len(row)) + `</t></command>`)
	if !compareReaders(t, []byte(table)) {
		t.Fatal("refused")
	}
	want, _, _ := scanned(strings.NewReader(table), len(table))
	for shift := range len(row) {
		got, _, err := scanned(strings.NewReader(strings.Repeat(" ", shift)+table), len(table))
		if err != nil || !reflect.DeepEqual(want, got) { // much faster than cmp where both are the same
			t.Fatalf("shifted by %d bytes: %v\n%s", shift, err, cmp.Diff(want, got))
		}
	}
}

func TestScannerTellsWhyAStreamFailed(t *testing.T) {
	errGone := errors.New("gone")
	for name, document := range map[string]string{
		"between elements":   strings.TrimSuffix(wrap(prefixTable), "</BroadsoftDocument>"),
		"in a text too many": `<BroadsoftDocument protocol="OCI" xmlns="C">x`,
		"in a cell's child":  strings.Split(wrap(strings.Replace(prefixTable, "<col/>", "<col><a/></col>", 1)), "/></col>")[0],
	} {
		t.Run(name, func(t *testing.T) {
			for cut := range len(document) + 1 {
				stream := io.MultiReader(strings.NewReader(document[:cut]), iotest.ErrReader(errGone))
				if _, _, err := scanned(stream, len(document)+1); !errors.Is(err, errGone) {
					t.Errorf("after %d bytes: %v", cut, err)
				}
			}
		})
	}
}

func TestScannerGivesBackRoom(t *testing.T) {
	long := strings.Repeat("x", 3*blockBytes)
	const columns = 128
	cells := strings.Repeat("<col>"+long[:2*len(long)/3/columns]+"</col>", columns)
	var headings strings.Builder
	for i := range columns {
		fmt.Fprintf(&headings, "<colHeading>%d</colHeading>", i)
	}
	for _, command := range []string{
		`<command xsi:type="XResponse" xmlns=""><a>` + long + `</a></command>`,
		`<command xsi:type="XResponse" xmlns=""><t>` + headings.String() + `<row>` + cells + `</row></t></command>`,
		`<command xsi:type="XResponse" xmlns="">` + strings.Repeat("<a/>", 3*maxNodes) + `</command>`,
		`<command xsi:type="XResponse" xmlns=""><a b="` + long[:3*maxValues] + `"/></command>`,
	} {
		s := newScanner(strings.NewReader(wrap(command)), 10<<20)
		if _, _, err := scanNext(s); err != nil {
			t.Fatal(err)
		}
		if cap(s.text) > scanBuffer || cap(s.cells) > 2*blockBytes || cap(s.ends) > 2*blockCells {
			t.Errorf("kept room for %d bytes of text, %d bytes of cells and %d ends", cap(s.text), cap(s.cells), cap(s.ends))
		}
		if cap(s.nodes) > maxNodes || cap(s.tag.values) > maxValues || len(s.head.raw) > maxHead {
			t.Errorf("kept room for %d elements, %d bytes of attributes and a head of %d bytes", cap(s.nodes), cap(s.tag.values), len(s.head.raw))
		}
	}
}

func TestScannerKeepsFewTerms(t *testing.T) {
	names := strings.Builder{}
	for i := range 2 * maxTerms {
		fmt.Fprintf(&names, "<a%d/>", i)
	}
	long := "<" + strings.Repeat("a", maxTermLength+1) + "/>"
	s := newScanner(strings.NewReader(wrap(`<command xsi:type="XResponse" xmlns="">`+long+names.String()+`</command>`)), 1<<20)
	d, _, err := scanNext(s)
	if err != nil || len(d.Commands[0].Elements) != 2*maxTerms+1 {
		t.Fatalf("%d elements, %v", len(d.Commands[0].Elements), err)
	}
	if len(s.terms) != maxTerms {
		t.Errorf("%d terms are kept", len(s.terms))
	}
	for kept := range s.terms {
		if len(kept) > maxTermLength {
			t.Errorf("a term of %d bytes is kept", len(kept))
		}
	}
}

func TestScannerHoldsItsLimit(t *testing.T) {
	document := wrap(prefixTable)
	size := len(document)
	for name, test := range map[string]struct {
		limit int
		good  bool
	}{
		"takes a document as large as the limit":      {size, true},
		"refuses a root beyond the limit":             {10, false},
		"refuses a document of one byte more":         {size - 1, false},
		"refuses a document of twice as many bytes":   {size / 2, false},
		"takes a document far smaller than the limit": {10 * size, true},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, stream := range map[string]io.Reader{
				"whole":   strings.NewReader(document + document),
				"dripped": iotest.OneByteReader(strings.NewReader(document + document)),
			} {
				s := newScanner(stream, test.limit)
				_, _, err := scanNext(s)
				if err == nil {
					_, _, err = scanNext(s) // it counts each document by itself
				}
				if test.good && err != nil || !test.good && !errors.Is(err, ErrReplyTooLarge) {
					t.Errorf("%s: got %v", kind, err)
				}
			}
		})
	}
}
