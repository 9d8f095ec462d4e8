package itc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// settingKind is the kind of an entry that is a setting of a user. Its key is
// that of settingKey, and its value true or false. Journals store them.
const settingKind = "user_setting"

// settingKey returns the key of the entry of a setting. setting is a key of
// [userBody].
func settingKey(target scope.Target, setting string) string { return target.UserID + " " + setting }

// userValue is the JSON value of a range or prefix in a change of a user: which
// user has it. Journals store it.
type userValue struct {
	UserID *string `json:"userId"` // null: no user
}

// ofUser returns the value of an entry that the target's user has.
func ofUser(target scope.Target) json.RawMessage {
	return translate.MarshalValue(userValue{&target.UserID})
}

// noUser returns the value of an entry that no user has.
func noUser() json.RawMessage { return translate.MarshalValue(userValue{}) }

// observeUser reads the user, the lists of the user's group or enterprise, and
// the user's context in one document.
//
// If the user has a range or prefix, its value is that the user has it; otherwise
// its value is that no user has it. The value is clear if the list agrees: it has
// the entry, with that user or without a user. An entry that another user has, or
// that is not in the list, is not clear.
//
// A user who does not exist any more has nothing, and their settings have no
// value; no value of that reading is clear. For a user who is in another group
// now, the error reports that nothing can be read: commands name users by their
// ids alone, so that a change has its effect wherever the user is. The same is
// true of a user without the service: the platform may keep what they had.
func (s *Service) observeUser(ctx context.Context, target scope.Target, entries []translate.Entry) (*translate.Observation, error) {
	listed, err := resourcesOf(withoutSettings(entries))
	if err != nil {
		return nil, err
	}
	reading, err := s.readUser(ctx, target, listed...)
	if err == nil && reading.context != nil && !reading.isDeleted() {
		err = reading.unreadableError()
	}
	if err != nil {
		return nil, err
	}
	observation := &translate.Observation{Endpoint: reading.endpoint, Values: make([]translate.Observed, len(entries))}
	for _, p := range listed {
		reading.observeResource(p, target, entries, observation.Values)
	}
	if err := reading.observeSettings(target, entries, observation.Values); err != nil {
		return nil, err
	}
	return observation, nil
}

// observeResource sets the values of the entries of that resource.
func (r *userReading) observeResource(p *userResource, target scope.Target, entries []translate.Entry, values []translate.Observed) {
	var own, all map[string]oci.Row
	var holder oci.Column
	if keys := keysOf(entries); r.context == nil {
		// An entry that is listed twice is listed.
		if table := r.own[p]; table != nil {
			own, _ = rowsOf(table, p.startHeading, keys)
		}
		all, _ = rowsOf(r.all[p], p.startHeading, keys)
		holder = r.all[p].Column(userIDHeading)
	}
	for i, e := range entries {
		if e.Kind != p.kind {
			continue
		}
		value, expected := noUser(), ""
		if _, has := own[e.Key]; has {
			value, expected = ofUser(target), target.UserID
		}
		row, listed := all[e.Key]
		values[i] = translate.Observed{Value: value, Clear: listed && row.Cell(holder) == expected}
	}
}

// observeSettings sets the values of the settings. A setting of a user outside
// the context has the value null.
func (r *userReading) observeSettings(target scope.Target, entries []translate.Entry, values []translate.Observed) error {
	for i, e := range entries {
		if e.Kind != settingKind {
			continue
		}
		setting, ofUser := strings.CutPrefix(e.Key, settingKey(target, ""))
		is, known := r.settings[setting]
		switch {
		case r.context != nil:
			values[i].Value = json.RawMessage("null")
		case !ofUser || !known:
			return fmt.Errorf("itc: %.200q is not a setting of the user", e.Key)
		default:
			values[i] = translate.Observed{Value: translate.MarshalValue(is), Clear: true}
		}
	}
	return nil
}

// isDeleted reports whether a user who is outside the context does not exist any
// more.
func (r *userReading) isDeleted() bool { return isOutsideContext(r.context) && doesNotExist(r.refusal) }

// unreadableError returns the error for a user outside the context whose entries
// cannot be read.
func (r *userReading) unreadableError() error {
	if r.refusal == nil {
		return errcode.Wrap(errcode.PlatformError, fmt.Errorf("itc: the user is not in the group of the change: %w", r.context))
	}
	return r.context
}

func withoutSettings(entries []translate.Entry) []translate.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e translate.Entry) bool { return e.Kind == settingKind })
}
