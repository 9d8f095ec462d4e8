package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// Limits of an external token. The access tokens of some issuers list all roles of a
// user and are larger than a cookie can be.
const (
	maxExternalToken = 16 << 10 // bytes
	maxSubject       = 255      // bytes (OpenID Connect Core, section 2)
)

// TokenError is returned if a token of the external issuer is not valid. It wraps
// [ErrBadCredentials] and the reason.
type TokenError struct{ reason error }

// Error returns the reason.
func (e *TokenError) Error() string { return "the external token is not valid: " + e.reason.Error() }

// Unwrap returns [ErrBadCredentials] and the reason.
func (e *TokenError) Unwrap() []error { return []error{ErrBadCredentials, e.reason} }

// externalToken is a token of an issuer that was verified: a principal, or the reason
// why its caller has no rights.
type externalToken struct {
	token
	refused *ClaimError
}

// claimedIssuer returns the iss claim of a token that is not verified, and an empty
// text if it has none. Only the reader of the tokens is chosen by it: each reader
// accepts only tokens that are signed by its own keys and have its own iss.
func claimedIssuer(text string) string {
	if len(text) > maxExternalToken || !compactJWS.MatchString(text) || isDeep(text) {
		return ""
	}
	claims, err := decodePart(strings.Split(text, ".")[1])
	if err != nil {
		return ""
	}
	of, _ := claims["iss"].(string)
	return of
}

// externalSession verifies a token of an external issuer. Such a token is not accepted
// as a cookie: only a login of the gateway sets one.
func (a *Authenticator) externalSession(ctx context.Context, from *Issuer, cred credential) (token, error) {
	if cred.method != MethodToken {
		return token{}, &TokenError{errors.New("it must be sent as a Bearer token, not as a cookie")}
	}
	read, err := from.verify(ctx, cred.secret)
	switch {
	case err != nil:
		return token{}, err
	case read.refused != nil:
		return token{}, read.refused
	}
	if err := a.tokens.revoked.check(read.token); err != nil {
		return token{}, &TokenError{err}
	}
	return read.token, nil
}

// verify returns the content of a token, from the cache if it was verified with the
// current keys. Its errors are a [*TokenError], an [*UnavailableError] and the
// context's.
func (i *Issuer) verify(ctx context.Context, text string) (externalToken, error) {
	digest := sha256.Sum256([]byte(text))
	if set := i.keys.Load(); set != nil {
		if read, ok := set.known.Get(digest); ok && time.Now().Before(read.expires.Add(i.options.Skew)) {
			return read, nil
		}
	}
	var set *keySet // has the keys of the token
	parsed, err := i.parser.ParseWithClaims(text, jwt.MapClaims{}, func(unverified *jwt.Token) (any, error) {
		var keys jwt.VerificationKeySet
		var err error
		set, keys.Keys, err = i.keysOf(ctx, unverified)
		return keys, err
	})
	if err != nil {
		return externalToken{}, verifyError(ctx, err)
	}
	read, err := i.read(parsed)
	if err != nil {
		return externalToken{}, &TokenError{err}
	}
	set.known.Add(digest, read)
	return read, nil
}

// verifyError returns the error for a token that was not verified.
func verifyError(ctx context.Context, err error) error {
	if unavailable, ok := errors.AsType[*UnavailableError](err); ok {
		return unavailable
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ctx.Err()
	}
	return &TokenError{err}
}

// keysOf returns the keys that may have signed a token, and their set. What can be checked without a
// key is checked first, so that only a token that may be valid causes a fetch.
func (i *Issuer) keysOf(ctx context.Context, unverified *jwt.Token) (*keySet, []jwt.VerificationKey, error) {
	if err := i.checkHeader(unverified); err != nil {
		return nil, nil, err
	}
	if err := i.validator.Validate(unverified.Claims); err != nil {
		return nil, nil, err
	}
	issued, err := unverified.Claims.GetIssuedAt()
	if err != nil {
		return nil, nil, err
	}
	var at time.Time
	if issued != nil {
		at = issued.Time
	}
	set, found, err := i.keysFor(ctx, keyIDOf(unverified), unverified.Method.Alg(), at)
	if err != nil {
		return nil, nil, err
	}
	keys := make([]jwt.VerificationKey, len(found))
	for n, key := range found {
		keys[n] = key
	}
	return set, keys, nil
}

func keyIDOf(t *jwt.Token) string {
	id, _ := t.Header["kid"].(string)
	return id
}

// checkHeader checks the header and that no member of the token appears twice.
func (i *Issuer) checkHeader(unverified *jwt.Token) error {
	for part := range strings.SplitSeq(unverified.Raw[:strings.LastIndexByte(unverified.Raw, '.')], ".") {
		if _, err := decodePart(part); err != nil {
			return err
		}
	}
	header := unverified.Header
	if _, ok := header["crit"]; ok {
		return errors.New("it has extensions that must be understood (crit)")
	}
	if id, ok := header["kid"]; ok {
		if _, isText := id.(string); !isText {
			return errors.New("its kid is not a text")
		}
	}
	return i.checkType(header)
}

// checkType checks the type of a token. Media types are compared without regard to
// letter case, and with or without "application/" (RFC 7515, section 4.1.9).
func (i *Issuer) checkType(header map[string]any) error {
	given, ok := header["typ"]
	text, isText := given.(string)
	if ok && !isText {
		return errors.New("its typ is not a text")
	}
	accepted := []string{"at+jwt", "jwt", ""}
	if i.options.AccessTokensOnly {
		accepted = accepted[:1]
	}
	if name := strings.TrimPrefix(strings.ToLower(text), "application/"); !slices.Contains(accepted, name) {
		return fmt.Errorf("its typ %.100q is not accepted", text)
	}
	return nil
}

// read returns the content of a token whose signature and times were verified.
func (i *Issuer) read(verified *jwt.Token) (externalToken, error) {
	claims, ok := verified.Claims.(jwt.MapClaims)
	if !ok {
		return externalToken{}, errors.New("it has no claims")
	}
	if _, bound := claims["cnf"]; bound {
		return externalToken{}, errors.New("it is bound to a key (cnf), whose possession cannot be proven here")
	}
	subject, err := claims.GetSubject()
	if err != nil {
		return externalToken{}, err
	}
	if textProblem(subject) != "" || len(subject) > maxSubject || isReplaced(subject) {
		return externalToken{}, errors.New("its sub must be a text of 1 to 255 bytes without control characters")
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return externalToken{}, err
	}
	signed := sha256.Sum256([]byte(verified.Raw[:strings.LastIndexByte(verified.Raw, '.')]))
	read := externalToken{token: token{
		id:      "oidc " + base64.RawURLEncoding.EncodeToString(signed[:]),
		expires: expires.Time,
	}}
	read.principal, err = i.principalOf(subject, claims)
	if err != nil {
		refused, isClaim := errors.AsType[*ClaimError](err)
		if !isClaim {
			return externalToken{}, err
		}
		read.refused = refused
		return read, nil
	}
	read.owner = externalPrincipal(read.principal.Name)
	read.ends = read.expires.Add(i.options.Skew + leeway)
	// Tokens without a time of issue have the order in which they expire.
	read.counted = read.expires.Add(-maxTokenTTL)
	if issued, err := claims.GetIssuedAt(); err == nil && issued != nil {
		read.counted = issued.Time
	}
	read.counted = read.counted.Truncate(time.Microsecond) // as stores keep it
	return read, nil
}

// isReplaced reports whether a text has a character that could not be decoded. Two such
// texts may be the same although their tokens differ.
func isReplaced(text string) bool { return strings.ContainsRune(text, utf8.RuneError) }

// decodePart decodes a part of a token: a JSON object in which no member appears twice.
// Otherwise two readers of a token could see two different values.
func decodePart(part string) (map[string]any, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, errors.New("it is not base64url")
	}
	if !json.Valid(text) || !utf8.Valid(text) {
		return nil, errors.New("it is not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	value, err := decodeValue(decoder)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it is not one JSON value")
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("it is not a JSON object")
	}
	return object, nil
}

// decodeValue decodes the next value. Its depth is limited by json.Valid.
func decodeValue(from *json.Decoder) (any, error) {
	next, err := from.Token()
	if err != nil {
		return nil, err
	}
	switch next {
	case json.Delim('{'):
		return decodeObject(from)
	case json.Delim('['):
		var list []any
		for from.More() {
			value, err := decodeValue(from)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = from.Token()
		return list, err
	}
	return next, nil
}

func decodeObject(from *json.Decoder) (map[string]any, error) {
	object := map[string]any{}
	for from.More() {
		next, err := from.Token()
		if err != nil {
			return nil, err
		}
		name, _ := next.(string)
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("its member %.100q appears twice", name)
		}
		if object[name], err = decodeValue(from); err != nil {
			return nil, err
		}
	}
	_, err := from.Token()
	return object, err
}
