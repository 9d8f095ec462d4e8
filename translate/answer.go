package translate

import (
	"bufio"
	"context"
	"fmt"
	"strconv"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// Answer is the body of an answer: a JSON object that is read from a reply, or
// from a table of one. Whatever can be wrong with the reply was found before there
// is an Answer.
type Answer struct {
	shape  *Shape
	values []answerValue // by the shape's fields
	target scope.Target
	names  departmentNames // of the paths that do not say it themselves

	list [1]answerValue // the values of most answers
}

// answerValue is the value of one field: a text, a boolean, or the rows of a list.
type answerValue struct {
	absent bool
	text   string
	rows   rows // without a table where it is none
}

func (v *answerValue) isList() bool { return v.rows.table != nil }

// rows are the entries of a list.
type rows struct {
	fields  []Field
	columns []oci.Column // of the fields, in their order
	group   oci.Column   // of the row's group, where a field of kind EnterpriseDepartment needs it
	table   *oci.Table
}

// ListAnswer is an answer whose shape has one field, a list of the table's rows.
// Department names may take one more reading. Errors are of type
// [*errcode.Error], or wrap the Reader's.
func (e *Engine) ListAnswer(ctx context.Context, target scope.Target, shape *Shape, table *oci.Table) (*Answer, error) {
	a, err := newList(target, shape, table)
	if err != nil {
		return nil, err
	}
	return e.named(ctx, a)
}

func newList(target scope.Target, shape *Shape, table *oci.Table) (*Answer, error) {
	list, err := newRows(shape.Fields[0].Item, table)
	if err != nil {
		return nil, err
	}
	a := &Answer{shape: shape, target: target, list: [1]answerValue{{rows: list}}}
	a.values = a.list[:]
	return a, nil
}

// ReplyAnswer is an answer whose fields are elements of a reply that is no
// refusal: texts, booleans, and lists of the rows of tables, whose first field
// identifies a row. An element of an optional field may be absent.
func (e *Engine) ReplyAnswer(ctx context.Context, target scope.Target, shape *Shape, reply oci.Reply) (*Answer, error) {
	a := &Answer{shape: shape, values: make([]answerValue, len(shape.Fields)), target: target}
	for i, f := range shape.Fields {
		value, err := valueIn(reply, f)
		if err != nil {
			return nil, err
		}
		if value.absent && !f.Optional {
			return nil, errcode.Because(errcode.PlatformError, fmt.Errorf("translate: %s has no element %s", reply.Name(), f.Source))
		}
		a.values[i] = value
	}
	return e.named(ctx, a)
}

// valueIn reads a field from a reply.
func valueIn(reply oci.Reply, f Field) (answerValue, error) {
	if f.Kind == List {
		if _, present, err := reply.Element(f.Source); f.Optional && !present && err == nil {
			return answerValue{absent: true}, nil
		}
		key := f.Item.Fields[0]
		table, err := TableOf(reply, f.Source, key.Source, key.Kind)
		if err != nil {
			return answerValue{}, err
		}
		list, err := newRows(f.Item, table)
		return answerValue{rows: list}, err
	}
	text, present, err := reply.Text(f.Source)
	if err == nil && present && f.Kind == Boolean {
		var is bool
		is, _, err = reply.Bool(f.Source)
		text = strconv.FormatBool(is)
	}
	if err == nil && f.Kind == PhoneNumber && !isPhoneNumberOrEmpty(text) {
		err = fmt.Errorf("translate: element %s holds %.32q", f.Source, text)
	}
	if err != nil {
		return answerValue{}, errcode.Because(errcode.PlatformError, err)
	}
	return answerValue{absent: !present, text: text}, nil
}

// newRows checks the cells of a table.
func newRows(item *Shape, table *oci.Table) (rows, error) {
	r := rows{fields: item.Fields, columns: make([]oci.Column, len(item.Fields)), group: oci.NoColumn, table: table}
	for i := range r.fields {
		f := &r.fields[i]
		r.columns[i] = table.Column(f.Source)
		if f.Kind == EnterpriseDepartment {
			r.group = table.Column(groupIDHeading)
		}
		if valid := validCells[f.Kind]; valid != nil {
			if err := r.checkCells(r.columns[i], f.Source, valid); err != nil {
				return rows{}, err
			}
		}
	}
	return r, nil
}

// validCells report whether a cell is of a kind. What is not listed may hold
// anything.
var validCells = map[Kind]func(cell string) bool{
	Boolean:     func(cell string) bool { return cell == "true" || cell == "false" },
	PhoneNumber: isPhoneNumberOrEmpty,
}

// isPhoneNumberOrEmpty: a user may have no number.
func isPhoneNumberOrEmpty(cell string) bool { return cell == "" || hasDigits(cell) }

// checkCells demands valid cells of a column, where the table has it.
func (r *rows) checkCells(column oci.Column, heading string, valid func(cell string) bool) error {
	if column == oci.NoColumn {
		return nil
	}
	for row := range r.table.Rows() {
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

// WriteJSON implements [Body]. Rows go straight from the table into w's own
// buffer.
func (a *Answer) WriteJSON(w *bufio.Writer) error {
	before := byte('{')
	for i := range a.values {
		f, value := &a.shape.Fields[i], &a.values[i]
		if value.absent {
			continue
		}
		b := appendKey(w.AvailableBuffer(), before, f.Key)
		if !value.isList() {
			b = a.appendValue(b, f, value.text)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		if value.isList() {
			if err := a.writeRows(w, &value.rows); err != nil {
				return err
			}
		}
		before = ','
	}
	end := "}\n"
	if before == '{' {
		end = "{}\n"
	}
	_, err := w.WriteString(end)
	return err
}

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

func appendKey(b []byte, before byte, key string) []byte {
	b = append(b, before, '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

func (a *Answer) appendRow(b []byte, r *rows, row oci.Row) []byte {
	before := byte('{')
	for i, column := range r.columns {
		f, cell := &r.fields[i], row.Cell(column)
		if f.isAbsent(column, cell) {
			continue
		}
		b = appendKey(b, before, f.Key)
		switch {
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
	return append(b, '}')
}

// isAbsent reports whether a row does not have the field.
func (f *Field) isAbsent(column oci.Column, cell string) bool {
	switch f.Kind {
	case Department, EnterpriseDepartment:
		return cell == ""
	}
	return f.Optional && column == oci.NoColumn
}

func (a *Answer) appendValue(b []byte, f *Field, text string) []byte {
	if f.Kind == Department {
		return a.appendDepartment(b, a.target.GroupID, a.names.of(text), text)
	}
	return appendText(b, f.Kind, text)
}

// appendText appends the value that a text of the platform is, as of its kind.
func appendText(b []byte, kind Kind, text string) []byte {
	switch kind {
	case PhoneNumber:
		b = append(b, '"')
		b = AppendCanonical(b, text)
		return append(b, '"')
	case Boolean:
		return strconv.AppendBool(b, text == "true")
	}
	return appendString(b, text)
}
