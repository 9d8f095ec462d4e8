package oci

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// The scanner's errors, and the memory that it keeps between documents. To add a case, give
// the scanner a stream that reaches the limit, and one that exceeds it.

func TestScannerReturnsWhyAStreamFailed(t *testing.T) {
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
				"complete": strings.NewReader(document + document),
				"dripped":  iotest.OneByteReader(strings.NewReader(document + document)),
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
