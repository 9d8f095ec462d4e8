package storetest

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// How much a journal grows: records as the gateway makes them, and the table of the README.

// Growth is something that makes a journal grow, as the columns of the README's table name it.
type Growth struct {
	Column string
	Times  int // enough that pages of the store do not matter
	record func(operation.Store, testing.TB)
}

// Growths are the columns of the table.
func Growths() []Growth {
	return []Growth{
		{"write of 1 entry", 300, write(1)},
		{"write of 10", 100, write(10)},
		{"write of 1,000", 20, write(1000)},
		{"login", 300, session(operation.EventLogin)},
		{"logout", 300, session(operation.EventLogout)},
	}
}

// Grow records it as often as it says.
func (g Growth) Grow(t testing.TB, store operation.Store) {
	t.Helper()
	for range g.Times {
		g.record(store, t)
	}
}

const growthOwner = "gateway-7d9c5b8f6d-x2x4v-7LRRQF3MJB62TREPSECV6KE6SL"

// write returns a function that records a write with that number of entries.
func write(entries int) func(operation.Store, testing.TB) {
	return func(store operation.Store, t testing.TB) {
		t.Helper()
		at := time.Now().UTC()
		op := operation.Operation{
			ID: operation.NewID(), Owner: growthOwner, State: operation.Received, Route: "itc_numbers_assign",
			Target: scope.Target{TenantID: "ApioSpTest", GroupID: "ApioGrpTest"},
			Caller: operation.Caller{
				Name: "tenantadmin", Level: "Tenant Admin", Method: "token", ClientIP: "192.0.2.10", RequestID: "7LRRQF3MJB62TREPSECV6KE6SL",
			},
			Fingerprint: strings.Repeat("0123456789abcdef", 4), KeyExpires: at.Add(24 * time.Hour), ReceivedAt: at,
		}
		op.Key = op.ID
		for i := range entries {
			start := fmt.Sprintf("+32%09d", 10*i)
			op.Entries = append(op.Entries, operation.Entry{Kind: "numbers", Given: start, Key: start})
		}
		must := func(err error) {
			if err != nil {
				t.Helper()
				t.Fatal(err)
			}
		}
		must(store.Begin(t.Context(), op))
		for i := range op.Entries {
			e := &op.Entries[i]
			e.Start, e.End, e.Step = e.Given, fmt.Sprintf("+32%09d", 10*i+9), 1
			e.Before, e.After = json.RawMessage(`{"groupId":null}`), json.RawMessage(`{"groupId":"ApioGrpTest"}`)
		}
		op.Version, op.Step, op.State, op.PlatformEndpoint, op.IntendedAt = 1, 1, operation.Intent, "primary", at
		must(store.Record(t.Context(), op, operation.EventOf(operation.EventIntent, &op, at)))
		for i := range op.Entries {
			op.Entries[i].Outcome = operation.Done
		}
		op.Version, op.State, op.Basis, op.SentAt, op.EndedAt = 2, operation.Done, operation.ByReply, at, at
		must(store.Record(t.Context(), op, operation.EventOf(operation.EventOutcome, &op, at)))
	}
}

func session(kind operation.EventKind) func(operation.Store, testing.TB) {
	return func(store operation.Store, t testing.TB) {
		t.Helper()
		if err := store.Append(t.Context(), operation.Event{
			Time: time.Now().UTC(), Kind: kind, Route: string(kind), TenantID: "ApioSpTest", Outcome: "ok",
			Caller: operation.Caller{
				Name: "tenantadmin", Level: "Tenant Admin", Method: "token", ClientIP: "192.0.2.10", RequestID: "7LRRQF3MJB62TREPSECV6KE6SL",
			},
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// WantReadme compares figures with those of a row of the README's table: bytes for each, by
// column. The README is the one of package operation.
func WantReadme(t *testing.T, row string, figures map[string]float64) {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## How it grows\n")
	cells := map[string][]string{}
	for _, line := range regexp.MustCompile(`(?m)^\|(.*)\|$`).FindAllStringSubmatch(section, -1) {
		parts := strings.Split(line[1], "|")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		cells[parts[0]] = parts[1:]
	}
	documented, found := cells[row]
	if !found {
		t.Fatalf("the README has no row %q", row)
	}
	for i, g := range Growths() {
		got := figures[g.Column]
		t.Logf("%s, %s: %.2f kB, the README says %s", row, g.Column, got/1000, documented[i])
		number, unit, _ := strings.Cut(documented[i], " ")
		stated, err := strconv.ParseFloat(number, 64)
		const tolerance = 0.2
		switch {
		case documented[i] == "nothing":
			if got > 100 {
				t.Errorf("%s: a %s takes %.0f bytes, the README says nothing", row, g.Column, got)
			}
		case err != nil || unit != "kB" || got < 1000*stated*(1-tolerance) || got > 1000*stated*(1+tolerance):
			t.Errorf("%s: a %s takes %.2f kB, the README says %q", row, g.Column, got/1000, documented[i])
		}
	}
}
