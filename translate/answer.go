package translate

import (
	"bufio"
	"context"
	"strconv"

	"ocigate/oci"
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
// refusal. The rows of a table are identified by the first field of the list's
// entries. Errors are as those of ListAnswer.
func (e *Engine) ReplyAnswer(ctx context.Context, target scope.Target, shape *Shape, reply oci.Reply) (*Answer, error) {
	values, err := valuesIn(reply, shape, target)
	if err != nil {
		return nil, err
	}
	return e.named(ctx, &Answer{shape: shape, values: values, target: target})
}

// WriteJSON implements [Body]. Rows go straight from the table into w's own
// buffer.
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
	case Integer:
		whole, _ := strconv.ParseInt(text, 10, 64) // which was checked
		return strconv.AppendInt(b, whole, 10)
	}
	return appendString(b, text)
}
