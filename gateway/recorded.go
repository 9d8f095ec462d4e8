package gateway

import (
	"context"

	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/scope"
)

// recordedEntries returns the entries of a change in the form of an operation's
// record.
func recordedEntries(entries []translate.Entry) []operation.Entry {
	recorded := make([]operation.Entry, len(entries))
	for i, e := range entries {
		recorded[i] = operation.Entry{
			Kind: e.Kind, Key: e.Key, Given: e.Given, Start: e.Start, End: e.End,
			Before: e.Before, After: e.After, Step: e.Step,
		}
	}
	return recorded
}

// recordedClaims returns the claims of a change in the form of an operation's record.
func recordedClaims(claims []translate.Claim) []operation.Claim {
	var recorded []operation.Claim
	for _, c := range claims {
		recorded = append(recorded, operation.Claim(c))
	}
	return recorded
}

// plannedEntries returns the entries of an operation's record as its plan had them.
// It reverses recordedEntries.
func plannedEntries(entries []operation.Entry) []translate.Entry {
	planned := make([]translate.Entry, len(entries))
	for i, e := range entries {
		planned[i] = translate.Entry{
			Kind: e.Kind, Key: e.Key, Given: e.Given, Start: e.Start, End: e.End,
			Before: e.Before, After: e.After, Step: e.Step,
		}
	}
	return planned
}

// Observer returns the function that reads back the state of recorded entries, by
// the observers of their kinds. It needs no route: an entry can be read back also if
// the route that changed it no longer exists.
func (s Services) Observer() operation.Observe { return observerOf(s.observers()) }

func observerOf(observers translate.Observers) operation.Observe {
	return func(ctx context.Context, target scope.Target, entries []operation.Entry) (operation.Observation, error) {
		seen, err := observers.Compare(forReading(ctx), target, plannedEntries(entries))
		if err != nil {
			return operation.Observation{}, err
		}
		effects := make([]operation.Effect, len(seen.Effects))
		for i, e := range seen.Effects {
			effects[i] = operation.Effect(e)
		}
		return operation.Observation{Endpoint: seen.Endpoint, Effects: effects}, nil
	}
}
