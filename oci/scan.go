package oci

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"golang.org/x/text/encoding/charmap"
)

const (
	// scanBuffer is the size of the read buffer. A tag, a comment or an
	// instruction must fit into it.
	scanBuffer = 32 << 10

	// maxDepth is more than any reply of the schema needs.
	maxDepth = 32

	// maxAttributes is more than any element of the schema has.
	maxAttributes = 32

	// maxBindings is more prefixes than any reply binds at a time.
	maxBindings = 64
)

// scanner reads the XML of a stream of documents in one pass, as it arrives.
// OCI-P has no length prefix: a document ends with the end tag of its root,
// and the line feed that follows may arrive at any time later.
//
// It accepts less than XML allows, and nothing that could have another meaning for
// its sender: no document type, only the five predefined entities, only ASCII names,
// an XML declaration only at the beginning of a document, and no text between
// elements.
//
// The names of its functions follow the grammar of a document. A function that reads
// an element is called after the start tag of the element, which is in tag, and
// returns after its end tag.
type scanner struct {
	from  io.Reader
	limit int         // bytes of a document
	tap   *wireRecord // gets a copy of the document; nil for none

	buffer  []byte
	at, end int // buffer[at:end] is unread
	start   int // offset of the document in the buffer; may be negative

	charset  *charmap.Charmap // nil for UTF-8
	open     []element        // the root first
	names    []byte           // of the open elements and of the prefixes that they bind
	bindings []binding
	tag      tag  // of the element that was opened last
	empty    bool // the last tag both opened and closed its element
	used     usage

	textStart int  // offset, in its buffer, of the text that is being read
	cut       bool // a text that is too long ends at its limit

	// Buffers that are used again for each document.
	text  []byte
	cells []byte
	ends  []uint32
	nodes nodes

	// Parts that the documents of a session have in common.
	head  head
	terms map[string]string
	known headings
}

// head is the beginning of a document, up to the end of its root's start tag, and the
// state of the scanner after it.
type head struct {
	raw      []byte
	charset  *charmap.Charmap
	open     []element
	names    []byte
	bindings []binding
}

// Limits of what is kept for other documents.
const (
	maxHead       = 1 << 10 // bytes
	maxValues     = 4 << 10 // bytes of attributes
	minNodes      = 8
	maxNodes      = 256
	maxTerms      = 256
	maxTermLength = 128 // bytes
)

// term returns a name as a string. It returns the same string for the same name, since
// other documents are likely to hold it, too.
func (s *scanner) term(b []byte) string {
	if known, ok := s.terms[string(b)]; ok {
		return known
	}
	made := string(b)
	if len(s.terms) < maxTerms && len(b) <= maxTermLength {
		s.terms[made] = made
	}
	return made
}

func newScanner(from io.Reader, limit int) *scanner {
	return &scanner{from: from, limit: limit, buffer: make([]byte, scanBuffer), terms: map[string]string{}}
}

// await skips white space until a document begins, and leaves its first byte unread.
// io.EOF means that the stream ended between documents.
func (s *scanner) await() error {
	for !s.more() {
		s.at, s.end = 0, 0
		if err := s.read(); err != nil {
			return err
		}
	}
	return nil
}

// more reports whether another document has begun to arrive, without reading.
func (s *scanner) more() bool {
	s.at += blankLength(s.buffer[s.at:s.end])
	return s.at < s.end
}

// read appends the next data of the stream to the buffer.
func (s *scanner) read() error {
	for {
		n, err := s.from.Read(s.buffer[s.end:])
		s.end += n
		if n > 0 {
			if s.tap != nil {
				s.tap.received(s.buffer[s.end-n : s.end])
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fill reads more of the current document.
func (s *scanner) fill() error {
	if s.end-s.start >= s.limit {
		return s.tooLarge()
	}
	s.start -= s.at
	s.end = copy(s.buffer, s.buffer[s.at:s.end])
	s.at = 0
	if s.end == len(s.buffer) {
		return refusedAs(RefusedText, "the document holds markup of more than %d bytes", len(s.buffer))
	}
	err := s.read()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (s *scanner) tooLarge() error {
	return &ReplyLimitError{RefusedTooLarge, "bytes", s.limit}
}

// begin records that a document begins at the next byte. The document before has no
// open elements.
func (s *scanner) begin() {
	s.start = s.at
	s.charset = nil
	s.used = usage{}
}

// skipHead skips the head of a document if it is the same as that of the document
// before. It reports whether it has done so.
func (s *scanner) skipHead() bool {
	if len(s.head.raw) == 0 || !bytes.HasPrefix(s.buffer[s.at:s.end], s.head.raw) {
		return false
	}
	s.at += len(s.head.raw)
	s.charset = s.head.charset
	s.open = append(s.open, s.head.open...)
	s.names = append(s.names, s.head.names...)
	s.bindings = append(s.bindings, s.head.bindings...)
	return true
}

// keepHead keeps the head of the document for skipHead. It is called after the start
// tag of the root.
func (s *scanner) keepHead() {
	if s.empty || s.start < 0 || s.at-s.start > maxHead {
		return // the root is empty, or the head is not in the buffer any more, or unusually long
	}
	s.head = head{
		raw: bytes.Clone(s.buffer[s.start:s.at]), charset: s.charset,
		open: slices.Clone(s.open), names: bytes.Clone(s.names), bindings: slices.Clone(s.bindings),
	}
}

// finish checks the size of a document after its end, and frees buffers that are
// larger than most documents need.
func (s *scanner) finish() error {
	if cap(s.text) > scanBuffer {
		s.text = nil
	}
	if cap(s.cells) > 2*blockBytes {
		s.cells = nil
	}
	if cap(s.ends) > 2*blockCells {
		s.ends = nil
	}
	if cap(s.nodes) > maxNodes {
		s.nodes = nil
	}
	if cap(s.tag.values) > maxValues {
		s.tag.values = nil
	}
	if s.at-s.start > s.limit {
		return s.tooLarge()
	}
	return nil
}

// errMixed means that an element holds both text and elements, which no element of the
// schema does.
var errMixed = &ProtocolError{"the document holds text between its elements", RefusedNotOCI}

// child reads the next tag in the open element, or that of the root. opened reports
// whether it is a start tag; otherwise it is the end tag of the open element.
func (s *scanner) child() (opened bool, err error) {
	s.text, opened, err = s.content(s.text[:0], maxText)
	if err == nil && !isBlank(s.text) {
		return false, errMixed
	}
	return opened, err
}

// children calls read for each of the remaining elements in the open element, and
// returns after its end tag.
func (s *scanner) children(read func() error) error {
	for {
		opened, err := s.child()
		if err != nil || !opened {
			return err
		}
		if err := read(); err != nil {
			return err
		}
	}
}

// content reads up to the next tag in the open element, and appends the text before
// the tag, without comments, of at most length bytes. opened reports whether it is a
// start tag; otherwise it is the end tag of the open element.
func (s *scanner) content(text []byte, length int) (_ []byte, opened bool, err error) {
	if s.empty {
		s.empty = false
		s.pop()
		return text, false, nil
	}
	s.textStart = len(text)
	most := len(text) + length
	for {
		text, err = s.chars(text, most)
		if err != nil {
			return text, false, err
		}
		switch s.buffer[s.at+1] {
		case '/':
			return text, false, s.endTag()
		case '?':
			err = s.instruction()
		case '!':
			text, err = s.exclamation(text, most)
		default:
			return text, true, s.startTag()
		}
		if err != nil {
			return text, false, err
		}
	}
}

// chars appends the character data up to the next "<", and makes sure that the byte
// after that is in the buffer. The text must not become longer than most.
func (s *scanner) chars(text []byte, most int) ([]byte, error) {
	for {
		unread := s.buffer[s.at:s.end]
		markup := bytes.IndexByte(unread, '<')
		if markup == 0 && len(unread) > 1 {
			return text, nil
		}
		if markup != 0 {
			complete := markup > 0
			if complete {
				unread = unread[:markup]
			}
			if len(s.open) == 0 && !isBlank(unread) {
				return text, notXML("the stream holds %q where a document should begin", unread[0])
			}
			var n int
			var err error
			text, n, err = s.decode(text, unread, inText, complete)
			s.at += n
			if err == nil && len(text) > most {
				text, err = s.excess(text, most)
			}
			if err != nil {
				return text, err
			}
			if complete {
				continue
			}
		}
		if err := s.fill(); err != nil {
			return text, err
		}
	}
}

const (
	instructionOpening = "<?"
	instructionEnding  = "?>"
	commentOpening     = "<!--"
	commentEnding      = "-->"
	cdataOpening       = "<![CDATA["
	cdataEnding        = "]]>"
)

// markup returns the unread bytes up to the end that the function end finds. They
// remain unread. end returns 0 if the end is not in the buffer yet.
func (s *scanner) markup(end func([]byte) int) ([]byte, error) {
	for {
		unread := s.buffer[s.at:s.end]
		if n := end(unread); n > 0 {
			return unread[:n:n], nil
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// enclosed returns a function that finds the end of markup that begins and ends with
// these texts. The opening has been checked.
func enclosed(opening, ending string) func([]byte) int {
	return func(unread []byte) int {
		if i := bytes.Index(unread[len(opening):], []byte(ending)); i >= 0 {
			return len(opening) + i + len(ending)
		}
		return 0
	}
}

// tagEnd finds the end of a tag. A ">" in the quotes of an attribute does not end it.
func tagEnd(unread []byte) int {
	quote := byte(0)
	for i, c := range unread {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return 0
}

// declaredCharset returns the charset of the content of an XML declaration.
func declaredCharset(inside []byte) (*charmap.Charmap, error) {
	version, rest, _ := pseudoAttribute(inside, "version")
	if version != "1.0" {
		return nil, notXML("the XML declaration does not begin with version 1.0")
	}
	name, rest, declared := pseudoAttribute(rest, "encoding")
	_, rest, _ = pseudoAttribute(rest, "standalone")
	if !isBlank(rest) {
		return nil, notXML("the XML declaration holds more than version, encoding and standalone")
	}
	if !declared {
		return nil, nil //nolint:nilnil // nil means UTF-8
	}
	encoding, err := EncodingByName(name)
	if err != nil {
		return nil, notXML("the document is in encoding %.32q, which is not supported", name)
	}
	return encoding.single, nil
}

// pseudoAttribute returns the value of that name at the head of an XML declaration, and
// what follows it.
func pseudoAttribute(inside []byte, name string) (value string, rest []byte, ok bool) {
	found, ok := bytes.CutPrefix(trimLeft(inside), []byte(name+"="))
	if !ok || blankLength(inside) == 0 || len(found) == 0 || found[0] != '"' && found[0] != '\'' {
		return "", inside, false
	}
	quoted, rest, ok := bytes.Cut(found[1:], found[:1])
	if !ok {
		return "", inside, false
	}
	return string(quoted), rest, true
}

// instruction reads an XML declaration, and with it the document's encoding, or skips
// a processing instruction. An XML declaration is allowed only at the beginning of a
// document. Without it, the encoding is UTF-8.
func (s *scanner) instruction() error {
	all, err := s.markup(enclosed(instructionOpening, instructionEnding))
	if err != nil {
		return err
	}
	inside := all[len(instructionOpening) : len(all)-len(instructionEnding)]
	target := inside[:nameLength(inside)]
	rest := inside[len(target):]
	first := s.at == s.start
	s.at += len(all)
	switch {
	case len(rest) > 0 && blankLength(rest) == 0:
		return notXML("the document holds a processing instruction without a good name")
	case string(target) == "xml" && first:
		s.charset, err = declaredCharset(rest)
		return err
	case len(target) == 0 || bytes.EqualFold(target, []byte("xml")):
		return notXML("the document holds a processing instruction without a name of its own")
	}
	return nil
}

// exclamation reads markup that begins with "<!": a comment, or a CDATA section, whose
// text it appends. It refuses anything else.
func (s *scanner) exclamation(text []byte, most int) ([]byte, error) {
	for {
		unread := s.buffer[s.at:s.end]
		switch {
		case bytes.HasPrefix(unread, []byte(commentOpening)):
			return text, s.comment()
		case bytes.HasPrefix(unread, []byte(cdataOpening)) && len(s.open) > 0:
			s.at += len(cdataOpening)
			return s.cdata(text, most)
		case !bytes.HasPrefix([]byte(commentOpening), unread) && !bytes.HasPrefix([]byte(cdataOpening), unread):
			return text, notXML("the document holds a declaration, which OCI-P does not use")
		}
		if err := s.fill(); err != nil {
			return text, err
		}
	}
}

// comment skips a comment.
func (s *scanner) comment() error {
	all, err := s.markup(enclosed(commentOpening, commentEnding))
	if err != nil {
		return err
	}
	inside := all[len(commentOpening) : len(all)-len(commentEnding)]
	if bytes.Contains(inside, []byte("--")) || bytes.HasSuffix(inside, []byte("-")) {
		return notXML("the document holds a comment with -- in it")
	}
	s.at += len(all)
	return nil
}

// cdata appends the text of a CDATA section, after its opening.
func (s *scanner) cdata(text []byte, most int) ([]byte, error) {
	for {
		unread := s.buffer[s.at:s.end]
		end := bytes.Index(unread, []byte(cdataEnding))
		complete := end >= 0
		if !complete {
			end = max(0, len(unread)-len(cdataEnding)+1) // its first bytes may be here
		}
		var n int
		var err error
		text, n, err = s.decode(text, unread[:end], inCDATA, complete)
		s.at += n
		if err == nil && len(text) > most {
			text, err = s.excess(text, most)
		}
		if err != nil {
			return text, err
		}
		if complete {
			s.at += len(cdataEnding)
			return text, nil
		}
		if err := s.fill(); err != nil {
			return text, err
		}
	}
}
