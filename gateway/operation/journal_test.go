package operation_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"ocigate/gateway/operation"
)

// This file has the store of the keeper's tests: a journal in memory that replicas share, and
// whose calls can be made to fail (fault). It is no test of its own.

// journal has the durable data of a store, in memory. Replicas share it, each through its
// own store.
type journal struct {
	lease time.Duration // of an owner, after each Adopt

	// mu guards the fields below. Functions with the suffix Locked need it held.
	mu     sync.Mutex
	ops    map[string]*kept
	begun  int // counts calls of Begin, and records that free something
	keys   map[claim]string
	leases map[string]time.Time // when they run out
	free   map[string]bool      // the owners that can be taken for stopped before that
	trail  []operation.Event
	// strict makes an intent fail if half of its owner's lease has run out.
	strict bool

	revoked []operation.Revocation // the revision of each is its place, from 1

	// watch is called with every record before it is made, with mu held.
	watch func(before, after operation.Operation)
}

// kept is an operation of the journal.
type kept struct {
	operation.Operation
	begun      int
	freed      int    // when it freed something last, in the same count
	unanswered string // the method that took it over, if the reply to that call was lost
}

// claim is what makes an idempotency key unique.
type claim struct{ principal, endpoint, key string }

func claimOf(op *operation.Operation) claim {
	return claim{op.Caller.Principal(), op.Route, op.Key}
}

func newJournal(lease time.Duration) *journal {
	return &journal{
		lease: lease, ops: map[string]*kept{}, keys: map[claim]string{}, leases: map[string]time.Time{}, free: map[string]bool{},
		watch: func(_, _ operation.Operation) {},
	}
}

// stored returns an operation as the journal has it, the zero Operation if there is none.
func (j *journal) stored(id string) operation.Operation {
	j.mu.Lock()
	defer j.mu.Unlock()
	if k, ok := j.ops[id]; ok {
		return k.Operation
	}
	return operation.Operation{}
}

// ids returns the ids of all operations.
func (j *journal) ids() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Keys(j.ops))
}

// events returns the events of one operation, in order.
func (j *journal) events(id string) []operation.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	var events []operation.Event
	for _, e := range j.trail {
		if e.Operation == id {
			events = append(events, e)
		}
	}
	return events
}

// trailOf returns the kinds and outcomes of an operation's events, in order.
func (j *journal) trailOf(id string) []string {
	lines := []string{}
	for _, e := range j.events(id) {
		lines = append(lines, string(e.Kind)+" "+e.Outcome)
	}
	return lines
}

// held reports whether an operation holds the entry.
func (j *journal) held(key string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, k := range j.ops {
		if slices.ContainsFunc(k.Holds(), func(c operation.Claim) bool { return c.Key == key }) {
			return true
		}
	}
	return false
}

// fault is the failure of a call of a store.
type fault int

const (
	works       fault = iota
	fails             // before it takes effect
	losesReply        // after it took effect: the reply is lost
	storesEvent       // after the event is there, and the operation is not
	hangs             // until its context ends, without effect
	hangsLate         // until its context ends, and then takes effect
	stalls            // for an hour, whatever its context says
)

var (
	errStore = errors.New("the disk is full")
	errLease = errors.New("half of the lease has run out")
)

// store gives one replica access to the journal.
type store struct {
	*journal
	faults sync.Mutex // guards the fields below; not held during a call
	fault  func(method, id string) fault
	calls  map[string]int
	delay  func(method string) time.Duration // of a call
}

func newStore(j *journal) *store {
	return &store{
		journal: j, calls: map[string]int{},
		fault: func(_, _ string) fault { return works },
		delay: func(string) time.Duration { return 0 },
	}
}

// slow delays the calls of some methods, or of all if none is named.
func (s *store) slow(d time.Duration, methods ...string) {
	s.faults.Lock()
	defer s.faults.Unlock()
	s.delay = func(method string) time.Duration {
		if len(methods) == 0 || slices.Contains(methods, method) {
			return d
		}
		return 0
	}
}

// will makes the calls of some methods fail, or of all if none is named.
func (s *store) will(f fault, methods ...string) {
	s.faults.Lock()
	defer s.faults.Unlock()
	s.fault = func(method, _ string) fault {
		if len(methods) == 0 || slices.Contains(methods, method) {
			return f
		}
		return works
	}
}

// count returns how often the methods were called since the last call of count.
func (s *store) count(methods ...string) int {
	s.faults.Lock()
	defer s.faults.Unlock()
	n := 0
	for _, m := range methods {
		n += s.calls[m]
		s.calls[m] = 0
	}
	return n
}

// do makes one call. It calls effect with mu held; half means that only the event is to
// be stored. mu is not held while a call hangs.
func (s *store) do(ctx context.Context, method, id string, effect func(half bool) error) error {
	s.faults.Lock()
	s.calls[method]++
	f, delay := s.fault(method, id), s.delay(method)
	s.faults.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	switch f {
	case fails:
		return errStore
	case stalls:
		time.Sleep(time.Hour)
		return errStore
	case hangs, hangsLate:
		<-ctx.Done()
		if f == hangs {
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := effect(f == storesEvent)
	switch {
	case err != nil || f == works:
		return err
	case f == hangsLate:
		return ctx.Err()
	}
	return errStore
}

func (s *store) Begin(ctx context.Context, op operation.Operation) error {
	return s.do(ctx, "Begin", op.ID, func(bool) error {
		if id, ok := s.keys[claimOf(&op)]; ok && op.Key != "" {
			if user := s.ops[id]; user.KeyExpires.After(time.Now()) {
				return &operation.KeyUsedError{Operation: user.Operation}
			}
		}
		if held := s.holderLocked(&op); held != nil {
			return held
		}
		if op.Key != "" {
			s.keys[claimOf(&op)] = op.ID
		}
		s.begun++
		s.ops[op.ID] = &kept{Operation: op, begun: s.begun}
		return nil
	})
}

// holderLocked returns a [operation.HeldError] if another operation holds what this one
// needs.
func (j *journal) holderLocked(op *operation.Operation) error {
	var held operation.HeldError
	for _, c := range op.Holds() {
		for id, k := range j.ops {
			if id != op.ID && k.TenantID == op.TenantID && slices.Contains(k.Holds(), c) {
				held.ID, held.Held = id, append(held.Held, c)
			}
		}
	}
	if held.ID == "" {
		return nil
	}
	return &held
}

// changedLocked returns a [operation.HeldError] if another operation may have changed what
// this one takes with its intent, after this one was begun.
func (j *journal) changedLocked(before *kept, op *operation.Operation) error {
	var held operation.HeldError
	for _, c := range op.Holds() {
		if slices.Contains(before.Holds(), c) {
			continue
		}
		for id, k := range j.ops {
			if id != op.ID && k.TenantID == op.TenantID && k.freed > before.begun && slices.Contains(k.Touches(), c) {
				held.ID, held.Held = id, append(held.Held, c)
			}
		}
	}
	if held.ID == "" {
		return nil
	}
	return &held
}

func (s *store) Abandon(ctx context.Context, op operation.Operation) error {
	return s.do(ctx, "Abandon", op.ID, func(bool) error {
		if k, ok := s.ops[op.ID]; ok && k.State == operation.Received {
			s.removeLocked(k)
		}
		return nil
	})
}

// removeLocked removes an operation and its key.
func (j *journal) removeLocked(k *kept) {
	delete(j.ops, k.ID)
	j.freeKeyLocked(k)
}

func (j *journal) freeKeyLocked(k *kept) {
	if j.keys[claimOf(&k.Operation)] == k.ID {
		delete(j.keys, claimOf(&k.Operation))
	}
}

func (s *store) Record(ctx context.Context, op operation.Operation, event operation.Event) error {
	return s.do(ctx, "Record", op.ID, func(half bool) error {
		k, ok := s.ops[op.ID]
		if !ok {
			k, ok = s.lateLocked(&op)
		}
		if !ok || k.Version > op.Version || k.Version == op.Version && k.Owner != op.Owner {
			return operation.ErrConflict
		}
		if op.State == operation.Intent {
			if s.strict && !s.halfLocked(op.Owner, time.Now()) {
				return errLease
			}
			if held := s.holderLocked(&op); held != nil {
				return held
			}
			if held := s.changedLocked(k, &op); held != nil {
				return held
			}
		}
		if event.Kind != "" {
			s.trail = append(s.trail, event)
		}
		if half {
			return nil
		}
		s.watch(k.Operation, op)
		s.ops[op.ID], k.Operation = k, op
		if _, used := s.keys[claimOf(&op)]; op.HoldsKey() && !used {
			s.keys[claimOf(&op)] = op.ID
		}
		if !op.HoldsAll() {
			s.begun++
			k.freed = s.begun
		}
		if !op.HoldsKey() {
			s.freeKeyLocked(k)
		}
		return nil
	})
}

// lateLocked returns a place for the outcome of an operation that the journal does not
// have, unless another operation has its key or what it holds.
func (j *journal) lateLocked(op *operation.Operation) (*kept, bool) {
	user, used := j.ops[j.keys[claimOf(op)]]
	used = used && op.HoldsKey() && user.KeyExpires.After(time.Now())
	if op.State == operation.Intent || used || j.holderLocked(op) != nil {
		return nil, false
	}
	j.begun++
	return &kept{begun: j.begun}, true
}

func (s *store) Get(ctx context.Context, id string) (op operation.Operation, err error) {
	err = s.do(ctx, "Get", id, func(bool) error {
		k, ok := s.ops[id]
		if !ok {
			return operation.ErrNotFound
		}
		op = k.Operation
		return nil
	})
	return op, err
}

// List returns pages of one operation if their size is limited.
func (s *store) List(ctx context.Context, q operation.Query) ([]operation.Operation, bool, error) {
	page := operation.NewPage(q)
	err := s.do(ctx, "List", "", func(bool) error {
		var ops []operation.Operation
		for _, k := range s.ops {
			if q.Target.Contains(k.Target) &&
				(q.State == "" || q.State == k.State) && (!q.Open || k.Open()) && (q.Before == "" || k.ID < q.Before) {
				ops = append(ops, k.Operation)
			}
		}
		slices.SortFunc(ops, func(a, b operation.Operation) int { return cmp.Compare(b.ID, a.ID) })
		for len(ops) > 0 && page.Add(ops[0], q.MaxBytes) {
			ops = ops[1:]
		}
		return nil
	})
	return page.Operations, page.More, err
}

func (s *store) Touched(ctx context.Context, op operation.Operation) (map[operation.Claim]string, error) {
	touched, last := map[operation.Claim]string{}, map[operation.Claim]int{}
	err := s.do(ctx, "Touched", op.ID, func(bool) error {
		for _, k := range s.ops {
			if k.TenantID != op.TenantID || k.begun <= s.ops[op.ID].begun || k.State == operation.Received {
				continue
			}
			for _, c := range k.Touches() {
				if slices.Contains(op.Keys(), c) && k.begun > last[c] {
					touched[c], last[c] = k.ID, k.begun
				}
			}
		}
		return nil
	})
	return touched, err
}

func (s *store) Append(ctx context.Context, event operation.Event) error {
	return s.do(ctx, "Append", "", func(bool) error {
		s.trail = append(s.trail, event)
		return nil
	})
}

// Revoke keeps each revocation that it is given.
func (s *store) Revoke(ctx context.Context, r operation.Revocation, event operation.Event) error {
	return s.do(ctx, "Revoke", r.Token, func(half bool) error {
		if event.Kind != "" {
			s.trail = append(s.trail, event)
		}
		if !half {
			s.revoked = append(s.revoked, r.At(time.Now()))
		}
		return nil
	})
}

func (s *store) Revocations(ctx context.Context, after int64) (list []operation.Revocation, last int64, err error) {
	err = s.do(ctx, "Revocations", "", func(bool) error {
		last = int64(len(s.revoked))
		list = slices.Clone(s.revoked[min(after, last):])
		return nil
	})
	return list, last, err
}

func (s *store) Head(ctx context.Context) (head operation.Head, err error) {
	err = s.do(ctx, "Head", "", func(bool) error {
		for _, event := range s.trail {
			if _, head, err = operation.Seal(head, event); err != nil {
				return err
			}
		}
		return nil
	})
	return head, err
}

func (s *store) Prune(ctx context.Context, before time.Time) error {
	return s.do(ctx, "Prune", "", func(bool) error {
		for _, k := range s.ops {
			if !k.KeyExpires.IsZero() && !k.KeyExpires.After(time.Now()) {
				s.freeKeyLocked(k)
			}
			if !k.Open() && k.EndedAt.Before(before) {
				s.removeLocked(k)
			}
		}
		return nil
	})
}

func (s *store) Check(ctx context.Context) error {
	return s.do(ctx, "Check", "", func(bool) error { return nil })
}

func (s *store) Close() error { return nil }

var _ operation.Store = (*store)(nil)
