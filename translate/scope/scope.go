// Package scope defines the levels of the API's routes: the entire platform, a
// tenant, a group and a user. It has everything that follows from the level of a
// route: how its path begins, which parameters the path has, and their limits.
//
// A [Scope] is a level, and a [Target] is what the path of one request names. The
// gateway registers a route under each spelling of its scope's prefix, reads the
// target from the parameters, and rejects one with [Scope.Problems] before it
// reads the platform. Rights, caches, operations and the audit trail then depend
// on the target.
//
// Package auth decides who may use a route for a target.
package scope

import (
	"slices"
	"strings"

	"ocigate/translate/errcode"
)

// A Scope is the level of a route. It decides which ids a [Target] has.
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
	// field returns the field of a target that has the parameter's value.
	field func(*Target) *string
}

// A Parameter is a parameter of a path.
type Parameter struct {
	Name string
	// MaxLength is in characters. The minimum is 1.
	MaxLength int
}

// The lengths are those of the types ServiceProviderId, GroupId and UserId in the
// published schema.
var (
	tenantPart = part{"tenant", "tenants", Parameter{"tenant_id", 30}, func(t *Target) *string { return &t.TenantID }}
	groupPart  = part{"group", "groups", Parameter{"group_id", 30}, func(t *Target) *string { return &t.GroupID }}
	userPart   = part{"user", "users", Parameter{"user_id", 161}, func(t *Target) *string { return &t.UserID }}
)

// levels has, for each scope, its name, its documented path prefix, and the parts
// of which the prefix consists.
var levels = []struct {
	name, prefix string
	parts        []part
}{
	System: {"system", "", nil},
	Tenant: {"tenant", "/tenant/{tenant_id}", []part{tenantPart}},
	Group:  {"group", "/tenant/{tenant_id}/group/{group_id}", []part{tenantPart, groupPart}},
	// The documents of the API family have the plural of group and user here.
	User: {"user", "/tenant/{tenant_id}/groups/{group_id}/users/{user_id}", []part{tenantPart, groupPart, userPart}},
}

// All returns the scopes, from the widest to the narrowest.
func All() []Scope { return []Scope{System, Tenant, Group, User} }

// String returns the name of the scope.
func (s Scope) String() string { return levels[s].name }

// Prefix returns how the documented path of a route begins, without a slash at
// its end: "/tenant/{tenant_id}/group/{group_id}" for a group.
func (s Scope) Prefix() string { return levels[s].prefix }

// Prefixes returns all spellings of the prefix that are served, the documented
// one first: every combination of the singular and the plural of its segments.
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

// Parameters returns the parameters of the prefix, in its order.
func (s Scope) Parameters() []Parameter {
	var parameters []Parameter
	for _, p := range levels[s].parts {
		parameters = append(parameters, p.parameter)
	}
	return parameters
}

// Target returns the target whose ids are the values of the prefix's parameters.
// parameter returns the percent-decoded value of the parameter with that name.
func (s Scope) Target(parameter func(name string) string) Target {
	var t Target
	for _, p := range levels[s].parts {
		*p.field(&t) = parameter(p.parameter.Name)
	}
	return t
}

// Path returns the documented path of a target. escape percent-encodes an id.
func (s Scope) Path(t Target, escape func(string) string) string {
	path := s.Prefix()
	for _, p := range levels[s].parts {
		path = strings.Replace(path, "{"+p.parameter.Name+"}", escape(*p.field(&t)), 1)
	}
	return path
}

// Problems returns all reasons for which the ids of a target cannot be ids of the
// platform. Each names its parameter. A nil charset holds every text.
func (s Scope) Problems(t Target, charset Charset) []errcode.Problem {
	var problems []errcode.Problem
	for _, p := range levels[s].parts {
		problems = append(problems, p.parameter.Problems(*p.field(&t), charset)...)
	}
	return problems
}

// ParameterByName returns the parameter of that name, of any scope.
func ParameterByName(name string) (Parameter, bool) {
	for _, p := range levels[User].parts {
		if p.parameter.Name == name {
			return p.parameter, true
		}
	}
	return Parameter{}, false
}
