package config

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// checkText returns the first problem with the characters of a configuration file.
// The byte order mark at the start of the file was removed before. YAML permits
// UTF-16, too, which is rejected here, because line numbers are counted in bytes
// of UTF-8.
func checkText(raw []byte) (problem Problem, good bool) {
	if err := checkEncoding(string(raw)); err != nil {
		return Problem{Line: lineOf(raw, firstInvalid(raw)), Reason: err.Error()}, false
	}
	for i, c := range string(raw) {
		switch {
		case c == 0:
			return Problem{Line: lineOf(raw, i), Reason: "contains a NUL character, as UTF-16 does; save it as UTF-8"}, false
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', c == '\u007f', c == byteOrderMark:
			return Problem{Line: lineOf(raw, i), Reason: "contains " + nameOf(c) + ", which must be written in double quotes as " + escape(c)}, false
		}
	}
	return Problem{}, true
}

// escape returns the escape sequence of a character in double quotes of YAML.
func escape(c rune) string {
	if c > 0xff {
		return fmt.Sprintf(`\u%04x`, c)
	}
	return fmt.Sprintf(`\x%02x`, c)
}

// firstInvalid returns the offset of the first byte that is not valid UTF-8, and 0
// if there is none.
func firstInvalid(raw []byte) int {
	for i := 0; i < len(raw); {
		c, size := utf8.DecodeRune(raw[i:])
		if c == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return 0
}

// lineOf returns the line of the byte at an offset.
func lineOf(raw []byte, offset int) int { return 1 + bytes.Count(raw[:offset], []byte{'\n'}) }
