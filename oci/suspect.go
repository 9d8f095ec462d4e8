package oci

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"
)

// What happens to one session says something about the others of its endpoint. If a
// command got no reply in time, or the platform has removed a session or ended its
// connection, the others may be gone as well, without a sign of it. Each of them would
// cost a caller their request, and a silent one a complete CommandTimeout. So those that
// have not proved to be usable since then are suspect:
//
//   - idle ones are probed at once, all at the same time, and are not given to a caller
//     before they have answered; they have ProbeTimeout for that;
//   - those in use keep the timeout of their command; if they are released without a
//     reply, they are probed as well;
//   - if none of the probed ones answers, and no other session of the endpoint has
//     brought a reply since then, the endpoint is silent: see noteSilentLocked.
//
// The end of a session that is suspect already says nothing new. So one event costs
// each session one probe at most, however many callers notice it.

// symptom is what the end of a session says about the others of its endpoint.
type symptom int

const (
	symptomNone   symptom = iota
	symptomGone           // they may be logged out or closed as well
	symptomSilent         // they may be cut off as well
)

// symptomOf returns what the reason for the end of a session says about the others. A
// refusal ends a session only if it is about the session: see checkLogin. A temporary one
// says nothing about any session.
func (o *Options) symptomOf(why error) symptom {
	if _, ok := errors.AsType[*noAnswerError](why); ok {
		return symptomSilent
	}
	for _, cutOff := range []error{syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(why, cutOff) {
			return symptomSilent
		}
	}
	_, forced := errors.AsType[*ForcedLogoutError](why)
	refusal, refused := errors.AsType[*ErrorReply](why)
	if forced || refused && !o.Temporary(refusal) || closedByPeer(why) {
		return symptomGone
	}
	return symptomNone
}

// suspectLocked makes the other sessions of an endpoint suspect because of the end of
// one that was not suspect itself, nor ended by the client. The caller holds the pool's
// mutex.
func (p *pool) suspectLocked(e *endpoint, why error, now time.Time) {
	since := now
	switch p.options().symptomOf(why) {
	case symptomNone:
		return
	case symptomSilent:
		// A session that has just answered is not cut off: one command may take long on
		// a platform that works.
		since = now.Add(-p.options().ProbeTimeout)
	case symptomGone:
	}
	if !since.After(e.suspectBefore) {
		return
	}
	e.suspectBefore, e.suspectedFor = since, why
	for _, s := range slices.Clone(p.idle) {
		if s.endpoint == e && p.isSuspectLocked(s) {
			p.removeIdleLocked(s)
			p.probeSuspectLocked(s)
		}
	}
}

// isSuspectLocked reports whether a session must be probed before a caller gets it.
// The caller holds the pool's mutex.
func (p *pool) isSuspectLocked(s *session) bool { return s.probed.Before(s.endpoint.suspectBefore) }

// noteHeardLocked records when a session that is given back has brought its last reply.
// The caller holds the pool's mutex.
func (p *pool) noteHeardLocked(s *session, now time.Time) {
	heard := s.lastHeard()
	if heard.Before(s.probed) {
		return // nothing was sent since then
	}
	s.probed = heard
	if s.endpoint.heardAt.Before(heard) {
		s.endpoint.heardAt = heard
	}
	if e := s.endpoint; !s.proven || e.silent {
		s.proven = true
		e.noteWorkingLocked()
		p.noteUpLocked(e, now)
	}
}

// probeSuspectLocked starts the probe of a suspect session, which counts as in use
// meanwhile. The caller holds the pool's mutex; the session is not among the idle ones.
func (p *pool) probeSuspectLocked(s *session) {
	p.all[s] = true
	limit := min(p.options().ProbeTimeout, s.endpoint.options.CommandTimeout)
	p.running.Go(func() {
		ctx, cancel := within(context.Background(), limit)
		defer cancel()
		if err := s.ping(ctx); err != nil {
			p.noteUnanswered(s, err)
			s.close(err)
		}
		p.releaseProbed(s)
	})
}

// noteUnanswered records that a suspect session has failed its probe, before it is closed:
// the next session is then made at another endpoint, if this one is silent. It is called
// without the mutex.
func (p *pool) noteUnanswered(s *session, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := s.endpoint.latestLocked()
	if p.options().symptomOf(err) != symptomSilent || e.silent || p.answersLocked(s.endpoint) {
		return
	}
	p.noteSilentLocked(e, time.Now(), e.noAnswers(s.endpoint.suspectedFor))
}

// answersLocked reports whether a session of the endpoint is not suspect. The caller
// holds the pool's mutex.
func (p *pool) answersLocked(e *endpoint) bool {
	for s := range p.all {
		if s.endpoint == e && !p.isSuspectLocked(s) {
			return true
		}
	}
	return false
}
