package auth

import (
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"
)

// With returns a successor with other options, for a change of the configuration while
// requests are served. If the options are not valid, its error is that of [New], and
// nothing changes. Requests that are in progress finish with the options of the
// Authenticator that they began with. New requests should go to the successor.
//
// Both share the state that must survive the change:
//
//   - The failed attempts and the delays, the known pairs of account and address, and the
//     counts of logins. The limits of the new options apply to both from now on; a delay
//     that has begun is not prolonged, but is cut to what the new limit allows.
//   - The revoked tokens: a token that either of them logs out is refused by both.
//     Revocations is not used.
//   - The random key, if neither has keys.
//   - The verified credentials of a listed client, as far as its id and its hash are the
//     same, with the exemption from the limits that they give.
//   - The bounds on hashes and on verifications in progress, which are those of the new
//     options from now on, and hashes in progress, which requests with the same credential
//     share.
//
// The successor accepts the external issuer of its predecessor until ReplaceIssuer
// replaces it for the successor alone.
func (a *Authenticator) With(o Options) (*Authenticator, error) {
	v, err := validate(o)
	if err != nil {
		return nil, err
	}
	tokens, err := a.tokens.successor(v.options)
	if err != nil {
		return nil, err
	}
	a.throttle.setLimits(v.options.limits())
	a.verifying.resize(v.options.LoginConcurrency, guessesOf(v.options.LoginConcurrency))
	next := v.authenticator(tokens, a.clients.successor(v.clients, v.options), a.throttle, a.verifying)
	next.external.Store(a.external.Load())
	return next, nil
}

// successor returns the tokens for other options. They share the revoked tokens.
func (t *tokens) successor(o Options) (*tokens, error) {
	ring, err := t.ring.next(o.Keys)
	if err != nil {
		return nil, err
	}
	if o.Audience != t.audience {
		// The cache has tokens of the former audience.
		if ring, err = ring.withoutKnown(); err != nil {
			return nil, err
		}
	}
	return tokensWith(o, ring, t.revoked), nil
}

// withoutKnown returns a keyring with the same keys and an empty cache.
func (k *keyring) withoutKnown() (*keyring, error) {
	known, err := lru.New[string, token](knownTokens)
	if err != nil {
		return nil, err
	}
	return &keyring{given: slices.Clone(k.given), signing: k.signing, keys: k.keys, ephemeral: k.ephemeral, known: known}, nil
}

// successor returns the clients for other options, whose list is not shared yet. Clients
// of the same id keep what their hashes have verified.
func (c *clients) successor(list []*client, o Options) *clients {
	for i, listed := range list {
		list[i] = listed.after(c.byID[listed.principal.Name])
	}
	next := *c
	next.list, next.byID, next.rememberFor = list, clientsByID(list), o.RememberFor
	next.hashing.resize(o.HashConcurrency)
	return &next
}

// next returns the keyring of the given keys: the same keyring if they are the same.
func (k *keyring) next(keys []Key) (*keyring, error) {
	if slices.Equal(k.given, keys) {
		return k, nil
	}
	return newKeyring(keys)
}

// after returns the client with those hashes of its earlier entry that are the same, and
// the earlier entry itself if nothing has changed. The new entry c is not shared yet.
func (c *client) after(earlier *client) *client {
	if earlier == nil {
		return c
	}
	if earlier.principal == c.principal && earlier.sameHashes(c) {
		return earlier
	}
	c.shareHashes(earlier)
	return c
}
