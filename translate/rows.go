package translate

import (
	"bufio"
	"fmt"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// rows are the entries of a list, read from a table.
type rows struct {
	fields  []Field
	columns []oci.Column // of the fields, in their order
	group   oci.Column   // of the row's group, for a field of kind EnterpriseDepartment
	table   *oci.Table
	objects map[int]*rows // by the index of the field: objects made of cells of the same row
}

// newRows returns the rows of a table, whose cells it checks.
func newRows(item *Shape, table *oci.Table) (rows, error) {
	r := rows{fields: item.Fields, columns: make([]oci.Column, len(item.Fields)), group: oci.NoColumn, table: table}
	for i := range r.fields {
		f := &r.fields[i]
		r.columns[i] = oci.NoColumn
		switch f.Kind {
		case Object:
			object, err := newRows(f.Item, table)
			if err != nil {
				return rows{}, err
			}
			if r.objects == nil {
				r.objects = map[int]*rows{}
			}
			r.objects[i] = &object
			continue
		case EnterpriseDepartment:
			r.group = table.Column(groupIDHeading)
		}
		r.columns[i] = table.Column(f.Source)
		if err := r.checkCells(r.columns[i], f); err != nil {
			return rows{}, err
		}
	}
	return r, nil
}

// checkCells checks the cells of a field's column. If the table does not have the
// column, each cell counts as empty.
func (r *rows) checkCells(column oci.Column, f *Field) error {
	valid := validTexts[f.Kind]
	mayBeEmpty := f.Nullable || f.Kind == Integer && f.Optional
	switch {
	case valid == nil:
		return nil
	case column == oci.NoColumn && (f.Kind != Integer || mayBeEmpty):
		return nil
	}
	for row := range r.table.Rows() {
		if cell := row.Cell(column); !valid(cell) && (cell != "" || !mayBeEmpty) {
			return errcode.Wrap(errcode.PlatformError,
				fmt.Errorf("translate: a cell of column %q has the invalid value %.32q", f.Source, cell))
		}
	}
	return nil
}

// roomForRow is more than a row takes, in bytes. A row that takes more is written
// as well, with an allocation.
const roomForRow = 4 << 10

func (a *Answer) writeRows(w *bufio.Writer, r *rows) error {
	if _, err := w.WriteString("["); err != nil {
		return err
	}
	comma := ""
	for row := range r.table.Rows() {
		if err := a.writeRow(w, comma, r, row); err != nil {
			return err
		}
		comma = ","
	}
	_, err := w.WriteString("]")
	return err
}

// writeRow writes the object of a row after a comma or nothing.
func (a *Answer) writeRow(w *bufio.Writer, comma string, r *rows, row oci.Row) error {
	if w.Available() < roomForRow {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	b := append(w.AvailableBuffer(), comma...)
	_, err := w.Write(a.appendRow(b, r, row))
	return err
}

func (a *Answer) appendRow(b []byte, r *rows, row oci.Row) []byte {
	before := byte('{')
	for i, column := range r.columns {
		f, cell := &r.fields[i], row.Cell(column)
		if f.Kind == Object {
			if object := r.objects[i]; !f.Optional || !object.areEmpty(row) {
				b = a.appendObject(appendKey(b, before, f.Key), f, object, row)
				before = ','
			}
			continue
		}
		if f.isAbsent(column, cell) {
			continue
		}
		b = appendKey(b, before, f.Key)
		switch {
		case f.Nullable && cell == "":
			b = append(b, "null"...)
		case f.Kind == EnterpriseDepartment:
			groupID, name := parseEnterpriseDepartment(cell, row.Cell(r.group))
			b = a.appendDepartment(b, groupID, name, cell)
		case f.Kind == GroupID && column == oci.NoColumn:
			b = a.appendValue(b, f, a.target.GroupID)
		default:
			b = a.appendValue(b, f, cell)
		}
		before = ','
	}
	if before == '{' {
		b = append(b, '{')
	}
	return append(b, '}')
}

// appendObject appends an object that is made of cells of a row.
func (a *Answer) appendObject(b []byte, f *Field, object *rows, row oci.Row) []byte {
	if f.Nullable && object.areEmpty(row) {
		return append(b, "null"...)
	}
	return a.appendRow(b, object, row)
}

// areEmpty reports whether all cells of the fields are empty.
func (r *rows) areEmpty(row oci.Row) bool {
	for i, column := range r.columns {
		if row.Cell(column) != "" {
			return false
		}
		if object := r.objects[i]; object != nil && !object.areEmpty(row) {
			return false
		}
	}
	return true
}

// isAbsent reports whether the field is absent in the object of a row.
func (f *Field) isAbsent(column oci.Column, cell string) bool {
	switch f.Kind {
	case Department, EnterpriseDepartment:
		return cell == "" && !f.Nullable
	case Integer:
		if cell == "" && !f.Nullable {
			return true
		}
	}
	return f.Optional && column == oci.NoColumn
}
