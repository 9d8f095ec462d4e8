package tracing_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/tracing"
	"ocigate/oci"
)

// While traces are off, the hooks on the way of a request cost no allocation.
func TestHooksCostNothingWhileOff(t *testing.T) {
	traces := tracing.New(slog.New(slog.DiscardHandler), "1.2.3")
	platform, journal := traces.Platform(oci.Trace{}), traces.Operations(operation.Trace{})
	ctx, began := context.WithValue(t.Context(), t, t), time.Now()
	for name, hook := range map[string]func(){
		"a wait":     func() { platform.QueueLeft(ctx, began, context.DeadlineExceeded) },
		"a command":  func() { platform.Exchanged(ctx, oci.ExchangeEvent{Endpoint: "n1", Began: began}) },
		"a login":    func() { platform.LoginEnded(oci.LoginEvent{Endpoint: "n1", Began: began}) },
		"a record":   func() { journal.Journaled(ctx, operation.Operation{ID: "1"}, operation.JournalIntent, began, nil) },
		"a readback": func() { _, ended := journal.ReadBack(ctx, operation.Operation{ID: "1"}); ended(nil) },
	} {
		if n := testing.AllocsPerRun(100, hook); n > 0 {
			t.Errorf("%s costs %v allocations", name, n)
		}
	}
}
