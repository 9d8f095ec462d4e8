package translate

import (
	"context"
	"fmt"
	"strings"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// table asks one question about a group or its tenant that is answered with a
// table.
func (s *ITC) table(ctx context.Context, group scope.Target, command oci.Read, element, key string) (*oci.Table, error) {
	replies, err := s.read(ctx, command)
	if err != nil {
		return nil, err
	}
	return s.tableIn(replies[0], group, element, key)
}

// tableIn is the table in the answer to one question about a group or its tenant,
// or the error in it.
func (s *ITC) tableIn(reply oci.Reply, group scope.Target, element, key string) (*oci.Table, error) {
	if err := s.errors.ReadResult(reply, group.IDs()...); err != nil {
		return nil, err
	}
	return tableOf(reply, element, key)
}

// tableOf finds the table in a reply. It must have the column that identifies
// its rows, and each row must say there what it is about; any other column may be
// missing, since releases differ, and reads as empty.
func tableOf(reply oci.Reply, element, key string) (*oci.Table, error) {
	table, err := reply.Table(element)
	if err != nil {
		return nil, errcode.Because(errcode.PlatformError, err)
	}
	if table.Column(key) == oci.NoColumn {
		return nil, errcode.Because(errcode.PlatformError,
			fmt.Errorf("translate: table %s of %s has no column %q", element, reply.Name(), key))
	}
	if err := checkKeys(table, element, key); err != nil {
		return nil, err
	}
	return table, nil
}

// checkKeys demands of each row that the cell under the key identifies something.
// A row that does not is no entry, and what it stands for must not be guessed: it
// may be the one that somebody looks for.
func checkKeys(table *oci.Table, element, key string) error {
	column := table.Column(key)
	for row := range table.Rows() {
		if cell := row.Cell(column); !identifies(key, cell) {
			return errcode.Because(errcode.PlatformError,
				fmt.Errorf("translate: a row of table %s has %.32q under %q, which identifies nothing", element, cell, key))
		}
	}
	return nil
}

// identifies reports whether a cell under that heading can identify a row: one
// that is not blank, and of numbers and prefixes one with digits.
func identifies(key, cell string) bool {
	if key == rangeStartHeading || key == prefixHeading {
		return hasDigits(cell)
	}
	return strings.TrimSpace(cell) != ""
}
