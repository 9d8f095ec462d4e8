package translate

import (
	"errors"
	"fmt"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

const verifyCommand = "AuthenticationVerifyRequest22V4"

// ErrNotVerified says that the platform did not accept somebody's credentials.
var ErrNotVerified = errors.New("translate: the platform did not accept the credentials")

// VerifyCommand asks the platform over an administrator's session whether
// somebody's credentials are right. It holds the password as it is, so it may
// only go over TLS. It counts as a write, because a wrong password may count
// against the account: it must not be sent twice.
func VerifyCommand(userID string, password oci.Secret) oci.Write {
	return oci.NewWrite(verifyCommand, oci.Text("userId", userID), oci.Text("password", string(password)))
}

// Identity reads the answer to [VerifyCommand] of that user. A refusal is the
// error of [PlatformErrors.LoginRefused]; an answer that names no login type is
// an [*errcode.Error].
func (e PlatformErrors) Identity(userID string, reply oci.Reply) (oci.Identity, error) {
	if refusal, refused := errors.AsType[*oci.ErrorReply](reply.Err()); refused {
		return oci.Identity{}, e.LoginRefused(refusal)
	}
	identity, err := oci.IdentityOf(reply, userID)
	if err != nil {
		return oci.Identity{}, errcode.Because(errcode.PlatformError, err)
	}
	return identity, nil
}

// LoginRefused is what a refusal says of somebody's credentials: that they are
// not good ([ErrNotVerified]), except where the table gives its number a meaning
// other than Unauthenticated, which is an [*errcode.Error]. The numbers that are
// known to refuse a login keep that meaning whatever the table says, so that a
// wrong password and an unknown user look the same.
//
// The caller is given none of the platform's words. The cause is for the log, and
// its text leaves out the detail, which can hold the refused command with the
// password in it.
func (e PlatformErrors) LoginRefused(refusal *oci.ErrorReply) error {
	code, known := e.meaning(refusal)
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
		5202: // account is disabled
		return true
	}
	return false
}
