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

// temporaryPause is the advice for callers of a platform that is temporarily
// unavailable: it does not say itself when it will be back.
const temporaryPause = 5 * time.Second

// PlatformErrors says what a refusal of the platform means to a caller: by its
// number or, where the table does not have that, by a text in its summary. One
// that has neither means that the platform refused a write, or did not answer a
// read.
//
// A number holds in every language of the platform, a text in one only. Texts
// are here for refusals whose number is not public, of which the words are. So a
// number wins over a text. Only errors are known by a text, since a warning
// leaves open what was done. A text counts only in the platform's own words: a
// summary may repeat the values of the request, which the caller has chosen.
type PlatformErrors struct {
	numbers map[int]*errcode.Code
	texts   []PlatformText // the first that matches counts
}

// PlatformText gives the refusals that hold a text a meaning.
type PlatformText struct {
	// Text is a part of the summary behind its head, in English or in the
	// platform's language and in any letter case.
	Text string
	Code *errcode.Code
}

// temporaryTexts are messages of a platform whose back end is down. The first is
// publicly known, the second is the schema's reason of a forced logout, the third
// comes from a public report of a bug.
var temporaryTexts = []string{"temporarily unavailable", "Server Connection Failure", "NO_OCS_CONNECTION"}

// NewPlatformErrors is the table of the numbers and texts that are known
// publicly, with the operator's own over it.
func NewPlatformErrors(numbers map[int]*errcode.Code, texts ...PlatformText) PlatformErrors {
	table := PlatformErrors{numbers: map[int]*errcode.Code{
		4008: errcode.UserNotFound,
		4152: errcode.GroupNotFound,
		4410: errcode.ServiceNotAssigned,
		5404: errcode.PlatformError, // unauthorized transaction: of our account, not of the caller
		6004: errcode.PlatformError, // XML validation: a release that has another schema
	}}
	maps.Copy(table.numbers, numbers)
	for _, t := range texts {
		table.texts = append(table.texts, PlatformText{plain(t.Text), t.Code})
	}
	for _, text := range temporaryTexts {
		table.texts = append(table.texts, PlatformText{plain(text), errcode.PlatformUnavailable})
	}
	return table
}

// meaning is the code that the table gives a refusal, and whether it gives one.
// values are those of the request.
func (e PlatformErrors) meaning(refusal *oci.ErrorReply, values []string) (*errcode.Code, bool) {
	if code, known := e.numbers[refusal.Number]; known {
		return code, true
	}
	return e.textMeaning(refusal, values)
}

// textMeaning is the same by the texts alone.
func (e PlatformErrors) textMeaning(refusal *oci.ErrorReply, values []string) (*errcode.Code, bool) {
	if refusal.Severity != oci.SeverityError {
		return nil, false
	}
	english, local := newWording(refusal.SummaryEnglish, values), newWording(refusal.Summary, values)
	for _, t := range e.texts {
		if english.says(t.Text) || local.says(t.Text) {
			return t.Code, true
		}
	}
	return nil, false
}

// Temporary reports whether the platform refused because it is temporarily
// unavailable, so that the same may be asked again later. A warning or an
// information never says so. It is for commands without values of a caller.
func (e PlatformErrors) Temporary(refusal *oci.ErrorReply) bool {
	code, _ := e.meaning(refusal, nil)
	return code == errcode.PlatformUnavailable && refusal.Severity == oci.SeverityError
}

// ReadResult is the error in the answer to a read, nil where the platform
// answered the question. Its code is NotAvailableInRelease where the platform
// does not know the command, or the table's, else PlatformError. values are those
// of the command that the caller has chosen.
func (e PlatformErrors) ReadResult(reply oci.Reply, values ...string) error {
	if unsupported, ok := errors.AsType[*oci.UnsupportedError](reply.Err()); ok {
		return errcode.Wrap(errcode.NotAvailableInRelease, unsupported)
	}
	refusal, refused := errors.AsType[*oci.ErrorReply](reply.Err())
	if !refused {
		return nil
	}
	code, known := e.meaning(refusal, values)
	if !known {
		code = errcode.PlatformError
	}
	return refusedWith(code, refusal)
}

// successResponse is the name of an answer that says nothing but that.
const successResponse = "SuccessResponse"

// IsSuccess reports whether a reply says nothing but that the command succeeded.
func IsSuccess(reply oci.Reply) bool { return reply.Name() == successResponse }

// WriteResult is the error in the answer to a step's command, nil where the
// platform did it. A refusal has the table's code where that promises that
// nothing was done, else PlatformRefused. A warning and an information leave
// open what was done, so they are a PlatformError whatever their number.
func (e PlatformErrors) WriteResult(plan *Plan, step Step, reply oci.Reply) error {
	refusal, refused := errors.AsType[*oci.ErrorReply](reply.Err())
	switch {
	case !refused && IsSuccess(reply):
		return nil
	case !refused:
		return errcode.Wrap(errcode.PlatformError,
			fmt.Errorf("translate: %s was answered with %s", step.Command.Name(), reply.Name()))
	case refusal.Severity != oci.SeverityError:
		return refusedWith(errcode.PlatformError, refusal)
	}
	code, known := e.meaning(refusal, plan.values())
	if !known || !code.PromisesNotDone() {
		code = errcode.PlatformRefused
	}
	err := refusedWith(code, refusal)
	err.Message = plan.Messages[code]
	return err
}

// refusedWith is an error of that code in the platform's own words.
func refusedWith(code *errcode.Code, refusal *oci.ErrorReply) *errcode.Error {
	err := refusedSilently(code, refusal)
	err.Platform = []errcode.Platform{{
		Number:  refusal.Number,
		Level:   string(refusal.Severity),
		Summary: refusal.Summary,
		Detail:  refusal.Detail,
	}}
	return err
}

// refusedSilently is the same without the platform's words.
func refusedSilently(code *errcode.Code, refusal *oci.ErrorReply) *errcode.Error {
	err := errcode.Wrap(code, refusal)
	if code == errcode.PlatformUnavailable {
		err.RetryAfter = temporaryPause
	}
	return err
}

// Codes are the codes that the table gives refusals, each once, in the order of
// their numbers.
func (e PlatformErrors) Codes() []*errcode.Code {
	codes := slices.Collect(maps.Values(e.numbers))
	for _, t := range e.texts {
		codes = append(codes, t.Code)
	}
	slices.SortFunc(codes, func(a, b *errcode.Code) int { return cmp.Compare(a.Number, b.Number) })
	return slices.Compact(codes)
}
