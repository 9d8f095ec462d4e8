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
// A group that is not in the context may have something all the same: the platform may
// keep what a group has when the service is taken away from it, and may refuse an
// account without rights what exists. So of such a group there is a reading only where
// the lists are answered, where the entry is free in the tenant, or where the group
// does not exist any more; see [groupReading].
func (s *Service) observeGroup(ctx context.Context, target scope.Target, entries []translate.Entry) (*translate.Observation, error) {
	listed, err := possessionsOf(entries)
	if err != nil {
		return nil, err
	}
	var commands []oci.Read
	for _, p := range listed {
		commands = append(commands, p.own.Read(target), p.tenantFree.Read(target))
	}
	reading, err := s.engine.ReadUncached(ctx, target, groupContext, commands...)
	if err != nil {
		return nil, err
	}
	if reading.Context != nil && !leavesContext(reading.Context) {
		return nil, reading.Context
	}
	keys := keysOf(entries)
	read := map[string]*groupReading{}
	for i, p := range listed {
		if read[p.kind], err = s.readGroup(reading, target, p, keys, reading.Replies[2*i:2*i+2]); err != nil {
			return nil, err
		}
	}
	has, hasNot := ofGroup(target.GroupID), noGroup()
	observation := &translate.Observation{Endpoint: reading.Endpoint, Values: make([]translate.Observed, len(entries))}
	for i, e := range entries {
		r := read[e.Kind]
		_, isOwn := r.own[e.Key]
		_, isFree := r.free[e.Key]
		if r.unlisted != nil && !isFree {
			return nil, r.unlisted
		}
		observation.Values[i] = translate.Observed{Value: hasNot, Clear: isOwn != isFree}
		if isOwn {
			observation.Values[i].Value = has
		}
	}
	return observation, nil
}

// groupReading is what one document says of entries of one kind.
type groupReading struct {
	own, free map[string]oci.Row // by key; both empty where the group does not exist
	// unlisted is the refusal of the group's list. Then only what is free in the
	// tenant is known: that no group has it.
	unlisted error
}

// readGroup reads the answers to the group's list and to the tenant's list of what is
// free. The error says that they show nothing.
//
// The group's list may be refused only where the group is not in the context. A group
// does not exist where the platform says so of the context and refuses the list for the
// same reason: an account that has lost its rights is refused with another number.
// What is free in the tenant is known whatever the group's list says, but not while the
// platform is in trouble.
func (s *Service) readGroup(reading *translate.Reading, target scope.Target, p *possession, keys []string, replies []oci.Reply) (r *groupReading, err error) {
	r = &groupReading{}
	refused := s.engine.ResultInContext(replies[0], target, groupContext)
	_, contextRefused := errors.AsType[*oci.ErrorReply](reading.Context)
	switch {
	case refused == nil && contextRefused:
		return nil, errcode.Wrap(errcode.PlatformError, fmt.Errorf("itc: what the group has is listed, but: %w", reading.Context))
	case refused == nil || reading.Context == nil:
		if r.own, err = s.rowsIn(replies[0], target, p.own, keys); err != nil {
			return nil, err
		}
	case doesNotExist(reading.Context) && doesNotExist(refused):
		return r, nil
	case errcode.Of(refused).Code.IsTemporary():
		return nil, refused
	default:
		r.unlisted = refused
	}
	if r.free, err = s.rowsIn(replies[1], target, p.tenantFree, keys); err != nil {
		return nil, err
	}
	return r, nil
}

// possessionsOf are those of which there are entries. An entry of another kind is an
// error: a group has none.
func possessionsOf(entries []translate.Entry) (listed []*possession, err error) {
	of := map[string]bool{}
	for _, e := range entries {
		of[e.Kind] = true
	}
	for _, p := range possessions {
		if of[p.kind] {
			listed = append(listed, p)
			delete(of, p.kind)
		}
	}
	for kind := range of {
		return nil, fmt.Errorf("itc: nothing lists entries of kind %q", kind)
	}
	return listed, nil
}

// leavesContext reports whether an error says that the group or user is not in the
// context any more. One that comes from a refusal may as well mean that the account of
// the gateway has lost its rights.
func leavesContext(err error) bool {
	return doesNotExist(err) || isOneOf(err, errcode.NotAvailableInEnterpriseMode, errcode.ServiceNotAssigned)
}

// doesNotExist reports whether an error says that there is no such tenant, group or
// user.
func doesNotExist(err error) bool {
	return isOneOf(err, errcode.TenantNotFound, errcode.GroupNotFound, errcode.UserNotFound)
}

func isOneOf(err error, codes ...*errcode.Code) bool {
	checked, ok := errors.AsType[*errcode.Error](err)
	return ok && slices.Contains(codes, checked.Code)
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
