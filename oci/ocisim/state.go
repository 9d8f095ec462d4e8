package ocisim

import (
	"slices"
	"strings"
)

// state is everything that commands read and change. The platform's mu guards it
// and everything that it refers to; the methods of these types require that the
// caller holds mu, or that the state belongs to no platform yet.
type state struct {
	tenants  []*tenant
	accounts map[string]*account // by user id: administrators and users
	users    map[string]*user
	services map[string]serviceState // by the service's name
}

// newState returns the state of a platform that holds nothing.
func newState() *state {
	s := &state{accounts: map[string]*account{}, users: map[string]*user{}, services: map[string]serviceState{}}
	for _, service := range services {
		s.services[service.name] = service.newState()
	}
	return s
}

// tenant is a service provider or an enterprise.
type tenant struct {
	id, name, domain, reseller string
	enterprise                 bool
	services                   []string // authorized in addition to those of its groups
	departments                []*department
	groups                     []*group
}

type group struct {
	id, name    string
	tenant      *tenant
	userLimit   int
	services    []string // authorized
	departments []*department
	users       []*user
}

// department is a department of a group. If group is nil, it is a department of
// an enterprise.
type department struct {
	name   string
	above  *department
	group  *group
	tenant *tenant
}

type user struct {
	id, lastName, firstName, phoneNumber, extension, email, trunk string

	group      *group
	department *department
	services   []string // assigned
}

// names returns the names of the departments above it, from the top, and its
// own.
func (d *department) names() []string {
	if d == nil {
		return nil
	}
	return append(d.above.names(), d.name)
}

// fullPath returns the names as the platform prints them.
func (d *department) fullPath() string { return strings.Join(d.names(), ` \ `) }

// within reports whether the department is another one or below it.
func (d *department) within(top *department) bool {
	for ; d != nil; d = d.above {
		if d == top {
			return true
		}
	}
	return false
}

// has reports whether the service is assigned to the user.
func (u *user) has(service string) bool { return slices.Contains(u.services, service) }

// authorizes reports whether the group is authorized to the service.
func (g *group) authorizes(service string) bool { return slices.Contains(g.services, service) }

// usage returns the number of users of the group that have the service.
func (g *group) usage(service string) int {
	used := 0
	for _, u := range g.users {
		if u.has(service) {
			used++
		}
	}
	return used
}

// authorizedServices returns the services of the tenant's own list and of its
// groups, which can have no others.
func (t *tenant) authorizedServices() []string {
	names := slices.Clone(t.services)
	for _, g := range t.groups {
		names = append(names, g.services...)
	}
	return names
}

// first returns the first element of a list for which wanted returns true, or
// nil.
func first[T any](list []*T, wanted func(*T) bool) *T {
	if i := slices.IndexFunc(list, wanted); i >= 0 {
		return list[i]
	}
	return nil
}

// tenant returns the tenant with the id, or nil.
func (s *state) tenant(id string) *tenant {
	return first(s.tenants, func(t *tenant) bool { return t.id == id })
}

// group returns the tenant's group with the id, or nil.
func (t *tenant) group(id string) *group {
	return first(t.groups, func(g *group) bool { return g.id == id })
}
