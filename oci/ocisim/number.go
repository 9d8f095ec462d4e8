package ocisim

import "strings"

// number is a phone number or prefix in the form used for comparison: digits, after
// a plus if it has one.
type number string

// canonical returns the number of a spelling, which may have dashes and blanks. It
// reports whether the spelling is a number.
func canonical(spelling string) (number, bool) {
	var b strings.Builder
	for i, r := range spelling {
		switch {
		case r >= '0' && r <= '9', r == '+' && i == 0:
			b.WriteRune(r)
		case r != '-' && r != ' ':
			return "", false
		}
	}
	n := number(b.String())
	return n, strings.TrimPrefix(string(n), "+") != ""
}

// isRange reports whether two numbers can be the ends of a range: both with a plus
// or both without, of equal length, in order.
func isRange(start, end number) bool {
	return len(start) == len(end) && strings.HasPrefix(string(start), "+") == strings.HasPrefix(string(end), "+") && start <= end
}

// overlap reports whether two ranges have a number in common.
func overlap(start, end, otherStart, otherEnd number) bool {
	return len(start) == len(otherStart) && start <= otherEnd && otherStart <= end
}

// numbering is the form in which a platform prints phone numbers.
type numbering struct {
	dashes       bool
	countryCodes []string
}

func (n numbering) print(num number) string {
	digits, plus := strings.CutPrefix(string(num), "+")
	if !n.dashes || !plus {
		return string(num)
	}
	longest := ""
	for _, code := range n.countryCodes {
		if len(code) > len(longest) && strings.HasPrefix(digits, code) {
			longest = code
		}
	}
	if longest == "" {
		return string(num)
	}
	return "+" + longest + "-" + digits[len(longest):]
}
