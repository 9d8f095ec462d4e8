package auth

import (
	"crypto/hmac"
	"errors"
	"slices"
	"sync"
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
// matches a hash, so one credential is enough. Entries of a client in several listings
// share the hashes that they have in common.
type clientHash struct {
	hash hash
	text Secret // the hash as it was given

	mu       sync.Mutex // guards verified and lastUsed
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

// hashMemory returns how many bytes it takes to compute the hashes of a client. What the
// first one drops is not free before a collection, so it counts, too.
func (c *client) hashMemory() int64 {
	var sum int64
	for _, h := range c.hashes {
		sum += h.hash.memoryBytes()
	}
	return sum
}

// remember stores a credential that the hash has verified.
func (h *clientHash) remember(m mac) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.verified, h.lastUsed = m, time.Now()
}

// recall reports whether the hash has ever verified a credential (proven), and whether
// the credential was used so recently that it is accepted without hashing (fresh). A
// fresh credential counts as used now.
func (h *clientHash) recall(m mac, rememberFor time.Duration) (proven, fresh bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lastUsed.IsZero() || !hmac.Equal(h.verified[:], m[:]) {
		return false, false
	}
	fresh = time.Since(h.lastUsed) < rememberFor
	if fresh {
		h.lastUsed = time.Now()
	}
	return true, fresh
}

// recall returns what recall of the hash returns that has verified a credential. Both
// are false if none has, and for an unknown id (nil).
func (c *client) recall(m mac, rememberFor time.Duration) (proven, fresh bool) {
	if c == nil {
		return false, false
	}
	for _, h := range c.hashes {
		if proven, fresh := h.recall(m, rememberFor); proven {
			return true, fresh
		}
	}
	return false, false
}

// hashOf returns the name of the hash that has verified a credential, empty if the client
// has only one.
func (c *client) hashOf(m mac) HashName {
	if len(c.hashes) < len(hashNames) {
		return ""
	}
	for i, h := range c.hashes {
		if proven, _ := h.recall(m, 0); proven {
			return hashNames[i]
		}
	}
	return ""
}

// sameHashes reports whether two entries of a client have the same hashes in the same
// order.
func (c *client) sameHashes(other *client) bool {
	return slices.EqualFunc(c.hashes, other.hashes, func(a, b *clientHash) bool { return a.text == b.text })
}

// shareHashes makes the client use those of its hashes that an earlier entry of the
// client also has. c is not shared yet.
func (c *client) shareHashes(earlier *client) {
	for i, h := range c.hashes {
		if j := slices.IndexFunc(earlier.hashes, func(e *clientHash) bool { return e.text == h.text }); j >= 0 {
			c.hashes[i] = earlier.hashes[j]
		}
	}
}

// ClientsWithTwoHashes returns the ids of the listed clients that have two hashes, in
// the order of the list. The hashes of [Principal.Hash] are theirs.
func (a *Authenticator) ClientsWithTwoHashes() []string {
	var ids []string
	for _, c := range a.clients.list {
		if len(c.hashes) == len(hashNames) {
			ids = append(ids, c.principal.Name)
		}
	}
	return ids
}

// ClientIDs returns the ids of all listed clients, in the order of the list.
func (a *Authenticator) ClientIDs() []string {
	ids := make([]string, len(a.clients.list))
	for i, c := range a.clients.list {
		ids[i] = c.principal.Name
	}
	return ids
}
