package translate

import (
	"context"
	"fmt"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// table asks one question about a group or its tenant that is answered with a
// table.
func (s *ITC) table(ctx context.Context, group Group, command oci.Read, element, key string) (*oci.Table, error) {
	replies, err := s.read(ctx, command)
	if err != nil {
		return nil, err
	}
	return s.tableIn(replies[0], group, element, key)
}

// tableIn is the table in the answer to one question about a group or its tenant,
// or the error in it.
func (s *ITC) tableIn(reply oci.Reply, group Group, element, key string) (*oci.Table, error) {
	if err := s.errors.ReadResult(reply, group.values()...); err != nil {
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
