package config

import (
	"strings"
	"unicode"
)

// Nearest returns the word of a list that a mistyped one most likely stands for,
// and "" where none is near. Letter case and hyphens for underscores make no
// difference. A third of the letters may be wrong, three at the most. A number is
// not taken for another one.
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

// DidYouMean is a question for the end of a message about a mistyped word, empty
// where no known one is near.
func DidYouMean(typed string, known []string) string {
	nearest := Nearest(typed, known)
	if nearest == "" {
		return ""
	}
	return "; did you mean " + nearest + "?"
}

func folded(word string) string { return strings.ReplaceAll(strings.ToLower(word), "-", "_") }

// distance is the least number of characters to insert, to remove, to replace or
// to swap with their neighbour that turn one text into another, each place being
// changed once (optimal string alignment).
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
