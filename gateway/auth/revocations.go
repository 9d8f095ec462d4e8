package auth

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A Revocation ends tokens before they expire: one token, or all tokens of a principal
// that were issued until a time.
type Revocation struct {
	// Principal identifies whose tokens they are: see [UserPrincipal].
	Principal string
	// Token is the id of the token. It is empty for all tokens of the principal.
	Token string
	// Issued is when the token was issued. If Token is empty, all tokens that were
	// issued until then are revoked.
	Issued time.Time
	// Expires is when no replica accepts any of these tokens any more, so that the
	// revocation can be removed.
	Expires time.Time
}

const (
	// maxRevoked is how many revoked tokens of one principal are listed one by one.
	maxRevoked = 64
	// maxTokenTTL is the longest time that a token of this package lasts.
	maxTokenTTL = 24 * time.Hour
	// sweepEvery is how often expired revocations are removed, at most.
	sweepEvery = time.Minute
)

// ErrRevocationsUnread is returned for a token that was issued before the process started, while it is not known whether the token
// was revoked.
var ErrRevocationsUnread = errors.New("the revocations could not be read since the start, and the token was issued before it")

// UserPrincipal returns the Principal of the revocations of a platform user's tokens. Names
// that a platform may take for one, such as those that differ only in letter case, are one
// principal. A name without a domain and the same one with a domain are two.
func UserPrincipal(name string) string {
	id := splitUserID(name)
	if id.domain == "" {
		return "user " + id.user
	}
	return "user " + id.user + "@" + id.domain
}

// externalPrincipal returns the Principal of the revocations of tokens of an external
// issuer. The name has the issuer and the subject, whose letter case counts.
func externalPrincipal(name string) string { return "external " + name }

// Revocations is the set of revoked tokens of a process: those that were logged out here,
// and those that [Revocations.Load] adds. An entry is removed only when it has expired.
//
// If more than 64 tokens of one principal are revoked that have not expired, they become
// one entry: all tokens of the principal that were issued until the last of them. That also
// ends other sessions of that principal, but only those that began before it. So the
// memory that the set needs is limited by the number of principals.
//
// It is safe for concurrent use.
type Revocations struct {
	began time.Time   // when the set was made
	known atomic.Bool // whether earlier revocations are in the set, or there are none

	mu         sync.RWMutex // guards the fields below
	principals map[string]*revoked
	swept      time.Time
}

// revoked has what is revoked of one principal.
type revoked struct {
	all    lifetime            // tokens that were issued until all.issued; zero for none
	tokens map[string]lifetime // by id, of the tokens that were issued later
}

// lifetime is the time from the issue of a token until no replica accepts it.
type lifetime struct{ issued, expires time.Time }

// NewRevocations returns the set of a process whose revocations are kept elsewhere, too.
// Until the first call of [Revocations.Load], tokens that were issued before the set was
// made are refused with [ErrRevocationsUnread].
func NewRevocations() *Revocations {
	now := time.Now()
	return &Revocations{began: now, swept: now, principals: map[string]*revoked{}}
}

// Load adds revocations that were read from where they are kept: in the first call all of
// them, and then those that were added. It may be given the same ones again.
func (r *Revocations) Load(list []Revocation) {
	r.mu.Lock()
	for _, v := range list {
		r.addLocked(v)
	}
	r.sweepLocked(time.Now())
	r.mu.Unlock()
	r.known.Store(true)
}

// revoke adds the revocation of a token. It returns the revocation to be kept: that, or the
// one that takes the place of all those of the principal.
func (r *Revocations) revoke(t token) Revocation {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.sweepLocked(now)
	one := Revocation{Principal: t.owner, Token: t.id, Issued: t.counted, Expires: t.ends}
	r.addLocked(one)
	of := r.principals[t.owner]
	if len(of.tokens) > maxRevoked {
		of.removeExpired(now)
	}
	if len(of.tokens) <= maxRevoked {
		return one
	}
	all := Revocation{Principal: t.owner}
	for _, ended := range of.tokens {
		all.Issued, all.Expires = later(all.Issued, ended.issued), later(all.Expires, ended.expires)
	}
	all.Expires = later(all.Expires, all.Issued.Add(maxTokenTTL+2*leeway))
	r.addLocked(all)
	return all
}

// addLocked adds one revocation. The caller holds mu.
func (r *Revocations) addLocked(v Revocation) {
	of := r.principals[v.Principal]
	if of == nil {
		of = &revoked{tokens: map[string]lifetime{}}
		r.principals[v.Principal] = of
	}
	if v.Token != "" && v.Issued.After(of.all.issued) {
		of.tokens[v.Token] = lifetime{v.Issued, v.Expires}
		return
	}
	of.all.expires = later(of.all.expires, v.Expires)
	if v.Token != "" {
		return
	}
	of.all.issued = later(of.all.issued, v.Issued)
	for id, ended := range of.tokens {
		if !ended.issued.After(of.all.issued) {
			of.all.expires = later(of.all.expires, ended.expires)
			delete(of.tokens, id)
		}
	}
}

// sweepLocked removes what has expired, unless it did so a short time ago. The caller holds
// mu.
func (r *Revocations) sweepLocked(now time.Time) {
	if now.Sub(r.swept) < sweepEvery {
		return
	}
	r.swept = now
	for principal, of := range r.principals {
		of.removeExpired(now)
		if len(of.tokens) == 0 && of.all.expires.IsZero() {
			delete(r.principals, principal)
		}
	}
}

// removeExpired removes what has expired.
func (of *revoked) removeExpired(now time.Time) {
	for id, ended := range of.tokens {
		if !now.Before(ended.expires) {
			delete(of.tokens, id)
		}
	}
	if !now.Before(of.all.expires) {
		of.all = lifetime{}
	}
}

// lastOf returns the time until which all tokens of a principal are revoked, the zero time
// if there is none.
func (r *Revocations) lastOf(principal string) time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if of := r.principals[principal]; of != nil {
		return of.all.issued
	}
	return time.Time{}
}

// check returns nil if a token is not revoked, and otherwise the reason, which wraps
// [ErrBadCredentials].
func (r *Revocations) check(t token) error {
	if !r.known.Load() && t.counted.Before(r.start()) {
		return ErrRevocationsUnread
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	of := r.principals[t.owner]
	if of == nil {
		return nil
	}
	if _, ended := of.tokens[t.id]; ended {
		return malformed("the token was logged out")
	}
	if !of.all.expires.IsZero() && !t.counted.After(of.all.issued) {
		return malformed("all tokens of the user that were issued until then were revoked")
	}
	return nil
}

// start returns the second in which the set was made, as the clock shows it now: the clock
// may have been set since.
func (r *Revocations) start() time.Time {
	now := time.Now()
	return now.Add(-now.Sub(r.began)).Truncate(time.Second)
}
