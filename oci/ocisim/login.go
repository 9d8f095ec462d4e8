package ocisim

import (
	"crypto/md5" //nolint:gosec // the protocol's own algorithm
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the protocol's own algorithm
	"crypto/subtle"
	"encoding/hex"
	"math/big"
)

// loginCommands log in and out, verify passwords and sessions and read the
// version.
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
		do:     loginPlain(replyForm{}),
	}, {
		name: "LoginRequest22V2", since: 22,
		schema: []particle{userID, password.optional()},
		do:     loginPlain(replyForm{reseller: true}),
	}, {
		name: "LoginRequest22V3", since: 23,
		schema: []particle{userID, password.optional()},
		do:     loginPlain(replyForm{reseller: true, resellerID: true}),
	}, {
		name: "LoginRequest22V4", since: 23,
		schema: []particle{userID, password.optional(), signedPassword},
		do:     loginPlain(replyForm{reseller: true, resellerID: true}),
	}, {
		name: "LoginRequest22V5", since: 24,
		schema: []particle{userID, password.optional(), signedPassword},
		do:     loginPlain(replyForm{reseller: true, resellerID: true}),
	}, {
		// The reason may be any text of a client, not only the schema's values.
		name:   "LogoutRequest",
		closes: true,
		schema: []particle{userID, one("reason", token(0, 1000)).optional()},
		do:     logout,
	}, {
		name:   "AuthenticationVerifyRequest14sp8",
		least:  provisioningLevel,
		schema: []particle{userID, password},
		do:     verifyAuthentication(replyForm{}),
	}, {
		name: "AuthenticationVerifyRequest22V4", since: 24,
		least:  provisioningLevel,
		schema: []particle{userID, password},
		do:     verifyAuthentication(replyForm{reseller: true, resellerID: true}),
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

// replyForm is what the reply to a login or a verification can express. It differs
// between the commands.
type replyForm struct {
	reseller   bool // the login type Reseller
	resellerID bool // the element resellerId
}

// fits returns a refusal if the reply cannot express the account's login type.
func (f replyForm) fits(a *account) *refusal {
	if a.level == resellerLevel && !f.reseller {
		return refuse(loginTypeUnknown, "")
	}
	return nil
}

// resellerOf appends the reseller to a reply that can express it.
func (f replyForm) resellerOf(a *account, reply []node) []node {
	if !f.resellerID {
		return reply
	}
	return leafUnlessEmpty(reply, "resellerId", a.reseller)
}

// signedPassword has no greatest length in the schema.
var signedPassword = one("signedPassword", token(1, unbounded)).optional()

// authentication issues a nonce, also to unknown users.
func authentication(c *call) ([]node, *refusal) {
	n, err := rand.Int(rand.Reader, big.NewInt(1e15))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	id := c.request.get("userId")
	c.session.nonce, c.session.nonceUser = n.String(), id
	return []node{leaf("userId", id), leaf("nonce", c.session.nonce), leaf("passwordAlgorithm", "MD5")}, nil
}

// loginSigned accepts the password signed with the nonce or in plain text. The
// schema allows plain text for passwords that a third party checks.
func loginSigned(c *call) ([]node, *refusal) {
	nonce, nonceUser := c.session.nonce, c.session.nonceUser
	c.session.nonce, c.session.nonceUser = "", ""
	signed := c.request.get("signedPassword")
	if signed == "" {
		return c.login(c.passwordIn("plainTextPassword"), replyForm{})
	}
	if nonce == "" || nonceUser != c.request.get("userId") {
		return nil, refuse(noNonce, "")
	}
	return c.login(func(password string) bool { return equal(signed, sign(nonce, password)) }, replyForm{})
}

// loginPlain accepts the password in plain text. It ignores a signed one, which
// the schema has for another kind of server.
func loginPlain(form replyForm) func(*call) ([]node, *refusal) {
	return func(c *call) ([]node, *refusal) { return c.login(c.passwordIn("password"), form) }
}

// passwordIn returns a function that reports whether a password is equal to the
// one in an element of the request.
func (c *call) passwordIn(element string) func(password string) bool {
	given := c.request.get(element)
	return func(password string) bool { return equal(given, password) }
}

// login logs the session in.
func (c *call) login(matches func(password string) bool, form replyForm) ([]node, *refusal) {
	a, err := c.verify(matches, form)
	if err != nil {
		return nil, err
	}
	c.session.setAccount(a)
	domain := systemDomain
	if a.tenant != nil {
		domain = a.tenant.domain
	}
	return form.resellerOf(a, append(c.identity(a), leaf("userDomain", domain))), nil
}

func verifyAuthentication(form replyForm) func(*call) ([]node, *refusal) {
	return func(c *call) ([]node, *refusal) {
		a, err := c.verify(c.passwordIn("password"), form)
		if err != nil {
			return nil, err
		}
		reply := c.identity(a)
		if a.user != nil {
			reply = leafUnlessEmpty(reply, "lastName", a.user.lastName)
			reply = leafUnlessEmpty(reply, "firstName", a.user.firstName)
		}
		reply = append(reply, leaf("userId", a.id))
		if a.user != nil {
			reply = leafUnlessEmpty(reply, "phoneNumber", a.user.phoneNumber)
		}
		return form.resellerOf(a, reply), nil
	}
}

// verify checks a password. It refuses a locked or disabled account before it
// checks the password. It reports that the password has expired, or that the reply
// cannot express the login type, only after a correct password.
func (c *call) verify(matches func(password string) bool, form replyForm) (*account, *refusal) {
	id := c.request.get("userId")
	a := c.state.account(id)
	switch {
	case a == nil:
		return nil, refuse(userNotFound, id)
	case a.blockedLocked(c.platform.settings.LockFor):
		return nil, refuse(accountLocked, "")
	case a.condition.Disabled:
		return nil, refuse(accountDisabled, "")
	case a.password == "" || !matches(a.password):
		a.failLocked(c.platform.settings.LockAfter)
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

// identity returns the elements at the beginning of each reply to a login.
func (c *call) identity(a *account) []node {
	reply := []node{leaf("loginType", a.loginType), leaf("locale", "en_US"), leaf("encoding", c.platform.form.encoding)}
	if a.group != nil {
		reply = append(reply, leaf("groupId", a.group.id))
	}
	if a.tenant != nil {
		reply = append(reply, leaf("serviceProviderId", a.tenant.id))
	}
	return append(reply, flag("isEnterprise", a.tenant != nil && a.tenant.enterprise))
}

func logout(c *call) ([]node, *refusal) {
	c.session.setAccount(nil)
	return nil, nil
}

// equal compares in constant time.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// sign returns the published signature of a password for a nonce.
func sign(nonce, password string) string {
	inner := sha1.Sum([]byte(password))                                  //nolint:gosec // the protocol's own algorithm
	outer := md5.Sum([]byte(nonce + ":" + hex.EncodeToString(inner[:]))) //nolint:gosec // the protocol's own algorithm
	return hex.EncodeToString(outer[:])
}
