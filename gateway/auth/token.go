package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"
)

// Key signs tokens with HMAC-SHA256.
type Key struct {
	// ID is the kid in the header of tokens: 1..64 letters, digits, "_", "-"
	// and ".". A key keeps its id as long as it is used.
	ID string
	// Secret is the key itself: at least 32 random bytes.
	Secret Secret
}

const (
	issuer   = "ocigate"
	maxKeys  = 2
	minKey   = 32   // bytes, the output of SHA-256 (RFC 7518, section 3.2)
	maxToken = 4096 // bytes, the limit of browsers for a cookie

	// leeway is the permitted difference between the clocks of two replicas.
	leeway = 10 * time.Second
)

var (
	keyID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	// compactJWS also rejects line breaks, which encoding/base64 skips.
	compactJWS = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)
)

// claims are the claims of a token. Level is a pointer, because the lowest level is
// 0 and must differ from a missing claim.
type claims struct {
	jwt.RegisteredClaims
	Level    *Level `json:"lvl"`
	TenantID string `json:"tid,omitempty"`
	GroupID  string `json:"gid,omitempty"`
	UserID   string `json:"uid,omitempty"`
	// After is the time, in microseconds since 1970, until which all tokens of the user
	// were revoked as far as was known at the login. This token was issued after that,
	// even if iat, which has only seconds and comes from another clock, is not later.
	After    int64 `json:"rev,omitempty"`
	ReadOnly bool  `json:"ro,omitempty"`
}

// token is a token that was verified.
type token struct {
	id              string
	principal       Principal
	issued, expires time.Time

	owner string // the Principal of its revocations
	// counted is when the token counts as issued for revocations: later than the last
	// revocation of all tokens of the owner that its issuer knew.
	counted time.Time
	ends    time.Time // no replica accepts it from then on
}

// current reports whether the token is valid at a time: issued before and not
// expired.
func (t token) current(now time.Time) bool {
	return now.Before(t.expires.Add(leeway)) && !now.Before(t.issued.Add(-leeway))
}

// knownTokens is the size of the cache of verified tokens. Verifying a token takes
// longer than most requests that carry one.
const knownTokens = 4096

// tokens issues, verifies and revokes tokens.
type tokens struct {
	ring     *keyring
	audience string
	ttl      time.Duration
	parser   *jwt.Parser
	revoked  *Revocations // shared by all successors
}

// keyring holds the keys at one time, and the cache of tokens that were verified
// with them for one audience. Its keys are immutable; a successor with other keys has
// another keyring, with an empty cache.
type keyring struct {
	given     []Key // empty if the key is a random one
	signing   Key
	keys      map[string]Key
	ephemeral bool
	known     *lru.Cache[string, token] // by their text
}

// newTokens returns the tokens of an Authenticator without a predecessor.
func newTokens(o Options) (*tokens, error) {
	ring, err := newKeyring(o.Keys)
	if err != nil {
		return nil, err
	}
	revoked := o.Revocations
	if revoked == nil {
		revoked = NewRevocations()
		revoked.Load(nil)
	}
	return tokensWith(o, ring, revoked), nil
}

func tokensWith(o Options, ring *keyring, revoked *Revocations) *tokens {
	t := &tokens{
		audience: o.Audience,
		ttl:      o.TokenTTL.Truncate(time.Second),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithStrictDecoding(),
			jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(),
			jwt.WithLeeway(leeway),
			jwt.WithIssuer(issuer),
			jwt.WithAudience(o.Audience),
		),
		revoked: revoked,
		ring:    ring,
	}
	return t
}

// newKeyring returns a keyring of the given keys, or of a random key if none is
// given.
func newKeyring(given []Key) (*keyring, error) {
	keys := given
	ephemeral := len(keys) == 0
	if ephemeral {
		keys = []Key{randomKey()}
	}
	byID, err := keysByID(keys)
	if err != nil {
		return nil, err
	}
	known, err := lru.New[string, token](knownTokens)
	if err != nil {
		return nil, err
	}
	return &keyring{given: slices.Clone(given), signing: keys[0], keys: byID, ephemeral: ephemeral, known: known}, nil
}

func randomKey() Key {
	secret := make([]byte, minKey)
	_, _ = rand.Read(secret) // it never returns an error: it ends the program instead
	return Key{ID: "ephemeral-" + rand.Text(), Secret: Secret(secret)}
}

func keysByID(keys []Key) (map[string]Key, error) {
	var errs []error
	if len(keys) > maxKeys {
		errs = append(errs, fmt.Errorf("%s: must have at most %d entries, not %d", "Keys", maxKeys, len(keys)))
	}
	byID := make(map[string]Key, len(keys))
	for i, key := range keys {
		if !keyID.MatchString(key.ID) {
			errs = append(errs, fmt.Errorf("Keys[%d].ID: must be 1..64 letters, digits, _, - and ., not %q", i, key.ID))
		}
		if len(key.Secret) < minKey {
			errs = append(errs, fmt.Errorf("Keys[%d].Secret: must have %d bytes or more, not %d", i, minKey, len(key.Secret)))
		}
		if _, taken := byID[key.ID]; taken {
			errs = append(errs, fmt.Errorf("Keys[%d].ID: %q must be given only once", i, key.ID))
		}
		byID[key.ID] = key
	}
	return byID, errors.Join(errs...)
}

// issue returns a new token for a principal.
func (t *tokens) issue(p Principal) (Secret, error) {
	now, signing := time.Now().Truncate(time.Second), t.ring.signing
	unsigned := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Subject:   p.Name,
			Audience:  jwt.ClaimStrings{t.audience},
			ExpiresAt: jwt.NewNumericDate(now.Add(t.ttl)),
			IssuedAt:  jwt.NewNumericDate(now),
			ID:        rand.Text(),
		},
		Level:    &p.Level,
		TenantID: p.TenantID,
		GroupID:  p.GroupID,
		UserID:   p.UserID,
		After:    microseconds(t.revoked.lastOf(UserPrincipal(p.Name))),
		ReadOnly: p.ReadOnly,
	})
	unsigned.Header["kid"] = signing.ID
	signed, err := unsigned.SignedString([]byte(signing.Secret))
	if err != nil {
		return "", fmt.Errorf("auth: sign a token: %w", err)
	}
	return Secret(signed), nil
}

// parse verifies a token, or returns it from the cache. The parts that may have
// changed, its age and whether it was logged out, are checked each time. If the
// token is not valid, the error is [ErrBadCredentials].
func (t *tokens) parse(text string) (token, error) {
	if len(text) > maxToken {
		return token{}, malformed("the token is too long")
	}
	ring := t.ring
	read, known := ring.known.Get(text)
	if !known || !read.current(time.Now()) {
		var err error
		if read, err = t.read(text, ring); err != nil {
			return token{}, err
		}
		ring.known.Add(strings.Clone(text), read) // the text shares memory with the request's header
	}
	if err := t.revoked.check(read); err != nil {
		return token{}, err
	}
	return read, nil
}

// isKnown reports whether a text is a token that was verified. Its age and whether it
// was logged out are still to be checked.
func (t *tokens) isKnown(text string) bool { return t.ring.known.Contains(text) }

// read verifies a token and returns its claims.
func (t *tokens) read(text string, ring *keyring) (token, error) {
	if !compactJWS.MatchString(text) {
		return token{}, malformed("the token is not a JSON Web Token")
	}
	if isDeep(text) {
		return token{}, malformed("the token is nested too deep")
	}
	var c claims
	if _, err := t.parser.ParseWithClaims(text, &c, ring.key); err != nil {
		return token{}, fmt.Errorf("%w: %w", ErrBadCredentials, err)
	}
	if c.IssuedAt == nil || c.ID == "" || c.Subject == "" || c.Level == nil {
		return token{}, malformed("a claim of the token is missing")
	}
	p := Principal{Name: c.Subject, Level: *c.Level, TenantID: c.TenantID, GroupID: c.GroupID, UserID: c.UserID, ReadOnly: c.ReadOnly}
	if err := p.checkScope(); err != nil {
		return token{}, fmt.Errorf("%w: the token's scope: %w", ErrBadCredentials, err)
	}
	read := token{id: c.ID, principal: p, issued: c.IssuedAt.Time, expires: c.ExpiresAt.Time}
	read.owner = UserPrincipal(p.Name)
	read.counted = read.issued
	if c.After != 0 {
		read.counted = later(read.issued, time.UnixMicro(c.After+1))
	}
	// One leeway for the expiry, and one because the clock of the replica that removes
	// the revocation may be ahead.
	read.ends = read.expires.Add(2 * leeway)
	return read, nil
}

// microseconds returns a time in microseconds since 1970, and 0 for the zero time.
func microseconds(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}

// key returns the key that a token names. The token's header must have exactly the
// fields that this package writes, because extensions would have to be
// interpreted.
func (k *keyring) key(unverified *jwt.Token) (any, error) {
	id, _ := unverified.Header["kid"].(string)
	key, ok := k.keys[id]
	if !ok {
		return nil, errors.New("the token's key is unknown")
	}
	if len(unverified.Header) != 3 || unverified.Header["typ"] != "JWT" {
		return nil, errors.New("the token's header was not written by this gateway")
	}
	return []byte(key.Secret), nil
}
