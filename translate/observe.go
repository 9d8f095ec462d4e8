package translate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"ocigate/translate/scope"
)

// Observer reads the present values of entries of its kind, which are all in one
// target. Their keys are enough: the change may have been planned by another
// process.
//
// Where there is no reading, the error is of type [*errcode.Error], or wraps the
// Reader's.
type Observer func(ctx context.Context, target scope.Target, entries []Entry) (*Observation, error)

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

// Observers are found by the kinds of entries.
type Observers map[string]Observer

// Comparison is what one reading shows of the entries of a change.
type Comparison struct {
	// Endpoint names the platform's endpoint that was read. Where entries of
	// several kinds were read from several endpoints, it names all of them.
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
// the change. It needs their kinds, keys and values After.
func (o Observers) Compare(ctx context.Context, target scope.Target, entries []Entry) (*Comparison, error) {
	kinds, places := byKind(entries)
	var endpoints []string
	comparison := &Comparison{Effects: make([]Effect, len(entries))}
	for _, kind := range kinds {
		observe, known := o[kind]
		if !known {
			return nil, fmt.Errorf("translate: there is no observer of entries of kind %q", kind)
		}
		own := make([]Entry, len(places[kind]))
		for i, place := range places[kind] {
			own[i] = entries[place]
		}
		observation, err := observe(ctx, target, own)
		if err != nil {
			return nil, err
		}
		endpoints = append(endpoints, observation.Endpoint)
		for i, place := range places[kind] {
			seen := observation.Values[i]
			comparison.Effects[place] = Effect{Seen: isSameValue(seen.Value, entries[place].After), Clear: seen.Clear}
		}
	}
	slices.Sort(endpoints)
	comparison.Endpoint = strings.Join(slices.Compact(endpoints), "+")
	return comparison, nil
}

// byKind are the kinds of entries in the order in which they first appear, and the
// places of the entries of each.
func byKind(entries []Entry) (kinds []string, places map[string][]int) {
	places = map[string][]int{}
	for i, e := range entries {
		if places[e.Kind] == nil {
			kinds = append(kinds, e.Kind)
		}
		places[e.Kind] = append(places[e.Kind], i)
	}
	return kinds, places
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
