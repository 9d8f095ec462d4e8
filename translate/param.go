package translate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Param declares a query parameter.
type Param struct {
	Name string
	Kind ParamKind
	// Min and Max are limits, both included: of a text in characters, and of an
	// integer itself.
	Min, Max int
	// Values are those of a choice.
	Values []string
	// Doc is for people.
	Doc string
	// Check returns why a text is not valid, as a clause that reads well after the
	// name, or "". It may be nil.
	Check func(value string) string
}

// ParamKind is what a parameter holds.
type ParamKind int

// The kinds.
const (
	TextParam    ParamKind = iota
	BooleanParam           // true or false
	IntegerParam
	ChoiceParam // one of Values
)

// Params are the query parameters of a request by their names. Those that it does
// not have are absent, and all others are valid.
type Params map[string]string

// Integer is a parameter of kind IntegerParam, or without one the value that is
// given.
func (p Params) Integer(name string, without int) int {
	n, err := strconv.Atoi(p[name])
	if err != nil {
		return without
	}
	return n
}

// Problem is why a value is not the parameter's, as a clause that reads well after
// its name, or "".
func (p Param) Problem(value string) string {
	switch p.Kind {
	case BooleanParam:
		if value != "true" && value != "false" {
			return "must be true or false"
		}
	case IntegerParam:
		if n, err := strconv.Atoi(value); err != nil || n < p.Min || n > p.Max {
			return fmt.Sprintf("must be a number from %d to %d", p.Min, p.Max)
		}
	case ChoiceParam:
		if !slices.Contains(p.Values, value) {
			return "must be one of " + strings.Join(p.Values, ", ")
		}
	default:
		if !utf8.ValidString(value) {
			return "must be valid UTF-8"
		}
		if n := utf8.RuneCountInString(value); p.Max > 0 && (n < p.Min || n > p.Max) {
			return fmt.Sprintf("must have %d to %d characters", p.Min, p.Max)
		}
	}
	if p.Check != nil {
		return p.Check(value)
	}
	return ""
}
