package translate

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const (
	// Characters that have a short escape, and the letters of the escapes.
	shortEscaped = "\b\f\n\r\t\"\\"
	shortEscapes = `bfnrt"\`

	hexDigits = "0123456789abcdef"
)

// appendString appends a JSON string. The bytes are those that encoding/json
// writes without its escaping of HTML. encoding/json has no function that
// appends, and its reflection would cost as much as the rest of a response.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0 // of the part that is not appended yet
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

// mustBeEscaped reports whether encoding/json escapes the character r, which is
// decoded from size bytes and is not a printable ASCII character that needs no
// escape. These are the special characters of JSON, two that end a line in
// JavaScript, and U+FFFD for a byte that is not UTF-8.
func mustBeEscaped(r rune, size int) bool {
	return size == 1 || r == '\u2028' || r == '\u2029'
}

func appendEscape(b []byte, r rune) []byte {
	if i := strings.IndexRune(shortEscaped, r); i >= 0 {
		return append(b, '\\', shortEscapes[i])
	}
	return append(b, '\\', 'u', hexDigits[r>>12&0xF], hexDigits[r>>8&0xF], hexDigits[r>>4&0xF], hexDigits[r&0xF])
}

// MarshalValue returns the JSON of a value of an entry, without the escaping of
// HTML, so that logs show it unchanged. It panics if JSON cannot hold the value.
func MarshalValue(value any) json.RawMessage {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // the value is not valid JSON
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}
