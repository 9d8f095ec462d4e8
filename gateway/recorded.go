package gateway

import (
	"context"

	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/scope"
)

// recordedEntries are the entries of a change as an operation keeps them.
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

// recordedClaims are the claims of a change as an operation keeps them.
func recordedClaims(claims []translate.Claim) []operation.Claim {
	var recorded []operation.Claim
	for _, c := range claims {
		recorded = append(recorded, operation.Claim(c))
	}
	return recorded
}

// plannedEntries are the entries of an operation as its plan had them.
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

// Look reads back what became of entries by the observers of their kinds. It does
// not matter by which row they were changed, or whether that row is still there.
func (s Services) Look() operation.Observe { return lookBy(s.observers()) }

func lookBy(observers translate.Observers) operation.Observe {
	return func(ctx context.Context, target scope.Target, entries []operation.Entry) (operation.Observation, error) {
		seen, err := observers.Compare(ctx, target, plannedEntries(entries))
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
