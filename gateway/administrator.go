package gateway

import (
	"context"
	"errors"
	"fmt"

	"ocigate/gateway/auth"
	"ocigate/oci"
	"ocigate/translate/errcode"
)

// The platform restricts some administrators: those of the system may be read-only, and
// those of a tenant have one of three types. No reply to a login or to a verification of
// credentials has this; only the profile of the administrator has.

// CheckAdministrators returns a verifier that also asks the platform, after the password
// of an administrator was verified, whether it restricts them. It sends one command over
// a session of the gateway's own account, which must have the right to read administrators.
// If the platform does not answer, the login fails with PLATFORM_UNAVAILABLE, which wraps
// [auth.ErrRightsUnknown]: nobody gets more rights because of a fault.
//
// By the published schema, the restrictions are
//
//   - readOnly in the reply to a SystemAdminGetRequest,
//   - administratorType in the reply to a ServiceProviderAdminGetRequest14: Normal,
//     Customer or Password Reset Only. No public document says what a Customer
//     administrator may change; here they may only read.
func CheckAdministrators(by auth.Verifier, platform *oci.Client) auth.Verifier {
	return administratorCheck{by, platform}
}

type administratorCheck struct {
	auth.Verifier
	platform *oci.Client
}

// profile is how the platform is asked about the administrators of a login type.
type profile struct {
	command string
	rights  func(oci.Reply) (auth.Rights, error)
}

// profiles holds the login types whose administrators the platform may restrict.
var profiles = map[string]profile{
	"System":           {"SystemAdminGetRequest", rightsInSystem},
	"Provisioning":     {"SystemAdminGetRequest", rightsInSystem},
	"Service Provider": {"ServiceProviderAdminGetRequest14", rightsInTenant},
}

// Verify implements auth.Verifier.
func (v administratorCheck) Verify(ctx context.Context, userID, password string) (auth.Identity, error) {
	who, err := v.Verifier.Verify(ctx, userID, password)
	p, restricts := profiles[who.LoginType]
	if err != nil || !restricts {
		return who, err
	}
	who.Rights, err = v.ask(ctx, p, who.UserID)
	if err != nil {
		return auth.Identity{}, &errcode.Error{
			Code: errcode.PlatformUnavailable, Message: "The platform did not report the rights of the administrator.",
			RetryAfter: shortly, Cause: fmt.Errorf("%w, asked for with %s: %w", auth.ErrRightsUnknown, p.command, err),
		}
	}
	return who, nil
}

// AdministratorRead returns the read of the profile of an administrator of the system. An
// account for which the platform refuses it cannot be that of a gateway that checks
// administrators.
func AdministratorRead(userID string) oci.Read { return profiles["System"].read(userID) }

func (p profile) read(userID string) oci.Read {
	return oci.NewRead(p.command, oci.Text("userId", userID))
}

// ask returns the rights in the profile of an administrator.
func (v administratorCheck) ask(ctx context.Context, p profile, userID string) (auth.Rights, error) {
	replies, err := v.platform.Read(ctx, p.read(userID))
	if err != nil {
		return auth.NoRights, err
	}
	if err := replies[0].Err(); err != nil {
		return auth.NoRights, err
	}
	return p.rights(replies[0])
}

func rightsInSystem(reply oci.Reply) (auth.Rights, error) {
	readOnly, present, err := reply.Bool("readOnly")
	switch {
	case err != nil:
		return auth.NoRights, err
	case !present:
		return auth.NoRights, errors.New("the reply has no readOnly")
	case readOnly:
		return auth.ReadingOnly, nil
	}
	return auth.AllRights, nil
}

func rightsInTenant(reply oci.Reply) (auth.Rights, error) {
	kind, _, err := reply.Text("administratorType")
	if err != nil {
		return auth.NoRights, err
	}
	switch kind {
	case "Normal":
		return auth.AllRights, nil
	case "Customer":
		return auth.ReadingOnly, nil
	case "Password Reset Only":
		return auth.NoRights, nil
	}
	return auth.NoRights, fmt.Errorf("the administratorType %.40q is not known", kind)
}
