package gateway

import (
	"fmt"
	"time"
)

// A Journal reports since when it has been unusable, and why. The time is zero and the
// error nil while it is usable. *operation.Keeper implements it.
type Journal interface {
	JournalState() (unusableSince time.Time, err error)
}

// The states of an [Admin]'s replica.
const (
	notServing int32 = iota
	serving
	draining
)

// SetReady sets whether the replica should get requests.
func (a *Admin) SetReady(ready bool) {
	if ready {
		a.state.Store(serving)
		return
	}
	a.state.Store(notServing)
}

// SetDraining makes the replica unready because it is about to stop. It still serves
// requests.
func (a *Admin) SetDraining() { a.state.Store(draining) }

// FollowJournal makes the replica unready once its journal has been unusable for
// unreadyAfter, until the journal is usable again. It must be called before the first
// request.
//
// It is for a journal that only this replica has: otherwise a load balancer would
// continue to send writes to the one replica that refuses them. A journal that replicas
// share would make all of them unready at the same time, and no replica would be left to
// serve reads and to report the failure.
func (a *Admin) FollowJournal(j Journal, unreadyAfter time.Duration) {
	a.journal, a.unreadyAfter = j, unreadyAfter
}

// unready returns why the replica should get no requests, or "".
func (a *Admin) unready() string {
	switch a.state.Load() {
	case notServing:
		return "not ready"
	case draining:
		return "draining"
	}
	if a.journal == nil {
		return ""
	}
	since, err := a.journal.JournalState()
	if err == nil || time.Since(since) < a.unreadyAfter {
		return ""
	}
	return fmt.Sprintf("not ready: writes are refused because the journal has been unusable since %s: %v", since.UTC().Format(time.RFC3339), err)
}
