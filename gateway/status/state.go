package status

import (
	"time"

	"ocigate/oci"
)

// An EndpointState is the state of an endpoint in a word.
type EndpointState string

// The states of an endpoint.
const (
	InUse          EndpointState = "in_use"          // it has sessions
	Unused         EndpointState = "unused"          // it has none, and the last attempt to reach it succeeded
	Connecting     EndpointState = "connecting"      // its first session is being made
	NotTried       EndpointState = "not_tried"       // there was no attempt yet
	Backoff        EndpointState = "backoff"         // the last attempt failed, and the next is not due yet
	Down           EndpointState = "down"            // the last attempt failed
	AccountRefused EndpointState = "account_refused" // the platform has refused the credentials
)

// stateOf returns the state of an endpoint. A refused account comes first, also if there
// are sessions: they end, and no others can be made. An endpoint that has failed is
// never unused, and while it is tried again it is still down: an attempt may take as long
// as its timeout, and most of the attempts at an unresponsive endpoint do.
func stateOf(e *oci.EndpointStats) EndpointState {
	switch {
	case e.AccountRefused:
		return AccountRefused
	case e.Idle+e.Busy > 0:
		return InUse
	case e.InBackoff:
		return Backoff
	case e.Connecting && e.LastError == nil:
		return Connecting
	case e.Up:
		return Unused
	case e.LastTried.IsZero():
		return NotTried
	}
	return Down
}

// words returns the state as the page shows it.
func (s EndpointState) words(nextTry, now time.Time) string {
	switch s {
	case InUse:
		return "in use"
	case Unused:
		return "unused and up"
	case NotTried:
		return "not tried yet"
	case AccountRefused:
		return "account refused"
	case Backoff:
		if nextTry.After(now) {
			return "in backoff until " + clock(nextTry)
		}
		return "in backoff"
	}
	return string(s) // connecting, down
}

// class returns the class of the state's mark: how it looks.
func (s EndpointState) class() string {
	switch s {
	case InUse:
		return "good"
	case Unused:
		return "ready"
	case Connecting, NotTried:
		return "wait"
	}
	return "bad"
}

// fails reports whether the endpoint cannot be used now.
func (s EndpointState) fails() bool { return s == Backoff || s == Down || s == AccountRefused }
