package oci

import (
	"errors"
	"time"
)

// account is the backoff of an account whose credentials the platform has
// refused. The pool's mutex guards all fields.
type account struct {
	refusals int // in a row
	retryAt  time.Time
	password Secret // that was refused
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

// refused puts an account that the platform has refused in backoff, and returns
// for how long. The caller holds the mutex.
func (p *pool) refused(userID string, password Secret, now time.Time) time.Duration {
	a := p.accounts[userID]
	if a == nil {
		a = &account{}
		p.accounts[userID] = a
	}
	pause := shorten(doubled(p.options.RefusedInitial, a.refusals, p.options.RefusedMax), p.options.Jitter)
	a.refusals++
	a.retryAt, a.password = now.Add(pause), password
	return pause
}

// currentPassword returns the endpoint's password as it is now, or the last one
// where PasswordSource fails. Only the goroutine that makes the pool's sessions
// calls it.
func (e *endpoint) currentPassword() Secret {
	if e.PasswordSource != nil {
		if password, err := e.PasswordSource(); err == nil {
			e.Password = password
		}
	}
	return e.Password
}

// recheckCredentials ends the backoff of an account whose password is another
// one than the platform has refused. It takes the pool's mutex.
func (p *pool) recheckCredentials() {
	for _, e := range p.endpoints {
		p.mu.Lock()
		a := p.accounts[e.UserID]
		paused := a != nil && a.retryAt.After(time.Now())
		p.mu.Unlock()
		if !paused || e.PasswordSource == nil {
			continue
		}
		password, err := e.PasswordSource() // may read a file, so without the mutex
		p.mu.Lock()
		if err == nil && p.accounts[e.UserID] == a && password != a.password {
			delete(p.accounts, e.UserID)
			p.grow()
		}
		p.mu.Unlock()
	}
}
