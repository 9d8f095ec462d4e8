package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"
)

// Key signs tokens with HMAC-SHA256.
type Key struct {
	// ID is the kid in the header of tokens: 1..64 letters, digits, "_", "-"
	// and ".". A key keeps its id for as long as it is used.
	ID string
	// Secret is the key itself: random, 32 bytes at the least.
	Secret Secret
}

const (
	issuer   = "ocigate"
	maxKeys  = 2
	minKey   = 32   // bytes, the output of SHA-256 (RFC 7518, section 3.2)
	maxToken = 4096 // bytes, what browsers grant a cookie

	// leeway is how far the clocks of two replicas may be apart.
	leeway = 10 * time.Second
)

var (
	keyID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	// compactJWS also bars line breaks, which encoding/base64 skips.
	compactJWS = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)
)

// claims are what a token says. Level is a pointer, since the lowest level is
// what its absence would look like.
type claims struct {
	jwt.RegisteredClaims
	Level    *Level `json:"lvl"`
	TenantID string `json:"tid,omitempty"`
	GroupID  string `json:"gid,omitempty"`
	UserID   string `json:"uid,omitempty"`
}

// token is a token that was read and found good.
type token struct {
	id              string
	principal       Principal
	issued, expires time.Time
}

// current tells whether the token is good at the moment, as far as that changes
// with time.
func (t token) current(now time.Time) bool {
	return now.Before(t.expires.Add(leeway)) && !now.Before(t.issued.Add(-leeway))
}

// knownTokens is how many tokens are kept in mind with what they say. Reading a
// token costs more than most of the requests that bring one.
const knownTokens = 4096

// tokens makes, reads and revokes tokens.
type tokens struct {
	ring     atomic.Pointer[keyring]
	audience string
	ttl      time.Duration
	parser   *jwt.Parser
	revoked  *lru.Cache[string, struct{}]
}

// keyring are the keys at one time, with the tokens that were verified with
// them. Its keys do not change; [Authenticator.Replace] puts another in its
// place, which knows nothing of what this one has verified.
type keyring struct {
	given     []Key // empty where the key is a random one
	signing   Key
	keys      map[string]Key
	ephemeral bool
	known     *lru.Cache[string, token] // by their text
}

// newTokens is called with options that may not have passed their check, so
// that problems of the keys are told together with all others.
func newTokens(o Options) (*tokens, error) {
	ring, err := newKeyring(o.Keys)
	if err != nil {
		return nil, err
	}
	revoked, err := lru.New[string, struct{}](max(o.RevokedTokens, 1))
	if err != nil {
		return nil, err
	}
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
	}
	t.ring.Store(ring)
	return t, nil
}

// newKeyring makes a random key where none is given.
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
	_, _ = rand.Read(secret) // it never fails: it would rather end the program
	return Key{ID: "ephemeral-" + rand.Text(), Secret: Secret(secret)}
}

func keysByID(keys []Key) (map[string]Key, error) {
	var errs []error
	if len(keys) > maxKeys {
		errs = append(errs, fmt.Errorf("at most %d Keys are taken, there are %d", maxKeys, len(keys)))
	}
	byID := make(map[string]Key, len(keys))
	for i, key := range keys {
		if !keyID.MatchString(key.ID) {
			errs = append(errs, fmt.Errorf("Keys[%d].ID: must be 1..64 letters, digits, _, - and ., is %q", i, key.ID))
		}
		if len(key.Secret) < minKey {
			errs = append(errs, fmt.Errorf("Keys[%d].Secret: must have %d bytes or more, has %d", i, minKey, len(key.Secret)))
		}
		if _, taken := byID[key.ID]; taken {
			errs = append(errs, fmt.Errorf("Keys[%d].ID: %q is another key's too", i, key.ID))
		}
		byID[key.ID] = key
	}
	return byID, errors.Join(errs...)
}

// issue makes a token for a principal.
func (t *tokens) issue(p Principal) (Secret, error) {
	now, signing := time.Now().Truncate(time.Second), t.ring.Load().signing
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
	})
	unsigned.Header["kid"] = signing.ID
	signed, err := unsigned.SignedString([]byte(signing.Secret))
	if err != nil {
		return "", fmt.Errorf("auth: sign a token: %w", err)
	}
	return Secret(signed), nil
}

// parse reads a token, or recalls what it said when it was read. What may have
// changed since, its age and whether it was logged out, is judged each time.
// Any fault of it is [ErrBadCredentials].
func (t *tokens) parse(text string) (token, error) {
	if len(text) > maxToken {
		return token{}, malformed("the token is too long")
	}
	ring := t.ring.Load()
	read, known := ring.known.Get(text)
	if !known || !read.current(time.Now()) {
		var err error
		if read, err = t.read(text, ring); err != nil {
			return token{}, err
		}
		ring.known.Add(strings.Clone(text), read) // text is a part of the request's header
	}
	if t.revoked.Contains(read.id) {
		return token{}, malformed("the token was logged out")
	}
	return read, nil
}

// read verifies a token and reads what it says.
func (t *tokens) read(text string, ring *keyring) (token, error) {
	if !compactJWS.MatchString(text) {
		return token{}, malformed("the token is not a JSON Web Token")
	}
	var c claims
	if _, err := t.parser.ParseWithClaims(text, &c, ring.key); err != nil {
		return token{}, fmt.Errorf("%w: %w", ErrBadCredentials, err)
	}
	if c.IssuedAt == nil || c.ID == "" || c.Subject == "" || c.Level == nil {
		return token{}, malformed("a claim of the token is missing")
	}
	p := Principal{Name: c.Subject, Level: *c.Level, TenantID: c.TenantID, GroupID: c.GroupID, UserID: c.UserID}
	if err := p.checkScope(); err != nil {
		return token{}, fmt.Errorf("%w: the token's scope: %w", ErrBadCredentials, err)
	}
	return token{id: c.ID, principal: p, issued: c.IssuedAt.Time, expires: c.ExpiresAt.Time}, nil
}

// key finds the key that a token names. Its header may have nothing that this
// package does not put there: extensions would have to be understood.
func (k *keyring) key(unverified *jwt.Token) (any, error) {
	id, _ := unverified.Header["kid"].(string)
	key, ok := k.keys[id]
	if !ok {
		return nil, errors.New("the token's key is not known")
	}
	if len(unverified.Header) != 3 || unverified.Header["typ"] != "JWT" {
		return nil, errors.New("the token's header is not ours")
	}
	return []byte(key.Secret), nil
}

// revoke ends a token. It needs no clean-up: a revoked token is refused for
// its age sooner or later, and the list drops its oldest entries.
func (t *tokens) revoke(ended token) { t.revoked.Add(ended.id, struct{}{}) }
