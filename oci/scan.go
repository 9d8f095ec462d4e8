package oci

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"golang.org/x/text/encoding/charmap"
)

const (
	// scanBuffer is how much of a stream is looked at at a time. A tag, a
	// comment or an instruction must fit into it.
	scanBuffer = 32 << 10

	// maxDepth is more than any reply of the schema needs; a deeper document
	// is not one.
	maxDepth = 32

	// maxAttributes is more than any element of the schema has.
	maxAttributes = 32

	// maxBindings is more prefixes than any reply binds at a time.
	maxBindings = 64
)

// scanner reads the XML of a stream of documents in one pass, as it arrives.
// OCI-P has no length prefix: a document ends with the end tag of its root,
// and the line feed that follows may come at any time later.
//
// It takes less than XML allows, and nothing that it might read in another
// way than its sender meant it: no document type, no entities but the five
// predefined ones, names in ASCII alone, an XML declaration only where a
// document begins, and no text between elements.
type scanner struct {
	from  io.Reader
	limit int // bytes of a document

	buffer  []byte
	at, end int // buffer[at:end] is still to be looked at
	start   int // where the document began, seen from the buffer; may be negative

	charset  *charmap.Charmap // nil for UTF-8
	open     []element        // the root first
	names    []byte           // of the open elements and the prefixes that they bind
	bindings []binding
	tag      tag  // of the element that was opened last
	empty    bool // the last tag both opened and closed its element
	used     usage

	textStart int  // where in its buffer the text begins that is being read
	cut       bool // a text that is too long ends at its limit

	// Room that is used again for each document.
	text  []byte
	cells []byte
	ends  []uint32
	nodes nodes

	// What documents of a session have in common.
	head  head
	terms map[string]string
	known headings
}

// head is how a document begins, up to the end of its root's start tag, and
// the state that reading it leaves behind.
type head struct {
	raw      []byte
	charset  *charmap.Charmap
	open     []element
	names    []byte
	bindings []binding
}

// Bounds of what is kept for other documents.
const (
	maxHead       = 1 << 10 // bytes
	maxValues     = 4 << 10 // bytes of attributes
	minNodes      = 8
	maxNodes      = 256
	maxTerms      = 256
	maxTermLength = 128 // bytes
)

// term makes a string of a name that other documents are likely to hold too.
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

// await skips white space until a document begins, and leaves its first byte
// unread. io.EOF says that the stream ended between documents.
func (s *scanner) await() error {
	for !s.more() {
		s.at, s.end = 0, 0
		if err := s.read(); err != nil {
			return err
		}
	}
	return nil
}

// more tells whether another document has begun to arrive, without reading.
func (s *scanner) more() bool {
	s.at += blankLength(s.buffer[s.at:s.end])
	return s.at < s.end
}

// read appends what comes next to the buffer.
func (s *scanner) read() error {
	for {
		n, err := s.from.Read(s.buffer[s.end:])
		s.end += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fill reads more of the present document.
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

// begin notes that a document begins at the next byte. The one before has left
// nothing open.
func (s *scanner) begin() {
	s.start = s.at
	s.charset = nil
	s.used = usage{}
}

// skipHead goes behind the start tag of the root, if the document begins as the
// one before did.
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

// keepHead remembers how the document begins. It is called behind the start tag
// of the root.
func (s *scanner) keepHead() {
	if s.empty || s.start < 0 || s.at-s.start > maxHead {
		return // there is nothing to go on with, or it is not in the buffer any more, or unusual
	}
	s.head = head{
		raw: bytes.Clone(s.buffer[s.start:s.at]), charset: s.charset,
		open: slices.Clone(s.open), names: bytes.Clone(s.names), bindings: slices.Clone(s.bindings),
	}
}

// finish checks the size of a document whose root has just been closed, and
// gives back room that few documents need.
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

// errMixed says that an element holds both text and elements, as none of the
// schema does.
var errMixed = &ProtocolError{"the document holds text between its elements", RefusedNotOCI}

// child goes to the next tag inside the open element, or to the root's. It tells
// whether that opened another element; else it closed the present one.
func (s *scanner) child() (opened bool, err error) {
	s.text, opened, err = s.content(s.text[:0], maxText)
	if err == nil && !isBlank(s.text) {
		return false, errMixed
	}
	return opened, err
}

// children reads each of the elements that are left inside the open one, and
// closes that.
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

// content appends the text up to the next tag inside the open element, comments
// left out, of at most so many bytes. It tells whether that tag opened another
// element; else it closed the present one.
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

// chars appends the character data up to the next "<", and sees to it that
// the byte behind that is in the buffer. The text must not grow beyond most.
func (s *scanner) chars(text []byte, most int) ([]byte, error) {
	for {
		unread := s.buffer[s.at:s.end]
		markup := bytes.IndexByte(unread, '<')
		if markup == 0 && len(unread) > 1 {
			return text, nil
		}
		if markup != 0 {
			whole := markup > 0
			if whole {
				unread = unread[:markup]
			}
			if len(s.open) == 0 && !isBlank(unread) {
				return text, notXML("the stream holds %q where a document should begin", unread[0])
			}
			var n int
			var err error
			text, n, err = s.decode(text, unread, inText, whole)
			s.at += n
			if err == nil && len(text) > most {
				text, err = s.excess(text, most)
			}
			if err != nil {
				return text, err
			}
			if whole {
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

// markup returns the bytes at the head of what is unread, up to where end
// finds their end; end returns 0 where that is not there yet. They stay unread.
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

// enclosed finds the end of markup that begins and ends with those texts. The
// first of them is there.
func enclosed(opening, ending string) func([]byte) int {
	return func(unread []byte) int {
		if i := bytes.Index(unread[len(opening):], []byte(ending)); i >= 0 {
			return len(opening) + i + len(ending)
		}
		return 0
	}
}

// tagEnd finds the end of a tag. A ">" inside an attribute's quotes is not it.
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

// declaredCharset reads what stands inside an XML declaration.
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
		return nil, nil //nolint:nilnil // a nil table is the one of UTF-8
	}
	encoding, err := EncodingByName(name)
	if err != nil {
		return nil, notXML("the document is in encoding %.32q, which is none of ours", name)
	}
	return encoding.single, nil
}

// pseudoAttribute cuts a value of that name off the head of an XML declaration.
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

// instruction reads an XML declaration, and with it the document's encoding, or
// skips a processing instruction, which means nothing to us. Without an XML
// declaration, which stands where the document begins or nowhere, the encoding
// is UTF-8.
func (s *scanner) instruction() error {
	whole, err := s.markup(enclosed(instructionOpening, instructionEnding))
	if err != nil {
		return err
	}
	inside := whole[len(instructionOpening) : len(whole)-len(instructionEnding)]
	target := inside[:nameLength(inside)]
	rest := inside[len(target):]
	first := s.at == s.start
	s.at += len(whole)
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

// exclamation reads what begins with "<!": a comment, or a CDATA section, whose
// text it appends. There is nothing else that a document of ours may declare.
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
			return text, notXML("the document holds a declaration, which OCI-P has no use for")
		}
		if err := s.fill(); err != nil {
			return text, err
		}
	}
}

func (s *scanner) comment() error {
	whole, err := s.markup(enclosed(commentOpening, commentEnding))
	if err != nil {
		return err
	}
	inside := whole[len(commentOpening) : len(whole)-len(commentEnding)]
	if bytes.Contains(inside, []byte("--")) || bytes.HasSuffix(inside, []byte("-")) {
		return notXML("the document holds a comment with -- in it")
	}
	s.at += len(whole)
	return nil
}

// cdata appends the text of a CDATA section behind its opening.
func (s *scanner) cdata(text []byte, most int) ([]byte, error) {
	for {
		unread := s.buffer[s.at:s.end]
		end := bytes.Index(unread, []byte(cdataEnding))
		whole := end >= 0
		if !whole {
			end = max(0, len(unread)-len(cdataEnding)+1) // its first bytes may be here
		}
		var n int
		var err error
		text, n, err = s.decode(text, unread[:end], inCDATA, whole)
		s.at += n
		if err == nil && len(text) > most {
			text, err = s.excess(text, most)
		}
		if err != nil {
			return text, err
		}
		if whole {
			s.at += len(cdataEnding)
			return text, nil
		}
		if err := s.fill(); err != nil {
			return text, err
		}
	}
}
