package translate

import (
	"errors"
	"fmt"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// ErrNotVerified reports that the platform did not accept a caller's credentials.
var ErrNotVerified = errors.New("translate: the platform did not accept the credentials")

// LoginRefused returns the error for a refusal of the platform to accept a
// caller's credentials. It is [ErrNotVerified] whatever the number of the refusal
// is, and whatever code the table has for it: a caller who guesses must not be
// able to tell one refusal from another, and every attempt must be counted.
//
// The exception is a platform that is unavailable: then the error is an
// [*errcode.Error] of the code PlatformUnavailable, because the platform has not
// looked at the credentials. The table must say so, by the number or by a text,
// and the refusal must be an error, not a warning or an information. A text that
// is one of the user ids, or a part of one, does not count, because the caller
// has chosen it. Neither does a number that is publicly known to refuse a login.
//
// The error shows the caller none of the platform's words. Its cause is for the
// log, and the text of the cause omits the detail, which can contain the refused
// command with the password.
func (e PlatformErrors) LoginRefused(refusal *oci.ErrorReply, userIDs ...string) error {
	code, _ := e.codeOf(refusal, userIDs)
	if code == errcode.PlatformUnavailable && refusal.Severity == oci.SeverityError && !refusesLogin(refusal.Number) {
		return refusalErrorWithoutText(code, refusal)
	}
	return fmt.Errorf("%w: %w", ErrNotVerified, refusal)
}

// refusesLogin reports whether the number is publicly known to refuse a login. A
// validation error is among these numbers: it refuses credentials that do not fit
// the platform's schema, since the client sends every form of the command that a
// platform may support.
func refusesLogin(number int) bool {
	switch number {
	case 4008, // user not found
		4962, // invalid password
		5202, // account is disabled
		6004: // XML validation error
		return true
	}
	return false
}
