package oci

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Type names of the answers that every command may get; they stand in
// namespace C. Any other answer is named after its command, with "Response"
// in the place of "Request".
const (
	successResponse = "SuccessResponse"
	errorResponse   = "ErrorResponse"
)

// Reply is the platform's answer to one command.
type Reply struct {
	endpoint string
	name     string
	children nodes // none of a refusal that a Client returns
	failure  *ErrorReply
	whole    bool // the failure is the only answer to a document of several commands

	unsupported *UnsupportedError // the platform does not know the command in any form
}

// Name is the type of the answer without its namespace: "SuccessResponse",
// "ErrorResponse", or the command's name with Response for Request.
func (r Reply) Name() string { return r.name }

// Endpoint is the name of the endpoint that answered. It is empty where the
// reply is none to a command of a [Client].
func (r Reply) Endpoint() string { return r.endpoint }

// Err is the platform's refusal as an [*ErrorReply], or nil where the answer
// is anything else. Where the platform seems not to know the command, it is an
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

// Element is the only child of that name. An error, a [*ProtocolError], says that
// there are several.
func (r Reply) Element(name string) (element ReplyElement, present bool, err error) {
	return r.children.one(r.name, r.name, name)
}

// Elements goes through the children of that name, in the order of the document:
// none where the reply is a refusal.
func (r Reply) Elements(name string) iter.Seq[ReplyElement] { return r.children.named(r.name, name) }

// All goes through all children, likewise.
func (r Reply) All() iter.Seq[ReplyElement] { return r.children.each(r.name) }

// Text is the text of the only child of that name, "" where it holds anything
// else: present tells an absent element from an empty one, and an error, a
// [*ProtocolError], says that there are several.
func (r Reply) Text(name string) (text string, present bool, err error) {
	child, present, err := r.Element(name)
	return child.Text(), present, err
}

// Bool reads the only child of that name as an xs:boolean: present tells whether
// it is there at all, and an error says that it holds something else, or that
// there are several.
func (r Reply) Bool(name string) (value, present bool, err error) {
	child, present, err := r.Element(name)
	if !present || err != nil {
		return false, false, err
	}
	value, err = child.Bool()
	return value, true, err
}

// Table is the OCITable in the only child of that name. A reply without it, or
// with several, is not what its type promises, which is an error.
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

// The severities of the schema. Only SeverityError says that the command was
// refused; what the others leave of it is to be learnt by reading.
const (
	SeverityError   Severity = "Error"
	SeverityWarning Severity = "Warning"
	SeverityInfo    Severity = "Info"
)

// ErrorReply is an ErrorResponse: what the platform said when it did not do as
// it was told.
type ErrorReply struct {
	// Command is the name of the command that was answered.
	Command string
	// Number is the platform's error number, from the element errorCode or,
	// where that is absent, as on real systems, from the head of the summary
	// ("[Error 4962] …"). 0 means that neither tells one.
	Number int
	// Severity is Error where the reply has no type attribute. Like the other
	// texts it is the platform's, and has 32 bytes at most.
	Severity Severity
	// Summary is in the platform's language, SummaryEnglish in English. The
	// content of elements that hold secrets, by their names, is removed from
	// them, and from Detail: a platform may repeat the command that it
	// refuses. Each has 4 KiB at most, and ends with an ellipsis where the
	// platform has said more.
	Summary, SummaryEnglish string
	// Detail is empty on most errors, and always where the command was one
	// that logs in or verifies credentials.
	Detail string
}

// refuse makes the reply the refusal of a command. Its elements, which may hold
// a password, are dropped: the failure has what may be passed on. Of a command
// that checks credentials it keeps the summary alone, without the secrets that
// were sent.
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

// maxSeverity bounds what is kept of a severity, in bytes. Those of the schema
// have 7.
const maxSeverity = 32

// publish makes the texts what may be passed on.
func (e *ErrorReply) publish(secrets []string) {
	e.Severity = Severity(clip(publishable(string(e.Severity), secrets), maxSeverity))
	for _, text := range []*string{&e.Summary, &e.SummaryEnglish, &e.Detail} {
		*text = publishable(*text, secrets)
	}
}

func (e *ErrorReply) Error() string {
	said := e.Summary
	if numberOfSummary(said) != e.Number {
		said = fmt.Sprintf("[%s %d] %s", e.Severity, e.Number, said)
	}
	return fmt.Sprintf("oci: %s: the platform answered %q", e.Command, said)
}

// numberOfSummary reads the number at the head of a summary: "[Error 4962] …".
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
