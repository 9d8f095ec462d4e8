package main

import (
	"log/slog"
	"testing"

	"ocigate/gateway"
	"ocigate/gateway/operation"
)

// This test specifies the log line about lost effects of later writes.

func TestLostEffectsOfWritesAreLogged(t *testing.T) {
	log := &output{}
	withOperationsLog(gateway.NewMetrics("test").Operations(), slog.New(slog.NewTextHandler(log, nil))).Undone(operation.Operation{ID: "late"}, []string{"one", "other"})
	wantLine(t, log, "level=ERROR", "operation_id=late", `later_operation_ids="one other"`, "journal.settle")
}
