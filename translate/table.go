package translate

import (
	"context"
	"fmt"
	"strings"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// Listing is a command that is answered with a table.
type Listing struct {
	// Command is its name, and Elements are what it says about a target.
	Command  string
	Elements func(scope.Target) []oci.Element
	// Table is the element of the reply that holds the table.
	Table string
	// Key is the heading of the column that identifies a row, and KeyKind what it
	// holds: a phone number or prefix needs digits, a text must not be blank.
	Key     string
	KeyKind Kind
}

// Read is the command about a target.
func (l *Listing) Read(target scope.Target) oci.Read {
	return oci.NewRead(l.Command, l.Elements(target)...)
}

// Table asks for the table alone.
func (e *Engine) Table(ctx context.Context, target scope.Target, l Listing) (*oci.Table, error) {
	replies, err := e.Read(ctx, l.Read(target))
	if err != nil {
		return nil, err
	}
	return e.TableIn(replies[0], target, l)
}

// TableInContext asks for the table of a target that is in the context. See
// [Engine.ReadInContext].
func (e *Engine) TableInContext(ctx context.Context, target scope.Target, c *Context, l Listing) (*oci.Table, error) {
	replies, _, err := e.ReadInContext(ctx, target, c, l.Read(target))
	if err != nil {
		return nil, err
	}
	table, err := e.TableIn(replies[0], target, l)
	return table, c.worded(err)
}

// TableIn is the table in the answer to a listing about a target, or the error in
// it. Each row has a key. Any column but the key's may be missing, since releases
// differ, and reads as empty.
func (e *Engine) TableIn(reply oci.Reply, target scope.Target, l Listing) (*oci.Table, error) {
	if err := e.errors.ReadResult(reply, target.IDs()...); err != nil {
		return nil, err
	}
	return TableOf(reply, l.Table, l.Key, l.KeyKind)
}

// ResultInContext is the error in the answer to a question about a target of the
// context, nil where the platform answered it.
func (e *Engine) ResultInContext(reply oci.Reply, target scope.Target, c *Context) error {
	return c.worded(e.errors.ReadResult(reply, target.IDs()...))
}

// TableOf finds the table in a reply that is no refusal. It must have the column
// that identifies its rows, and each row must hold a key there.
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

// checkTable demands that a table, which is in an element, has the column that
// identifies its rows, and that each row has a key there.
func checkTable(table *oci.Table, in, element, key string, kind Kind) error {
	if table.Column(key) == oci.NoColumn {
		return errcode.Wrap(errcode.PlatformError,
			fmt.Errorf("translate: table %s of %s has no column %q", element, in, key))
	}
	return checkKeys(table, element, key, kind)
}

// checkKeys demands of each row that the cell under the key identifies something.
// A row that does not is no entry, and what it stands for must not be guessed: it
// may be the one that somebody looks for.
func checkKeys(table *oci.Table, element, key string, kind Kind) error {
	identifies := isNotBlank
	if kind.isNumber() {
		identifies = hasDigits
	}
	column := table.Column(key)
	for row := range table.Rows() {
		if cell := row.Cell(column); !identifies(cell) {
			return errcode.Wrap(errcode.PlatformError,
				fmt.Errorf("translate: a row of table %s has %.32q under %q, which identifies nothing", element, cell, key))
		}
	}
	return nil
}

func isNotBlank(cell string) bool { return strings.TrimSpace(cell) != "" }
