package translate

import (
	"fmt"
	"iter"
	"strconv"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// An answerValue is the value of one field, read from elements. If it is neither
// absent nor null, it has a text, rows or parts.
type answerValue struct {
	absent, null bool
	text         string
	rows         rows          // without a table unless it is a list of rows
	parts        []answerValue // if not nil: of an object, by its fields, or the entries of a list
}

func (v *answerValue) isTable() bool { return v.rows.table != nil }

// A holder has elements: it is a reply, or an element of one.
type holder interface {
	Name() string
	Element(name string) (element oci.ReplyElement, present bool, err error)
	Elements(name string) iter.Seq[oci.ReplyElement]
}

// valuesIn reads the fields of an object.
func valuesIn(in holder, s *Shape, target scope.Target) ([]answerValue, error) {
	values := make([]answerValue, len(s.Fields))
	for i := range s.Fields {
		var err error
		if values[i], err = valueIn(in, &s.Fields[i], target); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// valueIn reads one field.
func valueIn(in holder, f *Field, target scope.Target) (answerValue, error) {
	if f.Kind == List && (f.Repeated || f.Each != nil) {
		return entriesIn(in, f, target)
	}
	element, present, err := in.Element(f.Source)
	switch {
	case err != nil:
		return answerValue{}, errcode.Wrap(errcode.PlatformError, err)
	case !present:
		return absentValue(in, f, target)
	case element.IsNil() && f.Nullable:
		return answerValue{null: true}, nil
	case f.Kind == List:
		return rowsIn(in, f, element)
	case f.Kind == Object:
		parts, err := valuesIn(element, f.Item, target)
		return answerValue{parts: parts}, err
	}
	return textIn(f, element)
}

// absentValue returns the value of a field whose element is absent.
func absentValue(in holder, f *Field, target scope.Target) (answerValue, error) {
	switch {
	case f.Optional:
		return answerValue{absent: true}, nil
	case f.Nullable:
		return answerValue{null: true}, nil
	case f.Kind == Department:
		return answerValue{absent: true}, nil
	case f.Kind == GroupID:
		return answerValue{text: target.GroupID}, nil
	}
	return answerValue{}, errcode.Wrap(errcode.PlatformError, fmt.Errorf("translate: %s has no element %s", in.Name(), f.Source))
}

// entriesIn reads a list whose entries are the elements of one name.
func entriesIn(in holder, f *Field, target scope.Target) (answerValue, error) {
	entries := []answerValue{}
	for element := range in.Elements(f.Source) {
		var entry answerValue
		var err error
		if f.Each != nil {
			entry, err = textIn(f.Each, element)
		} else {
			entry.parts, err = valuesIn(element, f.Item, target)
		}
		if err != nil {
			return answerValue{}, err
		}
		entries = append(entries, entry)
	}
	return answerValue{parts: entries}, nil
}

// rowsIn reads a list whose entries are the rows of a table.
func rowsIn(in holder, f *Field, element oci.ReplyElement) (answerValue, error) {
	table, err := element.Table()
	if err != nil {
		return answerValue{}, errcode.Wrap(errcode.PlatformError, err)
	}
	key := &f.Item.Fields[0]
	if err := checkTable(table, in.Name(), f.Source, key.Source, key.Kind); err != nil {
		return answerValue{}, err
	}
	list, err := newRows(f.Item, table)
	return answerValue{rows: list}, err
}

// textIn reads a value that is one text of the platform. If the text does not fit
// the kind of the field, the error names the element.
func textIn(f *Field, element oci.ReplyElement) (answerValue, error) {
	text, err := element.Text(), error(nil)
	switch f.Kind {
	case Boolean:
		var is bool
		is, err = element.Bool()
		text = strconv.FormatBool(is)
	case Department:
		return answerValue{absent: text == "", text: text}, nil
	default:
		if valid := validTexts[f.Kind]; valid != nil && !valid(text) {
			err = fmt.Errorf("translate: element %s has the invalid value %.32q", element.Name(), text)
		}
	}
	if err != nil {
		return answerValue{}, errcode.Wrap(errcode.PlatformError, err)
	}
	return answerValue{text: text}, nil
}

// validTexts reports, by kind, whether the text of an element or a cell is valid.
// A kind that is not listed takes any text.
var validTexts = map[Kind]func(text string) bool{
	Boolean:     func(text string) bool { return text == "true" || text == "false" },
	PhoneNumber: func(text string) bool { return text == "" || hasDigits(text) }, // a user may have no number
	Integer: func(text string) bool {
		_, err := strconv.ParseInt(text, 10, 64)
		return err == nil
	},
}
