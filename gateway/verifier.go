package gateway

import (
	"context"
	"errors"
	"fmt"

	"ocigate/gateway/auth"
	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// VerifyBy is a way in which the platform verifies the passwords of callers.
type VerifyBy string

// The ways to verify a password.
const (
	// VerifyAuto is VerifyByCommand if the platform's endpoints are all reached over
	// TLS and its release supports such a command, and VerifyByLogin otherwise.
	VerifyAuto VerifyBy = "auto"
	// VerifyByCommand sends a command over a session of the gateway's own account.
	// The command has the password in plain text, so it needs TLS.
	VerifyByCommand VerifyBy = "command"
	// VerifyByLogin logs in as the caller, over a separate connection.
	VerifyByLogin VerifyBy = "login"
)

// NewVerifier returns a verifier that has the platform verify callers' passwords. It
// returns an error for an unknown way, and for VerifyByCommand without TLS on every
// platform endpoint.
func NewVerifier(by VerifyBy, platform *oci.Client, table translate.PlatformErrors) (auth.Verifier, error) {
	ways := map[VerifyBy]credentialCheck{
		VerifyAuto:      platform.Verify,
		VerifyByCommand: platform.VerifyByCommand,
		VerifyByLogin:   platform.Authenticate,
	}
	check, known := ways[by]
	switch {
	case !known:
		return nil, fmt.Errorf("unknown way to verify passwords: %q", by)
	case by == VerifyByCommand && !platform.Secure():
		return nil, errors.New("verifying passwords by command needs TLS on every endpoint of the platform")
	}
	return verifier{check, table}, nil
}

// credentialCheck is a method of an [oci.Client] that verifies credentials.
type credentialCheck func(ctx context.Context, userID string, password oci.Secret) (oci.Identity, error)

type verifier struct {
	check credentialCheck
	table translate.PlatformErrors
}

// Verify implements auth.Verifier. The platform's messages about credentials do not
// reach the caller, and every refusal of credentials is the same error, except that
// the platform is unavailable. Errors about the gateway's own account are none about
// credentials.
func (v verifier) Verify(ctx context.Context, userID, password string) (auth.Identity, error) {
	who, err := v.check(ctx, userID, oci.Secret(password))
	_, unsupported := errors.AsType[*oci.UnsupportedError](err)
	if oci.NotDone(err) && !unsupported {
		return auth.Identity{}, err // such an error is about the gateway's own account
	}
	if refused, ok := errors.AsType[*oci.ErrorReply](err); ok {
		// Also in an UnsupportedError: the platform refused these credentials in every
		// form, as it does if the name or the password does not fit its schema.
		return auth.Identity{}, verificationError(v.table.LoginRefused(refused, userID))
	}
	if unsupported {
		return auth.Identity{}, errcode.Wrap(errcode.PlatformError, err)
	}
	if _, unreached := errors.AsType[*oci.ConnectError](err); unreached {
		return auth.Identity{}, &errcode.Error{Code: errcode.PlatformUnavailable, RetryAfter: shortly, Cause: err}
	}
	return identityOf(who, err)
}

// identityOf converts the result of a verification by the platform.
func identityOf(who oci.Identity, err error) (auth.Identity, error) {
	if err != nil {
		return auth.Identity{}, verificationError(err)
	}
	return auth.Identity{
		LoginType: who.LoginType,
		TenantID:  who.ServiceProviderID,
		GroupID:   who.GroupID,
		UserID:    who.UserID,
		// A password without days left must be changed now, as at a first login.
		MustChangePassword: who.PasswordExpiresDays != nil && *who.PasswordExpiresDays <= 0,
	}, nil
}

// verificationError marks an error of the platform about the caller's credentials as
// auth.ErrBadCredentials.
func verificationError(err error) error {
	if errors.Is(err, translate.ErrNotVerified) {
		return fmt.Errorf("%w: %w", auth.ErrBadCredentials, err)
	}
	return err
}
