package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// IssuerOptions are the settings of an [Issuer]. In a field with a documented
// default, the zero value means that default.
type IssuerOptions struct {
	// URL is the issuer's identifier: the iss claim of its tokens, and the
	// address below which its discovery document is. It is compared exactly,
	// with or without a slash at its end. It is an https address without query
	// and fragment, or an http address of the loopback interface. Required.
	URL string
	// Audiences are the accepted values of aud: a token must have at least one
	// of them. Required.
	Audiences []string
	// Algorithms are the accepted signature algorithms, from those of
	// [IssuerAlgorithms]. Default RS256, ES256, PS256 and EdDSA.
	Algorithms []string
	// AccessTokensOnly rejects tokens whose header does not have the type
	// at+jwt of RFC 9068. Without it, the type JWT and tokens without a type
	// are accepted, too: many issuers sign access tokens without a type.
	AccessTokensOnly bool
	// Skew is the permitted difference between the clocks of the issuer and of
	// the gateway, 0 to 5 minutes.
	Skew time.Duration

	// Claims maps the claims of a token to a level and a scope.
	Claims ClaimMapping

	// RootCAs returns the authorities that verify the issuer's certificate. It
	// is called for each fetch, so that a file with authorities may change. If
	// it is nil, or returns nil, the system's are used.
	RootCAs func() (*x509.CertPool, error)
	// Timeout limits one fetch: discovery document and keys together.
	// 10 milliseconds to 1 minute. Default 5 seconds.
	Timeout time.Duration
	// Refresh is the time between two fetches of the keys, 1 second to
	// 24 hours. A key that the issuer has removed is accepted for that long.
	// Default 15 minutes.
	Refresh time.Duration
	// UnknownKeyInterval is the shortest time between two fetches. A token with
	// an unknown key causes a fetch before Refresh has passed, but no earlier
	// than this, whatever callers send. 1 millisecond to 1 hour. Default
	// 10 seconds.
	UnknownKeyInterval time.Duration
	// Fetched, unless it is nil, is called after each fetch, one at a time.
	Fetched func(Fetch)
}

// Fetch is the result of a fetch of an issuer's keys.
type Fetch struct {
	Err error // why there are no new keys; nil after success
	// Keys are the ids of the usable keys, without duplicates. A key without an
	// id is an empty text.
	Keys []string
	// Unusable are the reasons why keys of the set are not used.
	Unusable []string
	// Changed reports whether the keys differ from those before, or these are
	// the first ones.
	Changed bool
	// Recovered reports whether the fetch before failed.
	Recovered bool
	// RetryIn is the time until the next fetch after a failure.
	RetryIn time.Duration
}

// Limits of an issuer's settings, and their defaults.
const (
	maxSkew                   = 5 * time.Minute
	defaultIssuerTimeout      = 5 * time.Second
	defaultIssuerRefresh      = 15 * time.Minute
	defaultUnknownKeyInterval = 10 * time.Second
)

// defaultAlgorithms returns the accepted algorithms of an issuer if none are given.
func defaultAlgorithms() []string { return []string{"RS256", "ES256", "PS256", "EdDSA"} }

// IssuerAlgorithms returns the algorithms that an [Issuer] supports. All of them have
// a public key for verification: with a secret that issuer and gateway share, the
// gateway could issue tokens itself.
func IssuerAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}
}

func (o *IssuerOptions) setDefaults() {
	if len(o.Algorithms) == 0 {
		o.Algorithms = defaultAlgorithms()
	}
	setDefault(&o.Timeout, defaultIssuerTimeout)
	setDefault(&o.Refresh, defaultIssuerRefresh)
	setDefault(&o.UnknownKeyInterval, defaultUnknownKeyInterval)
	o.Claims.setDefaults()
}

// check returns an error with every invalid setting.
func (o *IssuerOptions) check() error {
	errs := []error{}
	refuseIf := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if problem := IssuerURLProblem(o.URL); problem != "" {
		refuseIf(true, "URL: %s, not %q", problem, o.URL)
	}
	refuseIf(len(o.Audiences) == 0, "Audiences: is required")
	refuseIf(slices.Contains(o.Audiences, ""), "Audiences: must not have an empty entry")
	for i, name := range o.Algorithms {
		refuseIf(!slices.Contains(IssuerAlgorithms(), name), "Algorithms[%d]: must be one of %s, not %q", i, strings.Join(IssuerAlgorithms(), ", "), name)
	}
	refuseIf(o.Skew < 0 || o.Skew > maxSkew, "Skew: must be from 0s to %v, not %v", maxSkew, o.Skew)
	refuseIf(o.Timeout < 10*time.Millisecond || o.Timeout > time.Minute, "Timeout: must be from 10ms to 1m, not %v", o.Timeout)
	refuseIf(o.Refresh < time.Second || o.Refresh > 24*time.Hour, "Refresh: must be from 1s to 24h, not %v", o.Refresh)
	refuseIf(o.UnknownKeyInterval < time.Millisecond || o.UnknownKeyInterval > time.Hour, "UnknownKeyInterval: must be from 1ms to 1h, not %v", o.UnknownKeyInterval)
	return errors.Join(append(errs, o.Claims.check())...)
}

// IssuerURLProblem returns a clause about what is wrong with the URL of an issuer, or
// an empty text.
func IssuerURLProblem(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "must be an address such as https://sso.example.com/realms/operator"
	case u.User != nil:
		return "must not have a user"
	case strings.ContainsAny(text, "?#"):
		return "must not have a query or a fragment"
	case strings.ContainsAny(text, " \t\r\n"):
		return "must not have blanks"
	case !isProtected(u):
		return "must begin with https:// unless its host is a loopback address"
	}
	return ""
}

// isProtected reports whether a document from an address cannot be changed on its way:
// it is fetched over TLS, or does not leave the machine.
func isProtected(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopbackHost(u.Hostname())
}

func isLoopbackHost(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// An Issuer verifies tokens of an external OpenID Connect issuer with the keys that
// the issuer publishes. [NewIssuer] returns one, [Issuer.Run] keeps its keys current,
// and [Authenticator.ReplaceIssuer] makes an Authenticator accept its tokens. It is
// safe for concurrent use.
//
// # Tokens
//
// A token is a signed JSON Web Token of at most 16 KiB. These are required: a
// signature by a current key with an accepted algorithm; iss, exactly the issuer's
// URL; an accepted aud; sub; exp, in the future; nbf and iat, if present, not in the
// future; the required claims. Rejected are: other types than at+jwt, JWT and none
// (RFC 9068 and RFC 8725, section 3.11); a crit header; a cnf claim, because such a
// token belongs to the owner of a key, and this package does not verify ownership; a
// member that appears twice; and objects and lists nested more than 32 deep. Keys and addresses in a token's header (jwk, jku, x5c,
// x5u) are never used.
//
// # Keys
//
// Keys are fetched when Run begins, then after each Refresh, and earlier for a token
// with an unknown key. Only one fetch runs at a time, and no two begin within
// UnknownKeyInterval, so callers cannot make the gateway load the issuer. While the
// issuer cannot be reached, the last keys stay valid, and attempts follow with a
// backoff of 1 second to 1 minute.
type Issuer struct {
	options   IssuerOptions
	parser    *jwt.Parser
	validator *jwt.Validator
	levelAt   claimPath
	scopeAt   scopePaths
	required  []requiredAt
	// fetch fetches the keys; a test may replace it.
	fetch func(context.Context) (*keySet, error)

	keys    atomic.Pointer[keySet] // nil before the first successful fetch
	wake    chan struct{}          // asks Run for a fetch; of capacity 1
	waiters atomic.Int64           // requests that wait for a fetch

	// mu guards the fields below. It is not held during a fetch.
	mu       sync.Mutex
	round    chan struct{} // closed and replaced at the end of each fetch
	fetching bool
	stopped  bool      // Run has ended
	earliest time.Time // before it, no fetch begins
	failures int       // in a row
	stats    IssuerStats
}

// IssuerStats are the counters of an [Issuer].
type IssuerStats struct {
	Fetched, Failed uint64
	// LastFetched is when the keys were last fetched successfully. It is zero if
	// there are none yet.
	LastFetched time.Time
	Keys        int // usable keys
}

// NewIssuer returns an Issuer without keys. Its error lists all problems of the
// options, one on each line. It does no input or output.
func NewIssuer(o IssuerOptions) (*Issuer, error) {
	o.setDefaults()
	if err := prefixed("auth: issuer", o.check()); err != nil {
		return nil, err
	}
	rules := []jwt.ParserOption{
		jwt.WithValidMethods(o.Algorithms),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(o.Skew),
		jwt.WithIssuer(o.URL),
		jwt.WithAudience(o.Audiences...),
	}
	i := &Issuer{
		options:   o,
		parser:    jwt.NewParser(rules...),
		validator: jwt.NewValidator(rules...),
		wake:      make(chan struct{}, 1),
		round:     make(chan struct{}),
	}
	i.fetch = i.fetchKeys
	i.levelAt, i.scopeAt, i.required = o.Claims.paths()
	return i, nil
}

// URL returns the issuer's identifier.
func (i *Issuer) URL() string { return i.options.URL }

// Stats returns the counters.
func (i *Issuer) Stats() IssuerStats {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.stats
}

// ReplaceIssuer makes the Authenticator accept the tokens of an external issuer
// instead of those of the one before. With nil, it accepts no external tokens, which
// is also the state at first. The caller runs the issuers. Requests that are being
// authenticated may still be accepted by the issuer before.
func (a *Authenticator) ReplaceIssuer(i *Issuer) { a.external.Store(i) }
