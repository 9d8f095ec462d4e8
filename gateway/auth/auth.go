// Package auth answers one question about an HTTP request: who is calling?
//
// A caller is either somebody who logged in with the credentials of the
// platform and now holds a token, or a client that the operator listed with a
// hashed secret. [Authenticator.Authenticate] finds out which, and gives the
// [Principal]: a name, a level and a scope. A request says who it is from in
// exactly one way:
//
//	Authorization: Bearer TOKEN      a token from a login
//	Cookie: sessionid=TOKEN          the same token, as browsers keep it
//	Authorization: Basic …           the id and secret of a listed client
//	X-API-Key: ID.SECRET             the same, for callers without Basic
//
// A cookie beside one of the headers is ignored, because browsers send it
// unasked. Any other combination, and the same header or cookie twice, is
// refused: two readers of the request could take it to be from two callers.
// Passwords of the platform are taken by [Authenticator.Login] alone; Basic
// never reaches the platform.
//
// # What a replica keeps to itself
//
// Tokens are signed, so every replica with the same keys accepts them. The
// list of tokens that were logged out, the memory of verified clients and the
// counters against guessing belong to one [Authenticator] in one process. A
// token that was logged out at one replica is therefore good at the others
// until it expires, which is why tokens should be short-lived; and N replicas
// allow N times the guesses of one.
//
// What a caller may do is for the package's user to decide; [Principal.May]
// helps with it. So is the writing of HTTP answers. An Authenticator starts no
// goroutines and may be used by many at a time.
package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are the settings of an [Authenticator]. Where a field's doc names a
// default, the zero value stands for it.
type Options struct {
	// Verifier judges the credentials of logins. Required.
	Verifier Verifier

	// ReservedUsers cannot log in, in whatever letter case. The verifier is not
	// asked about them, so that nobody can guess at the gateway's own account
	// until the platform locks it.
	ReservedUsers []string

	// Keys sign and verify tokens: the first signs, all verify. At most two,
	// for rotation: give every replica the new key as the second, then as
	// the first, wait for one TokenTTL, drop the old one. Without any, a
	// random key is made that no other replica has and that ends with the
	// process; [Authenticator.EphemeralKey] tells.
	Keys []Key
	// Audience is the aud claim of tokens. Installations that share keys
	// but not callers need different ones. Default "ocigate".
	Audience string
	// TokenTTL is how long a token lasts, 1 second to 24 hours, counted in
	// whole seconds. Default 15 minutes.
	TokenTTL time.Duration
	// RevokedTokens is how many logged-out tokens are kept in mind. When
	// there are more, the one logged out longest ago is forgotten, and is
	// good again unless it has expired. Default 65,536.
	RevokedTokens int

	// InsecureCookie leaves the Secure attribute off the cookie, for
	// gateways that are reached over plain HTTP.
	InsecureCookie bool
	// SameSite tells browsers whether to send the cookie along from other
	// sites. Default http.SameSiteStrictMode. Whatever it is, changes that
	// pages of another origin ask for with the cookie alone are refused.
	SameSite http.SameSite

	// Clients are the listed clients. Somebody who keeps guessing at the
	// secret of one can keep it out, as with any account, until it was let
	// in once; from then on, for the life of the Authenticator and of the
	// hash, its good secret is not subject to the limits.
	Clients []Client
	// RememberFor is how long a client's credential is known without
	// hashing it again, counted from its last use. Default 10 seconds;
	// negative for not at all.
	RememberFor time.Duration
	// HashConcurrency is how many secrets are hashed at a time; each takes
	// the memory that its hash asks for, up to 256 MiB. Default 2.
	HashConcurrency int

	// AccountLimit slows down guessing at one account, whatever the address.
	// Default: 5 free attempts, delays from 1 second to 5 minutes, a failure
	// forgotten every 15 minutes, 65,536 records.
	AccountLimit Limit
	// AddressLimit slows down guessing from one address, whatever the
	// account; many callers may share an address. Default: 50 free attempts,
	// delays from 1 second to 1 minute, a failure forgotten every minute,
	// 65,536 records.
	AddressLimit Limit
}

// Defaults for the zero values of Options.
const (
	defaultAudience        = "ocigate"
	defaultTokenTTL        = 15 * time.Minute
	defaultRevokedTokens   = 1 << 16
	defaultRememberFor     = 10 * time.Second
	defaultHashConcurrency = 2
)

func defaultAccountLimit() Limit {
	return Limit{FreeAttempts: 5, BaseDelay: time.Second, MaxDelay: 5 * time.Minute, ForgetAfter: 15 * time.Minute, Records: 1 << 16}
}

func defaultAddressLimit() Limit {
	return Limit{FreeAttempts: 50, BaseDelay: time.Second, MaxDelay: time.Minute, ForgetAfter: time.Minute, Records: 1 << 16}
}

func (o *Options) setDefaults() {
	setDefault(&o.Audience, defaultAudience)
	setDefault(&o.TokenTTL, defaultTokenTTL)
	setDefault(&o.RevokedTokens, defaultRevokedTokens)
	setDefault(&o.SameSite, http.SameSiteStrictMode)
	setDefault(&o.RememberFor, defaultRememberFor)
	setDefault(&o.HashConcurrency, defaultHashConcurrency)
	o.AccountLimit.setDefaults(defaultAccountLimit())
	o.AddressLimit.setDefaults(defaultAddressLimit())
}

func setDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// check names every setting that cannot be used, apart from keys, clients and
// origins, which are judged where they are read.
func (o *Options) check() error {
	var errs []error
	refuseIf := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuseIf(o.Verifier == nil, "Verifier: is missing")
	refuseIf(o.TokenTTL < time.Second || o.TokenTTL > 24*time.Hour, "TokenTTL: must be 1s to 24h, is %v", o.TokenTTL)
	refuseIf(o.RevokedTokens < 1, "RevokedTokens: must be 1 or more, is %d", o.RevokedTokens)
	refuseIf(o.SameSite == http.SameSiteNoneMode && o.InsecureCookie, "SameSite: None needs a secure cookie")
	refuseIf(o.HashConcurrency < 1, "HashConcurrency: must be 1 or more, is %d", o.HashConcurrency)
	errs = append(errs, o.AccountLimit.check("AccountLimit"), o.AddressLimit.check("AddressLimit"))
	return errors.Join(errs...)
}

// Authenticator finds out who is calling. [New] makes one.
type Authenticator struct {
	verifier       Verifier
	reserved       []string
	tokens         *tokens
	clients        *clients
	throttle       *throttle
	origins        *http.CrossOriginProtection
	insecureCookie bool
	sameSite       http.SameSite
	replacing      sync.Mutex // is held by Replace
}

// New makes an Authenticator. Its error names everything that is wrong with
// the options, one thing a line.
func New(o Options) (*Authenticator, error) {
	o.setDefaults()
	optionsErr := o.check()
	tokens, keysErr := newTokens(o)
	hashed, clientsErr := hashedClients(o.Clients)
	if err := prefixed("auth", optionsErr, keysErr, clientsErr); err != nil {
		return nil, err
	}
	throttle := newThrottle(o.AccountLimit, o.AddressLimit)
	return &Authenticator{
		verifier:       o.Verifier,
		reserved:       o.ReservedUsers,
		tokens:         tokens,
		clients:        newClients(hashed, o.RememberFor, o.HashConcurrency, throttle),
		throttle:       throttle,
		origins:        http.NewCrossOriginProtection(),
		insecureCookie: o.InsecureCookie,
		sameSite:       o.SameSite,
	}, nil
}

// EphemeralKey tells that tokens are signed with a random key of this process:
// other replicas refuse them, and a restart ends them.
func (a *Authenticator) EphemeralKey() bool { return a.tokens.ring.Load().ephemeral }

// Authenticate tells who sent the request. clientIP is the address that
// failed attempts are counted against; an invalid one (a Unix socket) is not
// counted. Its errors are
//
//   - [ErrNoCredentials] where the request brings none,
//   - [ErrBadCredentials], wrapped with the reason, where they are not good,
//   - a [*ThrottledError] where they were not looked at,
//   - [ErrCrossOrigin] where they are good, but a cookie, and another site's
//     page may have sent it,
//   - the context's error where the request ended before its turn to hash.
func (a *Authenticator) Authenticate(r *http.Request, clientIP netip.Addr) (Principal, error) {
	cred, err := readCredential(r)
	if err != nil {
		return Principal{}, err
	}
	if !cred.method.isToken() {
		return a.clients.authenticate(r.Context(), clientIP, cred)
	}
	t, err := a.session(r, cred)
	return t.principal, err
}

// session reads the token of a request whose credential is one.
func (a *Authenticator) session(r *http.Request, cred credential) (token, error) {
	t, err := a.tokens.parse(cred.secret)
	if err != nil {
		return token{}, err
	}
	t.principal.Method = cred.method
	if cred.method == MethodCookie {
		if err := a.CheckOrigin(r); err != nil {
			return token{}, err
		}
	}
	return t, nil
}

// CheckOrigin refuses, with [ErrCrossOrigin], a request that may change
// something and that a browser says comes from another origin's page.
// [Authenticator.Authenticate] and [Authenticator.Logout] do this for
// cookies. A login should do it too, else another site could log a browser in
// under a name of its own choice.
func (a *Authenticator) CheckOrigin(r *http.Request) error {
	if err := a.origins.Check(r); err != nil {
		return fmt.Errorf("%w: %w", ErrCrossOrigin, err)
	}
	return nil
}

// Session is the outcome of a login.
type Session struct {
	// Token is what the caller shows from now on.
	Token Secret
	// ExpiresIn is how long the token lasts, in whole seconds.
	ExpiresIn time.Duration
	// Principal is who logged in.
	Principal Principal
	// MustChangePassword is what the platform says of the password.
	MustChangePassword bool
}

// Login has the platform verify a password and makes a token of the answer.
// Besides the verifier's own errors, which mean that nobody knows whether the
// password is good, its errors are an [*InputError], [ErrBadCredentials], a
// [*ThrottledError], and, where the password is good but cannot be given a
// scope, [ErrUnsupportedLoginType] and [ErrNoScope].
//
// Names are sent to the platform as they are, but counted without regard to
// case. Where the platform lets its users leave out their domain, the short
// name is counted apart from the full one. An attempt that its caller abandons
// counts as a failed one.
func (a *Authenticator) Login(ctx context.Context, clientIP netip.Addr, username, password string) (Session, error) {
	if err := checkLogin(username, password); err != nil {
		return Session{}, err
	}
	identity, err := a.verify(ctx, clientIP, username, password)
	if err != nil {
		return Session{}, err
	}
	principal, err := principalOf(username, identity)
	if err != nil {
		return Session{}, err
	}
	principal.Method = MethodToken
	signed, err := a.tokens.issue(principal)
	if err != nil {
		return Session{}, err
	}
	return Session{
		Token:              signed,
		ExpiresIn:          a.tokens.ttl,
		Principal:          principal,
		MustChangePassword: identity.MustChangePassword,
	}, nil
}

func (a *Authenticator) verify(ctx context.Context, clientIP netip.Addr, username, password string) (Identity, error) {
	attempt, err := a.throttle.admit(accountOfUser(username), clientIP)
	if err != nil {
		return Identity{}, throttledBy(MethodToken, err)
	}
	defer attempt.end()
	if slices.ContainsFunc(a.reserved, func(user string) bool { return strings.EqualFold(user, username) }) {
		attempt.fail()
		return Identity{}, fmt.Errorf("%w: the user is reserved", ErrBadCredentials)
	}
	identity, err := a.verifier.Verify(ctx, username, password)
	switch {
	case err == nil:
		attempt.succeed()
	case errors.Is(err, ErrBadCredentials), errors.Is(ctx.Err(), context.Canceled):
		attempt.fail()
	}
	return identity, err
}

// Logout ends the token that the request brings, in this process (see the
// package's doc), and tells whose it was. Clients that show their secret with
// each request have nothing to end: they get [ErrNoCredentials]. Otherwise its
// errors are those of [Authenticator.Authenticate].
func (a *Authenticator) Logout(r *http.Request) (Principal, error) {
	cred, err := readCredential(r)
	if err != nil {
		return Principal{}, err
	}
	if !cred.method.isToken() {
		return Principal{}, fmt.Errorf("%w: only a token can be logged out", ErrNoCredentials)
	}
	t, err := a.session(r, cred)
	if err != nil {
		return Principal{}, err
	}
	a.tokens.revoke(t)
	return t.principal, nil
}

// cookieName is the name that the API's documents give the cookie.
const cookieName = "sessionid"

// Cookie holds the session's token for browsers. It goes to the API alone, is
// hidden from scripts, and is not sent along with requests from other sites
// unless the options say so.
func (a *Authenticator) Cookie(s Session) *http.Cookie {
	return a.cookie(string(s.Token), int(s.ExpiresIn/time.Second))
}

// ClearCookie makes a browser drop the cookie.
func (a *Authenticator) ClearCookie() *http.Cookie { return a.cookie("", -1) }

func (a *Authenticator) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // what is weaker is the operator's own choice
		Name:     cookieName,
		Value:    value,
		Path:     "/api/",
		MaxAge:   maxAge,
		Secure:   !a.insecureCookie,
		HttpOnly: true,
		SameSite: a.sameSite,
	}
}

// Challenges are the values of WWW-Authenticate for a 401. Basic is offered
// where there are listed clients, but not to scripts in a browser, which would
// answer it with a dialog of its own.
func (a *Authenticator) Challenges(r *http.Request) []string {
	challenges := []string{`Bearer realm="ocigate"`}
	inBrowser := r.Header.Get("Sec-Fetch-Mode") != ""
	if len(a.clients.listing.Load().list) > 0 && !inBrowser {
		challenges = append(challenges, `Basic realm="ocigate", charset="UTF-8"`)
	}
	return challenges
}
