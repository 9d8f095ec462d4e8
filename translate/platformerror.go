package translate

import (
	"errors"
	"fmt"
	"maps"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// PlatformErrors tells what the platform's error numbers mean to a caller. A
// number that is not in it means that the platform refused a write, or did not
// answer a read.
type PlatformErrors map[int]*errcode.Code

// NewPlatformErrors is the table of the numbers that are known publicly, with
// the operator's own over it. The numbers for Route List are not public.
func NewPlatformErrors(own map[int]*errcode.Code) PlatformErrors {
	table := PlatformErrors{
		4152: errcode.GroupNotFound,
		4410: errcode.ServiceNotAssigned,
		5404: errcode.PlatformError, // unauthorized transaction: of our account, not of the caller
		6004: errcode.PlatformError, // XML validation: a release that has another schema
	}
	maps.Copy(table, own)
	return table
}

// ReadResult is the error in the answer to a read, nil where the platform
// answered the question. Its code is the table's, else PlatformError.
func (e PlatformErrors) ReadResult(reply oci.Reply) error {
	refusal, refused := errors.AsType[*oci.ErrorReply](reply.Err())
	if !refused {
		return nil
	}
	code, known := e[refusal.Number]
	if !known {
		code = errcode.PlatformError
	}
	return refusedWith(code, refusal)
}

// WriteResult is the error in the answer to a plan's command, nil where the
// platform did it. A refusal has the table's code where that promises that
// nothing was done, else PlatformRefused. A warning and an information leave
// open what was done, so they are a PlatformError whatever their number.
func (e PlatformErrors) WriteResult(plan *Plan, reply oci.Reply) error {
	refusal, refused := errors.AsType[*oci.ErrorReply](reply.Err())
	switch {
	case !refused && reply.Name() == "SuccessResponse":
		return nil
	case !refused:
		return errcode.Because(errcode.PlatformError,
			fmt.Errorf("translate: %s was answered with %s", plan.Command.Name(), reply.Name()))
	case refusal.Severity != oci.SeverityError:
		return refusedWith(errcode.PlatformError, refusal)
	}
	code, known := e[refusal.Number]
	if !known || !code.PromisesNotDone() {
		code = errcode.PlatformRefused
	}
	err := refusedWith(code, refusal)
	if code == errcode.NotAvailableForAssignment {
		err.Message = plan.unavailable
	}
	return err
}

// refusedWith is an error of that code in the platform's own words.
func refusedWith(code *errcode.Code, refusal *oci.ErrorReply) *errcode.Error {
	return &errcode.Error{
		Code: code,
		Platform: []errcode.Platform{{
			Number:  refusal.Number,
			Level:   string(refusal.Severity),
			Summary: refusal.Summary,
			Detail:  refusal.Detail,
		}},
		Cause: refusal,
	}
}
