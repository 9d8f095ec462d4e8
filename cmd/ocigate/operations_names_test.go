package main

import (
	"strings"
	"testing"

	"ocigate/gateway/operation"
)

// This test specifies the names of entries in the output of operations.

// TestEntriesOfOneNameAreDistinguished checks that a range and a prefix with the same name
// are printed with their kinds, and that other entries are printed without.
func TestEntriesOfOneNameAreDistinguished(t *testing.T) {
	s := operationStatus{Operation: operation.Operation{
		ID: "op", State: operation.Unknown,
		Entries: []operation.Entry{
			{Kind: "numbers", Given: "+3271", Key: "+3271"}, {Kind: "prefixes", Given: "+3271", Key: "+3271"}, {Kind: "numbers", Given: "+3272", Key: "+3272"},
		},
		Claims: []operation.Claim{{Kind: "user", Key: "anna"}},
	}}
	s.Held = s.Holds()
	if got, want := entriesOf(&s), "numbers:+3271 prefixes:+3271 and 1 more"; got != want {
		t.Errorf("listed as %q, want %q", got, want)
	}
	if got, want := strings.Join(heldNames(&s), " "), "numbers:+3271 prefixes:+3271 +3272 user:anna"; got != want {
		t.Errorf("it holds %q, want %q", got, want)
	}
	var shown strings.Builder
	if err := printOne(&shown, &s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"numbers:+3271: held", "prefixes:+3271: held", " +3272: held"} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("no %q in\n%s", want, &shown)
		}
	}
}
