package ocisim

import "testing"

func TestLedgerForgetsTheOldest(t *testing.T) {
	p := &Platform{}
	for i := range 2*ledgerLimit + 5 {
		p.ledger.add(Entry{Connection: i})
	}
	entries := p.Ledger()
	if len(entries) != ledgerLimit+5 || entries[0].Connection != ledgerLimit || entries[len(entries)-1].Connection != 2*ledgerLimit+4 {
		t.Errorf("%d entries from %d on", len(entries), entries[0].Connection)
	}
}
