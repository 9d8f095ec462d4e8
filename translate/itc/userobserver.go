package itc

import (
	"context"
	"encoding/json"
	"fmt"
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

// observePossession reads the user, the list of the user's group or enterprise, and
// the user's context in one document. The value of an entry is that the user has it
// where it is among what the user has, else that no user has it. It is clear where
// the list agrees: it names the user, or nobody. An entry that another user has, or
// that is not in the list, is not clear.
//
// A user who does not exist any more or no longer has the service has nothing, and no
// value of that reading is clear. Of a user who is of another group now there is no
// reading: commands name users by their ids alone, so that a change has had its
// effect wherever they are.
func (s *Service) observePossession(ctx context.Context, target scope.Target, p *possession, entries []translate.Entry) (*translate.Observation, error) {
	reading, err := s.readUser(ctx, target, p)
	if err != nil {
		return nil, err
	}
	var own, all map[string]oci.Row
	var holder oci.Column
	switch keys := keysOf(entries); {
	case reading.context == nil:
		// An entry that is there twice is there.
		if table := reading.own[p]; table != nil {
			own, _ = rowsOf(table, p.startHeading, keys)
		}
		all, _ = rowsOf(reading.all[p], p.startHeading, keys)
		holder = reading.all[p].Column(userIDHeading)
	case !reading.meansNothing():
		return nil, reading.noReading()
	}
	observation := &translate.Observation{Endpoint: reading.endpoint, Values: make([]translate.Observed, len(entries))}
	for i, e := range entries {
		value, expected := possessedByNobody(), ""
		if _, has := own[e.Key]; has {
			value, expected = possessedBy(target), target.UserID
		}
		row, listed := all[e.Key]
		observation.Values[i] = translate.Observed{Value: value, Clear: listed && row.Cell(holder) == expected}
	}
	return observation, nil
}

// meansNothing reports whether a user who is not in the context has nothing at all.
func (r *userReading) meansNothing() bool { return meansNothing(r.context) && meansNothing(r.gone) }

// noReading is the error of a reading that shows nothing of a user who is not in the
// context.
func (r *userReading) noReading() error {
	if r.gone == nil {
		return errcode.Because(errcode.PlatformError, fmt.Errorf("itc: the user is not where the change was made: %w", r.context))
	}
	return r.context
}

// observeSettings reads the user and the user's context in one document. A setting
// of a user who is not in the context has no value, which is not clear.
func (s *Service) observeSettings(ctx context.Context, target scope.Target, entries []translate.Entry) (*translate.Observation, error) {
	reading, err := s.readUser(ctx, target)
	if err == nil && reading.context != nil && !reading.meansNothing() {
		err = reading.noReading()
	}
	if err != nil {
		return nil, err
	}
	observation := &translate.Observation{Endpoint: reading.endpoint, Values: make([]translate.Observed, len(entries))}
	for i, e := range entries {
		setting, ofUser := strings.CutPrefix(e.Key, settingKey(target, ""))
		is, known := reading.settings[setting]
		switch {
		case reading.context != nil:
			observation.Values[i].Value = json.RawMessage("null")
		case !ofUser || !known:
			return nil, fmt.Errorf("itc: %.200q is no setting of the user", e.Key)
		default:
			observation.Values[i] = translate.Observed{Value: translate.MarshalValue(is), Clear: true}
		}
	}
	return observation, nil
}
