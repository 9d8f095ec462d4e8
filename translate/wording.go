package translate

import (
	"iter"
	"strings"
	"unicode"
)

// A maskedSummary is a summary of the platform in normalized form, without its
// prefix. In own, the values of the request are masked.
type maskedSummary struct{ whole, own string }

// maskByte replaces each byte of a value.
const maskByte = 0

// newMaskedSummary masks the values of the request in a summary.
func newMaskedSummary(summary string, values []string) maskedSummary {
	whole := normalize(withoutPrefix(summary))
	own := []byte(whole)
	for _, value := range values {
		maskValue(own, whole, normalize(value))
	}
	return maskedSummary{whole, string(own)}
}

// contains reports whether the text is in the summary and does not consist of
// values alone. Values may overlap it, since a short value may be a part of any
// word.
func (w maskedSummary) contains(text string) bool {
	for at := range occurrences(w.whole, text) {
		if strings.ContainsFunc(w.own[at:at+len(text)], isUnmasked) {
			return true
		}
	}
	return false
}

func isUnmasked(r rune) bool { return r != maskByte && !unicode.IsSpace(r) }

// normalize returns a text in lower case and with single blanks, since the
// platform may repeat a value in that form.
func normalize(text string) string {
	return strings.ToLower(strings.Join(strings.Fields(text), " "))
}

// withoutPrefix returns a summary without the severity and number at its start,
// as in "[Error 4962] …". These words are in every refusal.
func withoutPrefix(summary string) string {
	if inside, headed := strings.CutPrefix(strings.TrimSpace(summary), "["); headed {
		if _, said, closed := strings.Cut(inside, "]"); closed {
			return said
		}
	}
	return summary
}

// maskValue masks each occurrence of a value.
func maskValue(own []byte, whole, value string) {
	for at := range occurrences(whole, value) {
		clear(own[at : at+len(value)])
	}
}

// occurrences iterates over the offsets of part in text, which may overlap.
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
