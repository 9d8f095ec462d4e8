package translate

import (
	"cmp"
	"strings"
)

// MaxNumberLength is the length of the longest phone number or prefix, in
// characters.
const MaxNumberLength = 23

// Canonical returns the + and the digits of a phone number or prefix. The API
// writes phone numbers in this form and compares numbers by it.
func Canonical(number string) string {
	return string(AppendCanonical(make([]byte, 0, MaxNumberLength), number))
}

// AppendCanonical appends the canonical form of a phone number or prefix. It
// reads bytes, which is safe because the bytes of longer UTF-8 characters are not
// ASCII.
func AppendCanonical(b []byte, number string) []byte {
	for i := range len(number) {
		if c := number[i]; c == '+' || isDigit(rune(c)) {
			b = append(b, c)
		}
	}
	return b
}

// hasDigits reports whether a text has at least one digit.
func hasDigits(s string) bool {
	for i := range len(s) {
		if isDigit(rune(s[i])) {
			return true
		}
	}
	return false
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// NumberPattern is the form of a caller's phone number or prefix as a regular
// expression, for descriptions of the API.
const NumberPattern = `^\+?[0-9]([-0-9 ]*[0-9])?$`

// isNumber reports whether a caller's text is a phone number or prefix: an
// optional +, then digits, with dashes and blanks only between them. That
// prefixes have no other characters is an assumption: no public source specifies
// it.
func isNumber(s string) bool {
	digits := strings.TrimPrefix(s, "+")
	return digits != "" &&
		strings.Trim(digits, "- ") == digits &&
		!strings.ContainsFunc(digits, func(r rune) bool { return r != '-' && r != ' ' && !isDigit(r) })
}

// isBelow reports whether a is certainly a lower number than b. A number with a +
// and one without cannot be compared.
func isBelow(a, b string) bool {
	a, b = Canonical(a), Canonical(b)
	if strings.HasPrefix(a, "+") != strings.HasPrefix(b, "+") {
		return false
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) < 0
}
