package auth

import (
	"crypto/hmac"
	"errors"
	"slices"
	"time"
)

// HashName names one of the hashes of a listed client, as in the configuration.
type HashName string

// The names of the hashes of a client that has two.
const (
	FirstHash  HashName = "hash"
	SecondHash HashName = "next_hash"
)

// hashNames are the names of the hashes in client.hashes, by their index.
var hashNames = []HashName{FirstHash, SecondHash}

// HashNames returns the names of the hashes of a client that has two.
func HashNames() []HashName { return slices.Clone(hashNames) }

// clientHash is one hash of a client with its last verified credential. Only one secret
// matches a hash, so one credential is enough. client.mu guards verified and lastUsed.
type clientHash struct {
	hash hash
	text Secret // the hash as it was given

	verified mac
	lastUsed time.Time // zero if no credential was verified yet
}

// parseHashes parses the hashes of a client. Its error lists all problems.
func parseHashes(c Client) ([]*clientHash, error) {
	first, firstErr := parseHash(string(c.Hash))
	hashes := []*clientHash{{hash: first, text: c.Hash}}
	if c.NextHash == "" {
		return hashes, prefixed("Hash", firstErr)
	}
	next, nextErr := parseHash(string(c.NextHash))
	if nextErr == nil && c.NextHash == c.Hash {
		nextErr = errors.New("must be another hash than Hash")
	}
	return append(hashes, &clientHash{hash: next, text: c.NextHash}),
		errors.Join(prefixed("Hash", firstErr), prefixed("NextHash", nextErr))
}

// matches returns the index of the hash that was made of this secret, or -1. For a wrong
// secret, it takes the time of all hashes.
func (c *client) matches(secret string) int {
	return slices.IndexFunc(c.hashes, func(h *clientHash) bool { return h.hash.matches(secret) })
}

// remember stores a credential that was verified by the hash with that index.
func (c *client) remember(m mac, index int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hashes[index].verified, c.hashes[index].lastUsed = m, time.Now()
}

// recall reports whether a credential was ever verified (proven), and whether it was
// used so recently that it is accepted without hashing (fresh). A fresh credential
// counts as used now. Both are false for an unknown id (nil).
func (c *client) recall(m mac, rememberFor time.Duration) (proven, fresh bool) {
	if c == nil {
		return false, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.verifiedByLocked(m)
	if i < 0 {
		return false, false
	}
	fresh = time.Since(c.hashes[i].lastUsed) < rememberFor
	if fresh {
		c.hashes[i].lastUsed = time.Now()
	}
	return true, fresh
}

// verifiedByLocked returns the index of the hash that has verified a credential, or -1.
// The caller holds c.mu.
func (c *client) verifiedByLocked(m mac) int {
	return slices.IndexFunc(c.hashes, func(h *clientHash) bool {
		return !h.lastUsed.IsZero() && hmac.Equal(h.verified[:], m[:])
	})
}

// hashOf returns the name of the hash that has verified a credential, empty if the client
// has only one.
func (c *client) hashOf(m mac) HashName {
	if len(c.hashes) < len(hashNames) {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.verifiedByLocked(m); i >= 0 {
		return hashNames[i]
	}
	return ""
}

// sameHashes reports whether two entries of a client have the same hashes in the same
// order.
func (c *client) sameHashes(other *client) bool {
	return slices.EqualFunc(c.hashes, other.hashes, func(a, b *clientHash) bool { return a.text == b.text })
}

// takeVerified copies the verified credentials of the hashes that an earlier entry of the
// client also has. c is not shared yet, so c.mu is not needed.
func (c *client) takeVerified(earlier *client) {
	earlier.mu.Lock()
	defer earlier.mu.Unlock()
	for _, h := range c.hashes {
		i := slices.IndexFunc(earlier.hashes, func(e *clientHash) bool { return e.text == h.text })
		if i >= 0 {
			h.verified, h.lastUsed = earlier.hashes[i].verified, earlier.hashes[i].lastUsed
		}
	}
}

// ClientsWithTwoHashes returns the ids of the listed clients that have two hashes, in
// the order of the list. The hashes of [Principal.Hash] are theirs.
func (a *Authenticator) ClientsWithTwoHashes() []string {
	var ids []string
	for _, c := range a.clients.listing.Load().list {
		if len(c.hashes) == len(hashNames) {
			ids = append(ids, c.principal.Name)
		}
	}
	return ids
}
