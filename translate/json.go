package translate

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const (
	// Characters that have an escape of their own, and its letter.
	shortEscaped = "\b\f\n\r\t\"\\"
	shortEscapes = `bfnrt"\`

	hexDigits = "0123456789abcdef"
)

// appendString appends a JSON string, to the byte what encoding/json makes of
// s without its escaping of HTML. encoding/json itself has no form that
// appends, and its reflection would cost as much as the rest of an answer.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0 // of what is not appended yet
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if mustBeEscaped(r, size) {
			b = append(b, s[start:i]...)
			b = appendEscape(b, r)
			start = i + size
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// mustBeEscaped tells whether encoding/json escapes a character that does not
// stand for itself in ASCII, and was read from that many bytes: the special ones
// of JSON, two that end a line in JavaScript, and U+FFFD for a byte that is not
// UTF-8.
func mustBeEscaped(r rune, size int) bool {
	return size == 1 || r == '\u2028' || r == '\u2029'
}

func appendEscape(b []byte, r rune) []byte {
	if i := strings.IndexRune(shortEscaped, r); i >= 0 {
		return append(b, '\\', shortEscapes[i])
	}
	return append(b, '\\', 'u', hexDigits[r>>12&0xF], hexDigits[r>>8&0xF], hexDigits[r>>4&0xF], hexDigits[r&0xF])
}

// MarshalValue is the JSON of a value of an entry, without the escaping of HTML,
// so that it is printed as it is. The value must be one that JSON can hold.
func MarshalValue(value any) json.RawMessage {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // see above
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}
