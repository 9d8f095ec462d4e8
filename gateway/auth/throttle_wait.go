package auth

import (
	"container/list"
	"context"
	"errors"
	"net/netip"
	"time"
)

// gate holds the attempts in progress that count for one limit, and those that wait for
// the outcome of these. It exists as long as there are any.
//
// If attempts wait at a gate, at least one is in progress there: it is what they wait for.
// Its end decides about them.
type gate struct {
	pending int
	waiters list.List // of *waiter, in the order of arrival
}

type gateKind uint8

const (
	gatePair    gateKind = iota // an account and a block that is known to it
	gateSource                  // an account and a block, or /48, that is new to it
	gateNew                     // the new lane of an account
	gateFailed                  // the failed lane of an account
	gateBlock                   // a block, at all accounts
	gateNetwork                 // a network, at all accounts
)

// gateKey identifies a gate. Fields that its kind does not need are zero.
type gateKey struct {
	kind    gateKind
	account account
	prefix  netip.Prefix
}

// waiter is an attempt that waits at a gate.
type waiter struct {
	attempt *attempt
	at      gateKey
	element *list.Element
	done    chan error // gets nil when the attempt is admitted, or the refusal; buffered
}

// Bounds of the attempts that wait for the outcome of others, at one gate and in total.
// The callers of admit bound the time.
const (
	maxAtGate  = 512
	maxWaiting = 4096
)

// waitAgain is the Retry-After of attempts for which there was no room or time to wait.
const waitAgain = time.Second

// enter admits an attempt, refuses it, or returns a waiter whose done decides.
func (t *throttle) enter(a *attempt) (*waiter, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	busy, wait, err := t.decideLocked(a, time.Now(), true)
	if !wait {
		return nil, err
	}
	if t.waiting >= maxWaiting || t.gates[busy].waiters.Len() >= maxAtGate {
		return nil, &ThrottledError{RetryAfter: waitAgain, Reason: ReasonInProgress}
	}
	w := &waiter{attempt: a, done: make(chan error, 1)}
	t.queueLocked(w, busy)
	t.waiting++
	return w, nil
}

// queueLocked lets a waiter wait at a gate.
func (t *throttle) queueLocked(w *waiter, at gateKey) {
	w.at = at
	w.element = t.gates[at].waiters.PushBack(w)
}

// decideLocked decides about an attempt: it is in progress when decideLocked returns
// neither wait nor an error. With wait, busy is the gate where it has to wait. A new
// attempt waits behind those that wait already.
func (t *throttle) decideLocked(a *attempt, now time.Time, isNew bool) (busy gateKey, wait bool, err error) {
	demands := t.demandsLocked(a, now)
	if err := t.refusedLocked(a.target, demands, now); err != nil {
		return gateKey{}, false, err
	}
	for _, d := range demands {
		g, ok := t.gates[d.key]
		if ok && (g.pending >= d.capacity || isNew && g.waiters.Len() > 0) {
			return d.key, true, nil
		}
	}
	for _, d := range demands {
		g, ok := t.gates[d.key]
		if !ok {
			g = &gate{}
			t.gates[d.key] = g
		}
		g.pending++
		a.gates = append(a.gates, d.key)
	}
	return gateKey{}, false, nil
}

// leaveLocked ends an attempt in progress, and decides about those that waited for it.
func (t *throttle) leaveLocked(a *attempt) {
	for _, key := range a.gates {
		t.gates[key].pending--
	}
	now := time.Now()
	for _, key := range a.gates {
		t.wakeLocked(key, now)
	}
	a.gates = nil
}

// wakeLocked decides about the attempts that wait at a gate, in their order, up to the
// first that still has to wait there.
func (t *throttle) wakeLocked(key gateKey, now time.Time) {
	g, ok := t.gates[key]
	if !ok {
		return
	}
	for g.waiters.Len() > 0 {
		w, _ := g.waiters.Front().Value.(*waiter)
		busy, wait, err := t.decideLocked(w.attempt, now, false)
		if wait && busy == key {
			return
		}
		g.waiters.Remove(w.element)
		if wait {
			t.queueLocked(w, busy)
			continue
		}
		t.waiting--
		w.done <- err
	}
	t.dropGateLocked(key, g)
}

// dropGateLocked removes a gate that is not needed any more.
func (t *throttle) dropGateLocked(key gateKey, g *gate) {
	if g.pending == 0 && g.waiters.Len() == 0 {
		delete(t.gates, key)
	}
}

// await waits until it is decided about an attempt, or the context ends.
func (t *throttle) await(ctx context.Context, w *waiter) error {
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case err := <-w.done:
		if err == nil { // admitted in the meantime
			t.leaveLocked(w.attempt)
		}
	default:
		t.gates[w.at].waiters.Remove(w.element)
		t.waiting--
	}
	return waitEnded(ctx, ReasonInProgress)
}

// waitEnded returns the error of an attempt whose context ended while it waited for its
// turn. If its time is over, it was the load of other attempts that took it, so it is
// refused as such.
func waitEnded(ctx context.Context, reason Reason) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.DeadlineExceeded) {
		return &ThrottledError{RetryAfter: waitAgain, Reason: reason}
	}
	return cause
}
