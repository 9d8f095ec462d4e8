package ocisim

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"unicode/utf8"
)

// source is a document as it was received. It may hold passwords, so it is sent
// back to the client only.
type source []byte

// text returns the entire document.
func (s source) text() string {
	var declared string
	decoder := xml.NewDecoder(bytes.NewReader(s))
	decoder.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
		declared = label
		return input, nil
	}
	// A declaration is the first token. The document was read before, so there is
	// no error; after one, the bytes would be read as UTF-8.
	_, _ = decoder.RawToken()
	set := charsets[strings.ToUpper(declared)]
	if set == nil {
		return string(s)
	}
	var text []byte
	for _, b := range s {
		text = utf8.AppendRune(text, set.DecodeByte(b))
	}
	return string(text)
}

// child returns one child element of the root, counted from 0; "" if there is
// none.
func (s source) child(index int) string {
	text := s.text()
	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil } // decoded already
	depth, start := 0, int64(0)
	for {
		before := decoder.InputOffset()
		token, err := decoder.RawToken()
		if err != nil {
			return "" // there is no such child
		}
		switch token.(type) {
		case xml.StartElement:
			if depth++; depth == 2 {
				start = before
			}
		case xml.EndElement:
			if depth--; depth != 1 {
				continue
			}
			if index--; index < 0 {
				return text[start:decoder.InputOffset()]
			}
		}
	}
}
