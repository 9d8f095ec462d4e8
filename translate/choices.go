package translate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// choicesProblem returns why a value of a ChoicesParam is invalid, or "".
func (p Param) choicesProblem(value string) string {
	given := strings.Split(value, ",")
	for i, choice := range given {
		switch {
		case !slices.Contains(p.Values, choice):
			return fmt.Sprintf("has %.64q, which is not one of its values%s; the values are: %s",
				choice, suggestion(choice, p.Values), p.values())
		case slices.Contains(given[:i], choice):
			return "must have " + choice + " only once"
		}
	}
	return ""
}

// values returns how messages write the values.
func (p Param) values() string {
	if p.ValuePattern != "" {
		return p.ValuePattern
	}
	return strings.Join(p.Values, ", ")
}

// UnknownParam returns why a request must not have a parameter of that name, as a
// clause that follows the name. It names all declared parameters, those with a
// [Param.Pattern] by it.
func UnknownParam(name string, declared []Param) string {
	if len(declared) == 0 {
		return "is not a parameter here: there are none"
	}
	var names, written []string
	for _, p := range declared {
		names = append(names, p.Name)
		if shown := p.shown(); !slices.Contains(written, shown) {
			written = append(written, shown)
		}
	}
	didYouMean := ""
	if len(declared) > fewNames {
		didYouMean = suggestion(name, names)
	}
	return "is not a parameter here" + didYouMean + "; the parameters are: " + strings.Join(written, ", ")
}

// shown returns how messages write the name of the parameter.
func (p Param) shown() string {
	if p.Pattern != "" {
		return p.Pattern
	}
	return p.Name
}

// fewNames is the number of names among which a caller finds the right one without
// a suggestion.
const fewNames = 8

// longestSuggested is the length in bytes of the longest text for which a similar
// one is looked for. No name is that long.
const longestSuggested = 64

// suggestion returns a clause with the known text that is most similar to one that
// is not known, or "" if none is similar. Texts that differ only in their letter
// case are most similar.
func suggestion(text string, known []string) string {
	if text == "" || len(text) > longestSuggested {
		return ""
	}
	best, nearest := 1+max(2, len(text)/4), ""
	for _, candidate := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(text), strings.ToLower(candidate)); d < best {
			best, nearest = d, candidate
		}
	}
	if nearest == "" {
		return ""
	}
	return " (did you mean " + nearest + "?)"
}
