package oci

import (
	"errors"
	"time"
)

// account is one whose credentials the platform has refused. The pool's mutex
// guards it.
type account struct {
	refusals int // in a row
	retryAt  time.Time
	password Secret // that was refused
}

// refusesCredentials reports whether a try to make a session has ended with a
// refusal of the account: a wrong password, or an account that is locked,
// disabled or expired. The numbers of most of these are not public, so any
// refusal of a login counts, except of its form, and one that says that the
// platform cannot serve at the moment.
func (e *endpoint) refusesCredentials(err error) bool {
	failed, ok := errors.AsType[*ConnectError](err)
	if !ok || failed.Stage != StageLogin || isValidationError(err) {
		return false
	}
	refusal, refused := errors.AsType[*ErrorReply](err)
	return refused && !e.options.Temporary(refusal)
}

// refused notes that the platform has refused an account, and returns how long
// it is left alone. The caller holds the mutex.
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

// currentPassword is the endpoint's password as it is now, or as it was last
// where its source fails. Only the pool's goroutine that makes sessions calls it.
func (e *endpoint) currentPassword() Secret {
	if e.PasswordSource != nil {
		if password, err := e.PasswordSource(); err == nil {
			e.Password = password
		}
	}
	return e.Password
}

// recheckCredentials ends the pause of an account whose password is another one
// than the platform has refused.
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
