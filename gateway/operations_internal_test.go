package gateway

import (
	"testing"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/translate/errcode"
)

// A refusal that is not borne out says nothing of what became of the step.
func TestRefusalOf(t *testing.T) {
	refused := remember(errcode.New(errcode.PlatformRefused))
	const done, notDone, open = operation.Done, operation.NotDone, operation.State("")
	for name, c := range map[string]struct {
		op       operation.Operation
		outcomes []operation.State // of steps 1, 2, 2
		told     bool
	}{
		"nothing of the last step was done":  {operation.Operation{Step: 2, Answer: refused}, []operation.State{done, notDone, notDone}, true},
		"nothing of the first step was done": {operation.Operation{Step: 1, Answer: refused}, []operation.State{notDone, notDone, notDone}, true},
		"a part of it was":                   {operation.Operation{Step: 2, Answer: refused}, []operation.State{done, done, notDone}, false},
		"all of it was":                      {operation.Operation{Step: 2, Answer: refused}, []operation.State{done, done, done}, false},
		"it is not known":                    {operation.Operation{Step: 2, Answer: refused}, []operation.State{done, open, notDone}, false},
		"nothing was refused":                {operation.Operation{Step: 2}, []operation.State{done, notDone, notDone}, false},
		"the answer is not one of ours":      {operation.Operation{Step: 2, Answer: []byte(`{"code":"?"}`)}, []operation.State{done, notDone, notDone}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for i, outcome := range c.outcomes {
				c.op.Entries = append(c.op.Entries, operation.Entry{Step: []int{1, 2, 2}[i], Outcome: outcome})
			}
			told := refusalOf(c.op, auth.Principal{Level: auth.SystemAdmin})
			if (told != nil) != c.told || told != nil && told.Name != "PLATFORM_REFUSED" {
				t.Errorf("the refusal is %+v", told)
			}
		})
	}
}
