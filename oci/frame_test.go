package oci

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestFramesFindTheEndOfEachDocument(t *testing.T) {
	const plain = `<BroadsoftDocument protocol="OCI" xmlns="C"><sessionId xmlns="">1</sessionId></BroadsoftDocument>`
	documents := map[string]string{
		"plain":                           plain,
		"with a declaration":              "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n" + plain,
		"with a blank in the end tag":     "<BroadsoftDocument></BroadsoftDocument \n>",
		"with a prefix":                   `<o:BroadsoftDocument xmlns:o="C"></o:BroadsoftDocument>`,
		"with an empty root":              `<BroadsoftDocument/>`,
		"with the end tag in CDATA":       `<a><![CDATA[</a>]]></a>`,
		"with brackets before CDATA ends": `<a><![CDATA[]]]]></a>`,
		"with the end tag in a comment":   `<a><!-- </a> - -- ></a> --></a>`,
		"with the end tag in a value":     `<a b="</a>" c='"></a>'></a>`,
		"with a slash before a value":     `<a b="/"><c d='/'/></a>`,
		"with an instruction inside":      `<a><?x </a>?></a>`,
		"with a comment before the root":  `<!--<a></a>--><a></a>`,
		"nested":                          `<a><a><a/></a></a>`,
		"in Latin-1":                      "<a>caf\xe9</a>",
	}
	for name, document := range documents {
		for _, between := range []string{"", "\n", " \r\n\t\n"} {
			stream := between + document + between + plain + between
			for reader, from := range map[string]io.Reader{
				"whole":   strings.NewReader(stream),
				"dripped": iotest.OneByteReader(strings.NewReader(stream)),
				"late":    iotest.DataErrReader(strings.NewReader(stream)),
			} {
				t.Run(name+"/"+reader, func(t *testing.T) {
					frames := newFrames(from, 1<<20)
					for _, want := range []string{document, plain} {
						got, err := frames.document()
						if err != nil {
							t.Fatalf("document: %v", err)
						}
						if diff := cmp.Diff(want, string(got)); diff != "" {
							t.Errorf("document (-want +got):\n%s", diff)
						}
					}
					if _, err := frames.document(); !errors.Is(err, io.EOF) {
						t.Errorf("after the last document: %v, want EOF", err)
					}
				})
			}
		}
	}
}

func TestFramesRefuse(t *testing.T) {
	for name, stream := range map[string]string{
		"garbage":                "HTTP/1.1 400 Bad Request\r\n",
		"a document type":        `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`,
		"an entity inside":       `<a><!ENTITY b "c"></a>`,
		"CDATA before the root":  `<![CDATA[x]]><a/>`,
		"an end without a start": `</a>`,
		"an empty tag":           `<>`,
		"a blank tag":            `< a></a>`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newFrames(strings.NewReader(stream), 1<<20).document()
			if _, ok := errors.AsType[*ProtocolError](err); !ok {
				t.Errorf("got %v, want a ProtocolError", err)
			}
		})
	}
	t.Run("a document cut short", func(t *testing.T) {
		_, err := newFrames(strings.NewReader(`<a><b></b>`), 1<<20).document()
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v, want an unexpected EOF", err)
		}
	})
	t.Run("a document above the limit", func(t *testing.T) {
		endless := io.MultiReader(strings.NewReader("<a>"), iotest.OneByteReader(zeroes{}))
		_, err := newFrames(endless, 1000).document()
		if !errors.Is(err, ErrReplyTooLarge) {
			t.Errorf("got %v, want ErrReplyTooLarge", err)
		}
	})
}

// zeroes is an endless text.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// FuzzFrames holds the byte-wise framing against encoding/xml: whatever that
// reads to the end of its root must be framed there, in pieces of any size.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><a b="</a>"><!-- x --><![CDATA[</a>]]><c/></a>` + "\n<d/>"))
	f.Add([]byte(`<a><b c='>'/></a>`))
	f.Add([]byte("<a>\xe9</a> "))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, wholeErr := newFrames(bytes.NewReader(stream), 1<<20).document()
		dripped, drippedErr := newFrames(iotest.OneByteReader(bytes.NewReader(stream)), 1<<20).document()
		if !bytes.Equal(whole, dripped) || (wholeErr == nil) != (drippedErr == nil) {
			t.Fatalf("whole: %q, %v; dripped: %q, %v", whole, wholeErr, dripped, drippedErr)
		}
		start := len(stream) - len(bytes.TrimLeft(stream, blanks))
		end, ok := rootEnd(stream[start:])
		if !ok {
			return
		}
		if _, refused := errors.AsType[*ProtocolError](wholeErr); refused {
			return // stricter than encoding/xml, which takes declarations
		}
		if wholeErr != nil || len(whole) != end {
			t.Fatalf("framed %d bytes (%v), encoding/xml reads %d", len(whole), wholeErr, end)
		}
	})
}

// rootEnd is where encoding/xml sees the root element end.
func rootEnd(document []byte) (int, bool) {
	decoder := xml.NewDecoder(bytes.NewReader(document))
	decoder.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	for depth := 0; ; {
		token, err := decoder.Token()
		if err != nil {
			return 0, false
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			if depth--; depth == 0 {
				return int(decoder.InputOffset()), true
			}
		}
	}
}
