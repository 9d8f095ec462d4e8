package ocisim

import "cmp"

// routeListName is the name of the user service Route List: number ranges and
// prefixes that a tenant has, that are assigned to its groups and that its users
// possess.
const routeListName = "Route List"

// routeListService is the service Route List. Its files are routelist*.go.
var routeListService = &service{
	name:     routeListName,
	commands: routeListCommands(),
	numbers:  []string{"numberRangeStart", "minPhoneNumber", "dnRangeStart", "phoneNumber", "numberPrefix"},
	newState: func() serviceState {
		return &routeListState{tenants: map[*tenant]*tenantHoldings{}, users: map[*user]*userSettings{}}
	},
}

func routeListCommands() []commandRow {
	rows := groupRouteListCommands()
	rows = append(rows, tenantRouteListCommands()...)
	rows = append(rows, enterpriseRouteListCommands()...)
	return append(rows, userRouteListCommands...)
}

// The errors of the commands of Route List.
var (
	notInTenant     = invented(9920, "Not in the service provider")
	notAvailable    = invented(9921, "Not available for assignment")
	notOfGroup      = invented(9922, "Not assigned to the group")
	possessedByUser = invented(9923, "Assigned to a user")
	assignedToGroup = invented(9924, "Assigned to a group")
	givenTwice      = invented(9925, "Given twice")
	overlapping     = invented(9926, "Overlaps with another one of the service provider")
	notANumber      = invented(9927, "Not a phone number, or not a range of them")
	activationOff   = invented(9928, "Activation of numbers is switched off for the system")
)

// routeListState is what a platform has of Route List. The platform's mu guards
// it.
type routeListState struct {
	tenants map[*tenant]*tenantHoldings
	users   map[*user]*userSettings
}

// tenantHoldings are the ranges and prefixes of a tenant in the platform's order.
type tenantHoldings struct{ ranges, prefixes []*holding }

// userSettings are a user's settings in the order of routeListSettings.
type userSettings [len(routeListSettings)]bool

// holding is a number range or a prefix. A tenant has it; it may be assigned to a
// group, and a user may possess it.
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

// free reports whether no group and no user has it.
func (h *holding) free() bool { return h.group == nil && h.user == nil }

// routeList returns what the platform has of Route List.
func (s *state) routeList() *routeListState {
	return s.services[routeListName].(*routeListState)
}

// of returns the holdings of a tenant.
func (s *routeListState) of(t *tenant) *tenantHoldings {
	if s.tenants[t] == nil {
		s.tenants[t] = &tenantHoldings{}
	}
	return s.tenants[t]
}

// settings returns the settings of a user.
func (s *routeListState) settings(u *user) *userSettings {
	if s.users[u] == nil {
		s.users[u] = &userSettings{}
	}
	return s.users[u]
}

// holdings returns the list of a tenant's holdings of a kind.
func (s *state) holdings(t *tenant, k *kind) *[]*holding { return k.of(s.routeList().of(t)) }

// Holding is the current state of a number range or a prefix of a tenant.
type Holding struct {
	// Start and End are the ends of a range as plus and digits. A prefix has
	// a Start only, spelled as it is on the platform.
	Start, End  string
	Group, User string // ids; empty without group or user
	Active      bool
}

// Ranges returns the number ranges of a tenant in the platform's order; none for
// an unknown tenant.
func (p *Platform) Ranges(serviceProviderID string) []Holding {
	return p.currentHoldings(serviceProviderID, ranges)
}

// Prefixes returns the prefixes of a tenant in the platform's order; none for an
// unknown tenant.
func (p *Platform) Prefixes(serviceProviderID string) []Holding {
	return p.currentHoldings(serviceProviderID, prefixes)
}

func (p *Platform) currentHoldings(serviceProviderID string, k *kind) []Holding {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.state.tenant(serviceProviderID)
	if t == nil {
		return nil
	}
	var all []Holding
	for _, h := range *p.state.holdings(t, k) {
		v := Holding{Start: cmp.Or(h.shown, string(h.key)), End: string(h.end), Active: h.active}
		if h.group != nil {
			v.Group = h.group.id
		}
		if h.user != nil {
			v.User = h.user.id
		}
		all = append(all, v)
	}
	return all
}

// RouteListSettings returns the settings of a user's Route List by the names of
// their elements; nil for an unknown user.
func (p *Platform) RouteListSettings(userID string) map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.state.users[userID]
	if u == nil {
		return nil
	}
	values := p.state.routeList().settings(u)
	settings := map[string]bool{}
	for i, setting := range routeListSettings {
		settings[setting.name] = values[i]
	}
	return settings
}
