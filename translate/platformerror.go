package translate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// temporaryRetryAfter is the advice to callers if the platform is temporarily
// unavailable. The platform does not report how long that will take.
const temporaryRetryAfter = 5 * time.Second

// PlatformErrors is the table that maps error replies of the platform, called
// refusals, to codes: by the number of the refusal or, if the table does not have
// that, by a text in its summary. A refusal with neither means that the platform
// refused a write, or did not answer a read.
//
// A number is valid in every language of the platform, a text in one only; so
// numbers have priority. Texts are for refusals whose number is not public but
// whose words are. They apply to errors only, since a warning does not report
// what was done. A text must be in the platform's own words: a summary may repeat
// values of the request, which the caller has chosen.
type PlatformErrors struct {
	numbers map[int]*errcode.Code
	texts   []PlatformText // the first that matches decides
}

// A PlatformText gives a code to the refusals that contain a text.
type PlatformText struct {
	// Text is a part of the summary after its prefix, in English or in the
	// platform's language and in any letter case.
	Text string
	Code *errcode.Code
}

// temporaryTexts are messages of a platform whose back end is unavailable. The
// first is publicly known, the second is the schema's reason of a forced logout,
// the third comes from a public bug report.
var temporaryTexts = []string{"temporarily unavailable", "Server Connection Failure", "NO_OCS_CONNECTION"}

// NewPlatformErrors returns the table of the publicly known numbers and texts.
// Those of the operator, which are the arguments, have priority.
func NewPlatformErrors(numbers map[int]*errcode.Code, texts ...PlatformText) PlatformErrors {
	table := PlatformErrors{numbers: map[int]*errcode.Code{
		4008: errcode.UserNotFound,
		4152: errcode.GroupNotFound,
		4410: errcode.ServiceNotAssigned,
		5404: errcode.PlatformError, // unauthorized transaction: of the gateway's account, not of the caller
		6004: errcode.PlatformError, // XML validation error: the release has another schema
	}}
	maps.Copy(table.numbers, numbers)
	for _, t := range texts {
		table.texts = append(table.texts, PlatformText{normalize(t.Text), t.Code})
	}
	for _, text := range temporaryTexts {
		table.texts = append(table.texts, PlatformText{normalize(text), errcode.PlatformUnavailable})
	}
	return table
}

// codeOf returns the code of a refusal, and whether the table has one. values are
// those that the request has chosen.
func (e PlatformErrors) codeOf(refusal *oci.ErrorReply, values []string) (*errcode.Code, bool) {
	if code, known := e.numbers[refusal.Number]; known {
		return code, true
	}
	return e.codeOfText(refusal, values)
}

// codeOfText is codeOf by the texts alone.
func (e PlatformErrors) codeOfText(refusal *oci.ErrorReply, values []string) (*errcode.Code, bool) {
	if refusal.Severity != oci.SeverityError {
		return nil, false
	}
	english, local := newMaskedSummary(refusal.SummaryEnglish, values), newMaskedSummary(refusal.Summary, values)
	for _, t := range e.texts {
		if english.contains(t.Text) || local.contains(t.Text) {
			return t.Code, true
		}
	}
	return nil, false
}

// Temporary reports whether the platform refused because it is temporarily
// unavailable, so that the same command may be sent again later. It is false for
// a warning or an information. It is for commands without values of a caller.
func (e PlatformErrors) Temporary(refusal *oci.ErrorReply) bool {
	code, _ := e.codeOf(refusal, nil)
	return code == errcode.PlatformUnavailable && refusal.Severity == oci.SeverityError
}

// ReadResult returns the error in the reply to a read, or nil if the platform
// answered. Its code is NotAvailableInRelease if the platform does not support
// the command, else that of the table, else PlatformError. values are those of
// the command that the caller has chosen.
func (e PlatformErrors) ReadResult(reply oci.Reply, values ...string) error {
	if unsupported, ok := errors.AsType[*oci.UnsupportedError](reply.Err()); ok {
		return errcode.Wrap(errcode.NotAvailableInRelease, unsupported)
	}
	refusal, refused := errors.AsType[*oci.ErrorReply](reply.Err())
	if !refused {
		return nil
	}
	code, known := e.codeOf(refusal, values)
	if !known {
		code = errcode.PlatformError
	}
	return refusalError(code, refusal)
}

// successResponse is the name of a reply without content that reports success.
const successResponse = "SuccessResponse"

// IsSuccess reports whether a reply reports success and nothing else.
func IsSuccess(reply oci.Reply) bool { return reply.Name() == successResponse }

// WriteResult returns the error in the reply to a step, or nil if the platform
// did the command. The code of a refusal is the table's if that code promises
// that nothing was done, else PlatformRefused. A warning and an information do
// not report what was done, so their code is PlatformError whatever their number.
func (e PlatformErrors) WriteResult(plan *Plan, step Step, reply oci.Reply) error {
	refusal, refused := errors.AsType[*oci.ErrorReply](reply.Err())
	switch {
	case !refused && IsSuccess(reply):
		return nil
	case !refused:
		return errcode.Wrap(errcode.PlatformError,
			fmt.Errorf("translate: the reply to %s is %s", step.Command.Name(), reply.Name()))
	case refusal.Severity != oci.SeverityError:
		return refusalError(errcode.PlatformError, refusal)
	}
	code, known := e.codeOf(refusal, plan.values())
	if !known || !code.PromisesNotDone() {
		code = errcode.PlatformRefused
	}
	err := refusalError(code, refusal)
	err.Message = plan.Messages[code]
	return err
}

// refusalError returns an error of that code with the platform's own words.
func refusalError(code *errcode.Code, refusal *oci.ErrorReply) *errcode.Error {
	err := refusalErrorWithoutText(code, refusal)
	err.Platform = []errcode.Platform{{
		Number:  refusal.Number,
		Level:   string(refusal.Severity),
		Summary: refusal.Summary,
		Detail:  refusal.Detail,
	}}
	return err
}

// refusalErrorWithoutText returns an error of that code without the platform's
// words.
func refusalErrorWithoutText(code *errcode.Code, refusal *oci.ErrorReply) *errcode.Error {
	err := errcode.Wrap(code, refusal)
	if code == errcode.PlatformUnavailable {
		err.RetryAfter = temporaryRetryAfter
	}
	return err
}

// Codes returns the codes of the table, each once, in the order of their numbers.
func (e PlatformErrors) Codes() []*errcode.Code {
	codes := slices.Collect(maps.Values(e.numbers))
	for _, t := range e.texts {
		codes = append(codes, t.Code)
	}
	slices.SortFunc(codes, func(a, b *errcode.Code) int { return cmp.Compare(a.Number, b.Number) })
	return slices.Compact(codes)
}
