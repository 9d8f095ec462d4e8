package ocisim

import "testing"

// This file specifies the limit of the ledger. Its entries are specified in
// ledger_test.go and refusal_test.go.

func TestLedgerRemovesTheOldestEntries(t *testing.T) {
	p := &Platform{}
	for i := range 2*ledgerLimit + 5 {
		p.ledger.add(Entry{Connection: i})
	}
	entries := p.Ledger()
	if len(entries) != ledgerLimit+5 || entries[0].Connection != ledgerLimit || entries[len(entries)-1].Connection != 2*ledgerLimit+4 {
		t.Errorf("%d entries, the first of connection %d", len(entries), entries[0].Connection)
	}
}
