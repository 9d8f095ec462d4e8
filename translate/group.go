package translate

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// maxIDLength is the longest service provider or group id, in characters.
const maxIDLength = 30

// Group is the target of a request: a group of a tenant, which the platform
// calls a service provider or an enterprise.
type Group struct{ TenantID, GroupID string }

// Charset tells which texts the platform can hold. [oci.Encoding] is one.
type Charset interface {
	CanEncode(s string) bool
}

// Problems are all the reasons for which the ids cannot be the platform's, by
// the names of the path parameters tenant_id and group_id. The platform
// collapses blanks, so an id with others than single inner ones would be an
// alias of another id. A nil charset holds every text.
func (g Group) Problems(charset Charset) []errcode.Problem {
	return append(idProblems("tenant_id", g.TenantID, charset), idProblems("group_id", g.GroupID, charset)...)
}

// IDProblems are the reasons for which a tenant or group id that a parameter
// names cannot be the platform's, whatever its character set.
func IDProblems(parameter, id string) []errcode.Problem { return idProblems(parameter, id, nil) }

// idRules are the reasons and what makes each of them true. The last is not
// here: whether the platform's character set holds the id.
var idRules = []struct {
	broken func(id string) bool
	reason string
}{
	{func(id string) bool { return id == "" }, "must not be empty"},
	{func(id string) bool { return utf8.RuneCountInString(id) > maxIDLength }, fmt.Sprintf("must not be longer than %d characters", maxIDLength)},
	{func(id string) bool { return strings.Trim(id, " ") != id }, "must not begin or end with a blank"},
	{func(id string) bool { return strings.Contains(strings.Trim(id, " "), "  ") }, "must not hold several blanks in a row"},
	{func(id string) bool { return strings.ContainsFunc(id, unicode.IsControl) }, "must not hold control characters"},
	{func(id string) bool { return strings.ContainsAny(id, "\uFFFE\uFFFF") }, "must not hold characters that XML cannot hold"},
}

func idProblems(parameter, id string, charset Charset) []errcode.Problem {
	if !utf8.ValidString(id) {
		return []errcode.Problem{{Parameter: parameter, Reason: "must be valid UTF-8"}}
	}
	var problems []errcode.Problem
	for _, rule := range idRules {
		if rule.broken(id) {
			problems = append(problems, errcode.Problem{Parameter: parameter, Reason: rule.reason})
		}
	}
	if charset != nil && !charset.CanEncode(id) {
		problems = append(problems, errcode.Problem{Parameter: parameter, Reason: "must not hold characters outside the platform's character set"})
	}
	return problems
}

// elements are the group's ids as every command of a group begins.
func (g Group) elements() []oci.Element {
	return []oci.Element{oci.Text("serviceProviderId", g.TenantID), oci.Text("groupId", g.GroupID)}
}

// values are what a caller has chosen of a command that asks about the group or
// its tenant.
func (g Group) values() []string { return []string{g.TenantID, g.GroupID} }
