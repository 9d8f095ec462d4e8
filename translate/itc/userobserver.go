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

// settingKind is the kind of an entry that is a setting of a user. Its key is that
// of settingKey, and its value true or false. They are kept by the journal.
const settingKind = "user_setting"

// settingKey is the key of a setting, which is a key of [userBody].
func settingKey(target scope.Target, setting string) string { return target.UserID + " " + setting }

// possessorValue is the value of a range or prefix in a change of a user: which
// user has it. Its form is kept by the journal.
type possessorValue struct {
	UserID *string `json:"userId"` // null for none
}

// possessedBy is the value of what the target's user has.
func possessedBy(target scope.Target) json.RawMessage {
	return translate.MarshalValue(possessorValue{&target.UserID})
}

// possessedByNobody is the value of what no user has.
func possessedByNobody() json.RawMessage { return translate.MarshalValue(possessorValue{}) }

// observeUser reads the user, the lists of the user's group or enterprise, and the
// user's context in one document.
//
// The value of a range or prefix is that the user has it where it is among what the
// user has, else that no user has it. It is clear where the list agrees: it names
// the user, or nobody. One that another user has, or that is not in the list, is not
// clear.
//
// A user who does not exist any more has nothing, and their settings have no value;
// nothing of that reading is clear. Of a user who is of another group now there is no
// reading: commands name users by their ids alone, so that a change has had its effect
// wherever they are. Nor is there one of a user without the service: the platform may
// keep what they had.
func (s *Service) observeUser(ctx context.Context, target scope.Target, entries []translate.Entry) (*translate.Observation, error) {
	listed, err := possessionsOf(withoutSettings(entries))
	if err != nil {
		return nil, err
	}
	reading, err := s.readUser(ctx, target, listed...)
	if err == nil && reading.context != nil && !reading.isGone() {
		err = reading.noReading()
	}
	if err != nil {
		return nil, err
	}
	observation := &translate.Observation{Endpoint: reading.endpoint, Values: make([]translate.Observed, len(entries))}
	for _, p := range listed {
		reading.observePossession(p, target, entries, observation.Values)
	}
	if err := reading.observeSettings(target, entries, observation.Values); err != nil {
		return nil, err
	}
	return observation, nil
}

// observePossession gives the entries of that kind their values.
func (r *userReading) observePossession(p *possession, target scope.Target, entries []translate.Entry, values []translate.Observed) {
	var own, all map[string]oci.Row
	var holder oci.Column
	if keys := keysOf(entries); r.context == nil {
		// An entry that is there twice is there.
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
		value, expected := possessedByNobody(), ""
		if _, has := own[e.Key]; has {
			value, expected = possessedBy(target), target.UserID
		}
		row, listed := all[e.Key]
		values[i] = translate.Observed{Value: value, Clear: listed && row.Cell(holder) == expected}
	}
}

// observeSettings gives the settings their values. A setting of a user who is not in
// the context has none.
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
			return fmt.Errorf("itc: %.200q is no setting of the user", e.Key)
		default:
			values[i] = translate.Observed{Value: translate.MarshalValue(is), Clear: true}
		}
	}
	return nil
}

// isGone reports whether a user who is not in the context does not exist any more.
func (r *userReading) isGone() bool { return leavesContext(r.context) && doesNotExist(r.gone) }

// noReading is the error of a reading that shows nothing of a user who is not in the
// context.
func (r *userReading) noReading() error {
	if r.gone == nil {
		return errcode.Wrap(errcode.PlatformError, fmt.Errorf("itc: the user is not where the change was made: %w", r.context))
	}
	return r.context
}

func withoutSettings(entries []translate.Entry) []translate.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e translate.Entry) bool { return e.Kind == settingKind })
}
