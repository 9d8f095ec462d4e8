package translate

import (
	"errors"
	"fmt"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// ErrNotVerified says that the platform did not accept somebody's credentials.
var ErrNotVerified = errors.New("translate: the platform did not accept the credentials")

// LoginRefused is what a refusal says of somebody's credentials: that they are
// not good ([ErrNotVerified]), except where the table gives its number or a text
// in it a meaning other than Unauthenticated, which is an [*errcode.Error]. A text
// that is one of the user ids, or a part of it, does not count: the caller has
// chosen it, and the attempt must be counted. The numbers that are
// known to refuse a login keep that meaning whatever the table says, so that a
// wrong password and an unknown user look the same. A validation error is among
// them: what it refuses are credentials that do not fit the platform's schema,
// since the client asks in every form that a platform may know.
//
// The caller is given none of the platform's words. The cause is for the log, and
// its text leaves out the detail, which can hold the refused command with the
// password in it.
func (e PlatformErrors) LoginRefused(refusal *oci.ErrorReply, userIDs ...string) error {
	code, known := e.meaning(refusal, userIDs)
	if known && code != errcode.Unauthenticated && !refusesLogin(refusal.Number) {
		return refusedSilently(code, refusal)
	}
	return fmt.Errorf("%w: %w", ErrNotVerified, refusal)
}

// refusesLogin reports whether a number is publicly known to refuse a login.
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
