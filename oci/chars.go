package oci

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxReference is longer than any character reference, from its "&" to its ";".
const maxReference = 16

// section is where character data is, which decides what it may hold.
type section int

const (
	inText  section = iota // between tags
	inValue                // of an attribute
	inCDATA
)

// blanks are the white space of XML.
const blanks = " \t\r\n"

// blankLength returns how many bytes at the head of b are blanks.
func blankLength(b []byte) int {
	for i, c := range b {
		if c > ' ' || strings.IndexByte(blanks, c) < 0 {
			return i
		}
	}
	return len(b)
}

func trimLeft(b []byte) []byte { return b[blankLength(b):] }

func isBlank(text []byte) bool { return blankLength(text) == len(text) }

// plain holds the bytes that represent themselves everywhere, in each supported
// encoding.
var plain = func() (table [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		table[c] = true
	}
	for _, c := range "<&]" {
		table[c] = false
	}
	table['\t'], table['\n'] = true, true
	return table
}()

// plainLength returns how many bytes at the head of b are plain.
func plainLength(b []byte) int {
	for i, c := range b {
		if !plain[c] {
			return i
		}
	}
	return len(b)
}

// decode appends the text in b, in UTF-8, and returns how many bytes of b it has
// decoded. Unless b is complete, it leaves bytes at the end that may continue after b.
func (s *scanner) decode(text, b []byte, in section, complete bool) ([]byte, int, error) {
	taken := 0
	for {
		n := plainLength(b[taken:])
		text = append(text, b[taken:taken+n]...)
		taken += n
		if taken == len(b) {
			return text, taken, nil
		}
		var err error
		if text, n, err = s.special(text, b[taken:], in, complete); n == 0 {
			return text, taken, err
		}
		taken += n
	}
}

// special appends the character that b begins with and that is not plain, and returns
// its length in b: 0 if that is not known yet, and with an error.
func (s *scanner) special(text, b []byte, in section, complete bool) ([]byte, int, error) {
	switch c := b[0]; {
	case c >= utf8.RuneSelf:
		return s.beyondASCII(text, b, complete)
	case c == '\r': // a line end, together with a line feed after it
		if len(b) == 1 && !complete {
			return text, 0, nil
		}
		text = append(text, '\n')
		if len(b) > 1 && b[1] == '\n' {
			return text, 2, nil
		}
		return text, 1, nil
	case c == '&' && in != inCDATA:
		return reference(text, b, complete)
	case c == ']' && in == inText:
		if bytes.HasPrefix(b, []byte(cdataEnding)) {
			return text, 0, notXML("the document holds %s outside a CDATA section", cdataEnding)
		}
		if !complete && bytes.HasPrefix([]byte(cdataEnding), b) {
			return text, 0, nil
		}
	case c < ' ':
		return text, 0, notXML("the document holds the character %U, which XML cannot hold", c)
	case c == '<' && in == inValue:
		return text, 0, notXML("the document holds < in the value of an attribute")
	}
	return append(text, b[0]), 1, nil
}

// beyondASCII appends the character at the head of b. A byte that is not used in the
// document's encoding becomes U+FFFD. In UTF-8 it is an error, because the meaning of
// the following bytes is then unknown.
func (s *scanner) beyondASCII(text, b []byte, complete bool) ([]byte, int, error) {
	if s.charset != nil {
		return utf8.AppendRune(text, s.charset.DecodeByte(b[0])), 1, nil
	}
	r, n := utf8.DecodeRune(b)
	switch {
	case !complete && !utf8.FullRune(b):
		return text, 0, nil
	case r == utf8.RuneError && n == 1:
		return text, 0, notXML("the document is not valid UTF-8")
	case !isXMLChar(r):
		return text, 0, notXML("the document holds the character %U, which XML cannot hold", r)
	}
	return append(text, b[:n]...), n, nil
}

// predefined are the entities that XML itself declares.
var predefined = map[string]byte{"lt": '<', "gt": '>', "amp": '&', "apos": '\'', "quot": '"'}

// reference appends the character of the reference at the head of b.
func reference(text, b []byte, complete bool) ([]byte, int, error) {
	end := bytes.IndexByte(b[:min(len(b), maxReference)], ';')
	if end < 0 {
		if len(b) >= maxReference || complete {
			return text, 0, notXML("the document holds an & that begins no reference")
		}
		return text, 0, nil
	}
	name := b[1:end]
	if c, ok := predefined[string(name)]; ok {
		return append(text, c), end + 1, nil
	}
	digits, ok := bytes.CutPrefix(name, []byte("#"))
	base := 10
	if hex, isHex := bytes.CutPrefix(digits, []byte("x")); isHex {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(string(digits), base, 31)
	if !ok || err != nil || n != '\r' && !isXMLChar(rune(n)) || !utf8.ValidRune(rune(n)) {
		return text, 0, notXML("the document holds a reference to no character: &%s;", name)
	}
	return utf8.AppendRune(text, rune(n)), end + 1, nil
}
