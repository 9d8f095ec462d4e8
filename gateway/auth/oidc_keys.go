package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	lru "github.com/hashicorp/golang-lru/v2"
)

// Limits of a key set.
const (
	maxIssuerKeys = 100
	minRSABits    = 2048 // RFC 7518, section 3.3
	maxRSABits    = 8192 // verification takes longer with each bit
)

// issuerKey is a public key of an issuer.
type issuerKey struct {
	id     string // kid; may be empty
	alg    string // the only algorithm of the key, or empty for each that suits it
	public any    // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// keySet holds the keys of an issuer at one time, and the tokens that were verified
// with them. It is immutable, except for the cache, which guards itself.
type keySet struct {
	keys     []issuerKey
	digest   [sha256.Size]byte // of the document
	unusable []string          // reasons
	// asked is when the fetch of the set began.
	asked time.Time
	known *lru.Cache[[sha256.Size]byte, externalToken] // by the digests of their texts
}

// parseKeys reads a JSON Web Key Set. Keys that cannot verify a token are left out,
// because an issuer may publish others: for encryption, or of a newer kind. The error
// reports a document that is no set, or has no usable key.
func parseKeys(document []byte, algorithms []string) (*keySet, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("the key set is not valid: %w", err)
	}
	if len(set.Keys) > maxIssuerKeys {
		return nil, fmt.Errorf("the key set has %d keys, more than %d", len(set.Keys), maxIssuerKeys)
	}
	read := &keySet{digest: sha256.Sum256(document)}
	for n, raw := range set.Keys {
		key, err := parseKey(raw, algorithms)
		if err != nil {
			read.unusable = append(read.unusable, fmt.Sprintf("keys[%d]: %v", n, err))
			continue
		}
		read.keys = append(read.keys, key)
	}
	if len(read.keys) == 0 {
		return nil, fmt.Errorf("the key set has no usable key: %s", strings.Join(append([]string{fmt.Sprintf("%d keys", len(set.Keys))}, read.unusable...), "; "))
	}
	known, err := lru.New[[sha256.Size]byte, externalToken](knownTokens)
	if err != nil {
		return nil, err
	}
	read.known = known
	return read, nil
}

// parseKey returns a key that can verify tokens with one of the algorithms.
func parseKey(raw []byte, algorithms []string) (issuerKey, error) {
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(raw, &jwk); err != nil {
		return issuerKey{}, err
	}
	key := issuerKey{id: jwk.KeyID, alg: jwk.Algorithm, public: jwk.Key}
	switch {
	case jwk.Use != "" && jwk.Use != "sig":
		return issuerKey{}, fmt.Errorf("its use is %q", jwk.Use)
	case !jwk.Valid():
		return issuerKey{}, errors.New("it is not valid")
	case !jwk.IsPublic():
		return issuerKey{}, errors.New("it is not a public key")
	case !slices.ContainsFunc(algorithms, key.suits):
		return issuerKey{}, errors.New("it suits none of the accepted algorithms")
	}
	if public, ok := jwk.Key.(*rsa.PublicKey); ok && (public.N.BitLen() < minRSABits || public.N.BitLen() > maxRSABits) {
		return issuerKey{}, fmt.Errorf("it has %d bits: an RSA key must have %d to %d", public.N.BitLen(), minRSABits, maxRSABits)
	}
	return key, nil
}

// suits reports whether the key can verify a signature of an algorithm. It binds each
// algorithm to its kind of key, and to its curve.
func (k issuerKey) suits(alg string) bool {
	if k.alg != "" && k.alg != alg {
		return false
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		return alg == map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[public.Curve.Params().BitSize]
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

// find returns the keys that may have signed a token. A token without a key id is
// accepted only if there is one suitable key (OpenID Connect Core, section 10.1).
func (s *keySet) find(id, alg string) []any {
	if s == nil {
		return nil
	}
	var found []any
	for _, key := range s.keys {
		if (id == "" || key.id == id) && key.suits(alg) {
			found = append(found, key.public)
		}
	}
	if id == "" && len(found) > 1 {
		return nil
	}
	return found
}

// ids returns the ids of the keys, sorted and without duplicates.
func (s *keySet) ids() []string {
	var ids []string
	for _, key := range s.keys {
		ids = append(ids, key.id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// after returns the set with the cache of the set before, if both are the same
// document. Tokens that were verified with a key that is gone must be verified again.
func (s *keySet) after(before *keySet) *keySet {
	if before != nil && before.digest == s.digest {
		s.known = before.known
	}
	return s
}
