package translate

import (
	"fmt"
	"iter"
	"strconv"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// answerValue is the value of one field of an object that is read from elements.
// One that is neither absent nor null is a text, or has rows or parts.
type answerValue struct {
	absent, null bool
	text         string
	rows         rows          // without a table where it is no list of a table's rows
	parts        []answerValue // not nil: of an object, by its fields; else the entries of a list
}

func (v *answerValue) isTable() bool { return v.rows.table != nil }

// holder is what elements are in: a reply, or an element of one.
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

// valueIn reads a field.
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

// absentValue is the value of a field that has no element.
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

// entriesIn reads a list whose entries are elements of one name.
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

// textIn reads a value that is a text of the platform. The error of a text that is
// not of the field's kind names the element.
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
			err = fmt.Errorf("translate: element %s holds %.32q", element.Name(), text)
		}
	}
	if err != nil {
		return answerValue{}, errcode.Wrap(errcode.PlatformError, err)
	}
	return answerValue{text: text}, nil
}

// validTexts report whether a text of the platform, of an element or a cell, is of a
// kind. What is not listed may be anything.
var validTexts = map[Kind]func(text string) bool{
	Boolean:     func(text string) bool { return text == "true" || text == "false" },
	PhoneNumber: func(text string) bool { return text == "" || hasDigits(text) }, // a user may have none
	Integer: func(text string) bool {
		_, err := strconv.ParseInt(text, 10, 64)
		return err == nil
	},
}
