package auth

import (
	"crypto/rand"
	"time"
)

// Len returns the number of entries, of which some may have expired.
func (r *Revocations) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := 0
	for _, of := range r.principals {
		n += len(of.tokens)
		if !of.all.expires.IsZero() {
			n++
		}
	}
	return n
}

// RevokeNew does what the login of a user and a logout do to the set, without the time that
// it takes to sign and verify a token.
func (r *Revocations) RevokeNew(user string) {
	now := time.Now()
	r.revoke(token{id: rand.Text(), owner: UserPrincipal(user), counted: now, ends: now.Add(defaultTokenTTL + 2*leeway)})
}
