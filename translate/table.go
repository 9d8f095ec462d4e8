package translate

import (
	"context"
	"errors"
	"fmt"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// table asks one question that is answered with a table.
func (s *ITC) table(ctx context.Context, command oci.Read, element, key string) (*oci.Table, error) {
	replies, err := s.read(ctx, command)
	if err != nil {
		return nil, err
	}
	return s.tableIn(replies[0], element, key)
}

// tableIn is the table in the answer to one question, or the error in it.
func (s *ITC) tableIn(reply oci.Reply, element, key string) (*oci.Table, error) {
	if unsupported, ok := errors.AsType[*oci.UnsupportedError](reply.Err()); ok {
		return nil, errcode.Because(errcode.NotAvailableInRelease, unsupported)
	}
	if err := s.errors.ReadResult(reply); err != nil {
		return nil, err
	}
	return tableOf(reply, element, key)
}

// tableOf finds the table in a reply. It must have the column that identifies
// its rows; any other may be missing, since releases differ, and reads as
// empty.
func tableOf(reply oci.Reply, element, key string) (*oci.Table, error) {
	table, err := reply.Table(element)
	if err != nil {
		return nil, errcode.Because(errcode.PlatformError, err)
	}
	if table.Column(key) == oci.NoColumn {
		return nil, errcode.Because(errcode.PlatformError,
			fmt.Errorf("translate: table %s of %s has no column %q", element, reply.Name(), key))
	}
	return table, nil
}
