package oci

import (
	"errors"
	"slices"
	"time"
)

// account is the backoff of an account whose credentials the platform has
// refused. The pool's mutex guards all fields.
type account struct {
	refusals int // in a row
	retryAt  time.Time
	refused  []Secret // passwords that were refused, the last ones
	unseen   int      // tries with other passwords within this pause
	turn     string   // the endpoint that refused last
	err      error    // of the last refusal
}

// Bounds of what is tried within a pause, and of what is remembered.
const (
	maxUnseen           = 3
	maxRefusedPasswords = 16
)

// mayTry reports whether a password may be tried though the account is in
// backoff: one that was not refused yet.
func (a *account) mayTry(password Secret) bool {
	return a.unseen < maxUnseen && !slices.Contains(a.refused, password)
}

// refusesCredentials reports whether a try to make a session has ended with a
// refusal of the account: a wrong password, or an account that is locked,
// disabled or expired. The numbers of most of these are not public, so any
// refusal of a login counts, except of its form, and one that says that the
// platform cannot serve at the moment. The caller holds the pool's mutex.
func (e *endpoint) refusesCredentials(err error) bool {
	failed, ok := errors.AsType[*ConnectError](err)
	if !ok || failed.Stage != StageLogin || isValidationError(err) {
		return false
	}
	refusal, refused := errors.AsType[*ErrorReply](err)
	return refused && !e.options.Temporary(refusal)
}

// refused puts an account that an endpoint has refused in backoff, and returns
// for how long. The caller holds the mutex.
func (p *pool) refused(e *endpoint, password Secret, now time.Time, err error) time.Duration {
	a := p.accounts[e.UserID]
	if a == nil {
		a = &account{}
		p.accounts[e.UserID] = a
	}
	a.turn, a.err = e.Name, err
	if !slices.Contains(a.refused, password) {
		a.refused = append(a.refused, password)
		a.refused = a.refused[max(0, len(a.refused)-maxRefusedPasswords):]
	}
	if a.retryAt.After(now) {
		a.unseen++ // within the pause, which goes on
		return a.retryAt.Sub(now)
	}
	pause := shorten(doubled(p.options.RefusedInitial, a.refusals, p.options.RefusedMax), p.options.Jitter)
	a.refusals++
	a.unseen = 0
	a.retryAt = now.Add(pause)
	return pause
}

// refusedElsewhere reports whether an account is to be tried at another endpoint
// this time, because this one refused it last. The caller holds the mutex.
func (p *pool) refusedElsewhere(e *endpoint, now time.Time) bool {
	a := p.accounts[e.UserID]
	if a == nil || a.turn != e.Name || a.retryAt.After(now) {
		return false
	}
	return slices.ContainsFunc(p.endpoints, func(other *endpoint) bool {
		return other != e && other.UserID == e.UserID && !other.retryAt.After(now)
	})
}

// readPassword reads the endpoint's password anew. Where PasswordSource fails,
// the last one stands. It may read a file, so it takes the mutex only after.
func (p *pool) readPassword(e *endpoint) Secret {
	if e.PasswordSource == nil {
		return e.Password // never changes
	}
	password, err := e.PasswordSource()
	failure := ""
	if err != nil {
		failure = err.Error()
	}
	p.mu.Lock()
	if err == nil {
		e.Password = password
	}
	standing, news := e.Password, failure != e.sourceFailure
	e.sourceFailure = failure
	p.mu.Unlock()
	if news {
		p.options.Trace.passwordRead(e.Name, err)
	}
	return standing
}

// recheckCredentials looks for other passwords than the platform has refused. It
// takes the mutex.
func (p *pool) recheckCredentials() {
	for _, e := range p.endpoints {
		p.mu.Lock()
		a := p.accounts[e.UserID]
		paused := a != nil && a.retryAt.After(time.Now())
		p.mu.Unlock()
		if !paused || e.PasswordSource == nil {
			continue
		}
		p.readPassword(e)
		p.mu.Lock()
		p.grow()
		p.mu.Unlock()
	}
}
