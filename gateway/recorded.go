package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/scope"
)

// holder is the value of a number range or prefix: the group that has it, null for
// none of the tenant's.
type holder struct {
	GroupID *string `json:"groupId"`
}

// recordedEntries are the entries of a change as an operation keeps them: with its
// plan, or as they are asked for where that is nil. A plan of today has one step.
func recordedEntries(kind string, entries []translate.Entry, plan *translate.Plan) []operation.Entry {
	recorded := make([]operation.Entry, len(entries))
	for i, e := range entries {
		recorded[i] = operation.Entry{Kind: kind, Given: e.Given, Key: e.Key, Start: e.Start, End: e.End}
		if plan != nil {
			recorded[i].Before, recorded[i].After, recorded[i].Step = holderValue(plan.From), holderValue(plan.To), 1
		}
	}
	return recorded
}

// holderValue is the value of an entry that a group has, "" for none. Characters
// stand for themselves, as in an answer.
func holderValue(groupID string) json.RawMessage {
	var h holder
	if groupID != "" {
		h.GroupID = &groupID
	}
	var value bytes.Buffer
	encoder := json.NewEncoder(&value)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(h); err != nil {
		panic(fmt.Sprintf("gateway: the value of a group's entry: %v", err)) // cannot be: it is a string
	}
	return bytes.TrimSpace(value.Bytes())
}

// observer reads the present values of entries of one kind, and reports for each
// whether it has the value that is wanted.
type observer func(ctx context.Context, target scope.Target, entries []operation.Entry) (operation.Sight, error)

// observers are those of all kinds of entries. A kind is persisted with each
// entry, so that none may go.
func (s Services) observers() map[string]observer {
	return map[string]observer{
		"numbers":  observerOf(s.ITC.AssignNumbers()),
		"prefixes": observerOf(s.ITC.AssignPrefixes()),
	}
}

// observerOf observes by a change that gives a group entries.
func observerOf(assign translate.Change) observer {
	return func(ctx context.Context, target scope.Target, entries []operation.Entry) (operation.Sight, error) {
		keys := make([]string, len(entries))
		for i, e := range entries {
			keys[i] = e.Key
		}
		sight, err := assign.Observe(ctx, target, keys)
		if err != nil {
			return operation.Sight{}, err
		}
		observed := operation.Sight{Node: sight.Endpoint, Effects: make([]operation.Effect, len(entries))}
		for i, e := range entries {
			var wanted holder
			if err := json.Unmarshal(e.After, &wanted); err != nil {
				return operation.Sight{}, fmt.Errorf("gateway: the value wanted of %s %s: %w", e.Kind, e.Key, err)
			}
			isOwn := sight.Effects[i].Seen
			wantsOwn := wanted.GroupID != nil && *wanted.GroupID == target.GroupID
			if wanted.GroupID != nil && !wantsOwn {
				return operation.Sight{}, fmt.Errorf("gateway: %s %s is to be of group %q, and was changed for group %q", e.Kind, e.Key, *wanted.GroupID, target.GroupID)
			}
			observed.Effects[i] = operation.Effect{Seen: isOwn == wantsOwn, Clear: sight.Effects[i].Clear}
		}
		return observed, nil
	}
}

// Look reads back what became of entries by the observers of their kinds. It does
// not matter by which row they were changed, or whether that row is still there.
func (s Services) Look() operation.Look {
	return lookBy(s.observers())
}

// lookBy asks each kind's observer about the entries of its kind. The node of the
// whole is all that were read.
func lookBy(observers map[string]observer) operation.Look {
	return func(ctx context.Context, target scope.Target, entries []operation.Entry) (operation.Sight, error) {
		whole := operation.Sight{Effects: make([]operation.Effect, len(entries))}
		var nodes []string
		for _, kind := range kindsOf(entries) {
			observe, ok := observers[kind]
			if !ok {
				return operation.Sight{}, fmt.Errorf("gateway: there is no observer of entries of kind %q", kind)
			}
			var places []int
			var ofKind []operation.Entry
			for i, e := range entries {
				if e.Kind == kind {
					places, ofKind = append(places, i), append(ofKind, e)
				}
			}
			part, err := observe(ctx, target, ofKind)
			if err != nil {
				return operation.Sight{}, err
			}
			if len(part.Effects) != len(ofKind) {
				return operation.Sight{}, fmt.Errorf("gateway: the observer of %q has read %d entries of %d", kind, len(part.Effects), len(ofKind))
			}
			for i, place := range places {
				whole.Effects[place] = part.Effects[i]
			}
			if !slices.Contains(nodes, part.Node) {
				nodes = append(nodes, part.Node)
			}
		}
		whole.Node = strings.Join(nodes, " and ")
		return whole, nil
	}
}

// kindsOf are the kinds of entries, each once, in the order of the first of each.
func kindsOf(entries []operation.Entry) []string {
	var kinds []string
	for _, e := range entries {
		if !slices.Contains(kinds, e.Kind) {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}
