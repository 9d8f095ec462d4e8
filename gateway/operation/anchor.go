package operation

import (
	"context"
	"sync"
	"time"
)

// headEvery is the interval in which the head of the audit trail is read.
const headEvery = time.Minute

// trailHead is what a keeper knows of the head of the audit trail.
type trailHead struct {
	mu       sync.Mutex // guards read, reported and at
	read     Head       // when it was read last
	reported Head       // by Trace.Anchor
	at       time.Time  // when; zero for never
}

// TrailHead returns the last line of the audit trail, as it was a minute ago or later. It is
// the zero Head until the store could be read.
func (k *Keeper) TrailHead() Head {
	k.head.mu.Lock()
	defer k.head.mu.Unlock()
	return k.head.read
}

// watchTrail reads the head of the audit trail, and reports it, until the keeper is closed.
func (k *Keeper) watchTrail() {
	for {
		k.readHead(k.life, k.options.Anchor)
		if !k.pause(headEvery, nil) {
			return
		}
	}
}

// readHead reads the head of the audit trail. It reports a head that differs from the one
// that was reported last, if that is at least so long ago, but never that of an empty trail. An error of the store is not
// reported here: the checks of the store report it.
func (k *Keeper) readHead(ctx context.Context, every time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	head, err := k.options.Store.Head(ctx)
	if err != nil {
		return
	}
	now := time.Now()
	h := &k.head
	h.mu.Lock()
	h.read = head
	report := head != h.reported && now.Sub(h.at) >= every
	if report {
		h.reported, h.at = head, now
	}
	h.mu.Unlock()
	if report && k.options.Trace.Anchor != nil {
		k.options.Trace.Anchor(head)
	}
}
