package gateway

import (
	"fmt"
	"time"
)

// Journal reports since when it has been unusable, and why. The time is zero and
// the error nil while it is usable. *operation.Keeper is one.
type Journal interface {
	JournalState() (unusableSince time.Time, err error)
}

// The states of an [Admin]'s replica.
const (
	notServing int32 = iota
	serving
	draining
)

// SetReady says whether the replica should get requests.
func (a *Admin) SetReady(ready bool) {
	if ready {
		a.state.Store(serving)
		return
	}
	a.state.Store(notServing)
}

// SetDraining says that the replica serves, but is about to stop and should get
// no more requests.
func (a *Admin) SetDraining() { a.state.Store(draining) }

// FollowJournal makes the replica unready once its journal has been unusable for
// that long, until it is usable again. Call it before the first request.
//
// It is for a journal that is this replica's alone: a load balancer would go on
// sending writes to the one replica that refuses them. A journal that replicas
// share would make all of them unready at once, and nobody would be left to serve
// reads and to say what is wrong.
func (a *Admin) FollowJournal(j Journal, unreadyAfter time.Duration) {
	a.journal, a.unreadyAfter = j, unreadyAfter
}

// unready is why the replica should get no requests, or empty.
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
