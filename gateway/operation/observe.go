package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ocigate/translate/scope"
)

// Observe reads the present values of entries from the platform and compares them
// with those that an operation about the target wants. An error means that nothing
// could be read.
type Observe func(ctx context.Context, target scope.Target, entries []Entry) (Observation, error)

// Observation is the result of one reading.
type Observation struct {
	// Endpoint is the platform endpoint that was read.
	Endpoint string
	// Effects has one element for each of the entries, in their order.
	Effects []Effect
}

// Effect is what a reading shows of one entry.
type Effect struct {
	// Seen reports whether the entry has the value that the operation wants.
	Seen bool
	// Clear reports whether all that was read agrees on that. If it does not,
	// another owner has the entry, or the platform is between two states.
	Clear bool
}

// readInQuestion reads the entries of an operation that are in question. It reads nothing
// if there are none.
func (k *Keeper) readInQuestion(ctx context.Context, op *Operation) (Observation, error) {
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
	return k.readEntries(ctx, op, entries)
}

// readEntries reads entries with the target of an operation, which need not be
// entries of that operation.
func (k *Keeper) readEntries(ctx context.Context, op *Operation, entries []Entry) (Observation, error) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	reading, ended := k.options.Trace.readBack(limited, *op)
	seen, err := k.observe(reading, op.Target, entries)
	ended(err)
	if err == nil && len(seen.Effects) != len(entries) {
		err = errors.New("operation: the reading is not of the operation's entries")
	}
	if err != nil && k.options.Trace.Blind != nil && !errors.Is(ctx.Err(), context.Canceled) {
		k.options.Trace.Blind(*op, err)
	}
	return seen, err
}

// observe calls the present Observe function. A panic becomes an error: it would occur again
// for the same operation after every start.
func (k *Keeper) observe(ctx context.Context, target scope.Target, entries []Entry) (seen Observation, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("operation: reading back: panic: %v", cause)
		}
	}()
	return (*k.observer.Load())(ctx, target, entries)
}

// classifyReply returns the state of an operation after a reply of the platform that
// is no success, from one reading: Done if the effect is clearly seen, NotDone if a
// refusal is confirmed by no effect being seen. Anything else is Unknown and takes
// more readings.
func classifyReply(reply Reply, seen Observation) State {
	switch {
	case allOf(seen.Effects, func(e Effect) bool { return e.Seen && e.Clear }):
		return Done
	case reply != Unclear && allOf(seen.Effects, func(e Effect) bool { return !e.Seen }):
		return NotDone
	}
	return Unknown
}

func allOf(effects []Effect, is func(Effect) bool) bool {
	return !slices.ContainsFunc(effects, func(e Effect) bool { return !is(e) })
}

// outcomesOf returns the outcomes of entries whose effects are proven.
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
