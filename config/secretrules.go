package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// byteOrderMark is the first character of texts that some editors write.
const byteOrderMark = '\uFEFF'

// CheckSecret returns an error if a secret is not acceptable. The error is a clause
// that follows the name of the file, variable or key: "ends with a blank". It
// contains no part of the secret except the name of a forbidden character.
//
// A secret is valid UTF-8 without byte order marks, control characters and line
// breaks, and neither begins nor ends with a blank or an invisible character:
// editors, shells and web pages add these unseen, and the platform would treat
// them as a part of the password.
func CheckSecret(text string) error {
	if text == "" {
		return errors.New("is empty")
	}
	if err := checkEncoding(text); err != nil {
		return err
	}
	if strings.HasSuffix(text, "\n") {
		return errors.New("ends with a line break")
	}
	if i := strings.IndexFunc(text, isControl); i >= 0 {
		c, _ := utf8.DecodeRuneInString(text[i:])
		return fmt.Errorf("contains %s", nameOf(c))
	}
	if first, _ := utf8.DecodeRuneInString(text); unseen(first) {
		return fmt.Errorf("begins with %s", nameOf(first))
	}
	if last, _ := utf8.DecodeLastRuneInString(text); unseen(last) {
		return fmt.Errorf("ends with %s", nameOf(last))
	}
	return nil
}

// checkEncoding returns an error, a clause as of [CheckSecret], if a text is not
// UTF-8 or begins with a byte order mark.
func checkEncoding(text string) error {
	switch {
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return errors.New("is UTF-16 or UTF-32; save it as UTF-8")
	case strings.HasPrefix(text, string(byteOrderMark)):
		return errors.New("begins with a byte order mark; save it as UTF-8 without one")
	case !utf8.ValidString(text):
		return errors.New("is not valid UTF-8")
	}
	return nil
}

// SecretIn returns the secret in the content of a file: the content without one
// newline at its end. The error is a clause as of [CheckSecret].
func SecretIn(raw []byte) (string, error) {
	text, ended := strings.CutSuffix(string(raw), "\n")
	if ended {
		text = strings.TrimSuffix(text, "\r")
	}
	if ended && strings.HasSuffix(text, "\n") {
		return "", errors.New("ends with more than one line break")
	}
	return text, CheckSecret(text)
}

// checkInlineSecret is CheckSecret for a secret that is written in the
// configuration itself. It may begin and end with blanks: YAML keeps them only in
// quotes, so the operator wrote them on purpose.
func checkInlineSecret(text string) error {
	if text == "" {
		return nil // no secret
	}
	trimmed := strings.Trim(text, " ")
	if trimmed == "" {
		return errors.New("consists only of blanks")
	}
	return CheckSecret(trimmed)
}

// isControl reports whether a character is a control character, a byte order mark
// or a line separator.
func isControl(c rune) bool {
	return unicode.IsControl(c) || c == byteOrderMark || unicode.In(c, unicode.Zl, unicode.Zp)
}

// unseen reports whether a character is invisible at the start or end of a text: a
// blank of any kind or a character without a width.
func unseen(c rune) bool { return unicode.IsSpace(c) || unicode.Is(unicode.Cf, c) }

// nameOf returns the name of a character for messages.
func nameOf(c rune) string {
	switch {
	case c == ' ':
		return "a blank"
	case c == '\t':
		return "a tab"
	case c == '\r':
		return "a carriage return"
	case c == 0:
		return "a NUL character"
	case c == byteOrderMark:
		return "a byte order mark"
	case c == '\u00a0':
		return "a no-break space (U+00A0)"
	case strings.ContainsRune("\n\u0085\u2028\u2029", c):
		return fmt.Sprintf("a line break (U+%04X)", c)
	case unicode.IsControl(c):
		return fmt.Sprintf("a control character (U+%04X)", c)
	case unicode.IsSpace(c):
		return fmt.Sprintf("a blank (U+%04X)", c)
	}
	return fmt.Sprintf("an invisible character (U+%04X)", c)
}
