package main

import (
	"log/slog"
	"testing"

	"ocigate/gateway"
	"ocigate/gateway/operation"
)

// This test specifies the log line about lost effects of later writes, and that they are counted.

func TestLostEffectsOfWritesAreLogged(t *testing.T) {
	log := &output{}
	metrics := gateway.NewMetrics("test")
	withOperationsLog(metrics.Operations(), slog.New(slog.NewTextHandler(log, nil))).Undone(operation.Operation{ID: "late"}, []string{"one", "other"})
	wantLine(t, log, "level=ERROR", "operation_id=late", `later_operation_ids="one other"`, "journal.settle")
	families, err := metrics.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := -1.0
	for _, family := range families {
		if family.GetName() == "ocigate_operations_undone_total" {
			counted = family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	if counted != 2 {
		t.Errorf("%v writes are counted", counted)
	}
}
