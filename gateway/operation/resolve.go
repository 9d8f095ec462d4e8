package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ocigate/translate/scope"
)

// Observe reads the present values of entries, which an operation about the target
// is to have changed. An error says that nothing could be read.
type Observe func(ctx context.Context, target scope.Target, entries []Entry) (Observation, error)

// Observation is one reading of what became of an operation.
type Observation struct {
	// Endpoint is the server of the platform that was read.
	Endpoint string
	// Effects are those on the entries that were asked about, in their order.
	Effects []Effect
}

// Effect is what a reading shows of one entry.
type Effect struct {
	// Seen reports whether the entry has the value that the operation wants.
	Seen bool
	// Clear tells that all that was read agrees on that. Where it does not,
	// somebody else has the entry, or the platform is between two states.
	Clear bool
}

// betweenReadings is the least time between two that count as two.
const betweenReadings = time.Second

// doubt is an open operation and what is being done about it.
type doubt struct {
	op    Operation
	since time.Time     // when the platform may last have been told of it
	due   time.Time     // of the next reading
	pause time.Duration // after that
	turn  chan struct{} // holds a token while nobody is at it

	// readings holds the first of those that agree, for each node, as far as
	// they began after the settle time.
	readings map[string]reading
	looked   time.Time // when the last reading ended, whatever it was
	failure  error     // why the last reading failed
}

type reading struct {
	ended   time.Time
	effects []Effect
}

func newDoubt(op Operation, now time.Time) *doubt {
	d := &doubt{op: op, since: now, due: now.Add(firstPause), pause: firstPause, turn: make(chan struct{}, 1)}
	if op.Over() {
		d.due = op.RecheckAt
	}
	d.turn <- struct{}{}
	return d
}

// weigh adds a reading to what is known, and tells the outcomes of the entries
// where they are proven.
//
// Seeing the effect is proof. Not seeing it proves something only once the
// write can no longer take effect, that is after the settle time, and by two
// readings of the same node that agree: one alone may show what a part of the
// platform has not heard of yet.
func (d *doubt) weigh(sight Observation, began, ended time.Time, settle time.Duration) ([]State, bool) {
	if allOf(sight.Effects, func(e Effect) bool { return e.Seen && e.Clear }) {
		return outcomesOf(sight.Effects), true
	}
	if began.Sub(d.since) < settle {
		return nil, false
	}
	this := reading{ended, sight.Effects}
	first, again := d.readings[sight.Endpoint]
	switch agrees := !d.disagrees(sight.Effects); {
	case agrees && again && began.Sub(first.ended) >= betweenReadings:
		return outcomesOf(sight.Effects), true
	case agrees && again: // too soon
	case agrees:
		if d.readings == nil {
			d.readings = map[string]reading{}
		}
		d.readings[sight.Endpoint] = this
		d.pause = firstPause // the next may prove it
	default: // there is no hurry: nodes that differ may do so for long
		d.readings = map[string]reading{sight.Endpoint: this}
	}
	return nil, false
}

// disagrees tells whether any node's reading shows something else. All of them
// have to agree: what one has seen the others may not have heard of yet.
func (d *doubt) disagrees(effects []Effect) bool {
	for _, r := range d.readings {
		if !slices.Equal(r.effects, effects) {
			return true
		}
	}
	return false
}

// afterAnswer judges an operation that the platform answered, otherwise than
// with a success, by one reading: done where that is clear to see, not done
// where a refusal is borne out. Anything else takes more readings.
func afterAnswer(answer Reply, sight Observation) State {
	switch {
	case allOf(sight.Effects, func(e Effect) bool { return e.Seen && e.Clear }):
		return Done
	case answer != Unclear && allOf(sight.Effects, func(e Effect) bool { return !e.Seen }):
		return NotDone
	}
	return Unknown
}

func allOf(effects []Effect, is func(Effect) bool) bool {
	return !slices.ContainsFunc(effects, func(e Effect) bool { return !is(e) })
}

func outcomesOf(effects []Effect) []State {
	outcomes := make([]State, len(effects))
	for i, e := range effects {
		outcomes[i] = NotDone
		if e.Seen {
			outcomes[i] = Done
		}
	}
	return outcomes
}

// wholeOf is the state of an operation whose entries have those outcomes.
func wholeOf(outcomes []State) State {
	switch {
	case !slices.Contains(outcomes, NotDone):
		return Done
	case !slices.Contains(outcomes, Done):
		return NotDone
	}
	return PartlyDone
}

// look asks what is to be seen of an operation's entries that are in question,
// and of nothing where there are none.
func (k *Keeper) look(ctx context.Context, op *Operation) (Observation, error) {
	if err := ctx.Err(); err != nil {
		return Observation{}, err
	}
	var entries []Entry
	for _, place := range op.inQuestion() {
		entries = append(entries, op.Entries[place])
	}
	if len(entries) == 0 {
		return Observation{}, nil
	}
	return k.lookAt(ctx, op, entries)
}

// lookAt asks what is to be seen of entries with the target of an operation.
func (k *Keeper) lookAt(ctx context.Context, op *Operation, entries []Entry) (Observation, error) {
	limited, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	sight, err := k.sight(limited, op.Target, entries)
	if err == nil && len(sight.Effects) != len(entries) {
		err = errors.New("operation: the reading is not of the operation's entries")
	}
	if err != nil && k.options.Trace.Blind != nil && !errors.Is(ctx.Err(), context.Canceled) {
		k.options.Trace.Blind(*op, err)
	}
	return sight, err
}

// sight is what the Look sees. One that panics sees nothing: it would do so for
// the same operation after every start.
func (k *Keeper) sight(ctx context.Context, target scope.Target, entries []Entry) (sight Observation, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("operation: reading back: panic: %v", cause)
		}
	}()
	return k.options.Observe(ctx, target, entries)
}

// Resolve looks once what became of an Unknown operation, unless somebody is at
// it already or has just been, and returns it as it is afterwards.
func (k *Keeper) Resolve(ctx context.Context, op Operation) Operation {
	op = k.current(op)
	if op.State != Unknown || op.Over() {
		return op
	}
	k.mu.Lock()
	d, ok := k.doubts[op.ID]
	k.mu.Unlock()
	if !ok {
		// Another replica takes care of it, but what is seen here counts.
		d = newDoubt(op, time.Now())
	}
	k.examineOnce(ctx, d)
	k.mu.Lock()
	op = d.op
	kept := k.doubts[op.ID] == d
	k.mu.Unlock()
	if !kept {
		// It has ended, or somebody else takes care of it and may know more.
		if latest, err := k.Get(ctx, op.ID); err == nil {
			return latest
		}
	}
	return op
}

// examineOnce examines an Unknown operation, or waits for somebody who is at it.
func (k *Keeper) examineOnce(ctx context.Context, d *doubt) {
	if ctx.Err() != nil {
		return
	}
	select {
	case <-d.turn:
		defer k.giveBack(d)
		if k.worthLooking(d) {
			k.examine(ctx, d)
		}
		return
	default:
	}
	select {
	case <-d.turn:
		k.giveBack(d)
	case <-ctx.Done():
	}
}

// worthLooking tells whether another reading could show anything: that it is
// unknown is recorded, and the last reading was not just now.
func (k *Keeper) worthLooking(d *doubt) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !d.op.Over() && k.unrecorded[d.op.ID] == nil && time.Since(d.looked) >= betweenReadings
}

// giveBack lets the next one examine a doubt, which may be due already.
func (k *Keeper) giveBack(d *doubt) {
	d.turn <- struct{}{}
	k.wake()
}

// examine reads what became of an operation and records what that proves. The
// caller has the doubt's token.
func (k *Keeper) examine(ctx context.Context, d *doubt) {
	k.mu.Lock()
	op := d.op
	k.mu.Unlock()
	began := time.Now()
	sight, err := k.look(ctx, &op)
	ended := time.Now()
	switch {
	case ctx.Err() != nil && err != nil:
		return // nobody waits for it any more, which says nothing of the platform
	case op.Over() && err == nil:
		k.recheck(d, op, sight)
		return
	case !op.Over() && !k.stillHeld(d, &op):
		return
	case err == nil:
		if outcomes, proven := d.weigh(sight, began, ended, k.options.Settle); proven {
			k.resolve(d, op, outcomes)
			return
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	d.failure = err
	d.postpone(began, ended, k.options.Settle)
}

// postpone says when to look again: soon at first, then less often, but right
// when the settle time is over.
func (d *doubt) postpone(began, ended time.Time, settle time.Duration) {
	d.looked = ended
	d.due = ended.Add(d.pause)
	if settled := d.since.Add(settle); began.Before(settled) && d.due.After(settled) {
		d.due = settled
	}
	d.pause = min(2*d.pause, lastPause)
}

// resolve records what became of the entries that an unknown operation holds.
func (k *Keeper) resolve(d *doubt, op Operation, outcomes []State) {
	now := time.Now().UTC()
	op.concludeBy(op.inQuestion(), outcomes, now)
	if slices.Contains(outcomes, NotDone) {
		op.RecheckAt = now.Add(k.options.Recheck)
	}
	k.keep(d, op, EventOf(EventOutcome, &op, now))
}

// keep makes an operation's new state known, has the doubt be about that, and
// records it. Whoever is the owner meanwhile then learns that it is out of date.
func (k *Keeper) keep(d *doubt, op Operation, event Event) {
	op.Owner = k.options.Owner
	k.mu.Lock()
	if now, ok := k.doubts[op.ID]; ok && now != d {
		k.mu.Unlock()
		return // it has been taken over anew
	}
	r := &record{op: op, event: event, busy: true}
	k.unrecorded[op.ID] = r
	d.op, d.due = op, op.RecheckAt
	if !op.Open() {
		delete(k.doubts, op.ID)
	}
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.life), storeTime)
	defer cancel()
	k.record(ctx, r)
}

// adopt takes over what the dead have left behind, and shows that this process
// is alive.
func (k *Keeper) adopt() {
	ctx, cancel := context.WithTimeout(k.life, storeTime)
	defer cancel()
	ops, err := k.options.Store.Adopt(ctx, k.options.Owner)
	if err != nil {
		k.failed(ctx, "taking over operations", err)
	}
	for _, op := range ops {
		k.takeOver(op)
	}
}

// takeOver takes care of an operation of somebody who is dead. Where that one
// was about to send a step of it, it may have been sent, even a moment ago. No
// further step can be: its intent would be an [ErrConflict].
func (k *Keeper) takeOver(op Operation) {
	if k.takeBack(op) {
		return
	}
	now := time.Now()
	orphaned := op.State.Running()
	if orphaned {
		op.closeSteps(Unknown)
		op.conclude(Unknown, "", now.UTC())
	}
	k.mu.Lock()
	k.doubts[op.ID] = newDoubt(op, now)
	delete(k.unrecorded, op.ID)
	if orphaned {
		k.unrecorded[op.ID] = &record{op: op, event: EventOf(EventOutcome, &op, now)}
	}
	k.mu.Unlock()
	if orphaned && k.options.Trace.Recorded != nil {
		k.options.Trace.Recorded(op)
	}
}

// takeBack has a write be this process's own again, which is on its way here:
// somebody took this process for dead, and has died since. It tells whether
// there is one.
func (k *Keeper) takeBack(op Operation) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	w, ok := k.running[op.ID]
	if !ok || op.State.Ended() {
		return false
	}
	w.op.Version = max(w.op.Version, op.Version)
	w.lost = w.lost || op.State == Unknown // others may have what further steps change
	if len(op.Releases) > 0 {              // before this process was heard of again
		w.op.Entries, w.op.Releases = op.Entries, op.Releases
	}
	return true
}

// keepHouse does what is due until the keeper is closed.
func (k *Keeper) keepHouse() {
	var adopt, prune, retry time.Time // when it is due next
	for {
		now := time.Now()
		if !now.Before(adopt) {
			k.adopt()
			adopt = now.Add(adoptEvery)
		}
		if !now.Before(retry) {
			k.recordAgain(k.life)
			retry = now.Add(retryEvery)
		}
		if !now.Before(prune) {
			k.prune(now)
			prune = now.Add(pruneEvery)
		}
		wait := time.NewTimer(time.Until(k.next(adopt, prune, retry)))
		select {
		case <-k.life.Done():
			wait.Stop()
			return
		case <-wait.C:
		case <-k.poke:
			wait.Stop()
		}
		k.examineDue(time.Now())
	}
}

// next is when something is due.
func (k *Keeper) next(adopt, prune, retry time.Time) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	first := adopt
	if prune.Before(first) {
		first = prune
	}
	if len(k.unrecorded) > 0 && retry.Before(first) {
		first = retry
	}
	if len(k.looking) == cap(k.looking) || k.unreadable {
		return first // the end of a reading, or of a check, wakes us
	}
	for _, d := range k.doubts {
		if k.examinable(d) && d.due.Before(first) {
			first = d.due
		}
	}
	return first
}

// examineDue looks after all doubts that are due, a few at a time, and first
// after those that have been for longest.
func (k *Keeper) examineDue(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unreadable {
		return // a check wakes us
	}
	var due []*doubt
	for _, d := range k.doubts {
		if k.examinable(d) && !d.due.After(now) {
			due = append(due, d)
		}
	}
	slices.SortFunc(due, func(a, b *doubt) int { return a.due.Compare(b.due) })
	for _, d := range due {
		select {
		case k.looking <- struct{}{}:
		default:
			return // the end of a reading wakes us
		}
		select {
		case <-d.turn:
		default: // somebody is at it, whose end wakes us
			<-k.looking
			continue
		}
		k.work.Go(func() {
			defer k.giveBack(d)
			defer func() { <-k.looking }()
			k.examine(k.life, d)
		})
	}
}

// examinable tells whether nobody is at a doubt, and nothing is to be recorded
// of it first.
func (k *Keeper) examinable(d *doubt) bool {
	return len(d.turn) > 0 && k.unrecorded[d.op.ID] == nil
}

func (k *Keeper) prune(now time.Time) {
	ctx, cancel := context.WithTimeout(k.life, storeTime)
	defer cancel()
	if err := k.options.Store.Prune(ctx, now.Add(-k.options.Keep)); err != nil {
		k.failed(ctx, "forgetting old operations", err)
	}
}
