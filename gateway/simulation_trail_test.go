package gateway_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// The checks of the audit trail.

// checkTrail checks that the audit trail is intact and has every write: the intent before
// it was sent, and the outcome after it. The last line of an operation, which may be that
// of a release, must have its state.
func (v *checker) checkTrail() {
	if _, err := operation.Verify(bolt.Trail(v.folder)); err != nil {
		v.failf("%v", err)
	}
	intents, intent := map[string]time.Time{}, map[string]operation.Event{}
	last := map[string]operation.Event{} // the last state of each operation in the trail
	for line, err := range bolt.Trail(v.folder) {
		if err != nil && !errors.Is(err, bolt.ErrTorn) {
			v.failf("%v", err)
			return
		}
		var event operation.Event
		must(v.t, json.Unmarshal(line, &event))
		switch event.Kind {
		case operation.EventIntent:
			if _, ended := last[event.Operation]; ended {
				v.failf("the audit trail has an intent of %s after its outcome", event.Caller.RequestID)
			}
			intents[event.Caller.RequestID], intent[event.Caller.RequestID] = event.Time, event
		case operation.EventOutcome, operation.EventCorrection:
			last[event.Operation] = event
		case operation.EventRelease:
			last[event.Operation] = afterRelease(last[event.Operation], event)
		case "":
			v.failf("the audit trail has a line without an event: %s", line)
		}
	}
	for request, sent := range v.sent {
		if at, ok := intents[request]; !ok || at.Sub(v.began) > sent[0].at {
			v.failf("the audit trail has no intent of %s before it was sent at %v", request, sent[0].at)
		}
		v.checkIntent(request, intent[request])
	}
	for request, op := range v.byRequest {
		event := last[op.ID]
		if event.Outcome != string(op.State) {
			v.failf("in the audit trail %s is %q, and it is %s", request, event.Outcome, op.State)
			continue
		}
		v.checkOutcomes(op, event)
		if op.isReleased() {
			v.checkReleased(op, event)
		}
	}
}

// afterRelease returns the state of an operation in the trail after the line of a
// release. That line has the released entries, whose outcomes are unknown from then on;
// the others stay as they were. The line before may have an outcome that the database
// never stored.
func afterRelease(before, release operation.Event) operation.Event {
	entries := slices.Clone(before.Entries)
	for _, freed := range release.Entries {
		if at := slices.IndexFunc(entries, func(e operation.Entry) bool { return e.Claim() == freed.Claim() }); at >= 0 {
			entries[at] = freed
		} else {
			entries = append(entries, freed)
		}
	}
	release.Entries = entries
	return release
}

// checkReleased checks that the audit trail has the final outcome of each entry of an
// operation that was released.
func (v *checker) checkReleased(op apiOperation, event operation.Event) {
	if len(event.Entries) != len(op.Entries) {
		v.failf("the audit trail has %d entries of %s, of %d", len(event.Entries), op.RequestID, len(op.Entries))
		return
	}
	for i, e := range event.Entries {
		outcome := cmp.Or(e.Outcome, operation.Unknown)
		if is := op.Entries[i]; e.Given != is.Entry || outcome != is.Outcome || e.Released != is.Released {
			v.failf("in the audit trail %s of %s is %s (released: %v), and it is %s (released: %v)", e.Given, op.RequestID, outcome, e.Released, is.Outcome, is.Released)
		}
	}
}

// checkIntent checks that the intent in the audit trail has every entry of every command
// that was sent, with its step and its values.
func (v *checker) checkIntent(request string, intent operation.Event) {
	for _, h := range v.sent[request] {
		for _, name := range h.names {
			at := slices.IndexFunc(intent.Entries, func(e operation.Entry) bool { return nameOf(e.Start) == name })
			if at < 0 {
				v.failf("the intent of %s does not have %s, which was sent: %v", request, name, h)
				continue
			}
			e := intent.Entries[at]
			step := 1
			if w := v.requestOf(request); w.setsList() && assigns(h.command) && len(intent.Entries) > len(w.names()) {
				step = 2
			}
			gains := strings.Contains(string(e.Before), "null") && !strings.Contains(string(e.After), "null")
			if e.Step != step || gains != assigns(h.command) {
				v.failf("the intent of %s has %s in step %d from %s to %s, and it was sent with %v", request, name, e.Step, e.Before, e.After, h)
			}
		}
	}
}

// checkOutcomes checks that the audit trail has the final outcome of each entry.
func (v *checker) checkOutcomes(op apiOperation, event operation.Event) {
	if op.isReleased() {
		return // outcomes that were found out after the release may be missing
	}
	if len(event.Entries) != len(op.Entries) {
		v.failf("the audit trail has %d entries of %s, of %d", len(event.Entries), op.RequestID, len(op.Entries))
		return
	}
	for i, e := range event.Entries {
		if e.Given != op.Entries[i].Entry || e.Outcome != op.Entries[i].Outcome {
			v.failf("in the audit trail %s of %s is %q, and it is %s", e.Given, op.RequestID, e.Outcome, op.Entries[i].Outcome)
		}
	}
}
