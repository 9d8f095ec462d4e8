package translate

import (
	"bufio"
	"fmt"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// rows are the entries of a list that is read from a table.
type rows struct {
	fields  []Field
	columns []oci.Column // of the fields, in their order
	group   oci.Column   // of the row's group, where a field of kind EnterpriseDepartment needs it
	table   *oci.Table
	objects map[int]*rows // the fields that are objects of cells of the same row, by their places
}

// newRows checks the cells of a table.
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

// checkCells demands valid cells of a field's column. Where the table does not have
// it, each cell is empty.
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
				fmt.Errorf("translate: a cell of column %q holds %.32q", f.Source, cell))
		}
	}
	return nil
}

// roomForRow is more than a row takes, in bytes. One that takes more is written
// as well, but not without an allocation.
const roomForRow = 4 << 10

func (a *Answer) writeRows(w *bufio.Writer, r *rows) error {
	if _, err := w.WriteString("["); err != nil {
		return err
	}
	comma := ""
	for row := range r.table.Rows() {
		if w.Available() < roomForRow {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		b := append(w.AvailableBuffer(), comma...)
		if _, err := w.Write(a.appendRow(b, r, row)); err != nil {
			return err
		}
		comma = ","
	}
	_, err := w.WriteString("]")
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
			groupID, name := inEnterprise(cell, row.Cell(r.group))
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

// appendObject appends an object of cells of a row.
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

// isAbsent reports whether a row does not have the field.
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
