package bolt_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// These tests specify what the README says about a lost database: the last line of an
// operation counts, and the command finds all writes that had not ended. To add a case,
// record an operation in TestReadmeFindsWritesWithoutAnEnd.

// of returns the operation with one entry for each of the names.
func of(op operation.Operation, given ...string) operation.Operation {
	op.Entries = nil
	for _, name := range given {
		op.Entries = append(op.Entries, operation.Entry{Kind: "number", Given: name, Key: name, Step: 1})
	}
	op.Step = 1
	return op
}

// release frees entries of an operation, or all.
func (r *rig) release(id string, entries ...string) {
	r.Helper()
	order := operation.Release{ID: id, Entries: entries, By: "anna", Reason: "checked"}
	if _, err := order.Record(r.Context(), r.store, 0); err != nil {
		r.Fatal(err)
	}
}

// lost records an operation as it is now, in such a way that the line is in the trail
// and the database does not have it.
func (r *rig) lost(op operation.Operation) {
	r.Helper()
	r.close()
	database := read(r.T, r.database())
	r.open()
	r.record(op)
	r.close()
	replace(r.T, r.database(), database)
	r.open()
}

// A line of an outcome that the database does not have is followed by a line with the state
// in the database.
func TestLastLineOfAnOperationCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	op := r.record(in(operation.Unknown, r.intend()))
	ended := in(operation.Done, op)
	ended.Entries = slices.Clone(op.Entries)
	ended.Entries[0].Outcome = operation.Done
	r.lost(ended)
	r.wantState(op.ID, operation.Unknown)
	r.release(op.ID)
	r.wantState(op.ID, operation.Unknown)
	var last operation.Event
	for line, err := range bolt.Trail(r.folder) {
		must(t, err)
		last = operation.Event{}
		must(t, json.Unmarshal(line, &last))
	}
	if last.Kind != operation.EventRelease || last.Operation != op.ID || last.Outcome != string(operation.Unknown) ||
		len(last.Entries) != 1 || !last.Entries[0].Released || last.Entries[0].Outcome != "" {
		t.Errorf("the last line is %+v", last)
	}
}

// The command of the README finds the writes that had not ended, with all their entries.
func TestReadmeFindsWritesWithoutAnEnd(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip(err)
	}
	text := string(read(t, "../README.md"))
	command := regexp.MustCompile(`(?s)\$ (cat audit-\*\.jsonl \| jq .*?)\n` + "```").FindStringSubmatch(text)
	if command == nil {
		t.Fatal("the README has no command")
	}
	r := newRig(t)
	begun := func(given ...string) operation.Operation {
		op := of(r.op(), given...)
		must(t, r.store.Begin(t.Context(), op))
		return r.record(in(operation.Intent, op))
	}
	begun("intent")
	r.record(in(operation.Done, begun("done")))
	r.record(in(operation.Unknown, begun("unknown")))
	lost := r.record(in(operation.Unknown, begun("lost")))
	some := r.record(in(operation.Unknown, begun("freed", "held")))
	r.lost(in(operation.PartlyDone, lost))
	r.release(lost.ID)
	r.release(some.ID, "freed")
	run := exec.CommandContext(t.Context(), "sh", "-c", command[1])
	run.Dir, run.Stderr = r.folder, os.Stderr
	output, err := run.Output()
	must(t, err)
	var found []string
	for line := range strings.Lines(string(output)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		found = append(found, fields[len(fields)-1])
	}
	slices.Sort(found)
	if want := []string{"freed held", "intent", "lost", "unknown"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
}
