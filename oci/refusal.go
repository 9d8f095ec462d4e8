package oci

import (
	"errors"
	"fmt"
)

// Refusal is why a document of the platform was refused. Whichever it is, the
// session has ended with it.
type Refusal string

// The refusals.
const (
	RefusedTooLarge    Refusal = "too_large"         // the document is, or its tables are larger in memory than their bytes
	RefusedElements    Refusal = "too_many_elements" // elements, tables, columns, attributes or prefixes
	RefusedText        Refusal = "text_too_long"     // a text, a name, or all texts together
	RefusedDepth       Refusal = "too_deep"
	RefusedNotXML      Refusal = "not_xml"      // or XML that the protocol has no use for
	RefusedNotOCI      Refusal = "not_oci"      // its elements are not those of the protocol
	RefusedTwice       Refusal = "stated_twice" // what may be stated only once
	RefusedForeign     Refusal = "foreign"      // it has another session id, tracking id or echo
	RefusedMismatch    Refusal = "mismatch"     // its answers are not those that the commands can have
	RefusedUnsolicited Refusal = "unsolicited"  // nobody asked
)

// Refusals are all of them, each once.
func Refusals() []Refusal {
	return []Refusal{
		RefusedTooLarge, RefusedElements, RefusedText, RefusedDepth, RefusedNotXML,
		RefusedNotOCI, RefusedTwice, RefusedForeign, RefusedMismatch, RefusedUnsolicited,
	}
}

// ErrReplyTooLarge says that a document exceeds a limit. Which one is in the
// [*ReplyLimitError] that wraps it.
var ErrReplyTooLarge = errors.New("oci: the platform's document exceeds a limit")

// ReplyLimitError says which limit a document exceeds. No more of it was read.
type ReplyLimitError struct {
	Refusal Refusal
	What    string // such as "bytes" or "elements"
	Limit   int    // how many there may be
}

func (e *ReplyLimitError) Error() string {
	return fmt.Sprintf("oci: the platform's document exceeds the limit of %d %s", e.Limit, e.What)
}

func (*ReplyLimitError) Unwrap() error { return ErrReplyTooLarge }

// whyRefused is why a document was refused. It reports false for an error that is
// not about a document, such as the end of the connection.
func whyRefused(err error) (Refusal, bool) {
	if limit, ok := errors.AsType[*ReplyLimitError](err); ok {
		return limit.Refusal, true
	}
	if protocol, ok := errors.AsType[*ProtocolError](err); ok {
		return protocol.Refusal, true
	}
	return "", false
}

// protocolError is a [*ProtocolError] about what the elements of a document are.
func protocolError(format string, args ...any) error {
	return refusedAs(RefusedNotOCI, format, args...)
}

// notXML is one about how they are written.
func notXML(format string, args ...any) error {
	return refusedAs(RefusedNotXML, format, args...)
}

// twice is one about what is stated more than once.
func twice(format string, args ...any) error {
	return refusedAs(RefusedTwice, format, args...)
}

// foreign is one about whose answer a document is.
func foreign(format string, args ...any) error {
	return refusedAs(RefusedForeign, format, args...)
}

func refusedAs(why Refusal, format string, args ...any) error {
	return &ProtocolError{Reason: fmt.Sprintf(format, args...), Refusal: why}
}
