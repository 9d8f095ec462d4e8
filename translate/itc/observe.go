package itc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// holderValue is the value of an entry: which group has it. Its form is kept by
// the journal.
type holderValue struct {
	GroupID *string `json:"groupId"` // null for none
}

// ofGroup is the value of an entry that the group has.
func ofGroup(groupID string) json.RawMessage {
	return translate.MarshalValue(holderValue{&groupID})
}

// noGroup is the value of an entry that none of the tenant's groups has.
func noGroup() json.RawMessage { return translate.MarshalValue(holderValue{}) }

// hasGroup reports whether a value is that of an entry which a group has.
func hasGroup(value json.RawMessage) bool {
	var holder holderValue
	err := json.Unmarshal(value, &holder)
	return err == nil && holder.GroupID != nil
}

// Observers are those of all kinds of entries of the service.
func (s *Service) Observers() translate.Observers {
	observers := translate.Observers{settingKind: s.observeSettings}
	for _, p := range possessions {
		observers[p.kind] = func(ctx context.Context, target scope.Target, entries []translate.Entry) (*translate.Observation, error) {
			switch target.Scope() {
			case scope.User:
				return s.observePossession(ctx, target, p, entries)
			case scope.Group:
				return s.observe(ctx, target, p.resource, entries)
			}
			return nil, fmt.Errorf("itc: nothing observes %s of a %s", p.kind, target.Scope())
		}
	}
	return observers
}

// observe reads the group's list, the tenant's list of what is free, and the
// group's context in one document. The value of an entry is that the group has it
// where it is in the group's list, else that no group has it. It is clear where the
// other list agrees: the entry is in one of the two and not in the other. An entry
// that is in neither is another group's or exists no more.
//
// A group that does not exist any more or no longer has the service, or whose
// tenant does not exist any more or is in Enterprise mode, has nothing, and no
// value of that reading is clear.
func (s *Service) observe(ctx context.Context, target scope.Target, r *resource, entries []translate.Entry) (*translate.Observation, error) {
	reading, err := s.engine.Afresh(ctx, target, groupContext, r.own.Read(target), r.tenantFree.Read(target))
	if err != nil {
		return nil, err
	}
	// Without rows, nothing is in either list, and so nothing is clear.
	var own, free map[string]oci.Row
	switch keys := keysOf(entries); {
	case reading.Context == nil:
		if own, err = s.rowsIn(reading.Replies[0], target, r.own, keys); err != nil {
			return nil, err
		}
		if free, err = s.rowsIn(reading.Replies[1], target, r.tenantFree, keys); err != nil {
			return nil, err
		}
	case !meansNothing(reading.Context):
		return nil, reading.Context
	}
	has, hasNot := ofGroup(target.GroupID), noGroup()
	observation := &translate.Observation{Endpoint: reading.Endpoint, Values: make([]translate.Observed, len(entries))}
	for i, e := range entries {
		_, isOwn := own[e.Key]
		_, isFree := free[e.Key]
		observation.Values[i] = translate.Observed{Value: hasNot, Clear: isOwn != isFree}
		if isOwn {
			observation.Values[i].Value = has
		}
	}
	return observation, nil
}

// meansNothing reports whether an error of the context means that the group or user
// has no ranges and prefixes at all.
func meansNothing(err error) bool {
	checked, ok := errors.AsType[*errcode.Error](err)
	return ok && slices.Contains([]*errcode.Code{
		errcode.TenantNotFound, errcode.NotAvailableInEnterpriseMode,
		errcode.GroupNotFound, errcode.UserNotFound, errcode.ServiceNotAssigned,
	}, checked.Code)
}

// rowsIn finds the rows of the keys in the answer to a listing.
func (s *Service) rowsIn(reply oci.Reply, target scope.Target, l translate.Listing, keys []string) (map[string]oci.Row, error) {
	table, err := s.engine.TableIn(reply, target, l)
	if err != nil {
		return nil, err
	}
	rows, _ := rowsOf(table, l.Key, keys) // an entry that is there twice is there
	return rows, nil
}
