package gateway

import (
	"encoding/json"
	"testing"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// A refusal that the entries do not confirm is left out.
func TestRefusalOf(t *testing.T) {
	refused := encodeError(errcode.New(errcode.PlatformRefused))
	const done, notDone, open = operation.Done, operation.NotDone, operation.State("")
	for name, c := range map[string]struct {
		op       operation.Operation
		outcomes []operation.State // of steps 1, 2, 2
		shown    bool
	}{
		"nothing of the last step was done":  {operation.Operation{Step: 2, Response: refused}, []operation.State{done, notDone, notDone}, true},
		"nothing of the first step was done": {operation.Operation{Step: 1, Response: refused}, []operation.State{notDone, notDone, notDone}, true},
		"a part of it was":                   {operation.Operation{Step: 2, Response: refused}, []operation.State{done, done, notDone}, false},
		"all of it was":                      {operation.Operation{Step: 2, Response: refused}, []operation.State{done, done, done}, false},
		"it is not known":                    {operation.Operation{Step: 2, Response: refused}, []operation.State{done, open, notDone}, false},
		"nothing was refused":                {operation.Operation{Step: 2}, []operation.State{done, notDone, notDone}, false},
		"the stored error is invalid":        {operation.Operation{Step: 2, Response: []byte(`{"code":"?"}`)}, []operation.State{done, notDone, notDone}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for i, outcome := range c.outcomes {
				c.op.Entries = append(c.op.Entries, operation.Entry{Step: []int{1, 2, 2}[i], Outcome: outcome})
			}
			got := refusalOf(c.op, auth.Principal{Level: auth.SystemAdmin})
			if (got != nil) != c.shown || got != nil && got.Name != "PLATFORM_REFUSED" {
				t.Errorf("the refusal is %+v", got)
			}
		})
	}
}

// An operation has the ids of its target, and no others.
func TestIDsOfAnOperation(t *testing.T) {
	for name, target := range map[string]scope.Target{
		"of a tenant": {TenantID: "T"},
		"of a group":  {TenantID: "T", GroupID: "G"},
		"of a user":   {TenantID: "T", GroupID: "G", UserID: "U"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(bodyOf(operation.Operation{Target: target}, auth.Principal{}))
			if err != nil {
				t.Fatal(err)
			}
			var body map[string]any
			if err := json.Unmarshal(text, &body); err != nil {
				t.Fatal(err)
			}
			for key, id := range map[string]string{"tenant_id": target.TenantID, "group_id": target.GroupID, "user_id": target.UserID} {
				if got, is := body[key]; is != (id != "") || is && got != id {
					t.Errorf("%s is %v, want %q: %s", key, got, id, text)
				}
			}
		})
	}
}
