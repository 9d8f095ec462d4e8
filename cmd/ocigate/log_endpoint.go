package main

import (
	"errors"
	"log/slog"

	"ocigate/oci"
)

// addressOf is the field of a log line that names the address of the platform
// which a session could not be made with.
func addressOf(err error) []any {
	if failed, ok := errors.AsType[*oci.ConnectError](err); ok {
		return []any{"address", failed.Address}
	}
	return nil
}

// logProbe writes what a probe of an endpoint that is not in use has changed:
// that it is down, or up again.
func logProbe(logger *slog.Logger, p oci.Probe) {
	fields := []any{"platform_endpoint", p.Endpoint, "seconds", p.Took.Seconds()}
	switch {
	case !p.Changed:
	case p.Up:
		logger.Info("an endpoint of the platform that is not in use is up", fields...)
	default:
		logger.Warn("an endpoint of the platform that is not in use is down", append(append(fields, addressOf(p.Err)...), "cause", p.Err.Error())...)
	}
}
