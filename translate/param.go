package translate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Param declares a query parameter.
type Param struct {
	Name string
	Kind ParamKind
	// Min and Max limit the characters of a text, or an integer itself. Both are
	// included. A text has no limit if Max is 0.
	Min, Max int
	// Values are the values of a ChoiceParam or a ChoicesParam.
	Values []string
	// Pattern is how messages write the names of all parameters of a family, and
	// ValuePattern how they write Values: with the alternatives in braces. They
	// are for many names or values that follow a rule, and empty otherwise.
	Pattern, ValuePattern string
	// Doc describes the parameter in the documentation.
	Doc string
	// Check returns why a value is invalid, as a clause that follows the name, or
	// "". It may be nil.
	Check func(value string) string
}

// A ParamKind is the type of a parameter's value.
type ParamKind int

// The kinds.
const (
	TextParam    ParamKind = iota
	BooleanParam           // true or false
	IntegerParam
	ChoiceParam  // one of Values
	ChoicesParam // one or more of Values, each once, separated by commas
	NumberParam  // a phone number or prefix, of Min to Max characters: see [Params.Number]
)

// Params are the query parameters of a request by their names. All are valid.
// Those that the request does not have are absent.
type Params map[string]string

// Integer returns a parameter of kind IntegerParam, or the value without if it is
// absent.
func (p Params) Integer(name string, without int) int {
	n, err := strconv.Atoi(p[name])
	if err != nil {
		return without
	}
	return n
}

// Number returns a parameter of kind NumberParam in its canonical form, or "" if
// it is absent. A blank at the beginning is a +, since that is what a + becomes
// in a query that is not percent-encoded.
func (p Params) Number(name string) string { return Canonical(withPlus(p[name])) }

func withPlus(number string) string {
	if rest, ok := strings.CutPrefix(number, " "); ok {
		return "+" + rest
	}
	return number
}

// Problem returns why a value is invalid, as a clause that follows the name of
// the parameter, or "".
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
	case ChoicesParam:
		if problem := p.choicesProblem(value); problem != "" {
			return problem
		}
	case NumberParam:
		number := withPlus(value)
		if n := utf8.RuneCountInString(number); n < p.Min || n > p.Max || !isNumber(number) {
			return fmt.Sprintf("must be an optional + and digits, with dashes and blanks only between them, of %d to %d characters", p.Min, p.Max)
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
