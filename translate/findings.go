package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"ocigate/translate/errcode"
)

const (
	// MaxEntries is the most that a list in a request should take: it bounds the
	// document to the platform, at about 60 bytes an entry.
	MaxEntries = 10_000
	// maxProblems bounds what an error tells, so that a body cannot make an
	// answer many times its own size.
	maxProblems = 100
)

// Problems collects what is wrong with a body.
type Problems []errcode.Problem

// Add notes a problem at the place of a JSON pointer. Of many problems only as many
// are kept as anybody would read.
func (p *Problems) Add(pointer, reason string) {
	switch {
	case len(*p) < maxProblems:
		*p = append(*p, errcode.Problem{Pointer: pointer, Reason: reason})
	case len(*p) == maxProblems:
		*p = append(*p, errcode.Problem{Reason: "has more problems, which are not listed"})
	}
}

// findings collects what is wrong with a body, and how the error is to be named.
type findings struct {
	problems Problems
	formless bool // a problem of form is among them
}

// malformed notes a body that does not have the documented form.
func (f *findings) malformed(pointer, reason string) {
	f.formless = true
	f.problems.Add(pointer, reason)
}

// invalid notes a value that is not valid where the form is right.
func (f *findings) invalid(pointer, reason string) { f.problems.Add(pointer, reason) }

// err is the error that names them all.
func (f *findings) err() error {
	switch {
	case f.formless:
		return errcode.Invalid(errcode.JSONSchemaValidation, f.problems...)
	case len(f.problems) > 0:
		return errcode.Invalid(errcode.InvalidParameters, f.problems...)
	}
	return nil
}

// is notes a value of another kind.
func (f *findings) is(kind string, raw []byte, at string) bool {
	if is := kindOf(raw); is != kind {
		f.malformed(at, fmt.Sprintf("must be %s, not %s", kind, is))
		return false
	}
	return true
}

// isOf notes a value that is not of the field's kind, and names null where the
// field takes that.
func (f *findings) isOf(kind string, raw []byte, at string, field *Field) bool {
	is := kindOf(raw)
	if is == kind {
		return true
	}
	if field.Nullable {
		kind += " or null"
	}
	f.malformed(at, fmt.Sprintf("must be %s, not %s", kind, is))
	return false
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
