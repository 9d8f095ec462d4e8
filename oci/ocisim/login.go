package ocisim

import (
	"crypto/md5" //nolint:gosec // the protocol's own algorithm
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the protocol's own algorithm
	"crypto/subtle"
	"encoding/hex"
	"math/big"
	"time"
)

var loginCommands = []commandRow{
	{
		name:   "AuthenticationRequest",
		schema: []particle{userID},
		do:     authentication,
	}, {
		name:   "LoginRequest14sp4",
		schema: []particle{userID, signedPassword, one("plainTextPassword", token(1, 60)).optional()},
		do:     loginSigned,
	}, {
		name:   "LoginRequest22V2",
		schema: []particle{userID, password.optional()},
		do:     func(c *call) ([]node, *refusal) { return c.loginPlain("password") },
	}, {
		name:   "LoginRequest22V5",
		schema: []particle{userID, password.optional(), signedPassword},
		do:     login22V5,
	}, {
		// The reason is whatever clients send, not only the schema's words.
		name:   "LogoutRequest",
		closes: true,
		schema: []particle{userID, one("reason", token(0, 1000)).optional()},
		do:     logout,
	}, {
		name:   "AuthenticationVerifyRequest22V4",
		least:  provisioningLevel,
		schema: []particle{userID, password},
		do:     verifyAuthentication,
	}, {
		name:  "VerifySessionIsValidRequest",
		least: userLevel,
		do:    func(*call) ([]node, *refusal) { return nil, nil },
	}, {
		name:  "SystemSoftwareVersionGetRequest",
		least: userLevel,
		do: func(c *call) ([]node, *refusal) {
			return []node{leaf("version", c.platform.settings.Version)}, nil
		},
	},
}

// signedPassword has no longest length in the schema.
var signedPassword = one("signedPassword", token(1, unbounded)).optional()

// authentication offers a nonce, to unknown users as well.
func authentication(c *call) ([]node, *refusal) {
	n, err := rand.Int(rand.Reader, big.NewInt(1e15))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	id := c.request.get("userId")
	c.session.nonce, c.session.nonceUser = n.String(), id
	return []node{leaf("userId", id), leaf("nonce", c.session.nonce), leaf("passwordAlgorithm", "MD5")}, nil
}

// loginSigned takes the password signed with the nonce, or in plain text, as
// the schema allows where the password is checked by a third party.
func loginSigned(c *call) ([]node, *refusal) {
	nonce, nonceUser := c.session.nonce, c.session.nonceUser
	c.session.nonce, c.session.nonceUser = "", ""
	signed := c.request.get("signedPassword")
	if signed == "" {
		return c.loginPlain("plainTextPassword")
	}
	if nonce == "" || nonceUser != c.request.get("userId") {
		return nil, refuse(noNonce, "")
	}
	return c.login(func(password string) bool { return equal(signed, sign(nonce, password)) })
}

// loginPlain takes the password from an element as it is.
func (c *call) loginPlain(element string) ([]node, *refusal) {
	given := c.request.get(element)
	return c.login(func(password string) bool { return equal(given, password) })
}

// login22V5 does not look at a signed password, which the schema has for
// another kind of server.
func login22V5(c *call) ([]node, *refusal) {
	answer, err := c.loginPlain("password")
	if err == nil {
		answer = leafUnlessEmpty(answer, "resellerId", c.platform.state.accounts[c.request.get("userId")].reseller)
	}
	return answer, err
}

// login makes the session the account's.
func (c *call) login(matches func(password string) bool) ([]node, *refusal) {
	a, err := c.verify(matches)
	if err != nil {
		return nil, err
	}
	c.session.setAccount(a)
	domain := "example.com"
	if a.tenant != nil {
		domain = a.tenant.domain
	}
	return append(c.identity(a), leaf("userDomain", domain)), nil
}

func verifyAuthentication(c *call) ([]node, *refusal) {
	given := c.request.get("password")
	a, err := c.verify(func(password string) bool { return equal(given, password) })
	if err != nil {
		return nil, err
	}
	answer := c.identity(a)
	if a.user != nil {
		answer = leafUnlessEmpty(answer, "lastName", a.user.lastName)
		answer = leafUnlessEmpty(answer, "firstName", a.user.firstName)
	}
	answer = append(answer, leaf("userId", a.id))
	if a.user != nil {
		answer = leafUnlessEmpty(answer, "phoneNumber", a.user.phoneNumber)
	}
	return leafUnlessEmpty(answer, "resellerId", a.reseller), nil
}

// verify judges a password. A locked, disabled or expired account is refused
// before the password is looked at, except that expiry shows only to somebody
// who knows it.
func (c *call) verify(matches func(password string) bool) (*account, *refusal) {
	id := c.request.get("userId")
	a := c.platform.state.accounts[id]
	switch {
	case a == nil:
		return nil, refuse(userNotFound, id)
	case a.locked(c.platform.settings.LockFor):
		return nil, refuse(accountLocked, "")
	case a.condition.Disabled:
		return nil, refuse(accountDisabled, "")
	case a.password == "" || !matches(a.password):
		a.fail(c.platform.settings.LockAfter)
		return nil, refuse(invalidPassword, "")
	case a.condition.PasswordExpired:
		return nil, refuse(passwordExpired, "")
	}
	a.failures = 0
	return a, nil
}

func (a *account) fail(lockAfter int) {
	a.failures++
	if lockAfter > 0 && a.failures >= lockAfter {
		a.lockedSince = time.Now()
	}
}

// locked tells whether the account is locked, and unlocks it when its time is
// over.
func (a *account) locked(lockFor time.Duration) bool {
	if a.lockedSince.IsZero() {
		return false
	}
	if lockFor > 0 && time.Since(a.lockedSince) >= lockFor {
		a.lockedSince, a.failures = time.Time{}, 0
		return false
	}
	return true
}

// identity is what every answer to a login begins with.
func (c *call) identity(a *account) []node {
	answer := []node{leaf("loginType", a.loginType), leaf("locale", "en_US"), leaf("encoding", c.platform.form.encoding)}
	if a.group != nil {
		answer = append(answer, leaf("groupId", a.group.id))
	}
	if a.tenant != nil {
		answer = append(answer, leaf("serviceProviderId", a.tenant.id))
	}
	return append(answer, flag("isEnterprise", a.tenant != nil && a.tenant.enterprise))
}

func logout(c *call) ([]node, *refusal) {
	c.session.setAccount(nil)
	return nil, nil
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// sign is the published signature of a password for a nonce.
func sign(nonce, password string) string {
	inner := sha1.Sum([]byte(password))                                  //nolint:gosec // the protocol's own algorithm
	outer := md5.Sum([]byte(nonce + ":" + hex.EncodeToString(inner[:]))) //nolint:gosec // the protocol's own algorithm
	return hex.EncodeToString(outer[:])
}
