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

// Observer reads back entries of all kinds of the service.
func (s *Service) Observer() *translate.Observer {
	kinds := []string{settingKind}
	for _, p := range possessions {
		kinds = append(kinds, p.kind)
	}
	return &translate.Observer{Kinds: kinds, Observe: s.observe}
}

func (s *Service) observe(ctx context.Context, target scope.Target, entries []translate.Entry) (*translate.Observation, error) {
	switch target.Scope() {
	case scope.User:
		return s.observeUser(ctx, target, entries)
	case scope.Group:
		return s.observeGroup(ctx, target, entries)
	}
	return nil, fmt.Errorf("itc: nothing observes the entries of a %s", target.Scope())
}

// observeGroup reads the group's list, the tenant's list of what is free, and the
// group's context in one document. The value of an entry is that the group has it
// where it is in the group's list, else that no group has it. It is clear where the
// other list agrees: the entry is in one of the two and not in the other. An entry
// that is in neither is another group's or exists no more.
//
// A group that does not exist any more or no longer has the service, or whose
// tenant does not exist any more or is in Enterprise mode, has nothing, and no
// value of that reading is clear, where the platform says so as hasNothing demands.
// Of any other group that is not in the context there is no reading.
func (s *Service) observeGroup(ctx context.Context, target scope.Target, entries []translate.Entry) (*translate.Observation, error) {
	if slices.ContainsFunc(entries, func(e translate.Entry) bool { return e.Kind == settingKind }) {
		return nil, fmt.Errorf("itc: a group has no entries of kind %q", settingKind)
	}
	listed := possessionsOf(entries)
	var commands []oci.Read
	for _, p := range listed {
		commands = append(commands, p.own.Read(target), p.tenantFree.Read(target))
	}
	reading, err := s.engine.Afresh(ctx, target, groupContext, commands...)
	if err != nil {
		return nil, err
	}
	nothing, err := s.hasNothing(reading, target, len(listed))
	if err != nil {
		return nil, err
	}
	// Without rows, nothing is in either list, and so nothing is clear.
	own, free := map[string]map[string]oci.Row{}, map[string]map[string]oci.Row{}
	if !nothing {
		keys := keysOf(entries)
		for i, p := range listed {
			if own[p.kind], err = s.rowsIn(reading.Replies[2*i], target, p.own, keys); err != nil {
				return nil, err
			}
			if free[p.kind], err = s.rowsIn(reading.Replies[2*i+1], target, p.tenantFree, keys); err != nil {
				return nil, err
			}
		}
	}
	has, hasNot := ofGroup(target.GroupID), noGroup()
	observation := &translate.Observation{Endpoint: reading.Endpoint, Values: make([]translate.Observed, len(entries))}
	for i, e := range entries {
		_, isOwn := own[e.Kind][e.Key]
		_, isFree := free[e.Kind][e.Key]
		observation.Values[i] = translate.Observed{Value: hasNot, Clear: isOwn != isFree}
		if isOwn {
			observation.Values[i].Value = has
		}
	}
	return observation, nil
}

// possessionsOf are those of which there are entries.
func possessionsOf(entries []translate.Entry) []*possession {
	var listed []*possession
	for _, p := range possessions {
		if slices.ContainsFunc(entries, func(e translate.Entry) bool { return e.Kind == p.kind }) {
			listed = append(listed, p)
		}
	}
	return listed
}

// hasNothing reports whether a reading shows that the group has no ranges and
// prefixes at all. Where it is false, the lists count. The error says that the reading
// shows nothing of the group. The replies are two for each of the kinds, of which the
// first is to the group's list.
//
// A platform that answers that the tenant is in Enterprise mode, or that the service
// is not authorized to the group, says so of the group. It may keep what the group has
// all the same, so where it answers the group's list, the lists count. Where it refuses
// that, there is nothing, unless it is in trouble.
//
// A platform that refuses to answer may do so because the account of the gateway has
// lost its rights, and a tenant or group that it does not list may be hidden from that
// account. So it must refuse the group's list, too, with a number that means that there
// is no such tenant or group, or no service.
func (s *Service) hasNothing(reading *translate.Reading, target scope.Target, kinds int) (bool, error) {
	if reading.Context == nil {
		return false, nil
	}
	if !meansNothing(reading.Context) {
		return false, reading.Context
	}
	_, refused := errors.AsType[*oci.ErrorReply](reading.Context)
	for i := range kinds {
		switch err := s.engine.ResultInContext(reading.Replies[2*i], target, groupContext); {
		case err == nil && refused:
			return false, errcode.Because(errcode.PlatformError, fmt.Errorf("itc: what the group has is listed, but: %w", reading.Context))
		case err == nil:
			return false, nil
		case refused && !meansNothing(err), errcode.Of(err).Code == errcode.PlatformUnavailable:
			return false, err
		}
	}
	return true, nil
}

// meansNothing reports whether an error means that the group or user has no ranges
// and prefixes at all. One that comes from a refusal may as well mean that the account
// of the gateway has lost its rights.
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
