package gateway

import "time"

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
