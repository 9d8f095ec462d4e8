package oci

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Encoding is a character encoding of documents. Only encodings are supported in which
// the ASCII characters, and nothing else, are encoded as ASCII bytes, because the end
// of a document is found before its encoding is known. The zero Encoding is UTF-8.
type Encoding struct {
	single *charmap.Charmap
	name   string
}

// The encodings by their names in XML declarations. The tables of web browsers are not
// used, because they decode ISO-8859-1 as windows-1252.
var encodings = map[string]*charmap.Charmap{
	"UTF-8":       nil,
	"US-ASCII":    nil,
	"ISO-8859-1":  charmap.ISO8859_1,
	"ISO-8859-2":  charmap.ISO8859_2,
	"ISO-8859-3":  charmap.ISO8859_3,
	"ISO-8859-4":  charmap.ISO8859_4,
	"ISO-8859-5":  charmap.ISO8859_5,
	"ISO-8859-6":  charmap.ISO8859_6,
	"ISO-8859-7":  charmap.ISO8859_7,
	"ISO-8859-8":  charmap.ISO8859_8,
	"ISO-8859-9":  charmap.ISO8859_9,
	"ISO-8859-10": charmap.ISO8859_10,
	"ISO-8859-13": charmap.ISO8859_13,
	"ISO-8859-14": charmap.ISO8859_14,
	"ISO-8859-15": charmap.ISO8859_15,
	"ISO-8859-16": charmap.ISO8859_16,
}

// EncodingByName returns an encoding by its name in XML declarations, in any letter
// case: UTF-8, US-ASCII or one of the ISO-8859 family. Any other name is an error.
func EncodingByName(name string) (Encoding, error) {
	name = strings.ToUpper(name)
	single, ok := encodings[name]
	switch {
	case !ok:
		return Encoding{}, fmt.Errorf("oci: unknown encoding %q: UTF-8 or ISO-8859-1 to ISO-8859-16 is needed", name)
	case single == nil:
		return Encoding{}, nil
	}
	return Encoding{single, name}, nil
}

// String returns the encoding's name in an XML declaration.
func (e Encoding) String() string { return cmp.Or(e.name, "UTF-8") }

// CanEncode reports whether the encoding has each character of s. A request may hold
// others as numeric references, but the platform may not be able to store them.
func (e Encoding) CanEncode(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	if e.single == nil {
		return true
	}
	for _, r := range s {
		if _, ok := e.single.EncodeRune(r); !ok {
			return false
		}
	}
	return true
}

// appendRune appends a character, as a numeric reference if the encoding does not have
// it.
func (e Encoding) appendRune(to []byte, r rune) []byte {
	if r < utf8.RuneSelf || e.single == nil {
		return utf8.AppendRune(to, r)
	}
	if b, ok := e.single.EncodeRune(r); ok {
		return append(to, b)
	}
	to = append(to, "&#"...)
	to = strconv.AppendInt(to, int64(r), 10)
	return append(to, ';')
}

// checkText returns an error if a text cannot be written in an XML document. XML
// writers replace such characters with U+FFFD, which would change the command.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("is not valid UTF-8")
	}
	for _, r := range s {
		if !isXMLChar(r) {
			return fmt.Errorf("holds the character %U, which XML cannot hold", r)
		}
	}
	return nil
}

// isXMLChar reports whether a character that UTF-8 can encode is a Char of XML 1.0. The
// carriage return is left out, because readers replace it with a line feed.
func isXMLChar(r rune) bool {
	return r == '\t' || r == '\n' ||
		r >= 0x20 && r <= 0xFFFD ||
		r >= 0x10000
}
