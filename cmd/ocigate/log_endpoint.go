package main

import (
	"errors"
	"log/slog"

	"ocigate/oci"
)

// addressOf returns the field of a log line with the address of a failed connection, or
// nothing if the error has no address.
func addressOf(err error) []any {
	if failed, ok := errors.AsType[*oci.ConnectError](err); ok {
		return []any{"address", failed.Address}
	}
	return nil
}

// logProbe logs that an unused endpoint is down, or up again, if a probe found a change.
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
