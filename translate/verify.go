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
// caller's credentials. It is [ErrNotVerified], unless the table gives the number
// of the refusal, or a text in it, a code other than Unauthenticated; then it is
// an [*errcode.Error] of that code.
//
// A text that is one of the user ids, or a part of one, does not count: the
// caller has chosen it, and the attempt must be counted. The numbers that are
// known to refuse a login always mean ErrNotVerified, whatever the table has for
// them, so that a wrong password and an unknown user look the same. A validation
// error is one of these numbers: it refuses credentials that do not fit the
// platform's schema, since the client sends every form of the command that a
// platform may support.
//
// The error shows the caller none of the platform's words. Its cause is for the
// log, and the text of the cause omits the detail, which can contain the refused
// command with the password.
func (e PlatformErrors) LoginRefused(refusal *oci.ErrorReply, userIDs ...string) error {
	code, known := e.codeOf(refusal, userIDs)
	if known && code != errcode.Unauthenticated && !refusesLogin(refusal.Number) {
		return refusalErrorWithoutText(code, refusal)
	}
	return fmt.Errorf("%w: %w", ErrNotVerified, refusal)
}

// refusesLogin reports whether the number is publicly known to refuse a login.
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
