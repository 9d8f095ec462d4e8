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
	// MaxEntries is the most entries that a list in a request should allow, and the
	// upper limit of [Options.MaxEntries]. It limits the document to the platform, at
	// about 60 bytes for each entry.
	MaxEntries = 10_000
	// maxProblems limits the problems in an error, so that a body cannot cause a
	// response many times its own size.
	maxProblems = 100
)

// Problems are the problems of a request body, for [errcode.Error.Problems].
type Problems []errcode.Problem

// Add adds a problem at a JSON pointer. After maxProblems it adds one more, which
// reports that the rest is not listed.
func (p *Problems) Add(pointer, reason string) {
	switch {
	case len(*p) < maxProblems:
		*p = append(*p, errcode.Problem{Pointer: pointer, Reason: reason})
	case len(*p) == maxProblems:
		*p = append(*p, errcode.Problem{Reason: "has more problems, which are not listed"})
	}
}

// findings collects the problems of a body and decides the code of the error.
type findings struct {
	problems       Problems
	hasFormProblem bool // a problem is one of form
	entries        int  // of the lists that were decoded
	maxEntries     int  // that they may have together
}

// malformed adds a problem of a body that does not have the documented form.
func (f *findings) malformed(pointer, reason string) {
	f.hasFormProblem = true
	f.problems.Add(pointer, reason)
}

// invalid adds a problem of a value that is invalid although its form is right.
func (f *findings) invalid(pointer, reason string) { f.problems.Add(pointer, reason) }

// err returns the error that lists all problems, or nil if there are none.
func (f *findings) err() error {
	switch {
	case f.hasFormProblem:
		return errcode.Invalid(errcode.JSONSchemaValidation, f.problems...)
	case len(f.problems) > 0:
		return errcode.Invalid(errcode.InvalidParameters, f.problems...)
	}
	return nil
}

// requireKind adds a problem if the value is of another kind, and reports whether
// it is of that kind.
func (f *findings) requireKind(kind string, raw []byte, at string) bool {
	if is := kindOf(raw); is != kind {
		f.malformed(at, fmt.Sprintf("must be %s, not %s", kind, is))
		return false
	}
	return true
}

// requireFieldKind is like requireKind. Its problem also names null if the field
// allows it.
func (f *findings) requireFieldKind(kind string, raw []byte, at string, field *Field) bool {
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

// unmarshal adds a problem if the text is not JSON. That can only be so for an
// entire body: its parts are decoded when the body is known to be JSON.
func (f *findings) unmarshal(raw []byte, at string, into any) bool {
	err := json.Unmarshal(raw, into)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		f.malformed(at, fmt.Sprintf("must be JSON and nothing else, but at byte %d: %v", syntax.Offset, err))
	} else if err != nil {
		f.malformed(at, fmt.Sprintf("must be JSON: %v", err))
	}
	return err == nil
}

// kindOf returns the kind of a JSON text, by its first character.
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

// members are the keys and values of an object, in its order, with repeated keys.
type members []member

type member struct {
	key   string
	value json.RawMessage
}

// maxMembers limits the decoded members of an object. It is more than enough for
// the problems that are listed.
const maxMembers = maxProblems + 10

// UnmarshalJSON decodes an object, except for members after maxMembers.
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

// maxKeyInProblem limits the bytes of a key that are repeated in a problem.
const maxKeyInProblem = 64

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer escapes a key for a JSON pointer, as RFC 6901 specifies, and
// shortens one that is longer than any key of the API.
func escapePointer(key string) string {
	if len(key) > maxKeyInProblem {
		key = strings.ToValidUTF8(key[:maxKeyInProblem], "") + "…"
	}
	return pointerEscapes.Replace(key)
}
