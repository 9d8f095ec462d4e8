package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// XML that the scanner accepts and refuses. To add a case, add a document to the table of
// TestScannerRefuses, or to the readers in readers_test.go if it must be accepted.

// skim reads one XML document, whatever its elements are, and returns how many
// bytes it took.
func skim(s *scanner) (int, error) {
	if err := s.await(); err != nil {
		return 0, err
	}
	s.begin()
	_, err := s.child()
	for err == nil && len(s.open) > 0 {
		s.text, _, err = s.content(s.text[:0], maxText)
	}
	if err != nil {
		return 0, err
	}
	return s.at - s.start, s.finish()
}

func TestScannerFindsTheEndOfEachDocument(t *testing.T) {
	const plain = `<BroadsoftDocument protocol="OCI" xmlns="C"><sessionId xmlns="">1</sessionId></BroadsoftDocument>`
	documents := map[string]string{
		"plain":                           plain,
		"with a declaration":              "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n" + plain,
		"with a declaration of a version": `<?xml version="1.0"?>` + plain,
		"with a standalone declaration":   `<?xml version="1.0" standalone="yes"?>` + plain,
		"with a blank in the end tag":     "<BroadsoftDocument></BroadsoftDocument \n>",
		"with a prefix":                   `<o:BroadsoftDocument xmlns:o="C"></o:BroadsoftDocument>`,
		"with an empty root":              `<BroadsoftDocument/>`,
		"with the end tag in CDATA":       `<a><![CDATA[</a>]]></a>`,
		"with brackets before CDATA ends": `<a><![CDATA[]]]]></a>`,
		"with the end tag in a comment":   `<a><!-- </a> - - ></a> --></a>`,
		"with the end tag in an entity":   `<a>&lt;/a></a>`,
		"with a bracket in a value":       `<a b=">/a>" c='">/a>'></a>`,
		"with a slash before a value":     `<a b="/"><c d='/'/></a>`,
		"with an instruction inside":      `<a><?x </a>?></a>`,
		"with a comment before the root":  `<!--<a></a>--><a></a>`,
		"nested":                          `<a><a><a/></a></a>`,
		"with as many prefixes as may be": strings.Repeat("<a"+prefixes(maxBindings/4)+">", 4) + strings.Repeat("</a>", 4),
		"as deep as may be":               strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth),
		"of as many attributes as may be": "<a" + manyAttributes(maxAttributes) + "></a>",
		"in Latin-1":                      "<?xml version='1.0' encoding='iso-8859-1'?><a>caf\xe9</a>",
		"longer than the buffer":          "<a>" + strings.Repeat("x<b/>", scanBuffer) + "</a>",
		"with a text beyond the buffer":   "<a>" + strings.Repeat("x", 3*scanBuffer) + "</a>",
		"with characters that wait":       "<a>" + strings.Repeat("é\rx]y", scanBuffer) + "</a>",
		"with CDATA beyond the buffer":    "<a><![CDATA[" + strings.Repeat("]>", 3*scanBuffer) + "]]></a>",
	}
	for name, document := range documents {
		for _, between := range []string{"", "\n", " \r\n\t\n"} {
			stream := between + document + between + plain + between
			for reader, from := range map[string]io.Reader{
				"complete": strings.NewReader(stream),
				"dripped":  iotest.OneByteReader(strings.NewReader(stream)),
				"late":     iotest.DataErrReader(strings.NewReader(stream)),
			} {
				t.Run(name+"/"+reader, func(t *testing.T) {
					s := newScanner(from, 1<<20)
					for _, want := range []string{document, plain} {
						if got, err := skim(s); err != nil || got != len(want) {
							t.Fatalf("%d bytes of %d, %v", got, len(want), err)
						}
					}
					if _, err := skim(s); !errors.Is(err, io.EOF) {
						t.Errorf("after the last document: %v, want EOF", err)
					}
				})
			}
		}
	}
}

func TestScannerSkipsBlanksBeyondTheBuffer(t *testing.T) {
	s := newScanner(strings.NewReader(strings.Repeat("\n", 3*scanBuffer)+"<a/>"), 1<<20)
	if got, err := skim(s); err != nil || got != len("<a/>") {
		t.Errorf("%d bytes, %v", got, err)
	}
}

func TestScannerRefuses(t *testing.T) {
	for name, stream := range map[string]string{
		"garbage":                        "HTTP/1.1 400 Bad Request\r\n",
		"a reference before the root":    "&#32;<a/>",
		"a null before the root":         "\x00<a/>",
		"a byte order mark":              "\ufeff<a/>",
		"a document type":                `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`,
		"an entity inside":               `<a><!ENTITY b "c"></a>`,
		"CDATA before the root":          `<![CDATA[x]]><a/>`,
		"blank CDATA before the root":    `<![CDATA[ ]]><a/>`,
		"an end without a start":         `</a>`,
		"an end of another element":      `<a></b>`,
		"an end in another letter case":  `<a></A>`,
		"an end without a name":          `<a></></a>`,
		"an end with a prefix":           `<a xmlns:c="C"><c:b></b></a>`,
		"an end with an attribute":       `<a></a b="">`,
		"an empty tag":                   `<>`,
		"a blank tag":                    `< a></a>`,
		"a name outside ASCII":           `<é></é>`,
		"a name with a tilde":            `<a~></a~>`,
		"a name with two colons":         `<a xmlns:b="C"><b:c:d/></a>`,
		"a name of a colon":              `<:/>`,
		"a name that begins with one":    `<:a/>`,
		"a name that ends with one":      `<a:/>`,
		"a name that begins with a dot":  `<.a/>`,
		"a digit behind the prefix":      `<a xmlns:b="C"><b:1/></a>`,
		"an attribute without a value":   `<a b></a>`,
		"an attribute without a sign":    `<a b"c"></a>`,
		"an attribute without quotes":    `<a b=c></a>`,
		"an attribute without a name":    `<a ="c"></a>`,
		"an attribute with an empty end": `<a b=></a>`,
		"attributes without a blank":     `<a b="c"d="e"></a>`,
		"an attribute twice":             `<a b="1" c="2" b="3"></a>`,
		"too many attributes":            "<a" + manyAttributes(maxAttributes+1) + "></a>",
		"a bracket in a value":           `<a b="<"></a>`,
		"a lone ampersand in a value":    `<a b="&"></a>`,
		"a control character in a value": "<a b=\"\x01\"></a>",
		"a control character in a tag":   "<a\x01b=\"c\"></a>",
		"a slash inside a tag":           `<a / ></a>`,
		"a lone ampersand":               `<a>a & b</a>`,
		"a reference without an end":     `<a>&amp</a>`,
		"a reference to nothing":         `<a>&;</a>`,
		"a reference without a number":   `<a>&#;</a>`,
		"a reference like a tag":         `<a>&b></b></a>`,
		"a reference without a sharp":    `<a>&65;</a>`,
		"a reference in capital hex":     `<a>&#X41;</a>`,
		"a reference with a sign":        `<a>&#+65;</a>`,
		"a reference with underscores":   `<a>&#6_5;</a>`,
		"a reference to a null":          `<a>&#0;</a>`,
		"a reference to a control":       `<a>&#27;</a>`,
		"a reference to a surrogate":     `<a>&#xD800;</a>`,
		"a reference to U+FFFF":          `<a>&#xFFFF;</a>`,
		"a reference above Unicode":      `<a>&#x110000;</a>`,
		"an endless reference":           `<a>&#` + strings.Repeat("0", 100) + `65;</a>`,
		"the end of CDATA in a text":     `<a>]]></a>`,
		"the end of CDATA with brackets": `<a>]]]></a>`,
		"a null character":               "<a>\x00</a>",
		"a control character in CDATA":   "<a><![CDATA[\x1f]]></a>",
		"invalid UTF-8":                  "<a>\xc3</a>",
		"invalid UTF-8 in CDATA":         "<a><![CDATA[\xff]]></a>",
		"a surrogate in UTF-8":           "<a>\xed\xa0\x80</a>",
		"U+FFFE":                         "<a>\ufffe</a>",
		"dashes in a comment":            `<a><!-- -- --></a>`,
		"a comment that ends with three": `<a><!-- ---></a>`,
		"half a comment":                 `<a><!- x --></a>`,
		"CDATA in another letter case":   `<a><![cdata[x]]></a>`,
		"an instruction without a name":  `<a><? x?></a>`,
		"an instruction of two marks":    `<a><??></a>`,
		"a late XML declaration":         `<a><?xml version="1.0"?></a>`,
		"a declaration behind a comment": `<!-- x --><?xml version="1.0"?><a/>`,
		"a declaration in capitals":      `<?XML version="1.0"?><a/>`,
		"XML of another version":         `<?xml version="1.1"?><a/>`,
		"a version without a name":       `<?xml "1.0"?><a/>`,
		"a version in odd quotes":        `<?xml version=x1.0x?><a/>`,
		"a version without a value":      `<?xml version=?><a/>`,
		"a declaration without version":  `<?xml encoding="UTF-8"?><a/>`,
		"blanks in a declaration":        `<?xml version="1.0" encoding = "UTF-8"?><a/>`,
		"no blank in a declaration":      `<?xml version="1.0"encoding="UTF-8"?><a/>`,
		"a target with more behind it":   `<a><?b<c?></a>`,
		"a target beyond ASCII":          "<a><?b\xe9?></a>",
		"a declaration with more":        `<?xml version="1.0" encoding="UTF-8" x="y"?><a/>`,
		"an unquoted encoding":           `<?xml version="1.0" encoding=UTF-8?><a/>`,
		"half an encoding":               `<?xml version="1.0" encoding="UTF-8?><a/>`,
		"an encoding not of ours":        `<?xml version="1.0" encoding="UTF-16"?><a/>`,
		"too deep a document":            strings.Repeat("<a>", maxDepth+1),
		"too many prefixes":              strings.Repeat("<a"+prefixes(maxBindings/4)+">", 4) + "<a" + prefixes(1) + "/>",
		"a tag beyond the buffer":        "<a" + strings.Repeat(" ", scanBuffer) + "/>",
		"a comment beyond the buffer":    "<a><!--" + strings.Repeat(" ", scanBuffer) + "--></a>",
	} {
		t.Run(name, func(t *testing.T) {
			for kind, from := range map[string]io.Reader{
				"complete": strings.NewReader(stream),
				"dripped":  iotest.OneByteReader(strings.NewReader(stream)),
			} {
				_, err := skim(newScanner(from, 1<<20))
				if _, ok := errors.AsType[*ProtocolError](err); !ok {
					t.Errorf("%s: got %v, want a ProtocolError", kind, err)
				}
			}
		})
	}
	t.Run("a document cut short", func(t *testing.T) {
		for cut := range `<a b="c">d&amp;<!-- e --><![CDATA[f]]></a>` {
			_, err := skim(newScanner(strings.NewReader(`<a b="c">d&amp;<!-- e --><![CDATA[f]]></a>`[:cut]), 1<<20))
			if want := map[bool]error{true: io.EOF, false: io.ErrUnexpectedEOF}[cut == 0]; !errors.Is(err, want) {
				t.Errorf("after %d bytes: got %v, want %v", cut, err, want)
			}
		}
		for _, stream := range []string{`<a><?></a>`, `<a><!--></a>`, `<a b=">`} {
			if _, err := skim(newScanner(strings.NewReader(stream), 1<<20)); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: got %v, want %v", stream, err, io.ErrUnexpectedEOF)
			}
		}
	})
	t.Run("a document above the limit", func(t *testing.T) {
		endless := io.MultiReader(strings.NewReader("<a>"), iotest.OneByteReader(zeroes{}))
		_, err := skim(newScanner(endless, 1000))
		if !errors.Is(err, ErrReplyTooLarge) {
			t.Errorf("got %v, want ErrReplyTooLarge", err)
		}
	})
}

// prefixes returns an element that binds that many prefixes.
func prefixes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` xmlns:p%d="C"`, i)
	}
	return b.String()
}

// zeroes is a reader of endless text.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestScannerReadsText(t *testing.T) {
	for name, test := range map[string]struct{ encoding, document, want string }{
		"plain":                          {"UTF-8", "<a>b c</a>", "b c"},
		"blanks as they are":             {"UTF-8", "<a> \t\nb </a>", " \t\nb "},
		"line ends as line feeds":        {"UTF-8", "<a>\r\n\r\r\nb\n\r</a>", "\n\n\nb\n\n"},
		"a return before a letter":       {"UTF-8", "<a>b\rc</a>", "b\nc"},
		"a return that is asked for":     {"UTF-8", "<a>&#13;\n&#xd;</a>", "\r\n\r"},
		"the five entities":              {"UTF-8", "<a>&lt;&gt;&amp;&apos;&quot;</a>", `<>&'"`},
		"references once":                {"UTF-8", "<a>&amp;lt;</a>", "&lt;"},
		"numbers":                        {"UTF-8", "<a>&#65;&#x20ac;&#x20AC;&#128512;</a>", "A€€😀"},
		"letters of UTF-8":               {"UTF-8", "<a>café 😀</a>", "café 😀"},
		"a replacement character":        {"UTF-8", "<a>\ufffd</a>", "\ufffd"},
		"letters of Latin-1":             {"ISO-8859-1", "<a>caf\xe9 \x80\xa4</a>", "café \u0080¤"},
		"letters of Latin-2":             {"ISO-8859-2", "<a>\xb3</a>", "ł"},
		"letters of Latin-9":             {"ISO-8859-15", "<a>\xa4</a>", "€"},
		"a byte without a meaning":       {"ISO-8859-3", "<a>\xa5</a>", "\ufffd"},
		"CDATA as it is":                 {"UTF-8", "<a>b<![CDATA[<&amp;]]]]><![CDATA[>c]]>d</a>", "b<&amp;]]>cd"},
		"line ends in CDATA":             {"UTF-8", "<a><![CDATA[\r\n\r]]></a>", "\n\n"},
		"Latin-1 in CDATA":               {"ISO-8859-1", "<a><![CDATA[\xe9]]></a>", "é"},
		"around comments":                {"UTF-8", "<a>b<!-- c -->d<?e f?>g</a>", "bdg"},
		"around an empty comment":        {"UTF-8", "<a>b<!---->c</a>", "bc"},
		"a return before a comment":      {"UTF-8", "<a>\r<!-- -->\n</a>", "\n\n"},
		"brackets":                       {"UTF-8", "<a>]] ] ]&gt; ]]&gt;</a>", "]] ] ]> ]]>"},
		"brackets at the end":            {"UTF-8", "<a>b]]</a>", "b]]"},
		"a bracket that closes no CDATA": {"UTF-8", "<a>></a>", ">"},
	} {
		t.Run(name, func(t *testing.T) {
			document := `<?xml version="1.0" encoding="` + test.encoding + `" standalone='yes' ?>` + test.document
			for kind, from := range map[string]io.Reader{
				"complete": strings.NewReader(document),
				"dripped":  iotest.OneByteReader(strings.NewReader(document)),
			} {
				s := newScanner(from, 1<<20)
				s.begin()
				if _, err := s.child(); err != nil {
					t.Fatal(err)
				}
				got, opened, err := s.content(nil, maxText)
				if err != nil || opened {
					t.Fatalf("%s: opened %t, %v", kind, opened, err)
				}
				if diff := cmp.Diff(test.want, string(got)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", kind, diff)
				}
			}
		})
	}
}

func TestScannerReadsAttributes(t *testing.T) {
	s := newScanner(strings.NewReader("<a b = 'c\"d' e=\"f'&lt;&#10;\r\n]]>&amp;\" \n></a>"), 1<<20)
	s.begin()
	if _, err := s.child(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"b": `c"d`, "e": "f'<\n\n]]>&", "c": ""} {
		if got := s.tag.stated(name).text; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestATableCostsNoMemoryForEachCell(t *testing.T) {
	scan := func(rows int) float64 {
		document := summaryTable(rows)
		stream := bytes.NewReader(document)
		s := newScanner(stream, len(document))
		return testing.AllocsPerRun(3, func() {
			stream.Reset(document)
			if _, err := s.document(); err != nil {
				t.Fatal(err)
			}
		})
	}
	// A block more for each 64 KiB of text, and room in the list of blocks.
	if few, many := scan(100), scan(10_000); many > few+60 {
		t.Errorf("a hundred rows cost %v allocations, a hundred times as many cost %v", few, many)
	}
}
