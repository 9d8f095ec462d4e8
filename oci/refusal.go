package oci

import (
	"errors"
	"fmt"
)

// Refusal is why the client refused a document of the platform. After each of them
// the session is closed.
type Refusal string

// The refusals. "It" is the document.
const (
	// RefusedTooLarge means that the document is too large, or that its tables need too
	// much memory.
	RefusedTooLarge Refusal = "too_large"
	// RefusedElements means that it has too many elements, tables, columns, attributes or
	// prefixes.
	RefusedElements Refusal = "too_many_elements"
	// RefusedText means that a text or a name is too long, or all texts together are.
	RefusedText Refusal = "text_too_long"
	// RefusedDepth means that its elements are nested too deep.
	RefusedDepth Refusal = "too_deep"
	// RefusedNotXML means that it is not XML, or XML that the protocol does not use.
	RefusedNotXML Refusal = "not_xml"
	// RefusedNotOCI means that its elements are not those of the protocol.
	RefusedNotOCI Refusal = "not_oci"
	// RefusedTwice means that it holds twice what it may hold only once.
	RefusedTwice Refusal = "stated_twice"
	// RefusedForeign means that it has another session id, tracking id or echo.
	RefusedForeign Refusal = "foreign"
	// RefusedMismatch means that its replies cannot be replies to the commands.
	RefusedMismatch Refusal = "mismatch"
	// RefusedUnsolicited means that it is not a reply to a request.
	RefusedUnsolicited Refusal = "unsolicited"
)

// Refusals returns all refusals, each once.
func Refusals() []Refusal {
	return []Refusal{
		RefusedTooLarge, RefusedElements, RefusedText, RefusedDepth, RefusedNotXML,
		RefusedNotOCI, RefusedTwice, RefusedForeign, RefusedMismatch, RefusedUnsolicited,
	}
}

// ErrReplyTooLarge means that a document exceeds a limit. The [*ReplyLimitError] that
// wraps it names the limit.
var ErrReplyTooLarge = errors.New("oci: the platform's document exceeds a limit")

// ReplyLimitError means that a document exceeds a limit. The remaining document was
// not read.
type ReplyLimitError struct {
	Refusal Refusal
	What    string // such as "bytes" or "elements"
	Limit   int    // how many are allowed
}

// Error implements error.
func (e *ReplyLimitError) Error() string {
	return fmt.Sprintf("oci: the platform's document exceeds the limit of %d %s", e.Limit, e.What)
}

// Unwrap returns [ErrReplyTooLarge].
func (*ReplyLimitError) Unwrap() error { return ErrReplyTooLarge }

// whyRefused returns why a document was refused. It reports false for an error that
// is not about a document, such as the end of the connection.
func whyRefused(err error) (Refusal, bool) {
	if limit, ok := errors.AsType[*ReplyLimitError](err); ok {
		return limit.Refusal, true
	}
	if protocol, ok := errors.AsType[*ProtocolError](err); ok {
		return protocol.Refusal, true
	}
	return "", false
}

// protocolError returns a [*ProtocolError] about the elements of a document.
func protocolError(format string, args ...any) error {
	return refusedAs(RefusedNotOCI, format, args...)
}

// notXML returns a [*ProtocolError] about the XML of a document.
func notXML(format string, args ...any) error {
	return refusedAs(RefusedNotXML, format, args...)
}

// twice returns a [*ProtocolError] about a thing that is there more than once.
func twice(format string, args ...any) error {
	return refusedAs(RefusedTwice, format, args...)
}

// foreign returns a [*ProtocolError] about a document that belongs to another request.
func foreign(format string, args ...any) error {
	return refusedAs(RefusedForeign, format, args...)
}

// refusedAs returns a [*ProtocolError] with that refusal.
func refusedAs(why Refusal, format string, args ...any) error {
	return &ProtocolError{Reason: fmt.Sprintf(format, args...), Refusal: why}
}
