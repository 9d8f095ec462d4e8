package config

import (
	"strings"
	"unicode"
)

// Nearest returns the word of a list that a mistyped word most likely means, and ""
// if none is similar enough. Letter case and hyphens instead of underscores make
// no difference. A third of the letters may be wrong, three at most. A text without
// letters has no similar word: a number is not a mistyped other number.
func Nearest(typed string, known []string) string {
	if !strings.ContainsFunc(typed, unicode.IsLetter) {
		return ""
	}
	nearest, least := "", min((len(typed)+1)/3, 3)+1
	for _, word := range known {
		if d := distance(folded(typed), folded(word)); d < least {
			nearest, least = word, d
		}
	}
	return nearest
}

// DidYouMean returns a question for the end of a message about a mistyped word:
// "; did you mean max?". It is empty if no known word is similar enough.
func DidYouMean(typed string, known []string) string {
	nearest := Nearest(typed, known)
	if nearest == "" {
		return ""
	}
	return "; did you mean " + nearest + "?"
}

func folded(word string) string { return strings.ReplaceAll(strings.ToLower(word), "-", "_") }

// distance returns the least number of insertions, removals, replacements and
// swaps of neighbours that turn one text into another, if each character is
// changed at most once (optimal string alignment).
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	before, last := []int(nil), make([]int, len(to)+1)
	for j := range last {
		last[j] = j
	}
	for i := range from {
		row := make([]int, len(to)+1)
		row[0] = i + 1
		for j := range to {
			replaced := last[j]
			if from[i] != to[j] {
				replaced++
			}
			row[j+1] = min(replaced, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && from[i] == to[j-1] && from[i-1] == to[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(to)]
}
