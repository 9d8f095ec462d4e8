package translate

import (
	"cmp"
	"strings"
)

// MaxNumberLength is the longest phone number or prefix, in characters.
const MaxNumberLength = 23

// Canonical is a phone number or prefix by its + and digits alone: the form in
// which the API prints phone numbers, and in which two of them are compared.
func Canonical(number string) string {
	return string(AppendCanonical(make([]byte, 0, MaxNumberLength), number))
}

// AppendCanonical appends the canonical form of a phone number or prefix. Going
// by bytes is safe: those of a longer character are no ASCII.
func AppendCanonical(b []byte, number string) []byte {
	for i := range len(number) {
		if c := number[i]; c == '+' || isDigit(rune(c)) {
			b = append(b, c)
		}
	}
	return b
}

// hasDigits reports whether the canonical form of a text has any.
func hasDigits(s string) bool {
	for i := range len(s) {
		if isDigit(rune(s[i])) {
			return true
		}
	}
	return false
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// isNumber tells whether a caller's text is a phone number or prefix: an
// optional +, then digits, with dashes and blanks only between them. That
// prefixes hold no other characters is assumed: no public source says.
func isNumber(s string) bool {
	digits := strings.TrimPrefix(s, "+")
	return digits != "" &&
		strings.Trim(digits, "- ") == digits &&
		!strings.ContainsFunc(digits, func(r rune) bool { return r != '-' && r != ' ' && !isDigit(r) })
}

// below tells whether a is certainly a lower number than b. One with a + and
// one without cannot be compared.
func below(a, b string) bool {
	a, b = Canonical(a), Canonical(b)
	if strings.HasPrefix(a, "+") != strings.HasPrefix(b, "+") {
		return false
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) < 0
}
