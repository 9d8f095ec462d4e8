package scope

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"ocigate/translate/errcode"
)

// A Charset reports which texts the platform can hold. [oci.Encoding] is one.
type Charset interface {
	CanEncode(s string) bool
}

// idRules are the conditions under which an id cannot be one of the platform,
// each with its reason. The platform collapses blanks, so an id with other blanks
// than single inner ones would be an alias of another id. The rule about the
// platform's character set is in Problems.
var idRules = []struct {
	broken func(id string, most int) bool
	reason string // %d is the maximum length
}{
	{func(id string, _ int) bool { return id == "" }, "must not be empty"},
	{func(id string, most int) bool { return utf8.RuneCountInString(id) > most }, "must not be longer than %d characters"},
	{func(id string, _ int) bool { return strings.Trim(id, " ") != id }, "must not begin or end with a blank"},
	{func(id string, _ int) bool { return strings.Contains(strings.Trim(id, " "), "  ") }, "must not hold several blanks in a row"},
	{func(id string, _ int) bool { return strings.ContainsFunc(id, unicode.IsControl) }, "must not hold control characters"},
	{func(id string, _ int) bool { return strings.ContainsAny(id, "\uFFFE\uFFFF") }, "must not hold characters that XML cannot hold"},
}

// Problems returns all reasons for which an id cannot be the parameter's value. A
// nil charset holds every text.
func (p Parameter) Problems(id string, charset Charset) []errcode.Problem {
	if !utf8.ValidString(id) {
		return []errcode.Problem{{Parameter: p.Name, Reason: "must be valid UTF-8"}}
	}
	var problems []errcode.Problem
	refuse := func(reason string) {
		problems = append(problems, errcode.Problem{Parameter: p.Name, Reason: reason})
	}
	for _, rule := range idRules {
		if !rule.broken(id, p.MaxLength) {
			continue
		}
		if strings.Contains(rule.reason, "%d") {
			refuse(fmt.Sprintf(rule.reason, p.MaxLength))
		} else {
			refuse(rule.reason)
		}
	}
	if charset != nil && !charset.CanEncode(id) {
		refuse("must not hold characters outside the platform's character set")
	}
	return problems
}
