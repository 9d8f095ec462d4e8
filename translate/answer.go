package translate

import (
	"bufio"
	"context"
	"strconv"

	"ocigate/oci"
	"ocigate/translate/scope"
)

// An Answer is the [Body] of a response that is read from the platform: a JSON
// object whose values are elements of a reply, or rows of a table in one.
// [Records] is the other implementation. The reply is checked before an Answer is
// made.
type Answer struct {
	shape  *Shape
	values []answerValue // by the shape's fields
	target scope.Target
	names  departmentNames // of the paths that contain the separator

	list [1]answerValue // backs values if the shape has one field
}

// ListAnswer returns an answer whose shape has one field, a list of the table's
// rows. It may send one more read, for the names of departments. Errors are of
// type [*errcode.Error], or wrap the Reader's.
func (e *Engine) ListAnswer(ctx context.Context, target scope.Target, shape *Shape, table *oci.Table) (*Answer, error) {
	a, err := newList(target, shape, table)
	if err != nil {
		return nil, err
	}
	return e.withDepartmentNames(ctx, a)
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

// ReplyAnswer returns an answer whose fields are elements of a reply, which must
// not be an error of the platform. The rows of a table are identified by the
// first field of the list's entries. It reads and fails as [Engine.ListAnswer]
// does.
func (e *Engine) ReplyAnswer(ctx context.Context, target scope.Target, shape *Shape, reply oci.Reply) (*Answer, error) {
	values, err := valuesIn(reply, shape, target)
	if err != nil {
		return nil, err
	}
	return e.withDepartmentNames(ctx, &Answer{shape: shape, values: values, target: target})
}

// WriteJSON implements [Body]. It writes rows directly from the table into w's
// own buffer.
func (a *Answer) WriteJSON(w *bufio.Writer) error {
	if err := a.writeObject(w, a.shape, a.values); err != nil {
		return err
	}
	return w.WriteByte('\n')
}

// writeObject writes an object that is read from elements.
func (a *Answer) writeObject(w *bufio.Writer, s *Shape, values []answerValue) error {
	before := byte('{')
	for i := range values {
		f, value := &s.Fields[i], &values[i]
		if value.absent {
			continue
		}
		if _, err := w.Write(appendKey(w.AvailableBuffer(), before, f.Key)); err != nil {
			return err
		}
		if err := a.writeValue(w, f, value); err != nil {
			return err
		}
		before = ','
	}
	end := "}"
	if before == '{' {
		end = "{}"
	}
	_, err := w.WriteString(end)
	return err
}

func (a *Answer) writeValue(w *bufio.Writer, f *Field, value *answerValue) error {
	switch {
	case value.null:
		_, err := w.WriteString("null")
		return err
	case value.isTable():
		return a.writeRows(w, &value.rows)
	case f.Kind == List:
		return a.writeEntries(w, f, value.parts)
	case f.Kind == Object:
		return a.writeObject(w, f.Item, value.parts)
	}
	_, err := w.Write(a.appendValue(w.AvailableBuffer(), f, value.text))
	return err
}

// writeEntries writes a list that is read from elements of one name.
func (a *Answer) writeEntries(w *bufio.Writer, f *Field, entries []answerValue) error {
	before := byte('[')
	for i := range entries {
		if err := w.WriteByte(before); err != nil {
			return err
		}
		var err error
		if f.Each != nil {
			err = a.writeValue(w, f.Each, &entries[i])
		} else {
			err = a.writeObject(w, f.Item, entries[i].parts)
		}
		if err != nil {
			return err
		}
		before = ','
	}
	end := "]"
	if before == '[' {
		end = "[]"
	}
	_, err := w.WriteString(end)
	return err
}

func appendKey(b []byte, before byte, key string) []byte {
	b = append(b, before, '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

func (a *Answer) appendValue(b []byte, f *Field, text string) []byte {
	if f.Kind == Department {
		return a.appendDepartment(b, a.target.GroupID, a.names.nameOf(text), text)
	}
	return appendText(b, f.Kind, text)
}

// appendText appends the JSON of a platform text of that kind.
func appendText(b []byte, kind Kind, text string) []byte {
	switch kind {
	case PhoneNumber:
		b = append(b, '"')
		b = AppendCanonical(b, text)
		return append(b, '"')
	case Boolean:
		return strconv.AppendBool(b, text == "true")
	case Integer:
		whole, _ := strconv.ParseInt(text, 10, 64) // checked before
		return strconv.AppendInt(b, whole, 10)
	}
	return appendString(b, text)
}
