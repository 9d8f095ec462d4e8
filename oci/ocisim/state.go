package ocisim

import (
	"slices"
	"strings"
	"time"
)

// routeList is the user service that the commands of this name are about.
const routeList = "Route List"

// state is everything that commands read and change. Whoever uses it holds the
// platform's lock.
type state struct {
	tenants  []*tenant
	accounts map[string]*account // by user id: administrators and users
	users    map[string]*user
}

type tenant struct {
	id, name, domain, reseller string
	enterprise                 bool
	services                   []string // authorized beside those of its groups
	departments                []*department
	groups                     []*group
	ranges, prefixes           []*holding
}

type group struct {
	id, name    string
	tenant      *tenant
	userLimit   int
	services    []string
	departments []*department
	users       []*user
}

// department knows its place: group is nil for an enterprise's own.
type department struct {
	name   string
	above  *department
	group  *group
	tenant *tenant
}

// names are those of the departments above it, from the top, and its own.
func (d *department) names() []string {
	if d == nil {
		return nil
	}
	return append(d.above.names(), d.name)
}

// fullPath is the names as the platform prints them.
func (d *department) fullPath() string { return strings.Join(d.names(), ` \ `) }

// within tells that the department is another one or below it.
func (d *department) within(top *department) bool {
	for ; d != nil; d = d.above {
		if d == top {
			return true
		}
	}
	return false
}

type user struct {
	id, lastName, firstName, phoneNumber, extension, email, trunk string

	group      *group
	department *department
	services   []string
	settings   [len(routeListSettings)]bool
}

func (u *user) has(service string) bool { return slices.Contains(u.services, service) }

// holding is a number range or a prefix: a tenant holds it, a group has it, a
// user possesses it.
type holding struct {
	key   number // start of the range, or the prefix
	end   number // of a range
	shown string // a prefix as it was spelled

	extensionLength              string // of a range
	extensionStart, extensionEnd string // of a prefix

	active bool
	group  *group
	user   *user
}

// free tells that no group and no user has it.
func (h *holding) free() bool { return h.group == nil && h.user == nil }

// account is somebody who can log in.
type account struct {
	id, password string
	loginType    string
	level        level
	condition    Condition

	reseller   string
	tenant     *tenant
	group      *group
	department *department
	user       *user

	failures    int
	lockedSince time.Time // zero unless locked
}

// level orders the login types by what they may do.
type level int

const (
	anybody level = iota // before login
	userLevel
	departmentLevel
	groupLevel
	tenantLevel
	resellerLevel
	provisioningLevel
)

// loginTypes are the words of the schema. A user is not an administrator, so
// seeds cannot name that type.
var loginTypes = map[string]level{
	"User":             userLevel,
	"Group Department": departmentLevel,
	"Group":            groupLevel,
	"Service Provider": tenantLevel,
	"Reseller":         resellerLevel,
	"Provisioning":     provisioningLevel,
	"System":           provisioningLevel,
}

// first is the first of a list that is as wanted, or nil.
func first[T any](list []*T, wanted func(*T) bool) *T {
	if i := slices.IndexFunc(list, wanted); i >= 0 {
		return list[i]
	}
	return nil
}

func (s *state) tenant(id string) *tenant {
	return first(s.tenants, func(t *tenant) bool { return t.id == id })
}

func (t *tenant) group(id string) *group {
	return first(t.groups, func(g *group) bool { return g.id == id })
}
