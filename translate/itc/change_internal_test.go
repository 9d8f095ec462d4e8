package itc

// This file specifies how much memory rowsOf takes, which only the package can
// see.

import (
	"strings"
	"testing"

	"ocigate/oci"
)

// TestRowsOfAllocatesByKeys requires that only the reply itself takes memory for each
// row of a large tenant.
func TestRowsOfAllocatesByKeys(t *testing.T) {
	const rows = 20_000
	document := `<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><sessionId xmlns="">1</sessionId>` +
		`<command xsi:type="Answer" xmlns=""><list><colHeading>Number Prefix</colHeading>` +
		`<row><col>+32-01</col></row>` + strings.Repeat(`<row><col>+32-02-7000</col></row>`, rows) +
		`</list></command></BroadsoftDocument>`
	replies, err := oci.ParseReplies([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	table, err := replies[0].Table("list")
	if err != nil {
		t.Fatal(err)
	}
	allocations := testing.AllocsPerRun(10, func() {
		found, _ := rowsOf(table, prefixHeading, []string{"+3201", "+3203"})
		if row, ok := found["+3201"]; len(found) != 1 || !ok || row.Cell(0) != "+32-01" {
			t.Fatalf("found %v", found)
		}
	})
	if allocations > 20 {
		t.Errorf("%v allocations for %d rows", allocations, rows)
	}
}
