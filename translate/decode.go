package translate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"ocigate/translate/errcode"
)

const notAnObject = "The body must be a JSON object."

// An Input is an object of a request body, decoded by its [Shape]. Its methods
// return the values of its members by their keys, and panic for a key that the
// shape does not have.
type Input struct {
	shape  *Shape
	values []input // by the shape's fields
}

// input is the value of one member.
type input struct {
	given  bool // with a value other than null
	null   bool
	text   string
	flag   bool
	number int
	texts  []string // of a list of texts
	items  []Input  // of a list of objects, or of an object, which has one
}

// Decode decodes a request body strictly: no unknown key, no key twice, no value
// of another kind, nothing after the object. The error is of type
// [*errcode.Error] and lists all problems of the body: BadMediaType for a body
// that is not an object, JSONSchemaValidation if its form is wrong, and
// InvalidParameters if only its values are.
//
// Nesting deeper than the shape declares is not decoded, so the depth needs no
// limit besides that of encoding/json.
func (s *Shape) Decode(body []byte) (Input, error) { return s.decode(body, MaxEntries) }

// decode decodes a body that may have that many entries in all its lists together.
func (s *Shape) decode(body []byte, maxEntries int) (Input, error) {
	if err := checkEncoding(body); err != nil {
		return Input{}, err
	}
	if kindOf(body) != "an object" {
		return Input{}, &errcode.Error{Code: errcode.BadMediaType, Message: notAnObject}
	}
	found := findings{maxEntries: maxEntries}
	if !utf8.Valid(body) {
		found.malformed("", "must be valid UTF-8")
		return Input{}, found.err()
	}
	decoded := found.object(body, "", s)
	if err := found.err(); err != nil {
		return Input{}, err
	}
	return decoded, nil
}

func (in Input) value(key string) *input {
	i := in.shape.field(key)
	if i < 0 {
		panic("translate: the shape has no field " + key)
	}
	return &in.values[i]
}

// Has reports whether the request has the key, with a value other than null.
func (in Input) Has(key string) bool { return in.value(key).given }

// IsNull reports whether the value of the key is null.
func (in Input) IsNull(key string) bool { return in.value(key).null }

// Text returns a text, phone number or prefix as the caller wrote it, or "" if it
// is absent.
func (in Input) Text(key string) string { return in.value(key).text }

// Bool returns a boolean, or false if it is absent.
func (in Input) Bool(key string) bool { return in.value(key).flag }

// Integer returns an integer, or 0 if it is absent.
func (in Input) Integer(key string) int { return in.value(key).number }

// Texts returns the entries of a list of texts, phone numbers or prefixes, as the
// caller wrote them.
func (in Input) Texts(key string) []string { return in.value(key).texts }

// List returns the entries of a list of objects.
func (in Input) List(key string) []Input { return in.value(key).items }

// Object returns an object. It panics if the object is absent.
func (in Input) Object(key string) Input { return in.value(key).items[0] }

// object decodes an object. Members with problems are left out.
func (f *findings) object(raw json.RawMessage, at string, s *Shape) Input {
	in := Input{s, make([]input, len(s.Fields))}
	texts, ok := f.members(raw, at, s)
	if !ok {
		return in
	}
	for i := range s.Fields {
		field := &s.Fields[i]
		if texts[i] == nil {
			continue
		}
		pointer := at + "/" + field.Key
		in.values[i] = f.value(texts[i], pointer, field)
		if field.NotBelow == "" {
			continue
		}
		if least := in.Text(field.NotBelow); least != "" && in.values[i].given && isBelow(in.values[i].text, least) {
			f.invalid(pointer, "must not be below "+field.NotBelow)
		}
	}
	return in
}

// members returns the JSON of an object's fields, nil for each that is absent. Of
// a repeated key it returns the first value.
func (f *findings) members(raw json.RawMessage, at string, s *Shape) ([]json.RawMessage, bool) {
	var inOrder members
	if !f.requireKind("an object", raw, at) || !f.unmarshal(raw, at, &inOrder) {
		return nil, false
	}
	texts := make([]json.RawMessage, len(s.Fields))
	for _, m := range inOrder {
		switch i := s.field(m.key); {
		case i < 0:
			f.malformed(at+"/"+escapePointer(m.key), "is not a key here; the keys, in this letter case, are: "+strings.Join(s.keys(), ", "))
		case texts[i] != nil:
			f.malformed(at+"/"+m.key, "must be given once")
		default:
			texts[i] = m.value
		}
	}
	for i, field := range s.Fields {
		if texts[i] == nil && !field.Optional {
			f.malformed(at+"/"+field.Key, "is missing")
		}
	}
	return texts, true
}

// keys returns the required keys, then the optional ones.
func (s *Shape) keys() []string {
	var required, optional []string
	for _, field := range s.Fields {
		if field.Optional {
			optional = append(optional, field.Key)
		} else {
			required = append(required, field.Key)
		}
	}
	return slices.Concat(required, optional)
}

// value decodes the value of a field. A value with problems is left out.
func (f *findings) value(raw json.RawMessage, at string, field *Field) input {
	if field.Nullable && kindOf(raw) == "null" {
		return input{null: true}
	}
	switch field.Kind {
	case Boolean:
		flag, ok := f.boolean(raw, at, field)
		return input{given: ok, flag: flag}
	case Integer:
		number, ok := f.integer(raw, at, field)
		return input{given: ok, number: number}
	case List:
		return f.list(raw, at, field)
	case Object:
		if !f.requireFieldKind("an object", raw, at, field) {
			return input{}
		}
		return input{given: true, items: []Input{f.object(raw, at, field.Item)}}
	}
	text, ok := f.text(raw, at, field)
	return input{given: ok, text: text}
}

func (f *findings) boolean(raw json.RawMessage, at string, field *Field) (flag, ok bool) {
	ok = f.requireFieldKind("a boolean", raw, at, field) && f.unmarshal(raw, at, &flag)
	return flag, ok
}

func (f *findings) integer(raw json.RawMessage, at string, field *Field) (number int, ok bool) {
	if !f.requireFieldKind("a number", raw, at, field) {
		return 0, false
	}
	// Atoi rejects a fraction, an exponent, and a number that is too large.
	number, err := strconv.Atoi(string(raw))
	if err == nil && number >= field.Min && number <= field.Max {
		return number, true
	}
	reason := fmt.Sprintf("must be a whole number from %d to %d", field.Min, field.Max)
	if field.Unit != "" {
		reason += ", in " + field.Unit
	}
	f.malformed(at, reason)
	return 0, false
}

// text decodes a text, phone number or prefix. It returns "" for one with
// problems.
func (f *findings) text(raw json.RawMessage, at string, field *Field) (s string, ok bool) {
	if !f.requireFieldKind("a string", raw, at, field) || !f.unmarshal(raw, at, &s) {
		return "", false
	}
	switch length := utf8.RuneCountInString(s); {
	case strings.ContainsRune(s, utf8.RuneError):
		// encoding/json replaces half a surrogate pair by U+FFFD.
		f.malformed(at, "must not hold half a surrogate pair or U+FFFD")
	case length < field.Min || length > field.Max:
		f.malformed(at, fmt.Sprintf("must have %d to %d characters", field.Min, field.Max))
	case s != "" && field.Kind.isNumber() && !isNumber(s):
		f.invalid(at, "must be an optional + and digits, with dashes and blanks only between them")
	default:
		return s, true
	}
	return "", false
}

// list decodes a list. It does not decode one with more than field.Max entries, or with
// which the body has more than maxEntries.
func (f *findings) list(raw json.RawMessage, at string, field *Field) input {
	var elements []json.RawMessage
	if !f.requireFieldKind("a list", raw, at, field) || !f.unmarshal(raw, at, &elements) {
		return input{}
	}
	switch {
	case len(elements) == 0 && field.Min > 0:
		f.malformed(at, "must not be empty")
	case len(elements) < field.Min:
		f.malformed(at, fmt.Sprintf("must hold %d entries or more", field.Min))
	case len(elements) > field.Max:
		f.malformed(at, fmt.Sprintf("must not hold more than %d entries", field.Max))
		return input{}
	}
	if f.entries += len(elements); f.entries > f.maxEntries {
		f.invalid(at, fmt.Sprintf("must not hold so many entries: the request has %d, and may have %d at this gateway", f.entries, f.maxEntries))
		return input{}
	}
	if field.Each != nil {
		texts := make([]string, len(elements))
		for i, element := range elements {
			texts[i], _ = f.text(element, entryPointer(at, i), field.Each)
		}
		return input{given: true, texts: texts}
	}
	return input{given: true, items: f.objects(elements, at, field)}
}

// entryPointer returns the JSON pointer of an entry of a list.
func entryPointer(list string, entry int) string { return fmt.Sprintf("%s/%d", list, entry) }

// objects decodes the entries of a list of objects.
func (f *findings) objects(elements []json.RawMessage, at string, field *Field) []Input {
	items := make([]Input, len(elements))
	seen := map[string]int{}
	for i, element := range elements {
		items[i] = f.object(element, entryPointer(at, i), field.Item)
		if field.UniqueBy == "" {
			continue
		}
		key := items[i].uniqueKey(field.UniqueBy)
		if key == "" {
			continue
		}
		if first, twice := seen[key]; twice {
			f.invalid(entryPointer(at, i)+"/"+field.UniqueBy, fmt.Sprintf("must not be the same as %s/%d/%s", at, first, field.UniqueBy))
			continue
		}
		seen[key] = i
	}
	return items
}

// uniqueKey returns a key that is the same for every spelling of a value.
func (in Input) uniqueKey(key string) string {
	text := in.Text(key)
	if in.shape.Fields[in.shape.field(key)].Kind.isNumber() {
		return Canonical(text)
	}
	return text
}
