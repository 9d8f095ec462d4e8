package auth

import (
	"context"
	"errors"
	"fmt"

	"ocigate/translate/scope"
)

// Level is the level of a caller's rights. A higher level includes the rights of
// the lower ones, within its scope.
type Level int

// The levels, with their numbers in the API family.
const (
	EndUser         Level = 0
	DepartmentAdmin Level = 4
	GroupAdmin      Level = 8
	TenantAdmin     Level = 12
	SystemAdmin     Level = 16
)

// levels holds the name of each level and the parts of its scope.
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

// String returns the name of the level: "Group Admin".
func (l Level) String() string {
	if known, ok := levels[l]; ok {
		return known.name
	}
	return fmt.Sprintf("Level %d", int(l))
}

// LevelByName returns the level whose String is name, and whether there is one.
func LevelByName(name string) (Level, bool) {
	for level, known := range levels {
		if known.name == name {
			return level, true
		}
	}
	return 0, false
}

// loginTypes are the login types of the published OCI schema that have a level.
// Reseller and Lawful Intercept are not among them: their scopes cannot be
// expressed in tenants and groups.
var loginTypes = map[string]Level{
	"System":           SystemAdmin,
	"Provisioning":     SystemAdmin,
	"Service Provider": TenantAdmin,
	"Group":            GroupAdmin,
	"Group Department": DepartmentAdmin,
	"User":             EndUser,
}

// LevelOf returns the level of a login type of the platform. If it has none, the
// error is [ErrUnsupportedLoginType].
func LevelOf(loginType string) (Level, error) {
	level, ok := loginTypes[loginType]
	if !ok {
		return 0, fmt.Errorf("%w %q", ErrUnsupportedLoginType, loginType)
	}
	return level, nil
}

// A Verifier verifies the credentials of a user with the platform.
type Verifier interface {
	// Verify returns [ErrBadCredentials], perhaps wrapped, if the platform
	// rejects the name or the password, and another error if the platform
	// cannot be asked.
	Verify(ctx context.Context, userID, password string) (Identity, error)
}

// Rights are what the platform lets a user do within their level and scope.
type Rights int

// The rights. The zero value is for users whom the platform does not restrict.
const (
	AllRights   Rights = iota
	ReadingOnly        // they may not change anything
	NoRights           // they may not use the API
)

// Identity is the platform's description of a user whose password it verified.
type Identity struct {
	LoginType string // as in the published OCI schema: "System", "Group", …
	TenantID  string // serviceProviderId, if the reply has it
	GroupID   string // groupId, if the reply has it
	// UserID is the platform's spelling of the user's id. It is empty if the
	// platform sends none; then the name of the login is used.
	UserID             string
	MustChangePassword bool // the platform wants a new password
	Rights             Rights
}

// Method is the method by which a request was authenticated.
type Method string

// The methods.
const (
	MethodToken  Method = "token"
	MethodCookie Method = "cookie"
	MethodBasic  Method = "basic"
	MethodAPIKey Method = "api key"
	MethodOIDC   Method = "oidc" // a token of an external issuer
)

// addedByBrowsers reports whether a browser adds a credential of this method to requests
// by itself, also to those of a page of another origin: the cookie, and a Basic
// credential that its user once entered in the browser's dialog. A Bearer token and an
// API key are sent only by a script that knows them, and a script of another origin may
// set their headers only if CORS permits it.
func (m Method) addedByBrowsers() bool { return m == MethodCookie || m == MethodBasic }

// isToken reports whether a credential of a request is a token.
func (m Method) isToken() bool { return m == MethodToken || m == MethodCookie }

// Principal is an authenticated caller.
type Principal struct {
	// Name is the platform's user id, the id of a listed client or, with
	// MethodOIDC, the URL of the issuer, "#" and the subject. Callers of two
	// methods may have the same name; a cookie and a token are one method here.
	Name  string
	Level Level
	// TenantID, GroupID and UserID are the caller's scope. Only those that
	// the level has are set; UserID is set for users, not for administrators.
	TenantID, GroupID, UserID string
	Method                    Method
	// ReadOnly means that the platform does not let the caller change anything,
	// whatever their level is.
	ReadOnly bool
	// Hash is the hash that the secret of a listed client matches, if the client
	// has two, and empty otherwise.
	Hash HashName
}

// Covers reports whether a target is in the caller's scope: everything for a
// System Admin, their own tenant for a Tenant Admin, their own group for a Group or
// Department Admin, each with everything below it, and only themself for an End
// User. Ids are compared exactly. Covers does not check the level; [Principal.May]
// does.
func (p Principal) Covers(t scope.Target) bool {
	level, ok := levels[p.Level]
	return ok &&
		(!level.tenant || isOwn(p.TenantID, t.TenantID)) &&
		(!level.group || isOwn(p.GroupID, t.GroupID)) &&
		(!level.user || isOwn(p.UserID, t.UserID))
}

// isOwn reports whether two ids are the same. An empty id is not the same as another
// empty id.
func isOwn(own, id string) bool { return own != "" && own == id }

// May reports whether the caller has at least that level and the target is in its
// scope.
func (p Principal) May(minimum Level, t scope.Target) bool {
	return p.Level >= minimum && p.Covers(t)
}

// Is reports whether the caller is the user that a target names.
func (p Principal) Is(t scope.Target) bool {
	return p.Level == EndUser && t.Scope() == scope.User && p.Covers(t)
}

// principalOf returns the principal of a user who has logged in under a name.
func principalOf(username string, id Identity) (Principal, error) {
	level, err := LevelOf(id.LoginType)
	if err != nil {
		return Principal{}, err
	}
	if id.Rights == NoRights {
		return Principal{}, fmt.Errorf("%w: login type %q", ErrNoRights, id.LoginType)
	}
	name := id.UserID
	setDefault(&name, username)
	p := Principal{Name: name, Level: level, ReadOnly: id.Rights != AllRights}
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

// checkScope returns an error if a principal's scope has more or fewer parts than
// its level needs. UserID is not needed, because a listed client of the lowest
// level is not a user of the platform.
func (p Principal) checkScope() error {
	level, ok := levels[p.Level]
	if !ok {
		return fmt.Errorf("Level: must be a known level, not %d", int(p.Level))
	}
	return errors.Join(
		checkScopeID("TenantID", p.TenantID, level.tenant),
		checkScopeID("GroupID", p.GroupID, level.group),
	)
}

func checkScopeID(field, id string, wanted bool) error {
	switch {
	case wanted && id == "":
		return fmt.Errorf("%s: is required for the level", field)
	case !wanted && id != "":
		return fmt.Errorf("%s: must be empty for the level", field)
	}
	return nil
}
