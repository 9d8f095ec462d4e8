// Package tracing makes OpenTelemetry traces of requests and sends them by OTLP over HTTP.
//
// A [Tracing] is the [gateway.Tracer] of all gateways of a program, and has the hooks with
// which waits for a session, logins, commands, records in the journal and readings become
// spans below that of their request:
//
//	settings, err := tracing.FromEnvironment(os.Getenv)
//	traces := tracing.New(logger, version)
//	client, err := oci.New(oci.Options{Trace: traces.Platform(hooks), …})
//	keeper := operation.NewKeeper(operation.Options{Trace: traces.Operations(hooks), …})
//	err = traces.Prepare(settings)
//	traces.Use(true, true)
//	defer traces.Close(ctx)
//
// Spans have no numbers, ids or names of customers, no paths, no addresses of callers and no
// texts of errors: see [Attributes] for all that they have.
//
// Sending never delays a request: spans wait in a queue of limited length, and are dropped
// if that is full. The package sets nothing global. It reads what its caller passes, and the
// library reads the same variables again: so both of a pair must be valid.
package tracing
