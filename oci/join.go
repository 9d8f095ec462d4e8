package oci

import (
	"encoding/binary"
	"sync"
)

// joiner lets callers who send the same reads at the same time share one
// exchange. No caller may get a state that is older than a write that ended
// before their call. Writes also come from other clients and from the platform's
// own tools, about which the client has no information. One rule is sufficient
// nevertheless: a read is shared only by callers who called before its bytes were
// handed to a session, because then the platform reads its state after all of
// those calls. So, for each document of reads:
//
//   - at most one flight is sent and without a reply;
//   - a caller who comes before a flight is sent joins it;
//   - a caller who comes after a flight was sent joins the next flight, which is
//     sent when the one before has ended.
//
// So any number of simultaneous callers cost two documents at most. A document
// that gets no reply delays only callers of the same document.
//
// The states of a flight, and the next state after each event:
//
//	state     a caller comes              markSent  reply or error       leader's ctx ends
//	waiting   joins it                    sent      ended, error shared  ended, the others try again
//	                                                (2)
//	sent      starts the next (waiting)   sent      ended, result shared detached
//	detached  starts the next (waiting)   -         ended, result shared -
//	                                                (1)
//
//	(1) If the leader would have repeated the read, the result is not shared, and
//	    the others try again.
//	(2) If the leader is refused for a reason of their own, as one who asks for too much, the
//	    error is not shared, and the others try again.
//
// A waiting flight waits for the end of the flight before (turn), or for a session. A
// read that is repeated stays sent. In the state detached, a goroutine of the client
// ends the flight instead of the leader.
type joiner struct {
	mu sync.Mutex // guards latest, and the fields of flights that say so; never held during I/O
	// latest is, for each key, the flight that callers can join or must wait for.
	latest map[string]*flight
}

// flight is one read of the platform and all callers who share it. The first
// caller is its leader and makes the exchange. The others wait for the result.
type flight struct {
	key  string
	turn <-chan struct{} // closed when the flight before has ended; nil without one

	// Guarded by the joiner's mutex.
	before *flight       // the same read, sent before, until it has ended
	at     *endpoint     // where the read was sent; nil before
	ended  chan struct{} // closed at the end; made for the first caller who waits

	// Written by the leader, or by the goroutine that took over from it.
	detached bool // the leader was canceled, so the end of the exchange ends the flight

	// Written before the end, read after it.
	shared  bool // outcome is for all callers; else they try again
	outcome result
}

func newJoiner() *joiner { return &joiner{latest: map[string]*flight{}} }

// join returns the flight for a caller: one that has not been sent yet, or else a
// new one. leads reports whether it is new: then the caller must make the exchange
// and call finish.
func (j *joiner) join(key string) (f *flight, leads bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	latest := j.latest[key]
	if latest != nil && latest.at == nil {
		latest.endLocked()
		return latest, false
	}
	f = &flight{key: key, before: latest}
	if latest != nil {
		f.turn = latest.endLocked()
	}
	j.latest[key] = f
	return f, true
}

// endLocked returns a channel that is closed when the flight has ended. The
// caller holds the joiner's mutex.
func (f *flight) endLocked() <-chan struct{} {
	if f.ended == nil {
		f.ended = make(chan struct{})
	}
	return f.ended
}

// markSent records that the flight is handed to a session of an endpoint. From
// here on no caller joins it.
func (j *joiner) markSent(f *flight, at *endpoint) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f.at = at
}

// sentTo returns the endpoint from which the caller of a flight awaits a reply:
// that of the flight before, or the flight's own. It is nil if neither was sent.
func (j *joiner) sentTo(f *flight) *endpoint {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f.before != nil {
		return f.before.at
	}
	return f.at
}

// share sets the result that all callers of the flight get. It must be called
// before finish.
func (f *flight) share(replies []Reply, err error) {
	f.outcome, f.shared = result{replies: replies, err: err}, true
}

// finish ends the flight. If it is ended before its turn, the flight before is
// still without a reply, and the next flight must wait for that one.
func (j *joiner) finish(f *flight) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch latest := j.latest[f.key]; {
	case latest != f:
		latest.before = nil
	case f.before != nil:
		j.latest[f.key] = f.before
	default:
		delete(j.latest, f.key)
	}
	if f.ended != nil {
		close(f.ended)
	}
}

// documentKey returns the key by which documents are the same. It consists of the
// names and elements of the commands, without the tracking id and echoes of an
// exchange. Every text is preceded by its length and every list by its count, so
// different documents have different keys.
func documentKey(commands []Read) string {
	room := [512]byte{} // more than most documents need
	key := room[:0]
	for _, c := range commands {
		key = appendElements(appendText(key, c.name), c.elements)
	}
	return string(key)
}

// commandKey returns the key of a document with one command.
func commandKey(c Command) string {
	return string(appendElements(appendText(nil, c.Name()), c.Elements()))
}

func appendElements(key []byte, elements []Element) []byte {
	key = binary.AppendUvarint(key, uint64(len(elements)))
	for _, e := range elements {
		isNil := byte(0)
		if e.Nil {
			isNil = 1
		}
		key = appendText(append(appendText(key, e.Name), isNil), e.Text)
		key = appendElements(key, e.Children)
	}
	return key
}

func appendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}
