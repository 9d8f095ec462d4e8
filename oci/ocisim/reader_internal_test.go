package ocisim

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// This file specifies how documents are read from a stream and how refused text is
// written. A new form of document is a seed of FuzzReadDocument, and of
// TestReadDocumentReadsNotBeyondTheDocument if it concerns the end of a document.

func TestSign(t *testing.T) {
	// The published example.
	if got := sign("1493661742798", "secret"); got != "0da3b25417a4ad1fdc162645208f211a" {
		t.Error(got)
	}
}

func TestReadDocumentReadsNotBeyondTheDocument(t *testing.T) {
	for _, declaration := range []string{"", `<?xml version="1.0" encoding="UTF-8"?>`, `<?xml version="1.0" encoding="ISO-8859-15"?>`} {
		for _, document := range []string{"<a/>", "<a></a>", "<a>x<b/>y</a >", "<!-- c --><a><![CDATA[</a>]]></a>"} {
			t.Run("after "+declaration+document, func(t *testing.T) {
				// The reader returns one byte at a time, so that buffering beyond the
				// document would be visible in the rest.
				stream := bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader("\n "+declaration+document+"REST")), 16)
				got, err := readDocument(stream, 1000)
				if err != nil || string(got) != declaration+document {
					t.Fatalf("%q, %v", got, err)
				}
				if rest, _ := stream.ReadString(0); rest != "REST" {
					t.Errorf("the rest is %q", rest)
				}
			})
		}
	}
}

func TestReadDocumentLimit(t *testing.T) {
	if _, err := readDocument(strings.NewReader("<a>1234</a>"), 10); !errors.Is(err, errTooLarge) {
		t.Errorf("%v", err)
	}
	if _, err := readDocument(strings.NewReader("<a>123</a>"), 10); err != nil {
		t.Errorf("%v", err)
	}
}

func FuzzReadDocument(f *testing.F) {
	const open = `<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><sessionId xmlns="">s</sessionId>`
	for _, seed := range []string{
		open + `<command xsi:type="LogoutRequest" echo="1" xmlns=""><userId>a</userId></command></BroadsoftDocument>` + "\n",
		`<?xml version="1.0" encoding="ISO-8859-1"?>` + open + "<trackingId xmlns=''>\xe9</trackingId><command xsi:type='c:X' xmlns:c='C' xmlns=''><a xsi:nil='1'/></command></BroadsoftDocument>",
		`<a><b></a>`, `<!DOCTYPE a><a/>`, `<a xmlns:xmlns=""/>`, "\n\n", `<?xml version="1.0" encoding="x"?><a/>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 4096
		reader := bytes.NewReader(stream)
		raw, err := readDocument(reader, limit)
		if err != nil {
			return
		}
		if len(raw) > limit || !bytes.HasSuffix(raw, []byte(">")) {
			t.Fatalf("read %q", raw)
		}
		rest := stream[len(stream)-reader.Len():]
		if read := stream[:len(stream)-len(rest)]; !bytes.HasSuffix(read, raw) {
			t.Fatalf("read %q from %q", raw, read)
		}
		again, err := readDocument(bytes.NewReader(raw), limit)
		if err != nil || !bytes.Equal(raw, again) {
			t.Fatalf("%q is read again as %q, %v", raw, again, err)
		}
		doc, err := parseDocument(raw)
		if err != nil {
			if _, refused := errors.AsType[*refusal](err); !refused {
				t.Logf("etree is stricter: %v", err)
			}
			return
		}
		// The platform can read its own form of what it has read.
		replies := make([]reply, len(doc.commands))
		for i, c := range doc.commands {
			replies[i] = reply{command: "R", echo: c.echo, data: []node{}}
			if c.name == "" || len(doc.commands) > maxCommands {
				t.Fatalf("parsed %+v", doc)
			}
		}
		written := form{encoding: "ISO-8859-2", echo: true, tracking: true}.replies(doc.envelope(), replies)
		back, err := parseDocument(written)
		if err != nil || back.sessionID != doc.sessionID || back.trackingID != doc.trackingID || back.commands[0].echo != doc.commands[0].echo {
			t.Fatalf("%q was written as %q: %v", raw, written, err)
		}
		for _, c := range doc.commands {
			text := doc.source.child(c.index)
			if !strings.HasPrefix(text, "<") || !strings.HasSuffix(text, ">") {
				t.Fatalf("%q has the command %q", raw, text)
			}
			isReturned(t, text)
		}
		isReturned(t, doc.source.text())
	})
}

// isReturned fails the test unless a client can read a refused text in the refusal.
func isReturned(t *testing.T, text string) {
	t.Helper()
	if text == "" {
		return // a refusal without a text has no section
	}
	refused := []reply{{refusal: invalid("words").about(text)}}
	for encoding := range charsets {
		written := form{encoding: encoding}.replies(envelope{sessionID: "s"}, refused)
		tree := etree.NewDocument()
		tree.ReadSettings.CharsetReader = charsetReader
		if err := tree.ReadFromBytes(written); err != nil {
			t.Fatalf("%q was written as %q: %v", text, written, err)
		}
		want := strings.Map(func(r rune) rune {
			if isXMLChar(r) {
				return r
			}
			return utf8.RuneError
		}, "words\n"+text)
		if got := tree.FindElement("//detail").Text(); got != want {
			t.Fatalf("%q was returned as %q", want, got)
		}
	}
}

func FuzzRefusedText(f *testing.F) {
	for _, seed := range []string{"]]>", "]]]]>>", "\r\n\t", "é€ő\xff\x00\uFFFE", "<a>&amp;</a>"} {
		f.Add(seed)
	}
	f.Fuzz(isReturned)
}
