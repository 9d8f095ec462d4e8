package ocisim

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// builder builds a state from a seed and collects every problem of the seed.
type builder struct {
	state    *state
	problems []string
}

// build returns the state of a new platform, or a *SeedError with all problems.
func build(seed Seed) (*state, error) {
	b := &builder{state: newState()}
	b.settings(seed.Platform)
	for i, t := range seed.Tenants {
		b.tenant(fmt.Sprintf("tenants[%d]", i), t)
	}
	for i, a := range seed.Administrators {
		b.administrator(fmt.Sprintf("administrators[%d]", i), a)
	}
	for i, f := range seed.Faults {
		if err := f.validate(); err != nil {
			b.problem(fmt.Sprintf("faults[%d]", i), "%v", err)
		}
	}
	if len(b.problems) > 0 {
		return nil, &SeedError{Problems: b.problems}
	}
	return b.state, nil
}

// problem adds a problem; where is the path of the wrong value in the seed.
func (b *builder) problem(where, format string, args ...any) {
	b.problems = append(b.problems, where+": "+fmt.Sprintf(format, args...))
}

func (b *builder) settings(s Settings) {
	if s.Release != 0 && !slices.Contains(Releases(), s.Release) {
		b.problem("platform.release", "%d is not one of %s", s.Release, listed(Releases()))
	}
	if s.Refusal != "" && !slices.Contains(RefusalModes(), s.Refusal) {
		b.problem("platform.refusal", "%q is not one of %s", s.Refusal, listed(RefusalModes()))
	}
	b.text("platform.version", s.Version, 0, 30)
	if _, ok := charsets[s.Encoding]; !ok && s.Encoding != "" {
		b.problem("platform.encoding", "unknown encoding %q", s.Encoding)
	}
	for i, code := range s.CountryCodes {
		if n, err := strconv.Atoi(code); err != nil || n < 1 || n > 999 {
			b.problem(fmt.Sprintf("platform.country_codes[%d]", i), "%q is not one to three digits", code)
		}
	}
	for i, glob := range s.Without {
		if _, err := path.Match(glob, ""); err != nil {
			b.problem(fmt.Sprintf("platform.without[%d]", i), "%v", err)
		}
	}
	if s.LockAfter < 0 {
		b.problem("platform.lock_after", "must not be negative")
	}
	if s.LockFor < 0 {
		b.problem("platform.lock_for", "must not be negative")
	}
	if s.MaxDocument < 0 {
		b.problem("platform.max_document", "must not be negative")
	}
}

// text checks a value that documents hold as an xs:token.
func (b *builder) text(where, value string, shortest, longest int) {
	switch n := utf8.RuneCountInString(value); {
	case value != collapse(value):
		b.problem(where, "must not have blanks at its ends, or two together")
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == utf8.RuneError || r == 0xfffe || r == 0xffff }):
		b.problem(where, "has a character that XML cannot hold")
	case n < shortest:
		b.problem(where, "must not be empty")
	case n > longest:
		b.problem(where, "must have at most %d characters", longest)
	}
}

func (b *builder) tenant(where string, seed Tenant) {
	b.text(where+".id", seed.ID, 1, 30)
	b.text(where+".name", seed.Name, 0, 80)
	b.text(where+".reseller", seed.Reseller, 0, 36)
	b.text(where+".default_domain", seed.DefaultDomain, 0, 80)
	if b.state.tenant(seed.ID) != nil {
		b.problem(where+".id", "%q is given twice", seed.ID)
	}
	t := &tenant{
		id: seed.ID, name: seed.Name, reseller: seed.Reseller, enterprise: seed.Enterprise,
		domain: cmp.Or(seed.DefaultDomain, "example.com"), services: slices.Clone(seed.Services),
	}
	b.state.tenants = append(b.state.tenants, t)
	if len(seed.Departments) > 0 && !seed.Enterprise {
		b.problem(where+".departments", "only an enterprise has departments of its own")
	}
	t.departments = b.departments(where, seed.Departments, department{tenant: t})
	for i, g := range seed.Groups {
		b.group(fmt.Sprintf("%s.groups[%d]", where, i), t, g)
	}
	for _, service := range services {
		b.state.services[service.name].loadTenant(b, where, t, seed)
	}
}

// departments returns the departments of a list and all below them. Each is a copy
// of the model with its own name.
func (b *builder) departments(where string, seeds []Department, model department) []*department {
	var all []*department
	var names []string
	for i, seed := range seeds {
		here := fmt.Sprintf("%s.departments[%d]", where, i)
		b.text(here+".name", seed.Name, 1, 50)
		if slices.Contains(names, seed.Name) {
			b.problem(here+".name", "%q is given twice", seed.Name)
		}
		names = append(names, seed.Name)
		d := model
		d.name = seed.Name
		below := model
		below.above = &d
		all = append(all, &d)
		all = append(all, b.departments(here, seed.Departments, below)...)
	}
	return all
}

func (b *builder) group(where string, t *tenant, seed Group) {
	b.text(where+".id", seed.ID, 1, 30)
	b.text(where+".name", seed.Name, 0, 80)
	if t.group(seed.ID) != nil {
		b.problem(where+".id", "%q is given twice", seed.ID)
	}
	if seed.UserLimit < 0 {
		b.problem(where+".user_limit", "must not be negative")
	}
	g := &group{
		id: seed.ID, name: seed.Name, tenant: t, userLimit: seed.UserLimit,
		services: slices.Clone(seed.Services),
	}
	t.groups = append(t.groups, g)
	g.departments = b.departments(where, seed.Departments, department{group: g, tenant: t})
	for i, u := range seed.Users {
		b.user(fmt.Sprintf("%s.users[%d]", where, i), g, u)
	}
}

func (b *builder) user(where string, g *group, seed User) {
	for _, f := range []struct{ key, value string }{
		{"last_name", seed.LastName}, {"first_name", seed.FirstName}, {"phone_number", seed.PhoneNumber},
		{"extension", seed.Extension}, {"email", seed.Email}, {"enterprise_trunk", seed.EnterpriseTrunk},
	} {
		b.text(where+"."+f.key, f.value, 0, 80)
	}
	u := &user{
		id: seed.ID, lastName: seed.LastName, firstName: seed.FirstName, phoneNumber: seed.PhoneNumber,
		extension: seed.Extension, email: seed.Email, trunk: seed.EnterpriseTrunk,
		group: g, services: slices.Clone(seed.Services),
	}
	for i, s := range seed.Services {
		if !slices.Contains(g.services, s) {
			b.problem(fmt.Sprintf("%s.services[%d]", where, i), "%q is not authorized to the group", s)
		}
	}
	u.department = b.departmentOf(where, g, seed.Department)
	g.users = append(g.users, u)
	b.state.users[u.id] = u
	b.account(where, &account{
		id: seed.ID, password: string(seed.Password), loginType: "User", condition: seed.Condition,
		tenant: g.tenant, group: g, department: u.department, user: u,
	})
}

// departmentOf returns the department with a path in a group or its enterprise, or
// nil for an empty path.
func (b *builder) departmentOf(where string, g *group, path []string) *department {
	if len(path) == 0 {
		return nil
	}
	d := first(slices.Concat(g.departments, g.tenant.departments), func(d *department) bool {
		return slices.Equal(d.names(), path)
	})
	if d == nil {
		b.problem(where+".department", "there is no such department")
	}
	return d
}

func (b *builder) account(where string, a *account) {
	b.text(where+".id", a.id, 1, 161)
	b.text(where+".password", a.password, 0, 60)
	if b.state.accounts[a.id] != nil {
		b.problem(where+".id", "%q is given twice", a.id)
	}
	a.level = loginTypes[a.loginType]
	b.state.accounts[a.id] = a
}

func (b *builder) administrator(where string, seed Administrator) {
	a := &account{
		id: seed.ID, password: string(seed.Password), loginType: seed.Type, condition: seed.Condition,
		reseller: seed.Reseller,
	}
	if a.password == "" {
		b.problem(where+".password", "must not be empty")
	}
	b.account(where, a)
	if a.level < departmentLevel {
		b.problem(where+".type", "unknown type %q", seed.Type)
		return
	}
	for _, f := range []struct {
		key   string
		given bool
		need  bool
	}{
		{"reseller", seed.Reseller != "", a.level == resellerLevel},
		{"tenant", seed.Tenant != "", a.level <= tenantLevel},
		{"group", seed.Group != "", a.level <= groupLevel},
		{"department", len(seed.Department) > 0, a.level == departmentLevel},
	} {
		if f.given != f.need {
			b.problem(where+"."+f.key, "must %s for the type %s", map[bool]string{true: "be given", false: "be empty"}[f.need], seed.Type)
		}
	}
	b.restrictions(where, a, seed)
	b.place(where, a, seed)
}

// place sets the tenant, group and department of an administrator.
func (b *builder) place(where string, a *account, seed Administrator) {
	if seed.Tenant == "" {
		return
	}
	if a.tenant = b.state.tenant(seed.Tenant); a.tenant == nil {
		b.problem(where+".tenant", "there is no tenant %q", seed.Tenant)
		return
	}
	if seed.Group == "" {
		return
	}
	if a.group = a.tenant.group(seed.Group); a.group == nil {
		b.problem(where+".group", "there is no group %q", seed.Group)
		return
	}
	a.department = b.departmentOf(where, a.group, seed.Department)
}
