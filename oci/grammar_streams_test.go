package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Tests with the documents of the generator in grammar_test.go: the scanner and the etree
// reader must agree on each, wherever the data is cut, whatever document came before, and
// also after random changes. To add a spelling, see grammar_test.go; to add a kind of
// change, add it to pieces or mutate.

// readStream reads all documents of a stream, and returns where each begins and
// ends. What is read of one is compared after the last was read, so that a text in a
// buffer that is used again is found. The error is io.EOF after a regular end.
func readStream(from io.Reader, stream []byte) (documents []plainDocument, texts [][]byte, _ error) {
	s := newScanner(from, len(stream)+1)
	rest := stream
	for {
		d, size, err := scanNext(s)
		if err != nil {
			return documents, texts, err
		}
		rest = bytes.TrimLeft(rest, blanks)
		documents, texts, rest = append(documents, d), append(texts, rest[:size]), rest[size:]
	}
}

// cutReader reads pieces of random sizes, many of them small.
type cutReader struct {
	from   io.Reader
	random *rand.Rand
}

func (c cutReader) Read(p []byte) (int, error) {
	size := 1 + c.random.IntN(1<<c.random.IntN(16))
	return c.from.Read(p[:min(len(p), size)])
}

// after returns what follows the last document in a stream.
func after(stream []byte, texts [][]byte) []byte {
	for _, text := range texts {
		stream = bytes.TrimLeft(stream, blanks)[len(text):]
	}
	return stream
}

// pieceReader reads pieces as they are.
type pieceReader struct{ pieces [][]byte }

func (p *pieceReader) Read(b []byte) (int, error) {
	for len(p.pieces) > 0 && len(p.pieces[0]) == 0 {
		p.pieces = p.pieces[1:]
	}
	if len(p.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.pieces[0])
	p.pieces[0] = p.pieces[0][n:]
	return n, nil
}

// compareStreams compares what the scanner and etree read from the documents of a stream,
// and what the scanner reads if the stream is cut into pieces. It returns the documents
// that the scanner accepted.
func compareStreams(t *testing.T, stream []byte, random *rand.Rand) [][]byte {
	t.Helper()
	complete, texts, err := readStream(bytes.NewReader(stream), stream)
	for name, from := range map[string]io.Reader{
		"in single bytes":  iotest.OneByteReader(bytes.NewReader(stream)),
		"in random pieces": cutReader{bytes.NewReader(stream), random},
		"in halves":        iotest.HalfReader(bytes.NewReader(stream)),
		"one by one":       &pieceReader{slices.Concat(slices.Clone(texts), [][]byte{after(stream, texts)})},
		"behind blanks":    io.MultiReader(strings.NewReader(strings.Repeat(" ", random.IntN(2*scanBuffer))), bytes.NewReader(stream)),
	} {
		cut, cutTexts, cutErr := readStream(from, stream)
		// If both are the same, as nearly always, cmp takes far longer.
		if !reflect.DeepEqual(complete, cut) || errors.Is(err, io.EOF) != errors.Is(cutErr, io.EOF) {
			t.Fatalf("complete (-): %v; %s (+): %v\n%s\n%q", err, name, cutErr, cmp.Diff(complete, cut), stream)
		}
		if !reflect.DeepEqual(texts, cutTexts) {
			t.Fatalf("complete (-) and %s (+) end elsewhere:\n%s", name, cmp.Diff(texts, cutTexts))
		}
	}
	for i, text := range texts {
		tree, err := treeRead(text)
		if err != nil {
			t.Fatalf("the scanner takes what etree refuses: %v\n%q", err, text)
		}
		if diff := cmp.Diff(tree, complete[i], ignoreNumbers, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("document %d: etree (-) and scanner (+) differ:\n%s\n%q", i, diff, text)
		}
	}
	return texts
}

func checkGrammar(t *testing.T, choices []byte, random *rand.Rand) []byte {
	t.Helper()
	g := &grammar{dice: dice{choices}}
	stream, documents := g.session()
	taken := compareStreams(t, stream, random)
	if len(taken) < len(documents) {
		in := documents[len(taken)]
		_, err := newScanner(bytes.NewReader(in), len(in)+1).document()
		t.Fatalf("document %d is refused: %v\n%q", len(taken), err, in)
	}
	for i, document := range documents {
		if !bytes.Equal(taken[i], document) {
			t.Fatalf("document %d was taken for another:\n%q\n%q", i, document, taken[i])
		}
	}
	return stream
}

// pieces are the texts that a mutation puts into a document.
var pieces = []string{
	"<", ">", "/", "\"", "'", "=", "&", ";", " ", "\n", "\r", "]]>", "<![CDATA[", "<!--", "-->", "--", "<?", "?>", "<?xml version='1.0'?>", "&#13;",
	"&lt;", "\x00", "\xff", "\xc3", "é", ":", "xmlns=''", " xmlns:c='D'", " xmlns='C'", "x", "<col/>", "<col>", "</col>", "<row/>", "<row>", "</row>",
	"<colHeading/>", "<colHeading>", "</colHeading>", "</command>", "</BroadsoftDocument>", "/>", "<!DOCTYPE a>",
}

// mutate changes a stream at random in a few places.
func mutate(stream []byte, random *rand.Rand) []byte {
	for range 1 + random.IntN(3) {
		at := random.IntN(len(stream) + 1)
		end := min(len(stream), at+1<<random.IntN(8))
		var into []byte
		switch random.IntN(4) {
		case 0: // leave out
		case 1:
			into = []byte(pieces[random.IntN(len(pieces))])
			end = at
		case 2:
			into = []byte(pieces[random.IntN(len(pieces))])
		case 3: // twice
			into, end = stream[at:end], at
		}
		stream = slices.Concat(stream[:at], into, stream[end:])
	}
	return stream
}

// TestReadersAgreeOnEveryLegalSpelling writes documents at random. Both
// readers must accept them and read the same, whatever the scanner has read
// before and however the stream is cut into pieces. If a mutation of them
// is still accepted, both must read the same as well.
func TestReadersAgreeOnEveryLegalSpelling(t *testing.T) {
	const seeds, mutations = 400, 6
	taken := 0
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			choices := make([]byte, 1<<random.IntN(13))
			for i := range choices {
				choices[i] = byte(random.Uint32())
			}
			stream := checkGrammar(t, choices, random)
			if len(stream) > 4*scanBuffer {
				return // it costs too much to do that again
			}
			for range mutations {
				taken += len(compareStreams(t, mutate(stream, random), random))
			}
		})
	}
	if taken < seeds {
		t.Errorf("of the mutations only %d documents were accepted, which proves little", taken)
	}
}

// TestWhatIsRememberedIsCopiedFromTheBuffer reads documents that arrive one
// by one, and so are in the same place of the buffer.
func TestWhatIsRememberedIsCopiedFromTheBuffer(t *testing.T) {
	table := func(heading string) string {
		return `<command xsi:type="A" xmlns=""><t><colHeading>` + heading + `</colHeading><row><col>` + heading + `</col></row></t></command>`
	}
	plain := wrap(table("Prefix"))
	for name, other := range map[string]string{
		"other headings": wrap(table("Suffix")),
		"another head":   strings.Replace(plain, "8859-1", "8859-2", 1),
		"another root":   strings.Replace(plain, `xmlns="C"`, `xmlns="D"`, 1),
		"an empty root":  plain[:strings.Index(plain, "<sessionId")-1] + "/>",
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(0, 5))
			stream := []byte(strings.Repeat(plain+other+other, 2))
			want := 6
			if name == "another root" {
				want = 1 // and then it is refused
			}
			if got := len(compareStreams(t, stream, random)); got != want {
				t.Errorf("%d documents were accepted, want %d", got, want)
			}
		})
	}
}

// TestFastPathsAcceptNothingThatTheGeneralPathRefuses compares what is read in pieces of
// many sizes, of which the smallest allow no fast path.
func TestFastPathsAcceptNothingThatTheGeneralPathRefuses(t *testing.T) {
	const heading = "<colHeading>a</colHeading>"
	deep := func(depth int, inside string) string {
		return strings.Repeat("<a>", depth) + inside + strings.Repeat("</a>", depth)
	}
	for name, test := range map[string]struct {
		table string
		good  bool
	}{
		"a plain table":                             {"<t>" + heading + "<row><col/></row></t>", true},
		"cells behind an empty row":                 {"<t>" + heading + "<row/><col/></t>", false},
		"cells of a row in another namespace":       {"<t>" + heading + `<c:row xmlns="D" xmlns:c="C"><col/></c:row></t>`, false},
		"cells with a prefix in such a row":         {"<t>" + heading + `<c:row xmlns="D" xmlns:c="C"><c:col/></c:row></t>`, true},
		"a heading with another end":                {`<t xmlns:c="C"><c:colHeading>a</colHeading></t>`, false},
		"a heading behind one that binds":           {`<c:t xmlns="D" xmlns:c="C"><colHeading xmlns="">a</colHeading>` + heading + "</c:t>", false},
		"a cell as deep as may be":                  {deep(maxDepth-5, "<t>"+heading+"<row><col>x</col></row></t>"), true},
		"a cell one deeper":                         {deep(maxDepth-4, "<t>"+heading+"<row><col>x</col></row></t>"), false},
		"an instruction without a blank":            {"<?a<b?><t/>", false},
		"an instruction of letters beyond ASCII":    {"<?a\xe9?><t/>", false},
		"headings that end in the middle of a cell": {"<t>" + heading + "<colHeading>b<col/></colHeading></t>", false},
	} {
		t.Run(name, func(t *testing.T) {
			stream := []byte(wrap(`<command xsi:type="A" xmlns="">` + test.table + `</command>`))
			taken := compareStreams(t, slices.Concat([]byte(wrap(prefixTable)), stream), rand.New(rand.NewPCG(0, 6)))
			if good := len(taken) == 2; good != test.good {
				t.Errorf("taken: %t, want %t", good, test.good)
			}
		})
	}
}

// FuzzGrammar looks for a legal spelling that one of the readers refuses or reads
// differently.
func FuzzGrammar(f *testing.F) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 3))
		choices := make([]byte, 512)
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		if len(choices) > 8<<10 {
			return
		}
		checkGrammar(t, choices, rand.New(rand.NewPCG(uint64(len(choices)), 4)))
	})
}
