package translate

import (
	"bufio"
	"fmt"
	"strconv"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// field is one member of the JSON object that the API makes of a table's row.
type field struct {
	key     string
	heading string // of the column that it is read from
	kind    kind
}

// kind is what the API makes of a cell. Where a table does not have the column,
// since releases differ, the cell counts as empty.
type kind int

const (
	text        kind = iota // a string: the cell as it is
	phoneNumber             // a string: the + and digits of the cell
	boolean                 // the cell's true or false; false without the column
	groupID                 // a string; without the column the group of the request
	department              // an object, left out where the cell is empty: see departmentNames
)

// List is the body of an answer that lists the rows of a table: a JSON object
// with one array. Whatever can be wrong with the platform's reply was found
// before there is a List.
type List struct {
	name        string
	fields      []field
	columns     []oci.Column // of the fields, in their order
	table       *oci.Table
	group       scope.Target
	departments departmentNames // nil where no path needs them
}

// newList judges the table of a reply to l.
func newList(l listCommand, group scope.Target, table *oci.Table) (*List, error) {
	list := &List{name: l.name, fields: l.fields, columns: make([]oci.Column, len(l.fields)), table: table, group: group}
	for i, f := range l.fields {
		list.columns[i] = table.Column(f.heading)
		if valid := validCells[f.kind]; valid != nil {
			if err := list.checkCells(list.columns[i], f.heading, valid); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// validCells report whether a cell is of a kind. What is not listed may hold
// anything.
var validCells = map[kind]func(cell string) bool{
	boolean: func(cell string) bool { return cell == "true" || cell == "false" },
	// A user may have no number.
	phoneNumber: func(cell string) bool { return cell == "" || hasDigits(cell) },
}

// checkCells demands valid cells of a column, where the table has it.
func (l *List) checkCells(column oci.Column, heading string, valid func(cell string) bool) error {
	if column == oci.NoColumn {
		return nil
	}
	for row := range l.table.Rows() {
		if cell := row.Cell(column); !valid(cell) {
			return errcode.Because(errcode.PlatformError,
				fmt.Errorf("translate: a cell of column %q holds %.32q", heading, cell))
		}
	}
	return nil
}

// roomForRow is more than a row takes, in bytes. One that takes more is written
// as well, but not without an allocation.
const roomForRow = 4 << 10

// WriteJSON writes the list, to the byte as encoding/json would without its
// escaping of HTML: with a line feed at the end. The rows go straight from the
// table into w's own buffer, which is flushed when it is full, but not at the
// end: as long as nothing was flushed, w.Buffered is the list's length. An
// error is w's, and ends the writing.
func (l *List) WriteJSON(w *bufio.Writer) error {
	head := append(w.AvailableBuffer(), `{"`...)
	head = append(head, l.name...)
	if _, err := w.Write(append(head, `":[`...)); err != nil {
		return err
	}
	comma := ""
	for row := range l.table.Rows() {
		if w.Available() < roomForRow {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		b := append(w.AvailableBuffer(), comma...)
		if _, err := w.Write(l.appendRow(b, row)); err != nil {
			return err
		}
		comma = ","
	}
	_, err := w.WriteString("]}\n")
	return err
}

func (l *List) appendRow(b []byte, row oci.Row) []byte {
	before := byte('{')
	for i, column := range l.columns {
		f, cell := &l.fields[i], row.Cell(column)
		if f.kind == department && cell == "" {
			continue
		}
		b = append(b, before, '"')
		b = append(b, f.key...)
		b = append(b, '"', ':')
		b = l.appendValue(b, f.kind, column, cell)
		before = ','
	}
	return append(b, '}')
}

func (l *List) appendValue(b []byte, as kind, column oci.Column, cell string) []byte {
	switch as {
	case phoneNumber:
		b = append(b, '"')
		b = appendCanonical(b, cell)
		return append(b, '"')
	case boolean:
		return strconv.AppendBool(b, cell == "true")
	case department:
		return l.appendDepartment(b, cell)
	case groupID:
		if column == oci.NoColumn {
			cell = l.group.GroupID
		}
	}
	return appendString(b, cell)
}
