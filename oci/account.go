package oci

import (
	"errors"
	"slices"
	"time"
)

// account is the backoff of an account whose credentials the platform has
// refused. The pool's mutex guards all fields.
type account struct {
	refusals int       // in a row
	retryAt  time.Time // end of the backoff
	refused  []Secret  // the last passwords that were refused
	others   int       // attempts with other passwords within this backoff
	at       string    // the endpoint that refused last
	err      error     // the last refusal
}

const (
	maxOtherPasswords   = 3  // attempts with other passwords within a backoff
	maxRefusedPasswords = 16 // refused passwords that are remembered
)

// allowsLocked reports whether a password may be tried during the backoff of the
// account: one that the platform has not refused. The caller holds the pool's mutex.
func (a *account) allowsLocked(password Secret) bool {
	return a.others < maxOtherPasswords && !slices.Contains(a.refused, password)
}

// refusesCredentials reports whether an attempt to make a session has ended with a
// refusal of the account: a wrong password, or an account that is locked, disabled
// or expired. The error numbers of most of these are not public. So any refusal of a
// login counts, except a validation error and a temporary refusal (see
// [Options.Temporary]). It may be called with the pool's mutex held.
func (e *endpoint) refusesCredentials(err error) bool {
	failed, ok := errors.AsType[*ConnectError](err)
	if !ok || failed.Stage != StageLogin || isValidationError(err) {
		return false
	}
	refusal, refused := errors.AsType[*ErrorReply](err)
	return refused && !e.live.Load().Temporary(refusal)
}

// noteLoggedIn records that the account of an endpoint has logged in. It is called
// without the mutex.
func (p *pool) noteLoggedIn(e *endpoint, who Identity) {
	if who.UserDomain != "" {
		p.userDomain.Store(&who.UserDomain)
	}
	p.options().Trace.loggedIn(e.Name, who)
}

// DefaultDomain returns the domain that the platform assumes for a user id without one,
// and an empty text if that is not known yet. It is the userDomain in the reply to the
// last login of the client's own account: by the published schema, a user id without a
// domain has the system default domain, and an administrator of the system has no other.
func (c *Client) DefaultDomain() string {
	if domain := c.pool.userDomain.Load(); domain != nil {
		return *domain
	}
	return ""
}

// noteRefusalLocked puts an account that an endpoint has refused in backoff, and
// returns for how long. The caller holds the pool's mutex.
func (p *pool) noteRefusalLocked(e *endpoint, password Secret, now time.Time, err error) time.Duration {
	a := p.accounts[e.UserID]
	if a == nil {
		a = &account{}
		p.accounts[e.UserID] = a
	}
	a.at, a.err = e.Name, err
	other := !slices.Contains(a.refused, password)
	if other {
		a.refused = append(a.refused, password)
		a.refused = a.refused[max(0, len(a.refused)-maxRefusedPasswords):]
	}
	if a.retryAt.After(now) { // the backoff is not prolonged
		if other {
			a.others++
		}
		return a.retryAt.Sub(now)
	}
	o := p.options()
	pause := shorten(doubled(o.RefusedInitial, a.refusals, o.RefusedMax), o.Jitter)
	a.refusals++
	a.others = 0
	a.retryAt = now.Add(pause)
	return pause
}

// tryElsewhereLocked reports whether an account is to be tried at another endpoint
// this time, because this endpoint refused it last. The caller holds the pool's mutex.
func (p *pool) tryElsewhereLocked(e *endpoint, now time.Time) bool {
	a := p.accounts[e.UserID]
	if a == nil || a.at != e.Name || a.retryAt.After(now) {
		return false
	}
	return slices.ContainsFunc(p.endpoints, func(other *endpoint) bool {
		return other != e && other.UserID == e.UserID && !other.retryAt.After(now)
	})
}

// readPassword returns the endpoint's current password. If PasswordSource fails, that
// is the last one. PasswordSource may read a file, so it is called without the mutex.
func (p *pool) readPassword(e *endpoint) Secret {
	for {
		from := e.secrets.Load()
		if from.passwordSource == nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			return e.password
		}
		read, err := from.passwordSource()
		current, changed, valid := p.notePassword(e, from, read, err)
		if changed {
			p.options().Trace.passwordRead(e.Name, err)
		}
		if valid {
			return current
		}
	}
}

// notePassword records what a PasswordSource has returned, and returns the current
// password. changed reports whether the source has begun to fail, in another way than
// before, or works again. The result is not valid if Reconfigure has replaced the source
// meanwhile.
func (p *pool) notePassword(e *endpoint, from *secrets, read Secret, err error) (current Secret, changed, valid bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if from != e.secrets.Load() {
		return "", false, false
	}
	failure := ""
	if err == nil {
		e.password = read
	} else {
		failure = err.Error()
	}
	changed = failure != e.sourceFailure
	e.sourceFailure = failure
	return e.password, changed, true
}

// recheckCredentials reads the passwords of accounts in backoff again, and has a
// session made if one has changed. It is called without the mutex.
func (p *pool) recheckCredentials() {
	for _, e := range p.inOrder() {
		p.mu.Lock()
		a := p.accounts[e.UserID]
		paused := a != nil && a.retryAt.After(time.Now())
		p.mu.Unlock()
		if !paused || e.secrets.Load().passwordSource == nil {
			continue
		}
		p.readPassword(e)
		p.mu.Lock()
		p.growLocked()
		p.mu.Unlock()
	}
}
