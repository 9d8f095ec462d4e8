package ocisim

import (
	"fmt"
	"strconv"
)

// Range is a number range of a tenant. It may be assigned to a group and to a user
// of that group; in an enterprise, to a user only.
type Range struct {
	Start string `yaml:"start"`
	End   string `yaml:"end"`
	Owner `yaml:",inline"`
	// ExtensionLength is 2 to 20; 0 means none.
	ExtensionLength int `yaml:"extension_length"`
}

// Prefix is a number prefix of a tenant.
type Prefix struct {
	Prefix         string `yaml:"prefix"`
	Owner          `yaml:",inline"`
	ExtensionStart string `yaml:"extension_start"`
	ExtensionEnd   string `yaml:"extension_end"`
}

// Owner is the group and the user that have a range or a prefix, and whether it is
// inactive.
type Owner struct {
	Group    string `yaml:"group"`
	User     string `yaml:"user"`
	Inactive bool   `yaml:"inactive"`
}

// loadTenant adds the ranges and prefixes of a tenant's seed.
func (s *routeListState) loadTenant(b *builder, where string, t *tenant, seed Tenant) {
	all := s.of(t)
	for i, r := range seed.Ranges {
		all.addRange(b, fmt.Sprintf("%s.ranges[%d]", where, i), t, r)
	}
	for i, p := range seed.Prefixes {
		all.addPrefix(b, fmt.Sprintf("%s.prefixes[%d]", where, i), t, p)
	}
}

func (all *tenantHoldings) addRange(b *builder, where string, t *tenant, seed Range) {
	start, okStart := canonical(seed.Start)
	end, okEnd := canonical(seed.End)
	switch {
	case !okStart || len(seed.Start) > 23:
		b.problem(where+".start", "%q is not a phone number", seed.Start)
	case !okEnd || len(seed.End) > 23:
		b.problem(where+".end", "%q is not a phone number", seed.End)
	case !isRange(start, end):
		b.problem(where, "%s to %s is not a range", start, end)
	default:
		if other := firstOverlap(all.ranges, start, end); other != nil {
			b.problem(where, "overlaps with the range that starts at %s", other.key)
		}
	}
	h := &holding{key: start, end: end}
	if seed.ExtensionLength != 0 {
		h.extensionLength = strconv.Itoa(seed.ExtensionLength)
		if seed.ExtensionLength < 2 || seed.ExtensionLength > 20 {
			b.problem(where+".extension_length", "must be from 2 to 20")
		}
	}
	seed.assign(b, where, t, h)
	all.ranges = append(all.ranges, h)
}

func (all *tenantHoldings) addPrefix(b *builder, where string, t *tenant, seed Prefix) {
	key, ok := canonical(seed.Prefix)
	if !ok || len(seed.Prefix) > 23 {
		b.problem(where+".prefix", "%q is not a prefix", seed.Prefix)
	}
	if find(all.prefixes, key) != nil {
		b.problem(where+".prefix", "%q is given twice", seed.Prefix)
	}
	b.text(where+".extension_start", seed.ExtensionStart, 0, 20)
	b.text(where+".extension_end", seed.ExtensionEnd, 0, 20)
	h := &holding{key: key, shown: seed.Prefix, extensionStart: seed.ExtensionStart, extensionEnd: seed.ExtensionEnd}
	seed.assign(b, where, t, h)
	all.prefixes = append(all.prefixes, h)
}

// assign sets the group and the user of a holding.
func (o Owner) assign(b *builder, where string, t *tenant, h *holding) {
	h.active = !o.Inactive
	if o.Group != "" {
		if t.enterprise {
			b.problem(where+".group", "an enterprise assigns nothing to groups")
		} else if h.group = t.group(o.Group); h.group == nil {
			b.problem(where+".group", "there is no group %q", o.Group)
		}
	}
	if o.User == "" {
		return
	}
	h.user = b.state.users[o.User]
	switch {
	case h.user == nil || h.user.group.tenant != t:
		b.problem(where+".user", "there is no user %q in the tenant", o.User)
	case !t.enterprise && h.user.group.id != o.Group:
		b.problem(where+".user", "%q is not a user of the group", o.User)
	case !h.user.has(routeListName):
		b.problem(where+".user", "%q does not have the service %s", o.User, routeListName)
	}
}
