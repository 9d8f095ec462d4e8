package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"ocigate/translate/errcode"
)

const (
	// maxEntries bounds a list in a body, and with it the document to the
	// platform (about 60 bytes an entry).
	maxEntries = 10_000
	// maxProblems bounds what an error tells, so that a body cannot make an
	// answer many times its own size.
	maxProblems = 100
)

// findings collects what is wrong with a request.
type findings struct {
	problems []errcode.Problem
	formless bool // a problem of form is among them
}

// malformed notes a body that does not have the documented form.
func (f *findings) malformed(pointer, reason string) {
	f.formless = true
	f.invalid(pointer, reason)
}

// invalid notes a value that is not valid where the form is right. Of many
// problems only as many are kept as anybody would read.
func (f *findings) invalid(pointer, reason string) {
	switch {
	case len(f.problems) < maxProblems:
		f.problems = append(f.problems, errcode.Problem{Pointer: pointer, Reason: reason})
	case len(f.problems) == maxProblems:
		f.problems = append(f.problems, errcode.Problem{Reason: "has more problems, which are not listed"})
	}
}

// err is the error that tells them all.
func (f *findings) err() error {
	switch {
	case f.formless:
		return errcode.Invalid(errcode.JSONSchemaValidation, f.problems...)
	case len(f.problems) > 0:
		return errcode.Invalid(errcode.InvalidParameters, f.problems...)
	}
	return nil
}

// body reads the body of a request, which must be an object: see object.
func (f *findings) body(raw []byte, required, optional []string) map[string]json.RawMessage {
	if !utf8.Valid(raw) {
		f.malformed("", "must be valid UTF-8")
		return nil
	}
	return f.object(raw, "", required, optional)
}

// object reads an object that must have some keys, may have others, and no
// more than these. The result holds the first value of each.
func (f *findings) object(raw json.RawMessage, at string, required, optional []string) map[string]json.RawMessage {
	if !f.is("an object", raw, at) {
		return nil
	}
	keys := slices.Concat(required, optional)
	var inOrder members
	if !f.unmarshal(raw, at, &inOrder) {
		return nil
	}
	values := make(map[string]json.RawMessage, len(keys))
	for _, m := range inOrder {
		_, twice := values[m.key]
		switch {
		case !slices.Contains(keys, m.key):
			f.malformed(at+"/"+escapePointer(m.key), "is not a key here; the keys, in this letter case, are: "+strings.Join(keys, ", "))
		case twice:
			f.malformed(at+"/"+m.key, "must be given once")
		default:
			values[m.key] = m.value
		}
	}
	for _, key := range required {
		if _, ok := values[key]; !ok {
			f.malformed(at+"/"+key, "is missing")
		}
	}
	return values
}

// list reads a list of 1 to maxEntries elements. A nil raw is one whose absence
// is noted already.
func (f *findings) list(raw json.RawMessage, at string) []json.RawMessage {
	var elements []json.RawMessage
	if raw == nil || !f.is("a list", raw, at) || !f.unmarshal(raw, at, &elements) {
		return nil
	}
	if len(elements) == 0 {
		f.malformed(at, "must not be empty")
	}
	if len(elements) > maxEntries {
		f.malformed(at, fmt.Sprintf("must not hold more than %d entries", maxEntries))
		return nil
	}
	return elements
}

// text reads a string of 1 to limit characters. It is empty where raw is nil or
// at fault.
func (f *findings) text(raw json.RawMessage, at string, limit int) string {
	var s string
	if raw == nil || !f.is("a string", raw, at) || !f.unmarshal(raw, at, &s) {
		return ""
	}
	switch length := utf8.RuneCountInString(s); {
	case strings.ContainsRune(s, utf8.RuneError):
		// encoding/json puts U+FFFD in the place of half a surrogate pair.
		f.malformed(at, "must not hold half a surrogate pair or U+FFFD")
	case length < 1 || length > limit:
		f.malformed(at, fmt.Sprintf("must have 1 to %d characters", limit))
	default:
		return s
	}
	return ""
}

// number reads a string that is a phone number or prefix, likewise.
func (f *findings) number(raw json.RawMessage, at string) string {
	s := f.text(raw, at, maxNumberLength)
	if s != "" && !isNumber(s) {
		f.invalid(at, "must be an optional + and digits, with dashes and blanks only between them")
		return ""
	}
	return s
}

// is notes a value of another kind.
func (f *findings) is(kind string, raw []byte, at string) bool {
	if is := kindOf(raw); is != kind {
		f.malformed(at, fmt.Sprintf("must be %s, not %s", kind, is))
		return false
	}
	return true
}

// unmarshal notes a text that is not JSON. Only the body as a whole can be one:
// its parts are read when that is known to be JSON.
func (f *findings) unmarshal(raw []byte, at string, into any) bool {
	err := json.Unmarshal(raw, into)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		f.malformed(at, fmt.Sprintf("must be JSON and nothing else, but at byte %d: %v", syntax.Offset, err))
	} else if err != nil {
		f.malformed(at, fmt.Sprintf("must be JSON: %v", err))
	}
	return err == nil
}

// kindOf tells what a JSON text is by its first character.
func kindOf(raw []byte) string {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// members are the keys and values of an object, in its own order and with what
// stands in it twice.
type members []member

type member struct {
	key   string
	value json.RawMessage
}

// maxMembers is how many members of an object are looked at: enough for all
// the problems that are told.
const maxMembers = maxProblems + 10

// UnmarshalJSON reads an object, but for members that are far too many.
func (m *members) UnmarshalJSON(object []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil { // its opening brace
		return err
	}
	for decoder.More() && len(*m) <= maxMembers {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		key, _ := token.(string)
		*m = append(*m, member{key, value})
	}
	return nil
}

// maxKeyInProblem is how much of a key is repeated to the caller, in bytes.
const maxKeyInProblem = 64

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer writes a key as RFC 6901 wants it in a JSON pointer. No key of
// ours is so long that it would be cut short.
func escapePointer(key string) string {
	if len(key) > maxKeyInProblem {
		key = strings.ToValidUTF8(key[:maxKeyInProblem], "") + "…"
	}
	return pointerEscapes.Replace(key)
}
