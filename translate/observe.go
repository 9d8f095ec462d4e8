package translate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"ocigate/translate/scope"
)

// An Observer reads the present values of entries of its kinds.
type Observer struct {
	// Kinds are the kinds of entries that it can read.
	Kinds []string
	// Observe reads the entries in one document. All are of its kinds and in one
	// target. It needs their kinds and keys only, since another process may have
	// planned the change.
	//
	// If the values cannot be read, the error is of type [*errcode.Error], or
	// wraps the Reader's.
	Observe func(ctx context.Context, target scope.Target, entries []Entry) (*Observation, error)
}

// An Observation is what one reading of the platform shows of entries: a value
// for each. It does not depend on any change; [Observers.Compare] makes a
// [Comparison] of it.
type Observation struct {
	// Endpoint names the platform endpoint that was read.
	Endpoint string
	// Values are in the order of the entries.
	Values []Observed
}

// Observed is the value that an [Observation] has of one entry.
type Observed struct {
	Value json.RawMessage
	// Clear reports whether everything that was read agrees on the value. If it
	// does not, the entry belongs to another group or user, or the platform is
	// between two states.
	Clear bool
}

// Observers are found by the kinds of entries. [NewObservers] makes them.
type Observers map[string]*Observer

// NewObservers returns the observers by kind. It panics if two of them have the
// same kind.
func NewObservers(observers ...*Observer) Observers {
	byKind := Observers{}
	for _, o := range observers {
		for _, kind := range o.Kinds {
			if byKind[kind] != nil {
				panic(fmt.Sprintf("translate: two observers have the kind %q", kind))
			}
			byKind[kind] = o
		}
	}
	return byKind
}

// A Comparison is an [Observation] compared with what a change was to do: an
// [Effect] for each of its entries.
type Comparison struct {
	// Endpoint names the platform endpoint that was read.
	Endpoint string
	// Effects are in the order of the entries.
	Effects []Effect
}

// An Effect reports whether one entry has the value that a change was to give it.
type Effect struct {
	// Seen reports whether the present value is the one after the change.
	Seen bool
	// Clear is that of [Observed]: whether Seen is certain at the time of the
	// reading.
	Clear bool
}

// Compare reads the entries and compares their present values with their values
// After. It needs their kinds and keys besides. All of their kinds must have the
// same observer, so that a comparison is what one platform endpoint shows at one
// time. Errors are those of Observe, or report that there is no such observer.
func (o Observers) Compare(ctx context.Context, target scope.Target, entries []Entry) (*Comparison, error) {
	comparison := &Comparison{Effects: make([]Effect, len(entries))}
	if len(entries) == 0 {
		return comparison, nil
	}
	observer, err := o.observerOf(entries)
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

// observerOf returns the observer of all of the entries.
func (o Observers) observerOf(entries []Entry) (*Observer, error) {
	first := o[entries[0].Kind]
	for _, e := range entries {
		switch observer := o[e.Kind]; {
		case observer == nil:
			return nil, fmt.Errorf("translate: no observer has the kind %q", e.Kind)
		case observer != first:
			return nil, fmt.Errorf("translate: entries of the kinds %q and %q have different observers", entries[0].Kind, e.Kind)
		}
	}
	return first, nil
}

// isSameValue reports whether two texts are the same JSON value. A store may have
// written the keys of an object in another order. A text that is not JSON is not
// the same as any other.
func isSameValue(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return json.Valid(a)
	}
	left, ok := decodeValue(a)
	right, too := decodeValue(b)
	return ok && too && reflect.DeepEqual(left, right)
}

// decodeValue decodes JSON, and keeps numbers as they are written.
func decodeValue(raw json.RawMessage) (value any, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	err := decoder.Decode(&value)
	return value, err == nil
}
