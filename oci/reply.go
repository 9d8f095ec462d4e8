package oci

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Type names of the replies that every command may get. They are in namespace C. The
// type of any other reply is the name of its command, with "Response" instead of
// "Request".
const (
	successResponse = "SuccessResponse"
	errorResponse   = "ErrorResponse"
)

// Reply is the platform's reply to one command. It does not change, so several
// goroutines may use it.
type Reply struct {
	endpoint   string
	name       string
	children   nodes // empty for a refusal that a Client returns
	failure    *ErrorReply
	ofDocument bool // failure is the only reply to a document of several commands

	unsupported *UnsupportedError // the platform supports no form of the command
}

// Name returns the type of the reply without its namespace: "SuccessResponse",
// "ErrorResponse", or the command's name with Response instead of Request.
func (r Reply) Name() string { return r.name }

// Endpoint returns the name of the endpoint that sent the reply. It is empty if the
// reply is not one to a command of a [Client].
func (r Reply) Endpoint() string { return r.endpoint }

// Err returns the platform's refusal as an [*ErrorReply], or nil if the reply is none.
// If the platform does not seem to support the command, it returns an
// [*UnsupportedError] that wraps the refusal.
func (r Reply) Err() error {
	switch {
	case r.unsupported != nil:
		return r.unsupported
	case r.failure != nil:
		return r.failure
	}
	return nil
}

// Element returns the only child of that name. present reports whether there is one.
// If there are several, the error is a [*ProtocolError].
func (r Reply) Element(name string) (element ReplyElement, present bool, err error) {
	return r.children.one(r.name, r.name, name)
}

// Elements iterates over the children of that name, in the order of the document. A
// refusal has none.
func (r Reply) Elements(name string) iter.Seq[ReplyElement] { return r.children.named(r.name, name) }

// All iterates over all children, in the order of the document. A refusal has none.
func (r Reply) All() iter.Seq[ReplyElement] { return r.children.each(r.name) }

// Text returns the text of the only child of that name, or "" if the child holds
// anything else. present reports whether there is such a child, which may be empty.
// If there are several, the error is a [*ProtocolError].
func (r Reply) Text(name string) (text string, present bool, err error) {
	child, present, err := r.Element(name)
	return child.Text(), present, err
}

// Bool returns the only child of that name as an xs:boolean. present reports whether
// there is such a child. The error says that it is not a boolean, or that there are
// several.
func (r Reply) Bool(name string) (value, present bool, err error) {
	child, present, err := r.Element(name)
	if !present || err != nil {
		return false, false, err
	}
	value, err = child.Bool()
	return value, true, err
}

// Table returns the OCITable in the only child of that name. It returns an error if
// there is no such child, if there are several, or if the child holds no table.
func (r Reply) Table(name string) (*Table, error) {
	child, present, err := r.Element(name)
	switch {
	case err != nil:
		return nil, err
	case !present:
		return nil, errNoTable(r.name, name)
	}
	return child.Table()
}

// Severity is the type attribute of an ErrorResponse.
type Severity string

// The severities of the schema. Only SeverityError means that the command was
// refused. After any other, whether it was done can only be found out by reading.
const (
	// SeverityError means that the command was refused.
	SeverityError Severity = "Error"
	// SeverityWarning means that the command may have been done.
	SeverityWarning Severity = "Warning"
	// SeverityInfo means that the command may have been done.
	SeverityInfo Severity = "Info"
)

// ErrorReply is an ErrorResponse: a refusal of a command or, with another Severity than
// SeverityError, a warning. It implements error.
type ErrorReply struct {
	// Command is the name of the command that was refused.
	Command string
	// Number is the platform's error number, from the element errorCode or, if
	// that is absent, as on real systems, from the head of the summary
	// ("[Error 4962] …"). 0 means that neither has one.
	Number int
	// Severity is SeverityError if the reply has no type attribute. Otherwise it is
	// the platform's text, 32 bytes at most.
	Severity Severity
	// Summary is in the platform's language, SummaryEnglish in English. The
	// content of elements that hold secrets, by their names, is removed from
	// them and from Detail, because a platform may repeat the command that it
	// refuses. Each has 4 KiB at most, and ends with an ellipsis if it was cut.
	Summary, SummaryEnglish string
	// Detail is empty on most errors, and always if the command logs in or verifies
	// credentials.
	Detail string
}

// refuse makes the reply the refusal of a command. It removes the elements, which may
// hold a password: failure has all that may be returned. For a command that checks
// credentials only the summary is kept, without the secrets that were sent.
func (r *Reply) refuse(c Command) {
	failure := *r.failure
	failure.Command = c.Name()
	var secrets []string
	if checksCredentials(c.Name()) {
		failure.Detail = ""
		secrets = secretsIn(c.Elements())
	}
	failure.publish(secrets)
	r.failure, r.children = &failure, nil
}

// maxSeverity is how many bytes are kept of a severity. Those of the schema have 7.
const maxSeverity = 32

// publish removes secrets from the texts and limits their length.
func (e *ErrorReply) publish(secrets []string) {
	e.Severity = Severity(clip(publishable(string(e.Severity), secrets), maxSeverity))
	for _, text := range []*string{&e.Summary, &e.SummaryEnglish, &e.Detail} {
		*text = publishable(*text, secrets)
	}
}

// Error implements error.
func (e *ErrorReply) Error() string {
	text := e.Summary
	if numberOfSummary(text) != e.Number {
		text = fmt.Sprintf("[%s %d] %s", e.Severity, e.Number, text)
	}
	return fmt.Sprintf("oci: %s: the platform answered %q", e.Command, text)
}

// numberOfSummary returns the number at the head of a summary, or 0: "[Error 4962] …".
func numberOfSummary(summary string) int {
	inside, ok := strings.CutPrefix(strings.TrimSpace(summary), "[")
	head, _, closed := strings.Cut(inside, "]")
	if !ok || !closed {
		return 0
	}
	n, err := strconv.Atoi(head[strings.LastIndexByte(head, ' ')+1:])
	if err != nil || n < 0 {
		return 0
	}
	return n
}
