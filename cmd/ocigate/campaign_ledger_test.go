//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
)

// How the checker reads the operations, the platform's ledger and the audit trail, and
// assigns the commands in the ledger to operations.

// trailLine is a line of the audit trail.
type trailLine struct {
	number int64
	operation.Event
}

func (k *checker) readOperations() {
	for before := ""; ; {
		var page operationPage
		if err := k.campaign.get(k.t.Context(), systemClient, "/api/v1/operations/?limit=1000&entries=true"+before, &page); err != nil {
			k.t.Fatalf("the operations cannot be listed: %v", err)
		}
		for _, op := range page.Operations {
			r := &recorded{apiOperation: op}
			k.operations = append(k.operations, r)
			if k.byID[op.ID] != nil {
				k.finding(unexpected, "operation %s is listed twice", op.ID)
			}
			k.byID[op.ID], k.byRequest[op.RequestID] = r, r
		}
		if page.Next == "" {
			return
		}
		before = "&before=" + page.Next
	}
}

// laneKey returns a key for entries of a group in any spelling, and for all entries of a
// kind in a group whose lists are replaced.
func laneKey(tenant, group, kind string, entries []string) string {
	if isOwnGroup(group) {
		entries = nil
	}
	plain := make([]string, len(entries))
	for i, e := range entries {
		plain[i] = plainName(e)
	}
	slices.Sort(plain)
	return strings.Join(append([]string{tenant, group, kind}, plain...), " ")
}

// lane returns the key of the operation's entries.
func (op *apiOperation) lane() string {
	kind := rangeKind
	if strings.Contains(op.Endpoint, prefixKind) {
		kind = prefixKind
	}
	var entries []string
	for _, e := range op.Entries {
		entries = append(entries, e.Entry)
	}
	return laneKey(op.TenantID, op.GroupID, kind, entries)
}

func (op *apiOperation) assigns() bool { return strings.HasSuffix(op.Endpoint, "_assign") }

// laneOf returns the key of the entries of a command.
func laneOf(e *ocisim.Entry) string {
	kind := rangeKind
	if strings.Contains(e.Command, "NumberPrefix") {
		kind = prefixKind
	}
	return laneKey(e.ServiceProvider, e.Group, kind, e.Numbers)
}

func assigns(e *ocisim.Entry) bool { return !strings.Contains(e.Command, "Unassign") }

// readLedger assigns each write that the platform received to its operation: the last
// operation with the same entries whose intent is earlier. Operations with the same entries
// must not overlap.
func (k *checker) readLedger() {
	all := k.campaign.platform.Ledger()
	if len(all) == 0 || all[0].Connection > k.campaign.plan.callers {
		k.t.Fatal("the ledger has dropped its first entries: the campaign is too large")
	}
	byLane := k.byLane
	for _, op := range k.operations {
		if !op.IntendedAt.IsZero() {
			byLane[op.lane()] = append(byLane[op.lane()], op)
		}
	}
	for _, ops := range byLane {
		slices.SortFunc(ops, func(a, b *recorded) int { return a.IntendedAt.Compare(b.IntendedAt) })
		k.checkOrder(ops)
	}
	for _, e := range all {
		if !e.Write {
			continue
		}
		k.ledger = append(k.ledger, e)
		ops := byLane[laneOf(&e)]
		at, _ := slices.BinarySearchFunc(ops, e.Time, func(op *recorded, t time.Time) int {
			if op.IntendedAt.Before(t) {
				return -1
			}
			return 1
		})
		if at == 0 || !ops[at-1].isSet() && ops[at-1].assigns() != assigns(&e) {
			k.finding(lost, "the platform received a write without an operation:\n%+v", e)
			continue
		}
		op := ops[at-1]
		op.received = append(op.received, e)
		if op.State.ended() && e.Time.After(op.EndedAt) {
			k.finding(doubled, "the platform received it after its end:\n%s", k.show(op))
		}
	}
	k.truthsOfSets(byLane)
}

// checkOrder checks that operations with the same entries do not overlap.
func (k *checker) checkOrder(ops []*recorded) {
	for i := range len(ops) - 1 {
		if first, second := ops[i], ops[i+1]; first.State.ended() && first.EndedAt.After(second.IntendedAt) {
			k.finding(unexpected, "two operations had the same entries at the same time:\n%s\n%s", k.show(first), k.show(second))
		}
	}
}

func (k *checker) readTrail() {
	files, err := filepath.Glob(filepath.Join(k.campaign.disk.folder("journal"), "audit-*.jsonl"))
	if err != nil || len(files) == 0 {
		k.t.Fatalf("there is no audit trail: %v", err)
	}
	slices.Sort(files)
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			k.t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(file))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var line struct {
				Sequence int64 `json:"seq"`
				operation.Event
			}
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				k.t.Fatalf("%s: %v: %s", name, err, lines.Bytes())
			}
			if line.Kind == "" {
				k.finding(unexpected, "a line of the audit trail has no kind: %s", lines.Bytes())
			}
			k.trail[line.Operation] = append(k.trail[line.Operation], trailLine{line.Sequence, line.Event})
		}
		if err := lines.Err(); err != nil {
			k.t.Fatal(err)
		}
	}
}
