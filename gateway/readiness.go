package gateway

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

// unready is why the replica should get no requests, or empty.
func (a *Admin) unready() string {
	switch a.state.Load() {
	case notServing:
		return "not ready"
	case draining:
		return "draining"
	}
	return ""
}
