package main

import (
	"errors"

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
