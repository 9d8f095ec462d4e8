package oci

import (
	"context"
	"testing"
)

// The hooks that are called with contexts cost an exchange no allocation, whether or not they
// want to know of it.
func TestHooksCostExchangesNoAllocation(t *testing.T) {
	for name, trace := range map[string]Trace{"none": {}, "hooks": {
		Exchanged: func(context.Context, ExchangeEvent) {},
	}} {
		commands := []Read{NewRead("A"), NewRead("B"), NewRead("C")}
		asked := &exchange{exchanged: trace.Exchanged, caller: t.Context(), document: outgoing{commands: []Command{commands[0], commands[1], commands[2]}}}
		cost := testing.AllocsPerRun(100, func() {
			asked.reported.Store(false)
			asked.end(nil, nil)
			trace.joined(t.Context(), trace.begins(), commands, result{})
		})
		if cost > 0 {
			t.Errorf("%s: %v allocations", name, cost)
		}
	}
}
