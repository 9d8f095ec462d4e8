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

// groupValue is the JSON value of an entry in a change of a group: which group
// has it. Journals store it.
type groupValue struct {
	GroupID *string `json:"groupId"` // null: no group
}

// ofGroup returns the value of an entry that the group has.
func ofGroup(groupID string) json.RawMessage {
	return translate.MarshalValue(groupValue{&groupID})
}

// noGroup returns the value of an entry that no group of the tenant has.
func noGroup() json.RawMessage { return translate.MarshalValue(groupValue{}) }

// hasGroup reports whether a value is that of an entry which a group has.
func hasGroup(value json.RawMessage) bool {
	var holder groupValue
	err := json.Unmarshal(value, &holder)
	return err == nil && holder.GroupID != nil
}

// Observer returns the observer of all kinds of entries of the service.
func (s *Service) Observer() *translate.Observer {
	kinds := []string{settingKind}
	for _, p := range userResources {
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
	return nil, fmt.Errorf("itc: entries of a %s cannot be observed", target.Scope())
}

// observeGroup reads the group's list, the tenant's list of what is free, and the
// group's context in one document. If an entry is in the group's list, its value
// is that the group has it; otherwise its value is that no group has it. The
// value is clear if the other list agrees: the entry is in exactly one of the two
// lists. An entry that is in neither list belongs to another group or does not
// exist any more.
//
// A group outside the context may still have entries: the platform may keep what
// a group has when the service is taken from it, and may refuse to show existing
// entries to an account without rights. So the value of an entry of such a group
// is only known if the lists are answered, if the entry is free in the tenant, or
// if the group does not exist any more; see [groupReading].
func (s *Service) observeGroup(ctx context.Context, target scope.Target, entries []translate.Entry) (*translate.Observation, error) {
	endpoint, readings, err := s.readGroupLists(ctx, target, entries)
	if err != nil {
		return nil, err
	}
	observation := &translate.Observation{Endpoint: endpoint, Values: make([]translate.Observed, len(entries))}
	has, hasNot := ofGroup(target.GroupID), noGroup()
	for i, e := range entries {
		r := readings[e.Kind]
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

// readGroupLists reads the lists and the context of observeGroup. readings are by
// the kind of the entries.
func (s *Service) readGroupLists(ctx context.Context, target scope.Target, entries []translate.Entry) (endpoint string, readings map[string]*groupReading, err error) {
	resources, err := resourcesOf(entries)
	if err != nil {
		return "", nil, err
	}
	var commands []oci.Read
	for _, r := range resources {
		commands = append(commands, r.own.Read(target), r.tenantFree.Read(target))
	}
	reading, err := s.engine.ReadUncached(ctx, target, groupContext, commands...)
	if err != nil {
		return "", nil, err
	}
	if reading.Context != nil && !isOutsideContext(reading.Context) {
		return "", nil, reading.Context
	}
	keys := keysOf(entries)
	readings = map[string]*groupReading{}
	for i, r := range resources {
		if readings[r.kind], err = s.readGroup(reading, target, r, keys, reading.Replies[2*i:2*i+2]); err != nil {
			return "", nil, err
		}
	}
	return reading.Endpoint, readings, nil
}

// groupReading is what one document shows of entries of one kind.
type groupReading struct {
	own, free map[string]oci.Row // by key; both empty if the group does not exist
	// unlisted is the refusal of the group's list. Then a value is only known for
	// what is free in the tenant: no group has it.
	unlisted error
}

// readGroup reads the replies to the group's list and to the tenant's list of
// what is free. The error reports that they show nothing.
//
// The group's list may only be refused if the group is outside the context. A
// group does not exist if the context reports that and the list is refused for
// the same reason: an account that has lost its rights is refused with another
// number. What is free in the tenant is known whatever the reply to the group's
// list is, but not while the platform is temporarily unavailable.
func (s *Service) readGroup(reading *translate.Reading, target scope.Target, p *userResource, keys []string, replies []oci.Reply) (r *groupReading, err error) {
	r = &groupReading{}
	refused := s.engine.ResultInContext(replies[0], target, groupContext)
	_, contextRefused := errors.AsType[*oci.ErrorReply](reading.Context)
	switch {
	case refused == nil && contextRefused:
		return nil, errcode.Wrap(errcode.PlatformError, fmt.Errorf("itc: the group's list is answered, but its context is refused: %w", reading.Context))
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

// resourcesOf returns the resources of the entries' kinds. An entry of another
// kind is an error: a group has none.
func resourcesOf(entries []translate.Entry) (listed []*userResource, err error) {
	of := map[string]bool{}
	for _, e := range entries {
		of[e.Kind] = true
	}
	for _, p := range userResources {
		if of[p.kind] {
			listed = append(listed, p)
			delete(of, p.kind)
		}
	}
	for kind := range of {
		return nil, fmt.Errorf("itc: no resource has entries of kind %q", kind)
	}
	return listed, nil
}

// isOutsideContext reports whether an error means that the group or user is not
// in the context any more. An error that comes from a refusal may also mean that
// the gateway's account has lost its rights.
func isOutsideContext(err error) bool {
	return doesNotExist(err) || isOneOf(err, errcode.NotAvailableInEnterpriseMode, errcode.ServiceNotAssigned)
}

// doesNotExist reports whether an error means that there is no such tenant, group
// or user.
func doesNotExist(err error) bool {
	return isOneOf(err, errcode.TenantNotFound, errcode.GroupNotFound, errcode.UserNotFound)
}

func isOneOf(err error, codes ...*errcode.Code) bool {
	checked, ok := errors.AsType[*errcode.Error](err)
	return ok && slices.Contains(codes, checked.Code)
}

// rowsIn returns the rows with those keys in the reply to a listing.
func (s *Service) rowsIn(reply oci.Reply, target scope.Target, l translate.Listing, keys []string) (map[string]oci.Row, error) {
	table, err := s.engine.TableIn(reply, target, l)
	if err != nil {
		return nil, err
	}
	rows, _ := rowsOf(table, l.Key, keys) // an entry that is listed twice is listed
	return rows, nil
}
