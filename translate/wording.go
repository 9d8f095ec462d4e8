package translate

import (
	"iter"
	"strings"
	"unicode"
)

// wording is a summary of the platform in lower case, without its head. In own,
// the values of the request are blotted out.
type wording struct{ whole, own string }

// blot stands in the place of each byte of a value.
const blot = 0

// newWording finds where the summary repeats values of the request.
func newWording(summary string, values []string) wording {
	whole := plain(withoutHead(summary))
	own := []byte(whole)
	for _, value := range values {
		blotOut(own, whole, plain(value))
	}
	return wording{whole, string(own)}
}

// says reports whether the text is in the summary, and is not made of values
// alone. Values may overlap it, since a short one may be a part of any word.
func (w wording) says(text string) bool {
	for at := range occurrences(w.whole, text) {
		if strings.ContainsFunc(w.own[at:at+len(text)], isSaid) {
			return true
		}
	}
	return false
}

func isSaid(r rune) bool { return r != blot && !unicode.IsSpace(r) }

// plain is a text in lower case and with single blanks, as the platform may
// repeat a value.
func plain(text string) string {
	return strings.ToLower(strings.Join(strings.Fields(text), " "))
}

// withoutHead is a summary without the severity and number at its head, as in
// "[Error 4962] …". Their words are in every refusal.
func withoutHead(summary string) string {
	if inside, headed := strings.CutPrefix(strings.TrimSpace(summary), "["); headed {
		if _, said, closed := strings.Cut(inside, "]"); closed {
			return said
		}
	}
	return summary
}

// blotOut overwrites a value wherever it is in the whole.
func blotOut(own []byte, whole, value string) {
	for at := range occurrences(whole, value) {
		clear(own[at : at+len(value)])
	}
}

// occurrences are the places of a part in a text, which may overlap each other.
func occurrences(text, part string) iter.Seq[int] {
	return func(yield func(int) bool) {
		if part == "" {
			return
		}
		for from := 0; ; {
			at := strings.Index(text[from:], part)
			if at < 0 || !yield(from+at) {
				return
			}
			from += at + 1
		}
	}
}
