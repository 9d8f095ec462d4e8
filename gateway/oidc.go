package gateway

import (
	"errors"
	"strings"

	"ocigate/gateway/auth"
	"ocigate/translate/errcode"
)

// externalFailure returns the error for a token of an external issuer that could not be
// verified or gives its caller no rights, and nil for every other error. Nothing was
// sent to the platform in either case.
func externalFailure(err error) *errcode.Error {
	if unavailable, ok := errors.AsType[*auth.UnavailableError](err); ok {
		return &errcode.Error{Code: errcode.IssuerUnavailable, RetryAfter: unavailable.RetryAfter, Cause: err}
	}
	if claims, ok := errors.AsType[*auth.ClaimError](err); ok {
		return &errcode.Error{Code: errcode.Forbidden, Message: strings.ToUpper(claims.Reason[:1]) + claims.Reason[1:] + ".", Cause: err}
	}
	return nil
}

// withTokenError adds the reason to the challenge for a Bearer token (RFC 6750,
// section 3.1) if an external token was sent that is not valid. Its holder can only get
// another one from the issuer. The details are only in the log.
func withTokenError(challenge string, err error) string {
	if _, ok := errors.AsType[*auth.TokenError](err); ok && strings.HasPrefix(challenge, "Bearer ") {
		return challenge + `, error="invalid_token"`
	}
	return challenge
}
