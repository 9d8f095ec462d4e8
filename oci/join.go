package oci

import (
	"encoding/binary"
	"sync"
)

// joiner lets callers who ask the same at the same time share one answer.
// None of them may be told of a state older than a write that ended before they
// asked, and writes also come from other clients and from the platform's own
// tools, of which nothing is known here. One rule is enough all the same: a
// read is shared only with those who asked before its bytes were handed to a
// session, because then the platform looks after all of them have asked.
// Hence, of each document of reads:
//
//   - one at the most is under way, that is, sent and without an answer;
//   - whoever asks before it is sent joins it;
//   - whoever asks while it is under way shares the next one, which is sent
//     when the one under way has ended.
//
// Thus any number of callers at once cost two documents at the most, and one
// that the platform does not answer holds back none but its like.
type joiner struct {
	mu     sync.Mutex
	latest map[string]*flight // by key; the one that callers may join or have to wait for
}

// flight is one read of the platform and all who share it. Whoever came first
// leads it: they make the exchange, and the others wait for what it brings.
type flight struct {
	key  string
	turn <-chan struct{} // closed when the one before it has ended; nil where there is none

	// Guarded by the joiner's mutex.
	before *flight       // the same read under way, until it has ended
	at     *endpoint     // where it was sent, nil before
	ended  chan struct{} // closed at the end; made for the first who waits for it

	orphaned bool // the leader left it under way, so the end of the exchange ends it

	// Set before the end, read after it.
	settled bool // outcome is fit for all; else they try again
	outcome result
}

func newJoiner() *joiner { return &joiner{latest: map[string]*flight{}} }

// join finds the flight for a caller: one that is not sent yet, or else a new
// one that they lead, and have to land.
func (j *joiner) join(key string) (f *flight, leads bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	latest := j.latest[key]
	if latest != nil && latest.at == nil {
		latest.await()
		return latest, false
	}
	f = &flight{key: key, before: latest}
	if latest != nil {
		f.turn = latest.await()
	}
	j.latest[key] = f
	return f, true
}

// await is closed when the flight has ended.
func (f *flight) await() <-chan struct{} {
	if f.ended == nil {
		f.ended = make(chan struct{})
	}
	return f.ended
}

// depart notes that the flight is handed to a session of that endpoint. From
// here on nobody joins it.
func (j *joiner) depart(f *flight, at *endpoint) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f.at = at
}

// underWay is where the same read is waited for: the flight's own, or the one
// before it. Without any it is nil.
func (j *joiner) underWay(f *flight) *endpoint {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f.before != nil {
		return f.before.at
	}
	return f.at
}

// settle gives the flight an outcome to share.
func (f *flight) settle(replies []Reply, err error) {
	f.outcome, f.settled = result{replies: replies, err: err}, true
}

// land ends the flight. Where it was given up before its turn, the one before
// it is still under way, and the next has to wait for that.
func (j *joiner) land(f *flight) {
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

// documentKey is what makes documents the same: the names and elements of the
// commands, but not the tracking id and echoes of an exchange. Every text goes
// behind its length and every list behind its count, so that documents that
// differ have different keys.
func documentKey(commands []Read) string {
	room := [512]byte{} // more than most documents need
	key := room[:0]
	for _, c := range commands {
		key = appendElements(appendText(key, c.name), c.elements)
	}
	return string(key)
}

// commandKey is documentKey for one command.
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
