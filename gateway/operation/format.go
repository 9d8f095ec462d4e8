package operation

import (
	"encoding/json"
	"fmt"
)

// Format is the version of the data that stores have of operations: their JSON, the
// names in it, and the lines of the audit trail. A store keeps the version with its
// data. Data of an older format are migrated when they are opened; [CheckFormat]
// refuses those of a newer one.
//
// Format 2 has kind, values and step with each entry. Format 1 had one kind for
// all entries of an operation, and the groups that have the entries before and
// after it. Format 3 also has revocations of tokens; its operations are those of format 2.
const Format = 3

// CheckFormat returns an error, which also says what to do, if data have a newer format
// than this program supports.
func CheckFormat(format int) error {
	if format > Format {
		return fmt.Errorf("the data have format %d, and this program supports none above %d: they were written by a later version of the gateway. "+
			"Run that version, or one after it; do not change the data", format, Format)
	}
	return nil
}

// operation1 is an operation of format 1.
type operation1 struct {
	Operation
	Kind string `json:"kind"`
	// From and To are the groups that have the entries before and after the
	// change, empty for none.
	From string `json:"from"`
	To   string `json:"to"`
}

// Decode1 decodes the JSON of an operation of format 1 and returns it in the current
// format. Operations of format 1 had one step.
func Decode1(value []byte) (Operation, error) {
	var old operation1
	if err := json.Unmarshal(value, &old); err != nil {
		return Operation{}, err
	}
	before, err := holder1(old.From)
	if err != nil {
		return Operation{}, err
	}
	after, err := holder1(old.To)
	if err != nil {
		return Operation{}, err
	}
	op := old.Operation
	planned := op.State != Received
	if planned {
		op.Step = 1
	}
	for i := range op.Entries {
		e := &op.Entries[i]
		e.Kind = old.Kind
		if planned {
			e.Before, e.After, e.Step = before, after, 1
		}
	}
	return op, nil
}

// holder1 returns the value of an entry of format 1: the group that has it, null for
// none.
func holder1(groupID string) (json.RawMessage, error) {
	var holder struct {
		GroupID *string `json:"groupId"`
	}
	if groupID != "" {
		holder.GroupID = &groupID
	}
	return json.Marshal(holder)
}
