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

// VerifyBy is how a caller's password of the platform is verified.
type VerifyBy string

// The ways to verify a password.
const (
	// VerifyAuto is VerifyByCommand where every endpoint of the platform is
	// reached over TLS and its release knows such a command, else
	// VerifyByLogin.
	VerifyAuto VerifyBy = "auto"
	// VerifyByCommand asks over a session of the gateway's own account. The
	// command holds the password as it is, so it needs TLS.
	VerifyByCommand VerifyBy = "command"
	// VerifyByLogin logs in as the caller on a connection of its own.
	VerifyByLogin VerifyBy = "login"
)

// NewVerifier has the platform verify callers' passwords.
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

// credentialCheck is a method of an [oci.Client] that has the platform check
// credentials.
type credentialCheck func(ctx context.Context, userID string, password oci.Secret) (oci.Identity, error)

type verifier struct {
	check credentialCheck
	table translate.PlatformErrors
}

// Verify implements auth.Verifier. Nothing that the platform says of credentials
// is passed on to the caller.
func (v verifier) Verify(ctx context.Context, userID, password string) (auth.Identity, error) {
	who, err := v.check(ctx, userID, oci.Secret(password))
	if _, unsupported := errors.AsType[*oci.UnsupportedError](err); unsupported {
		return auth.Identity{}, errcode.Wrap(errcode.PlatformError, err)
	}
	if oci.NotDone(err) {
		return auth.Identity{}, err // what the platform says here is about our own account
	}
	if refused, ok := errors.AsType[*oci.ErrorReply](err); ok {
		return auth.Identity{}, verification(v.table.LoginRefused(refused, userID))
	}
	if _, unreached := errors.AsType[*oci.ConnectError](err); unreached {
		return auth.Identity{}, &errcode.Error{Code: errcode.PlatformUnavailable, RetryAfter: shortly, Cause: err}
	}
	return identity(who, err)
}

// identity puts what the platform tells of a user into the terms of package
// auth.
func identity(who oci.Identity, err error) (auth.Identity, error) {
	if err != nil {
		return auth.Identity{}, verification(err)
	}
	return auth.Identity{
		LoginType: who.LoginType,
		TenantID:  who.ServiceProviderID,
		GroupID:   who.GroupID,
		UserID:    who.UserID,
		// A password that has no days left is one that must be changed now,
		// as the platform demands at a first login.
		MustChangePassword: who.PasswordExpiresDays != nil && *who.PasswordExpiresDays <= 0,
	}, nil
}

func verification(err error) error {
	if errors.Is(err, translate.ErrNotVerified) {
		return fmt.Errorf("%w: %w", auth.ErrBadCredentials, err)
	}
	return err
}
