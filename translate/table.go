package translate

import (
	"context"
	"fmt"
	"strings"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// A Listing is a command whose reply has a table.
type Listing struct {
	// Command is its name, and Elements returns its elements for a target.
	Command  string
	Elements func(scope.Target) []oci.Element
	// Table is the element of the reply that holds the table.
	Table string
	// Key is the heading of the column that identifies a row, and KeyKind its
	// kind: a phone number or prefix must have digits, a text must not be blank.
	Key     string
	KeyKind Kind
}

// Read returns the command about a target.
func (l *Listing) Read(target scope.Target) oci.Read {
	return oci.NewRead(l.Command, l.Elements(target)...)
}

// Table reads the table of a target, without a context.
func (e *Engine) Table(ctx context.Context, target scope.Target, l Listing) (*oci.Table, error) {
	replies, err := e.Read(ctx, l.Read(target))
	if err != nil {
		return nil, err
	}
	return e.TableIn(replies[0], target, l)
}

// TableInContext reads the table of a target that must be in the context, as
// [Engine.ReadInContext] does.
func (e *Engine) TableInContext(ctx context.Context, target scope.Target, c *Context, l Listing) (*oci.Table, error) {
	replies, _, err := e.ReadInContext(ctx, target, c, l.Read(target))
	if err != nil {
		return nil, err
	}
	table, err := e.TableIn(replies[0], target, l)
	return table, c.withMessage(err)
}

// TableIn returns the table in the reply to a listing about a target, or the
// error in that reply. Each row has a key. Any column except the key's may be
// missing, since releases differ; its cells are empty then.
func (e *Engine) TableIn(reply oci.Reply, target scope.Target, l Listing) (*oci.Table, error) {
	if err := e.errors.ReadResult(reply, target.IDs()...); err != nil {
		return nil, err
	}
	return TableOf(reply, l.Table, l.Key, l.KeyKind)
}

// ResultInContext returns the error in the reply to a command about a target of
// the context, or nil if the platform did what the command asks.
func (e *Engine) ResultInContext(reply oci.Reply, target scope.Target, c *Context) error {
	return c.withMessage(e.errors.ReadResult(reply, target.IDs()...))
}

// TableOf returns the table in an element of a reply that is no error of the
// platform. The table must have the column of the key, and each row a key in it.
func TableOf(reply oci.Reply, element, key string, kind Kind) (*oci.Table, error) {
	table, err := reply.Table(element)
	if err != nil {
		return nil, errcode.Wrap(errcode.PlatformError, err)
	}
	if err := checkTable(table, reply.Name(), element, key, kind); err != nil {
		return nil, err
	}
	return table, nil
}

// checkTable checks that a table, from that element of the reply named in, has
// the column of the key, and each row a key in it.
func checkTable(table *oci.Table, in, element, key string, kind Kind) error {
	if table.Column(key) == oci.NoColumn {
		return errcode.Wrap(errcode.PlatformError,
			fmt.Errorf("translate: table %s of %s has no column %q", element, in, key))
	}
	return checkKeys(table, element, key, kind)
}

// checkKeys checks that each row has a value in the key column that can identify
// it. A row without one cannot be skipped: it may be the row that the caller
// looks for.
func checkKeys(table *oci.Table, element, key string, kind Kind) error {
	identifies := isNotBlank
	if kind.isNumber() {
		identifies = hasDigits
	}
	column := table.Column(key)
	for row := range table.Rows() {
		if cell := row.Cell(column); !identifies(cell) {
			return errcode.Wrap(errcode.PlatformError,
				fmt.Errorf("translate: a row of table %s has %.32q in column %q, which cannot identify it", element, cell, key))
		}
	}
	return nil
}

func isNotBlank(cell string) bool { return strings.TrimSpace(cell) != "" }
