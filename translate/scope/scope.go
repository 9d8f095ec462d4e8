// Package scope knows the levels at which the API has endpoints: the platform as
// a whole, a tenant, a group and a user. It owns what follows from the level of
// an endpoint: how its path begins, which parameters that has, and their limits.
//
// A [Scope] is such a level, and a [Target] is what the path of one request names.
// The gateway registers a row under each spelling of its scope's prefix, reads the
// target from the parameters, and refuses one that has [Scope.Problems] before
// anything is asked. From there on the target goes with the request: rights, what is
// remembered, operations and audit trail are by target.
//
// Who may use an endpoint of a target is decided by package auth.
package scope

import (
	"slices"
	"strings"

	"ocigate/translate/errcode"
)

// Scope is the level of an endpoint: what a [Target] of it names.
type Scope int

// The scopes, from the widest to the narrowest.
const (
	System Scope = iota
	Tenant
	Group
	User
)

// part is what a scope adds to the path of the next wider one.
type part struct {
	singular, plural string // of the path segment before the parameter
	parameter        Parameter
	// of is the parameter's place in a target.
	of func(*Target) *string
}

// Parameter is a parameter of a path.
type Parameter struct {
	Name string
	// MaxLength is in characters. The least is 1.
	MaxLength int
}

// The lengths are those of the published schema: ServiceProviderId, GroupId and
// UserId.
var (
	tenantPart = part{"tenant", "tenants", Parameter{"tenant_id", 30}, func(t *Target) *string { return &t.TenantID }}
	groupPart  = part{"group", "groups", Parameter{"group_id", 30}, func(t *Target) *string { return &t.GroupID }}
	userPart   = part{"user", "users", Parameter{"user_id", 161}, func(t *Target) *string { return &t.UserID }}
)

// levels holds, for each scope, its name, its path prefix as it is documented,
// and what that is made of.
var levels = []struct {
	name, prefix string
	parts        []part
}{
	System: {"system", "", nil},
	Tenant: {"tenant", "/tenant/{tenant_id}", []part{tenantPart}},
	Group:  {"group", "/tenant/{tenant_id}/group/{group_id}", []part{tenantPart, groupPart}},
	// The family documents the user level with the plural of group and user.
	User: {"user", "/tenant/{tenant_id}/groups/{group_id}/users/{user_id}", []part{tenantPart, groupPart, userPart}},
}

// All are the scopes, from the widest to the narrowest.
func All() []Scope { return []Scope{System, Tenant, Group, User} }

func (s Scope) String() string { return levels[s].name }

// Prefix is how the path of an endpoint begins, as it is documented and without a
// slash at its end: "/tenant/{tenant_id}/group/{group_id}" for a group.
func (s Scope) Prefix() string { return levels[s].prefix }

// Prefixes are all spellings under which the prefix is served, the documented one
// first: every mixture of the singular and the plural of its segments.
func (s Scope) Prefixes() []string {
	spellings := []string{""}
	for _, p := range levels[s].parts {
		var longer []string
		for _, before := range spellings {
			for _, segment := range []string{p.singular, p.plural} {
				longer = append(longer, before+"/"+segment+"/{"+p.parameter.Name+"}")
			}
		}
		spellings = longer
	}
	others := slices.DeleteFunc(spellings, func(spelling string) bool { return spelling == s.Prefix() })
	return append([]string{s.Prefix()}, others...)
}

// Parameters are those of the prefix, in its order.
func (s Scope) Parameters() []Parameter {
	var parameters []Parameter
	for _, p := range levels[s].parts {
		parameters = append(parameters, p.parameter)
	}
	return parameters
}

// Target is what a path names, whose parameters are found by their names. They
// are percent-decoded.
func (s Scope) Target(parameter func(name string) string) Target {
	var t Target
	for _, p := range levels[s].parts {
		*p.of(&t) = parameter(p.parameter.Name)
	}
	return t
}

// Path is the documented path of a target of the scope, percent-encoded by the
// function that is given.
func (s Scope) Path(t Target, escape func(string) string) string {
	path := s.Prefix()
	for _, p := range levels[s].parts {
		path = strings.Replace(path, "{"+p.parameter.Name+"}", escape(*p.of(&t)), 1)
	}
	return path
}

// Problems are all the reasons for which the ids of a target cannot be the
// platform's, by the names of their parameters. A nil charset holds every text.
func (s Scope) Problems(t Target, charset Charset) []errcode.Problem {
	var problems []errcode.Problem
	for _, p := range levels[s].parts {
		problems = append(problems, p.parameter.Problems(*p.of(&t), charset)...)
	}
	return problems
}

// ParameterByName finds a parameter of any scope.
func ParameterByName(name string) (Parameter, bool) {
	for _, p := range levels[User].parts {
		if p.parameter.Name == name {
			return p.parameter, true
		}
	}
	return Parameter{}, false
}
