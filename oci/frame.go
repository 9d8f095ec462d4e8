package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// blanks are what XML takes for white space.
const blanks = " \t\r\n"

// ErrReplyTooLarge says that a document grew beyond the limit of the options.
var ErrReplyTooLarge = errors.New("oci: the platform's document is larger than the limit")

// frames cuts a stream into documents. OCI-P has no length prefix: a document
// ends with the end tag of its root, and the line feed that follows may come
// at any time later. The end is found by following tags, comments, CDATA
// sections and attribute quotes, so that nothing inside them is taken for it.
type frames struct {
	from   io.Reader
	limit  int // bytes of a document
	buffer []byte
	unread []byte // the part of buffer that is still to be looked at
}

func newFrames(from io.Reader, limit int) *frames {
	return &frames{from: from, limit: limit, buffer: make([]byte, 16<<10)}
}

// fill reads more once all is looked at.
func (f *frames) fill() error {
	for len(f.unread) == 0 {
		n, err := f.from.Read(f.buffer)
		f.unread = f.buffer[:n]
		if n == 0 && err != nil {
			return err
		}
	}
	return nil
}

// await skips white space until a document begins, and leaves its first byte
// unread. io.EOF says that the stream ended between documents.
func (f *frames) await() error {
	for {
		if err := f.fill(); err != nil {
			return err
		}
		if f.more() {
			return nil
		}
	}
}

// more tells whether another document has begun to arrive, without reading.
func (f *frames) more() bool {
	f.unread = bytes.TrimLeft(f.unread, blanks)
	return len(f.unread) > 0
}

// document reads one whole document, which is the caller's to keep.
func (f *frames) document() ([]byte, error) {
	if err := f.await(); err != nil {
		return nil, err
	}
	var document []byte
	var tracker tagTracker
	for {
		n, done, err := tracker.follow(f.unread)
		if err != nil {
			return nil, err
		}
		if len(document)+n > f.limit {
			return nil, fmt.Errorf("%w of %d bytes", ErrReplyTooLarge, f.limit)
		}
		document = append(document, f.unread[:n]...)
		f.unread = f.unread[n:]
		if done {
			return document, nil
		}
		if err := f.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// markup is where in a document its reader stands.
type markup int

const (
	inText        markup = iota // also before the root
	inOpening                   // behind "<"
	inDeclaration               // behind "<!"
	inStartTag
	inEndTag
	inInstruction
	inComment
	inCDATA
)

const (
	commentOpening = "--"
	cdataOpening   = "[CDATA["
)

// tagTracker follows the markup of one document, a piece at a time.
type tagTracker struct {
	in      markup
	depth   int     // elements that are open
	quote   byte    // ends the attribute value that is being read; 0 outside one
	before  [2]byte // the bytes before, inside the present markup
	opening []byte  // what was read of a declaration
}

// follow goes through b and stops behind the end tag of the root. n is how
// much of b belongs to the document.
func (t *tagTracker) follow(b []byte) (n int, done bool, err error) {
	for n < len(b) {
		if t.in == inText && t.depth > 0 {
			text := bytes.IndexByte(b[n:], '<')
			if text < 0 {
				return len(b), false, nil
			}
			n += text
		}
		closed, err := t.step(b[n])
		n++
		if err != nil {
			return n, false, err
		}
		if closed && t.depth == 0 {
			return n, true, nil
		}
	}
	return n, false, nil
}

// step takes the next byte. closed says that it ended an element.
func (t *tagTracker) step(c byte) (closed bool, err error) {
	switch t.in {
	case inText:
		return false, t.text(c)
	case inOpening:
		return false, t.opened(c)
	case inDeclaration:
		return false, t.declared(c)
	case inStartTag:
		closed = t.startTag(c)
	case inEndTag:
		if c == '>' {
			t.depth--
			t.enter(inText)
			return true, nil
		}
	case inInstruction:
		t.endAt(c, "?>")
	case inComment:
		t.endAt(c, "-->")
	case inCDATA:
		t.endAt(c, "]]>")
	}
	t.before = [2]byte{t.before[1], c}
	return closed, nil
}

func (t *tagTracker) enter(in markup) {
	t.in, t.before, t.opening = in, [2]byte{}, t.opening[:0]
}

// text takes a byte between tags. Outside the root only white space may stand
// there.
func (t *tagTracker) text(c byte) error {
	switch {
	case c == '<':
		t.enter(inOpening)
	case t.depth == 0 && !strings.ContainsRune(blanks, rune(c)):
		return protocolError("the stream holds %q where a document should begin", c)
	}
	return nil
}

// opened takes the byte behind "<", which tells what begins.
func (t *tagTracker) opened(c byte) error {
	switch {
	case c == '?':
		t.enter(inInstruction)
	case c == '!':
		t.enter(inDeclaration)
	case c == '/' && t.depth > 0:
		t.enter(inEndTag)
	case c == '/' || strings.ContainsRune(blanks+"<>=&'\"", rune(c)):
		return protocolError("the document holds \"<%c\"", c)
	default:
		t.depth++
		t.enter(inStartTag)
	}
	return nil
}

// declared takes the bytes behind "<!" until they tell a comment from a CDATA
// section. There is nothing else that a document of ours may declare.
func (t *tagTracker) declared(c byte) error {
	t.opening = append(t.opening, c)
	switch opening := string(t.opening); {
	case opening == commentOpening:
		t.enter(inComment)
	case opening == cdataOpening && t.depth > 0:
		t.enter(inCDATA)
	case !strings.HasPrefix(commentOpening, opening) && !strings.HasPrefix(cdataOpening, opening):
		return protocolError("the document holds a declaration, which OCI-P has no use for")
	case opening == cdataOpening:
		return protocolError("the document holds CDATA outside its root")
	}
	return nil
}

// startTag takes a byte of a start tag and tells whether it ended an element
// that holds nothing.
func (t *tagTracker) startTag(c byte) (closed bool) {
	switch {
	case t.quote != 0:
		if c == t.quote {
			t.quote = 0
		}
	case c == '"' || c == '\'':
		t.quote = c
	case c == '>':
		if closed = t.before[1] == '/'; closed {
			t.depth--
		}
		t.enter(inText)
	}
	return closed
}

// endAt leaves the present markup where its terminator, of two or three bytes,
// is complete.
func (t *tagTracker) endAt(c byte, terminator string) {
	last := len(terminator) - 1
	if c == terminator[last] && strings.HasSuffix(string(t.before[:]), terminator[:last]) {
		t.enter(inText)
	}
}
