package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"ocigate/config"
	"ocigate/gateway/tracing"
)

// tracingKey is the key of the configuration that switches traces on.
const tracingKey = "tracing.enabled"

// tracingSettings returns where traces are sent to, by the standard variables of
// OpenTelemetry. They are not read unless the configuration switches traces on. The error
// lists every variable that is not valid.
func tracingSettings(c config.Tracing) (tracing.Settings, error) {
	if !c.Enabled {
		return tracing.Settings{Off: true}, nil
	}
	settings, err := tracing.FromEnvironment(os.Getenv)
	if several, ok := err.(interface{ Unwrap() []error }); ok { // joined, one for each variable
		var problems []error
		for _, one := range several.Unwrap() {
			problems = append(problems, &valueError{tracingKey, one})
		}
		err = errors.Join(problems...)
	}
	return settings, err
}

// useTracing makes the settings of a configuration effective for requests from now on.
func (p *Program) useTracing(c config.Tracing) { p.traces.Use(c.Enabled, c.TrustCallers) }

// flushTime returns how long a stop may wait for the receiver of traces: a small part of
// http.shutdown_timeout, because traces are worth less than anything else that ends then.
func flushTime(shutdownTimeout time.Duration) time.Duration {
	return min(3*time.Second, shutdownTimeout/10)
}

// closeTracing sends the spans that wait, as long as there is time for it. A receiver that
// hangs is left behind.
func (p *Program) closeTracing(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTime(p.configOf().HTTP.ShutdownTimeout))
	defer cancel()
	p.traces.Close(ctx)
}

// noteTracing logs where traces are sent to.
func (p *Program) noteTracing(g *generation) {
	if !g.config.Tracing.Enabled {
		return
	}
	if g.parts.tracing.Off {
		p.logger.Warn("tracing.enabled is true, but no traces are sent: OTEL_SDK_DISABLED is true, or OTEL_TRACES_EXPORTER is none")
		return
	}
	p.logger.Info("traces are sent", "receiver", g.parts.tracing.Receiver())
}

// checkReceiver sends one span to the receiver of traces. If that fails, it is a note: the
// gateway needs no traces.
func (d *doctor) checkReceiver(ctx context.Context) {
	if !d.config.Tracing.Enabled {
		return
	}
	began := time.Now()
	c := check{Name: "traces"}
	if d.parts.tracing.Off {
		d.report.skip(c, "OTEL_SDK_DISABLED is true, or OTEL_TRACES_EXPORTER is none")
		return
	}
	c.Tried = "send a span to " + d.parts.tracing.Receiver()
	ctx, cancel := context.WithTimeout(ctx, d.limit(receiverTime))
	defer cancel()
	if err := tracing.Check(ctx, d.parts.tracing, versionText()); err != nil {
		d.report.note(c, time.Since(began), fmt.Sprintf("the receiver has not accepted it: %v", err),
			"check OTEL_EXPORTER_OTLP_ENDPOINT and the other variables of OpenTelemetry, and whether the receiver takes OTLP over HTTP; the gateway works without")
		return
	}
	d.report.ok(c, time.Since(began), `the receiver has accepted it; its name is "ocigate doctor"`)
}

// receiverTime is how long the command doctor waits for the receiver.
const receiverTime = 5 * time.Second
