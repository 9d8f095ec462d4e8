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
		name: "LoginRequest22", since: 22,
		schema: []particle{userID, password.optional()},
		do:     loginPlain(answerForm{}),
	}, {
		name: "LoginRequest22V2", since: 22,
		schema: []particle{userID, password.optional()},
		do:     loginPlain(answerForm{reseller: true}),
	}, {
		name: "LoginRequest22V3", since: 23,
		schema: []particle{userID, password.optional()},
		do:     loginPlain(answerForm{reseller: true, resellerID: true}),
	}, {
		name: "LoginRequest22V4", since: 23,
		schema: []particle{userID, password.optional(), signedPassword},
		do:     loginPlain(answerForm{reseller: true, resellerID: true}),
	}, {
		name: "LoginRequest22V5", since: 24,
		schema: []particle{userID, password.optional(), signedPassword},
		do:     loginPlain(answerForm{reseller: true, resellerID: true}),
	}, {
		// The reason is whatever clients send, not only the schema's words.
		name:   "LogoutRequest",
		closes: true,
		schema: []particle{userID, one("reason", token(0, 1000)).optional()},
		do:     logout,
	}, {
		name:   "AuthenticationVerifyRequest14sp8",
		least:  provisioningLevel,
		schema: []particle{userID, password},
		do:     verifyAuthentication(answerForm{}),
	}, {
		name: "AuthenticationVerifyRequest22V4", since: 24,
		least:  provisioningLevel,
		schema: []particle{userID, password},
		do:     verifyAuthentication(answerForm{reseller: true, resellerID: true}),
	}, {
		name:  "VerifySessionIsValidRequest",
		least: userLevel,
		do:    func(*call) ([]node, *refusal) { return nil, nil },
	}, {
		name:  "SystemSoftwareVersionGetRequest",
		least: userLevel,
		do:    getVersion,
	}, {
		name: "SystemSoftwareVersionGetRequestRI", releaseIndependent: true,
		least: userLevel,
		do:    getVersion,
	},
}

// answerForm is what the answer to a login or a verification has room for,
// which differs between the commands.
type answerForm struct {
	reseller   bool // the login type Reseller
	resellerID bool // the element resellerId
}

// fits refuses an account whose login type the answer cannot express.
func (f answerForm) fits(a *account) *refusal {
	if a.level == resellerLevel && !f.reseller {
		return refuse(loginTypeUnknown, "")
	}
	return nil
}

// resellerOf adds the reseller to the end of an answer, where it has room.
func (f answerForm) resellerOf(a *account, answer []node) []node {
	if !f.resellerID {
		return answer
	}
	return leafUnlessEmpty(answer, "resellerId", a.reseller)
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
		return c.login(c.passwordIn("plainTextPassword"), answerForm{})
	}
	if nonce == "" || nonceUser != c.request.get("userId") {
		return nil, refuse(noNonce, "")
	}
	return c.login(func(password string) bool { return equal(signed, sign(nonce, password)) }, answerForm{})
}

// loginPlain takes the password as it is. It does not look at a signed one,
// which the schema has for another kind of server.
func loginPlain(form answerForm) func(*call) ([]node, *refusal) {
	return func(c *call) ([]node, *refusal) { return c.login(c.passwordIn("password"), form) }
}

// passwordIn matches the password that an element of the request holds.
func (c *call) passwordIn(element string) func(password string) bool {
	given := c.request.get(element)
	return func(password string) bool { return equal(given, password) }
}

// login makes the session the account's.
func (c *call) login(matches func(password string) bool, form answerForm) ([]node, *refusal) {
	a, err := c.verify(matches, form)
	if err != nil {
		return nil, err
	}
	c.session.setAccount(a)
	domain := "example.com"
	if a.tenant != nil {
		domain = a.tenant.domain
	}
	return form.resellerOf(a, append(c.identity(a), leaf("userDomain", domain))), nil
}

func verifyAuthentication(form answerForm) func(*call) ([]node, *refusal) {
	return func(c *call) ([]node, *refusal) {
		a, err := c.verify(c.passwordIn("password"), form)
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
		return form.resellerOf(a, answer), nil
	}
}

// verify checks a password. A locked or disabled account is refused before the
// password is looked at. That it has expired, or that the answer cannot express
// the login type, shows only to somebody who knows the password.
func (c *call) verify(matches func(password string) bool, form answerForm) (*account, *refusal) {
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
	if err := form.fits(a); err != nil {
		return nil, err
	}
	return a, nil
}

func getVersion(c *call) ([]node, *refusal) {
	return []node{leaf("version", c.platform.settings.Version)}, nil
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
