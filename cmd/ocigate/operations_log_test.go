package main

import (
	"log/slog"
	"testing"

	"ocigate/gateway"
	"ocigate/gateway/operation"
)

func TestWritesThatAreGoneAreLogged(t *testing.T) {
	log := &output{}
	withOperationsLog(gateway.NewMetrics("test").Operations(), slog.New(slog.NewTextHandler(log, nil))).Undone(operation.Operation{ID: "late"}, []string{"one", "other"})
	wantLine(t, log, "level=ERROR", "operation_id=late", `later_operation_ids="one other"`, "journal.settle")
}
