// Package auth authenticates HTTP requests.
//
// A caller is a user of the platform who logged in and now holds a token, a client
// that the operator listed with a hashed secret, or the holder of a token of an
// external [Issuer]. [Authenticator.Authenticate] returns the [Principal] of a request: a name, a
// level and a scope.
//
//	a, err := auth.New(auth.Options{Verifier: platform, Clients: clients})
//	…
//	principal, err := a.Authenticate(request, clientIP)
//
// A request carries exactly one of these credentials:
//
//	Authorization: Bearer TOKEN      a token from a login, or of an external issuer
//	Cookie: sessionid=TOKEN          the same token, as browsers keep it
//	Authorization: Basic …           the id and secret of a listed client
//	X-API-Key: ID.SECRET             the same, for callers without Basic
//
// A cookie next to one of the headers is ignored, because browsers send it
// automatically. Any other combination, and the same header or cookie twice, is
// rejected, because two readers of the request could choose different callers.
// Only [Authenticator.Login] accepts passwords of the platform; credentials in
// Basic are never sent to the platform.
//
// # State of a replica
//
// Tokens are signed, so every replica with the same keys accepts them. The cache of
// verified clients and the counters of failed attempts and of logins belong to one
// [Authenticator] and its successors ([Authenticator.With]) in one process, so N
// replicas allow N times the guesses of one.
//
// [Revocations] has the revoked tokens of a process. The caller stores the [Revocation]
// that a logout returns where other processes find it, and gives them to
// [Revocations.Load]: that is how a token that was logged out stays revoked after a
// restart, and becomes revoked at other replicas. This package does not store anything.
//
// The package does not decide what a caller may do, but [Principal.May] helps
// with that, and it writes no HTTP responses. An Authenticator starts no
// goroutines and is safe for concurrent use; [Issuer.Run] fetches the keys of an
// external issuer in a goroutine of its caller.
package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"ocigate/translate/scope"
)

// Options are the settings of an [Authenticator]. In a field with a documented
// default, the zero value means that default.
type Options struct {
	// Verifier verifies the credentials of logins. Required.
	Verifier Verifier

	// Charset reports which user names the platform can hold; the others are
	// refused. If it is nil, it can hold every text.
	Charset scope.Charset
	// DefaultDomain returns the domain that the platform assumes for a user id
	// without one, and an empty text as long as that is not known. If it is
	// nil, it never is. It is called for each login.
	DefaultDomain func() string
	// ReservedUsers cannot log in, in any letter case, with or without the
	// default domain. As long as that is not known, neither can users of the
	// same name in any domain, unless the reserved one has another domain. The
	// verifier gets random credentials instead, so that guesses at the
	// gateway's own account do not make the platform lock it and take as long
	// as other guesses.
	ReservedUsers []string

	// Keys sign and verify tokens: the first signs, all verify. At most two,
	// for rotation: give every replica the new key as the second, then as
	// the first, wait for one TokenTTL, and remove the old one. Without any, a
	// random key is made that no other replica has and that ends with the
	// process; [Authenticator.EphemeralKey] reports this.
	Keys []Key
	// Audience is the aud claim of tokens. Installations that share keys
	// but not callers need different ones. Default "ocigate".
	Audience string
	// TokenTTL is how long a token lasts, 1 second to 24 hours, counted in
	// whole seconds. Default 15 minutes.
	TokenTTL time.Duration
	// Revocations is the set of revoked tokens. Default an empty one, for a process
	// whose revocations end with it.
	Revocations *Revocations

	// InsecureCookie omits the Secure attribute of the cookie, for gateways
	// that are reached over plain HTTP.
	InsecureCookie bool
	// SameSite controls whether browsers send the cookie along from other
	// sites. Default http.SameSiteStrictMode. With every value, changes that
	// pages of another origin request with the cookie or with Basic are
	// rejected, except those of TrustedOrigins with TrustCookies.
	SameSite http.SameSite

	// TrustedOrigins are the origins whose pages may request logins, in the form
	// in which browsers send them: "https://portal.example.com". Without any,
	// only pages of the gateway's own origin may.
	TrustedOrigins []string
	// TrustCookies lets pages of the trusted origins also request changes with
	// what the browser adds by itself: the cookie, which it sends along only if
	// SameSite permits that, and Basic.
	TrustCookies bool

	// Clients are the listed clients. As with any account, continued guesses
	// at the secret of a client can lock the client out until it was
	// authenticated once. From then on, its correct secret is not subject to
	// the limits, as long as the Authenticator exists and the hash is the same.
	Clients []Client
	// RememberFor is how long a client's credential is accepted without
	// hashing it again, counted from its last use. Default 10 seconds;
	// a negative value disables this.
	RememberFor time.Duration
	// HashConcurrency is how many secrets of listed clients that were not verified
	// before are hashed at a time. Those that were have as many slots again, so guesses
	// do not delay them. Each needs the memory that its hash specifies, up to 256 MiB;
	// those of one kind together use no more than that either. A guess that waits
	// longer than 1 second is refused. Default: half of the cores, at least 1.
	HashConcurrency int

	// AccountLimit slows down guessing at one account, from any number of addresses. Half
	// of its free attempts, rounded up, are for addresses that have not failed at the
	// account, and the other half for those that have. An address
	// from which the account has logged in within 30 days has a limit of its own, with
	// all free attempts, and is not delayed by failures from elsewhere. Default:
	// 5 free attempts, delays from 1 second to 5 minutes, one failure removed every 15
	// minutes, 65,536 records.
	AccountLimit Limit
	// AddressLimit slows down guessing from one address, at any account; many
	// callers may share an address. An IPv6 address is its /64. Default: 50 free
	// attempts, delays from 1 second to 1 minute, one failure removed every minute,
	// 65,536 records.
	AddressLimit Limit
	// NetworkLimit slows down guessing from one network: a /24, or a /48 of IPv6.
	// Default: that of AddressLimit with ten times its free attempts, and failures that
	// are removed ten times as fast.
	NetworkLimit Limit

	// AccountLogins and AddressLogins limit successful logins of one account, and from
	// one address. Default: 60 at a time and then 1 per second for an account, 600 at a
	// time and then 20 per second for an address.
	AccountLogins, AddressLogins LoginLimit
	// LoginConcurrency is how many passwords the verifier is asked about at a time.
	// A quarter of that, at least one, is reserved for accounts and addresses that have
	// logged in before. At least 2. Default 8.
	LoginConcurrency int
}

// Defaults for the zero values of Options.
const (
	defaultAudience         = "ocigate"
	defaultTokenTTL         = 15 * time.Minute
	defaultRememberFor      = 10 * time.Second
	defaultLoginConcurrency = 8
	defaultRecords          = 1 << 16
	networkFactor           = 10 // between the limits of an address and of a network
)

func defaultAccountLimit() Limit {
	return Limit{FreeAttempts: 5, BaseDelay: time.Second, MaxDelay: 5 * time.Minute, DecayAfter: 15 * time.Minute, Records: defaultRecords}
}

func defaultAddressLimit() Limit {
	return Limit{FreeAttempts: 50, BaseDelay: time.Second, MaxDelay: time.Minute, DecayAfter: time.Minute, Records: defaultRecords}
}

// defaultNetworkLimit returns the limit of networks for that of addresses.
func defaultNetworkLimit(address Limit) Limit {
	address.FreeAttempts *= networkFactor
	address.DecayAfter = max(address.DecayAfter/networkFactor, 1)
	return address
}

func (o *Options) setDefaults() {
	setDefault(&o.Audience, defaultAudience)
	setDefault(&o.TokenTTL, defaultTokenTTL)
	setDefault(&o.SameSite, http.SameSiteStrictMode)
	setDefault(&o.RememberFor, defaultRememberFor)
	setDefault(&o.HashConcurrency, defaultHashConcurrency())
	setDefault(&o.LoginConcurrency, defaultLoginConcurrency)
	o.AccountLimit.setDefaults(defaultAccountLimit())
	o.AddressLimit.setDefaults(defaultAddressLimit())
	o.NetworkLimit.setDefaults(defaultNetworkLimit(o.AddressLimit))
	o.AccountLogins.setDefaults(LoginLimit{Burst: 60, PerSecond: 1})
	o.AddressLogins.setDefaults(LoginLimit{Burst: 600, PerSecond: 20})
}

// limits returns the limits of the throttle.
func (o *Options) limits() limits {
	return limits{
		account: o.AccountLimit, address: o.AddressLimit, network: o.NetworkLimit,
		accountLogins: o.AccountLogins, addressLogins: o.AddressLogins,
	}
}

func setDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// check returns an error with every invalid setting, except keys and clients,
// which are checked when they are read.
func (o *Options) check() error {
	var errs []error
	refuseIf := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuseIf(o.Verifier == nil, "Verifier: is required")
	refuseIf(o.TokenTTL < time.Second || o.TokenTTL > maxTokenTTL, "TokenTTL: must be from 1s to 24h, not %v", o.TokenTTL)
	refuseIf(o.SameSite == http.SameSiteNoneMode && o.InsecureCookie, "SameSite: None needs a secure cookie")
	refuseIf(o.HashConcurrency < 1, "HashConcurrency: must be 1 or more, not %d", o.HashConcurrency)
	refuseIf(o.LoginConcurrency < 2, "LoginConcurrency: must be 2 or more, not %d", o.LoginConcurrency)
	errs = append(errs, o.AccountLimit.check("AccountLimit"), o.AddressLimit.check("AddressLimit"), o.NetworkLimit.check("NetworkLimit"),
		o.AccountLogins.check("AccountLogins"), o.AddressLogins.check("AddressLogins"))
	return errors.Join(errs...)
}

// An Authenticator authenticates requests, and logs users in and out. [New] makes
// one, and [Authenticator.With] makes one with other options that shares its state.
type Authenticator struct {
	verifier       Verifier
	names          *userNames
	tokens         *tokens
	clients        *clients
	throttle       *throttle
	verifying      *slots
	origins        origins
	external       atomic.Pointer[Issuer] // nil without an external issuer
	insecureCookie bool
	sameSite       http.SameSite
}

// New returns an Authenticator. Its error lists all problems of the options, one
// on each line.
func New(o Options) (*Authenticator, error) {
	v, err := validate(o)
	if err != nil {
		return nil, err
	}
	tokens, err := newTokens(v.options)
	if err != nil {
		return nil, err
	}
	throttle := newThrottle(v.options.limits())
	clients := newClients(v.clients, v.options.RememberFor, v.options.HashConcurrency, throttle)
	return v.authenticator(tokens, clients, throttle, newVerifying(v.options.LoginConcurrency)), nil
}

// validated holds options without a problem, and what is made of them.
type validated struct {
	options Options // with their defaults
	clients []*client
	origins origins
}

// validate sets the defaults of options. Its error lists all of their problems.
func validate(o Options) (validated, error) {
	o.setDefaults()
	optionsErr := o.check()
	_, keysErr := keysByID(o.Keys)
	hashed, clientsErr := hashedClients(o.Clients)
	origins, originsErr := newOrigins(o.TrustedOrigins, o.TrustCookies)
	return validated{o, hashed, origins}, prefixed("auth", optionsErr, originsErr, keysErr, clientsErr)
}

// authenticator returns an Authenticator with these options and that state.
func (v validated) authenticator(tokens *tokens, clients *clients, throttle *throttle, verifying *slots) *Authenticator {
	return &Authenticator{
		verifier:       v.options.Verifier,
		names:          newUserNames(v.options),
		tokens:         tokens,
		clients:        clients,
		throttle:       throttle,
		verifying:      verifying,
		origins:        v.origins,
		insecureCookie: v.options.InsecureCookie,
		sameSite:       v.options.SameSite,
	}
}

// EphemeralKey reports whether tokens are signed with a random key of this
// process: other replicas reject them, and a restart ends them.
func (a *Authenticator) EphemeralKey() bool { return a.tokens.ring.ephemeral }

// Authenticate returns the principal of the request. Failed attempts are counted
// for the address clientIP, unless it is invalid (a Unix socket). Its errors are
//
//   - [ErrNoCredentials] if the request has none,
//   - [ErrBadCredentials], wrapped with the reason, if they are not valid,
//   - [ErrRevocationsUnread] for a token that may have been revoked,
//   - a [*ThrottledError] if they were not verified because of the limits,
//   - a [*TokenError], which wraps ErrBadCredentials, if they are a token of the
//     external issuer that is not valid,
//   - a [*ClaimError] if that token is valid, but gives its caller no rights,
//   - an [*UnavailableError] if the keys of the external issuer are not available,
//   - [ErrCrossOrigin] if they are a valid cookie or any Basic, but a page of
//     another origin may have sent the request,
//   - a ThrottledError too if the request's time was over before its secret was
//     hashed, and the context's error if it was canceled.
func (a *Authenticator) Authenticate(r *http.Request, clientIP netip.Addr) (Principal, error) {
	cred, err := readCredential(r)
	if err != nil {
		return Principal{}, err
	}
	if !cred.method.isToken() {
		// Before the secret is hashed: nothing is done with it.
		if err := a.origins.check(r, cred.method); err != nil {
			return Principal{}, err
		}
		return a.clients.authenticate(r.Context(), clientIP, cred)
	}
	t, err := a.session(r, cred)
	return t.principal, err
}

// session parses the token of a request, which must be the request's credential.
func (a *Authenticator) session(r *http.Request, cred credential) (token, error) {
	if external := a.external.Load(); external != nil && !a.tokens.isKnown(cred.secret) {
		if of := claimedIssuer(cred.secret); of == external.URL() {
			return a.externalSession(r.Context(), external, cred)
		}
	}
	t, err := a.tokens.parse(cred.secret)
	if err != nil {
		return token{}, err
	}
	t.principal.Method = cred.method
	if err := a.origins.check(r, cred.method); err != nil {
		return token{}, err
	}
	return t, nil
}

// Session is the result of a login.
type Session struct {
	// Token authenticates the caller's further requests.
	Token Secret
	// ExpiresIn is how long the token is valid, in whole seconds.
	ExpiresIn time.Duration
	// Principal is the user who logged in.
	Principal Principal
	// MustChangePassword reports whether the platform wants a new password.
	MustChangePassword bool
}

// Login verifies a password with the platform and returns a session with a new
// token. Its errors are an [*InputError], [ErrBadCredentials], a
// [*ThrottledError], and, if the password is correct but the user has no scope or
// no rights, [ErrUnsupportedLoginType], [ErrNoScope], [ErrNoRights] or [ErrRightsUnknown]. Any
// other error is the verifier's and means that it is not known whether the password is correct.
//
// Names are sent to the platform unchanged, but failed attempts are counted
// without regard to letter case, and a name without a domain as one with the
// default domain, once that is known. A name that cannot be the form in which the
// platform holds it is refused. A login whose context is canceled while the verifier
// is asked counts as a failed attempt.
func (a *Authenticator) Login(ctx context.Context, clientIP netip.Addr, username, password string) (Session, error) {
	if err := a.names.checkLogin(username, password); err != nil {
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

// verify has the verifier check a password, unless the limits reject the attempt.
func (a *Authenticator) verify(ctx context.Context, clientIP netip.Addr, username, password string) (Identity, error) {
	patience, cancel := context.WithTimeout(ctx, loginPatience)
	defer cancel()
	attempt, err := a.throttle.admit(patience, userTarget(a.names.account(username), clientIP))
	if err != nil {
		return Identity{}, throttledBy(MethodToken, err)
	}
	defer attempt.end()
	reserved := a.names.isReserved(username)
	if reserved {
		username, password = substitute(username, password)
	}
	slot := &ticket{known: attempt.lane == laneKnown, rank: attempt.rank}
	if slot.known {
		patience = ctx
	}
	if err := a.verifying.acquire(patience, slot); err != nil {
		return Identity{}, throttledBy(MethodToken, err)
	}
	defer a.verifying.release(slot)
	identity, err := a.verifier.Verify(ctx, username, password)
	if err == nil && (reserved || a.names.isReservedIdentity(username, identity)) {
		identity, err = Identity{}, fmt.Errorf("%w: the user is reserved", ErrBadCredentials)
	}
	switch {
	case err == nil, errors.Is(err, ErrRightsUnknown):
		attempt.succeed()
	case errors.Is(err, ErrBadCredentials), errors.Is(ctx.Err(), context.Canceled):
		attempt.fail()
	}
	return identity, err
}

// Logout revokes the token of the request in this process, and returns its principal and
// the revocation, which the caller stores (see the package comment). That may be one of
// all tokens of the principal until now: see [Revocations]. Clients that send their secret
// with each request have no token: for them, the error is [ErrNoCredentials]. The other
// errors are those of [Authenticator.Authenticate].
func (a *Authenticator) Logout(r *http.Request) (Principal, Revocation, error) {
	cred, err := readCredential(r)
	if err != nil {
		return Principal{}, Revocation{}, err
	}
	if !cred.method.isToken() {
		return Principal{}, Revocation{}, fmt.Errorf("%w: only a token can be logged out", ErrNoCredentials)
	}
	t, err := a.session(r, cred)
	if err != nil {
		return Principal{}, Revocation{}, err
	}
	return t.principal, a.tokens.revoked.revoke(t), nil
}

// cookieName is the name of the cookie in the API's specification.
const cookieName = "sessionid"

// Cookie returns a cookie with the session's token for browsers. Its path is that
// of the API, scripts cannot read it, and browsers do not send it along with
// requests from other sites unless [Options] permit that.
func (a *Authenticator) Cookie(s Session) *http.Cookie {
	return a.cookie(string(s.Token), int(s.ExpiresIn/time.Second))
}

// ClearCookie returns a cookie that makes a browser remove the cookie of a
// session.
func (a *Authenticator) ClearCookie() *http.Cookie { return a.cookie("", -1) }

func (a *Authenticator) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // weaker attributes are the operator's choice
		Name:     cookieName,
		Value:    value,
		Path:     "/api/",
		MaxAge:   maxAge,
		Secure:   !a.insecureCookie,
		HttpOnly: true,
		SameSite: a.sameSite,
	}
}

// Challenges returns the values of WWW-Authenticate for a 401. Basic is among them
// if there are listed clients and the request is not from a script in a browser:
// the browser would open a login dialog.
func (a *Authenticator) Challenges(r *http.Request) []string {
	challenges := []string{`Bearer realm="ocigate"`}
	inBrowser := r.Header.Get("Sec-Fetch-Mode") != ""
	if len(a.clients.list) > 0 && !inBrowser {
		challenges = append(challenges, `Basic realm="ocigate", charset="UTF-8"`)
	}
	return challenges
}
