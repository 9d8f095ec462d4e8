package translate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"ocigate/translate/scope"
)

// Observer reads the present values of entries of its kinds.
type Observer struct {
	// Kinds are those of the entries that it can read.
	Kinds []string
	// Observe reads the entries, which are all of its kinds and in one target, in
	// one document. Their keys are enough: the change may have been planned by
	// another process.
	//
	// Where there is no reading, the error is of type [*errcode.Error], or wraps the
	// Reader's.
	Observe func(ctx context.Context, target scope.Target, entries []Entry) (*Observation, error)
}

// Observation is one reading of entries.
type Observation struct {
	// Endpoint names the platform's endpoint that was read.
	Endpoint string
	// Values are in the order of the entries.
	Values []Observed
}

// Observed is what a reading shows of one entry.
type Observed struct {
	Value json.RawMessage
	// Clear reports that everything that was read agrees on the value. Where it
	// does not, somebody else has the entry, or the platform is between two
	// states.
	Clear bool
}

// Observers are found by the kinds of entries. [NewObservers] makes them.
type Observers map[string]*Observer

// NewObservers returns the observers by kind. It panics where two of them have the
// same kind: an entry of it would be read by either.
func NewObservers(observers ...*Observer) Observers {
	byKind := Observers{}
	for _, o := range observers {
		for _, kind := range o.Kinds {
			if byKind[kind] != nil {
				panic(fmt.Sprintf("translate: two observers have entries of kind %q", kind))
			}
			byKind[kind] = o
		}
	}
	return byKind
}

// Comparison is what one reading shows of the entries of a change.
type Comparison struct {
	// Endpoint names the platform's endpoint that was read.
	Endpoint string
	// Effects are in the order of the entries.
	Effects []Effect
}

// Effect is what one reading shows of one entry.
type Effect struct {
	// Seen reports that the present value is the one after the change.
	Seen bool
	// Clear is that of [Observed].
	Clear bool
}

// Compare reads the entries and compares their present values with the ones after
// the change. It needs their kinds, keys and values After. One observer must have
// all of their kinds, so that a comparison is what one endpoint shows at one time.
func (o Observers) Compare(ctx context.Context, target scope.Target, entries []Entry) (*Comparison, error) {
	comparison := &Comparison{Effects: make([]Effect, len(entries))}
	if len(entries) == 0 {
		return comparison, nil
	}
	observer, err := o.of(entries)
	if err != nil {
		return nil, err
	}
	observation, err := observer.Observe(ctx, target, entries)
	if err != nil {
		return nil, err
	}
	comparison.Endpoint = observation.Endpoint
	for i, seen := range observation.Values {
		comparison.Effects[i] = Effect{Seen: isSameValue(seen.Value, entries[i].After), Clear: seen.Clear}
	}
	return comparison, nil
}

// of finds the observer of all of the entries.
func (o Observers) of(entries []Entry) (*Observer, error) {
	first := o[entries[0].Kind]
	for _, e := range entries {
		switch observer := o[e.Kind]; {
		case observer == nil:
			return nil, fmt.Errorf("translate: there is no observer of entries of kind %q", e.Kind)
		case observer != first:
			return nil, fmt.Errorf("translate: entries of kinds %q and %q have no common observer", entries[0].Kind, e.Kind)
		}
	}
	return first, nil
}

// isSameValue reports whether two texts are the same value of JSON: a store may
// have written the keys of one in another order. A text that is not JSON is not
// the same as any.
func isSameValue(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return json.Valid(a)
	}
	left, ok := decoded(a)
	right, too := decoded(b)
	return ok && too && reflect.DeepEqual(left, right)
}

// decoded keeps numbers as they are written.
func decoded(raw json.RawMessage) (value any, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	err := decoder.Decode(&value)
	return value, err == nil
}
