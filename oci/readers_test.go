package oci

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The scanner and the etree reader must read the same from every document that both accept.
// To add a case, add a document to unusual.

// unusual holds valid documents, in addition to the spellings of the grammar, that a fast
// path could read wrongly.
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

// compareReaders compares what the scanner and etree read from a stream, and what the
// scanner reads if the stream arrives in single bytes, so that no fast path is used. It reports whether the scanner accepted a document.
func compareReaders(t *testing.T, stream []byte) bool {
	t.Helper()
	limit := len(stream) + 1
	complete, size, err := scanned(bytes.NewReader(stream), limit)
	dripped, drippedSize, drippedErr := scanned(iotest.OneByteReader(bytes.NewReader(stream)), limit)
	if diff := cmp.Diff(complete, dripped); diff != "" || size != drippedSize || (err == nil) != (drippedErr == nil) {
		t.Fatalf("complete (-): %d bytes, %v; in single bytes (+): %d bytes, %v\n%s", size, err, drippedSize, drippedErr, diff)
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
	for _, kind := range []string{"complete", "in single bytes"} {
		again, _, err := scanNext(s)
		if err != nil {
			t.Fatalf("behind other documents, %s: %v", kind, err)
		}
		if diff := cmp.Diff(complete, again); diff != "" {
			t.Fatalf("alone (-) and behind other documents, %s (+):\n%s", kind, diff)
		}
	}
	tree, err := treeRead(document)
	if err != nil {
		t.Fatalf("the scanner takes what etree refuses: %v", err)
	}
	if diff := cmp.Diff(tree, complete, ignoreNumbers, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("etree (-) and scanner (+) differ:\n%s", diff)
	}
	return true
}

// FuzzReaders looks for a document that the scanner accepts and etree refuses or reads
// differently.
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
		if err != nil || !reflect.DeepEqual(want, got) { // much faster than cmp if both are the same
			t.Fatalf("shifted by %d bytes: %v\n%s", shift, err, cmp.Diff(want, got))
		}
	}
}
