package ocisim

import (
	"strings"
	"time"
)

// account is an account that can log in: an administrator or a user. The
// platform's mu guards failures and lockedSince; the other fields never change.
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
	readOnly   bool   // of an administrator of the system
	adminType  string // of an administrator of a tenant; empty means Normal

	failures    int       // in a row
	lockedSince time.Time // zero unless the account is locked
}

// level orders the login types by their rights.
type level int

const (
	noLogin level = iota // commands that need no login
	userLevel
	departmentLevel
	groupLevel
	tenantLevel
	resellerLevel
	provisioningLevel
)

// loginTypes are the login types of the schema. A user is not an administrator,
// so seeds cannot use that type.
var loginTypes = map[string]level{
	"User":             userLevel,
	"Group Department": departmentLevel,
	"Group":            groupLevel,
	"Service Provider": tenantLevel,
	"Reseller":         resellerLevel,
	"Provisioning":     provisioningLevel,
	"System":           provisioningLevel,
}

// systemDomain is the system default domain.
const systemDomain = "example.com"

// account returns the account that can log in with a user id, or nil. By the published
// schema, an id without a domain has the system default domain.
func (s *state) account(id string) *account {
	if a := s.accounts[id]; a != nil {
		return a
	}
	if short, ok := strings.CutSuffix(id, "@"+systemDomain); ok {
		return s.accounts[short]
	}
	if strings.Contains(id, "@") {
		return nil
	}
	return s.accounts[id+"@"+systemDomain]
}

// failLocked counts a failed login and locks the account after too many. The
// caller holds the platform's mu.
func (a *account) failLocked(lockAfter int) {
	a.failures++
	if lockAfter > 0 && a.failures >= lockAfter {
		a.lockedSince = time.Now()
	}
}

// blockedLocked reports whether the account is locked. It unlocks the account
// after lockFor. The caller holds the platform's mu.
func (a *account) blockedLocked(lockFor time.Duration) bool {
	if a.lockedSince.IsZero() {
		return false
	}
	if lockFor > 0 && time.Since(a.lockedSince) >= lockFor {
		a.lockedSince, a.failures = time.Time{}, 0
		return false
	}
	return true
}
