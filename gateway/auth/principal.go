package auth

import (
	"context"
	"errors"
	"fmt"

	"ocigate/translate/scope"
)

// Level is how far a caller's rights reach. A higher level may do what the
// lower ones may, within its scope.
type Level int

// The levels, with the numbers that the API family gives them.
const (
	EndUser         Level = 0
	DepartmentAdmin Level = 4
	GroupAdmin      Level = 8
	TenantAdmin     Level = 12
	SystemAdmin     Level = 16
)

// levels tells a level's name and what its scope is made of.
var levels = map[Level]struct {
	name                string
	tenant, group, user bool
}{
	EndUser:         {name: "End User", tenant: true, group: true, user: true},
	DepartmentAdmin: {name: "Department Admin", tenant: true, group: true},
	GroupAdmin:      {name: "Group Admin", tenant: true, group: true},
	TenantAdmin:     {name: "Tenant Admin", tenant: true},
	SystemAdmin:     {name: "System Admin"},
}

func (l Level) String() string {
	if known, ok := levels[l]; ok {
		return known.name
	}
	return fmt.Sprintf("Level %d", int(l))
}

// loginTypes are the login types of the published OCI schema that have a
// level. Reseller and Lawful Intercept are left out: the scope of neither can
// be told in tenants and groups.
var loginTypes = map[string]Level{
	"System":           SystemAdmin,
	"Provisioning":     SystemAdmin,
	"Service Provider": TenantAdmin,
	"Group":            GroupAdmin,
	"Group Department": DepartmentAdmin,
	"User":             EndUser,
}

// LevelOf is the level of a login type of the platform. Where it has none, the
// error is [ErrUnsupportedLoginType].
func LevelOf(loginType string) (Level, error) {
	level, ok := loginTypes[loginType]
	if !ok {
		return 0, fmt.Errorf("%w %q", ErrUnsupportedLoginType, loginType)
	}
	return level, nil
}

// Verifier asks the platform about somebody's credentials.
type Verifier interface {
	// Verify returns [ErrBadCredentials], perhaps wrapped, where the platform
	// refuses the name or the password, and any other error where it cannot
	// be asked.
	Verify(ctx context.Context, userID, password string) (Identity, error)
}

// Identity is what the platform tells of a user whose password it verified.
type Identity struct {
	LoginType string // as in the published OCI schema: "System", "Group", …
	TenantID  string // serviceProviderId, where the answer has it
	GroupID   string // groupId, where the answer has it
	// UserID is the platform's spelling of the user's id; empty where it
	// sends none, and then the name of the login serves.
	UserID             string
	MustChangePassword bool
}

// Method is the way in which a caller proves its identity.
type Method string

// The methods.
const (
	MethodToken  Method = "token"
	MethodCookie Method = "cookie"
	MethodBasic  Method = "basic"
	MethodAPIKey Method = "api key"
)

func (m Method) isToken() bool { return m == MethodToken || m == MethodCookie }

// Principal is who is calling.
type Principal struct {
	// Name is the platform's user id, or the id of a listed client.
	Name  string
	Level Level
	// TenantID, GroupID and UserID are the caller's scope. Only those that
	// the level has are set; UserID is a user's alone, not an admin's.
	TenantID, GroupID, UserID string
	Method                    Method
}

// Covers reports whether a target is in the caller's scope: everything for a
// System Admin, their own tenant for a Tenant Admin, their own group for a Group or
// Department Admin, each with all that is below it, and for an End User
// themself alone. Ids are compared exactly. It does not say that the level
// suffices: [Principal.May] does.
func (p Principal) Covers(t scope.Target) bool {
	level, ok := levels[p.Level]
	return ok &&
		(!level.tenant || isOwn(p.TenantID, t.TenantID)) &&
		(!level.group || isOwn(p.GroupID, t.GroupID)) &&
		(!level.user || isOwn(p.UserID, t.UserID))
}

// isOwn bars an empty id from standing for any other empty id.
func isOwn(own, id string) bool { return own != "" && own == id }

// May reports whether the caller has at least that level, and the target in its
// scope.
func (p Principal) May(minimum Level, t scope.Target) bool {
	return p.Level >= minimum && p.Covers(t)
}

// Is reports whether the caller is the user that a target names.
func (p Principal) Is(t scope.Target) bool {
	return p.Level == EndUser && t.Scope() == scope.User && p.Covers(t)
}

// principalOf is who the platform says has logged in under a name.
func principalOf(username string, id Identity) (Principal, error) {
	level, err := LevelOf(id.LoginType)
	if err != nil {
		return Principal{}, err
	}
	name := id.UserID
	setDefault(&name, username)
	p := Principal{Name: name, Level: level}
	scope := levels[level]
	if scope.tenant {
		p.TenantID = id.TenantID
	}
	if scope.group {
		p.GroupID = id.GroupID
	}
	if scope.user {
		p.UserID = name
	}
	if err := p.checkScope(); err != nil {
		return Principal{}, fmt.Errorf("%w: login type %q: %w", ErrNoScope, id.LoginType, err)
	}
	return p, nil
}

// checkScope refuses a principal whose scope has more or less than its level
// asks for. A listed client of the lowest level is no user of the platform, so
// UserID is not asked for.
func (p Principal) checkScope() error {
	level, ok := levels[p.Level]
	if !ok {
		return fmt.Errorf("Level: there is no level %d", int(p.Level))
	}
	return errors.Join(
		checkScopeID("TenantID", p.TenantID, level.tenant),
		checkScopeID("GroupID", p.GroupID, level.group),
	)
}

func checkScopeID(field, id string, wanted bool) error {
	switch {
	case wanted && id == "":
		return fmt.Errorf("%s: is missing", field)
	case !wanted && id != "":
		return fmt.Errorf("%s: the level has none", field)
	}
	return nil
}
