package oci

import (
	"cmp"
	"context"
	"crypto/md5"  //nolint:gosec // the platform's signed login is made of these
	"crypto/sha1" //nolint:gosec // two hashes, by the published schema
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// A LoginMethod says how a session is logged in.
type LoginMethod string

// The login methods. The plain ones send the password unencrypted, so they need TLS.
const (
	// LoginAuto is LoginSigned on a connection without TLS. With TLS it is
	// the first of LoginPlain22V5, LoginPlain22V2 and LoginSigned that the
	// platform's release supports, if the release is known, or else the first
	// that the platform does not refuse with a validation error.
	LoginAuto LoginMethod = "auto"
	// LoginSigned uses AuthenticationRequest and LoginRequest14sp4.
	LoginSigned LoginMethod = "signed"
	// LoginPlain22V5 uses LoginRequest22V5.
	LoginPlain22V5 LoginMethod = "plain_22v5"
	// LoginPlain22V2 uses LoginRequest22V2.
	LoginPlain22V2 LoginMethod = "plain_22v2"
)

// Identity is the user who has logged in, by the platform's reply to the login.
type Identity struct {
	UserID            string
	LoginType         string // such as "System", "Service Provider", "Group", "User"
	ServiceProviderID string // empty if the login type has none
	GroupID           string // empty if the login type has none
	// UserDomain is the domain of the user. Only replies to a login have it, not those
	// to a verification.
	UserDomain   string
	IsEnterprise bool // the service provider is an enterprise
	// PasswordExpiresDays is nil if the password does not expire.
	PasswordExpiresDays *int
}

// validationError is the number of the platform's "OCI XML Request validation
// error", which is known publicly. A platform whose release does not support a login
// command refuses it with this number.
const validationError = 6004

// SignPassword returns the signed password for the nonce in the reply to an
// AuthenticationRequest: the lower-case hex of MD5 over the nonce, a colon and the
// lower-case hex of the password's SHA-1, as the published schema defines it. The
// password is hashed as UTF-8.
func SignPassword(nonce, password string) string {
	inner := sha1.Sum([]byte(password))                                  //nolint:gosec // see the import
	outer := md5.Sum([]byte(nonce + ":" + hex.EncodeToString(inner[:]))) //nolint:gosec // see the import
	return hex.EncodeToString(outer[:])
}

// login logs the session in with the credentials.
func (s *session) login(ctx context.Context, userID string, password Secret) (Identity, error) {
	ctx, cancel := within(ctx, s.endpoint.options.LoginTimeout)
	defer cancel()
	return s.loginByFirstSupported(ctx, s.endpoint.loginMethods(), userID, string(password))
}

// loginMethods holds the login methods by their forms in the table of releases.
var loginMethods = map[string]LoginMethod{
	"LoginRequest22V5":      LoginPlain22V5,
	"LoginRequest22V2":      LoginPlain22V2,
	"AuthenticationRequest": LoginSigned,
}

// form returns the method's form in the table of releases.
func (m LoginMethod) form() string {
	for form, method := range loginMethods {
		if method == m {
			return form
		}
	}
	return ""
}

// loginByFirstSupported uses the first of the methods that the platform supports.
// Only a command that it does not support may be followed by another: any other
// refusal may count against the account.
//
// The client learns from the endpoint's own account only which methods the platform
// supports. Credentials of others may violate the schema of a command.
func (s *session) loginByFirstSupported(ctx context.Context, methods []LoginMethod, userID, password string) (Identity, error) {
	dialect := s.endpoint.dialect
	var unknown []string
	for i, method := range methods {
		who, err := s.loginWith(ctx, method, userID, password)
		last := i+1 == len(methods)
		if isValidationError(err) && !last && !dialect.hasAnswered(method.form()) {
			unknown = append(unknown, method.form())
			continue
		}
		if s.ownAccount {
			err = s.learnFromLogin(method, last, unknown, err)
		}
		if err == nil {
			s.userID = userID
		}
		return who, err
	}
	return Identity{}, errors.New("oci: the endpoint supports no login method")
}

// learnFromLogin records what a login has shown of the platform, and returns its
// error, which may become an otherFormError.
func (s *session) learnFromLogin(by LoginMethod, last bool, unknown []string, err error) error {
	dialect := s.endpoint.dialect
	_, refused := errors.AsType[*ErrorReply](err)
	switch {
	case err == nil || refused && !isValidationError(err):
		dialect.noteAnswered(by.form())
		dialect.noteUnsupported(unknown...)
	case !last && closedByPeer(err) && dialect.noteClosed(by.form(), 0):
		return &otherFormError{err}
	case last && !refused:
		// The forms that count as unsupported may have failed for the same reason.
		dialect.retryForms(loginFeature)
	}
	return err
}

// isValidationError reports whether an error is the platform's refusal of a
// command that it does not support, or that violates its schema.
func isValidationError(err error) bool {
	refused, ok := errors.AsType[*ErrorReply](err)
	return ok && refused.isValidationError()
}

// isValidationError reports whether the refusal is a validation error.
func (e *ErrorReply) isValidationError() bool {
	return e.Number == validationError && e.Severity == SeverityError
}

// maxVersionLength is how many bytes are kept of a platform's version. The schema
// allows 30 characters.
const maxVersionLength = 64

// detect asks for the platform's version, if its release is not known. The document
// is in its oldest form, because support for any other is not known. A refusal is no
// error: the release is then unknown.
func (s *session) detect(ctx context.Context) error {
	dialect := s.endpoint.dialect
	if !dialect.mustDetect() {
		dialect.noteDetectionSkipped()
		return nil
	}
	ctx, cancel := within(ctx, s.endpoint.options.LoginTimeout)
	defer cancel()
	for _, form := range dialect.forms(versionFeature) {
		replies, err := s.exchangeDocument(ctx, s.bareDocument([]Command{NewRead(form.name)}))
		if err != nil {
			// An endpoint that closes the connection here must not become unusable
			// because its release is unknown.
			if _, sent := errors.AsType[*LostError](err); sent && ctx.Err() != context.Canceled && dialect.noteClosed(form.name, 0) {
				return &otherFormError{err}
			}
			return err
		}
		dialect.noteAnswered(form.name)
		if replies[0].isValidationError() {
			continue
		}
		if refused := replies[0].failure; refused != nil && s.endpoint.live.Load().Temporary(refused) {
			return nil // the next session asks again
		}
		version, _, err := replies[0].Text("version")
		if err != nil {
			version = "" // there are several, so the release is unknown
		}
		dialect.noteVersion(clip(version, maxVersionLength))
		return nil
	}
	dialect.noteVersion("")
	return nil
}

// loginWith logs in with one method.
func (s *session) loginWith(ctx context.Context, method LoginMethod, userID, password string) (Identity, error) {
	switch method {
	case LoginPlain22V5:
		return s.identify(ctx, NewRead("LoginRequest22V5", Text("userId", userID), Text("password", password)), userID)
	case LoginPlain22V2:
		return s.identify(ctx, NewRead("LoginRequest22V2", Text("userId", userID), Text("password", password)), userID)
	}
	challenge, err := s.ask(ctx, NewRead("AuthenticationRequest", Text("userId", userID)))
	if err != nil {
		return Identity{}, err
	}
	nonce, _, err := challenge.Text("nonce")
	if err != nil {
		return Identity{}, err
	}
	algorithm, stated, err := challenge.Text("passwordAlgorithm")
	if err != nil {
		return Identity{}, err
	}
	if nonce == "" || stated && algorithm != "MD5" {
		return Identity{}, fmt.Errorf("oci: the platform offers no signed login (its password algorithm is %.32q)", algorithm)
	}
	return s.identify(ctx, NewRead("LoginRequest14sp4",
		Text("userId", userID), Text("signedPassword", SignPassword(nonce, password))), userID)
}

// identify sends a command whose reply says who is logged in.
func (s *session) identify(ctx context.Context, login Command, userID string) (Identity, error) {
	reply, err := s.ask(ctx, login)
	if err != nil {
		return Identity{}, err
	}
	return IdentityOf(reply, userID)
}

// IdentityOf returns the identity in the reply to a login command or to an
// AuthenticationVerifyRequest. If the reply has no user id, it is userID. An error
// says that the reply is not such a reply.
func IdentityOf(reply Reply, userID string) (Identity, error) {
	var who Identity
	var days string
	present := map[string]bool{}
	for _, text := range []struct {
		element string
		into    *string
	}{
		{"loginType", &who.LoginType}, {"userId", &who.UserID}, {"serviceProviderId", &who.ServiceProviderID},
		{"groupId", &who.GroupID}, {"userDomain", &who.UserDomain}, {"passwordExpiresDays", &days},
	} {
		var err error
		if *text.into, present[text.element], err = reply.Text(text.element); err != nil {
			return Identity{}, err
		}
		if len(*text.into) > maxPublished {
			// Not cut, because a cut id may be that of another user.
			return Identity{}, &ReplyLimitError{RefusedText, "bytes in " + text.element, maxPublished}
		}
	}
	if !present["loginType"] {
		return Identity{}, protocolError("%s has no loginType", reply.Name())
	}
	who.UserID = cmp.Or(who.UserID, userID)
	var err error
	if who.IsEnterprise, _, err = reply.Bool("isEnterprise"); err != nil {
		return Identity{}, err
	}
	if present["passwordExpiresDays"] {
		n, err := strconv.Atoi(days)
		if err != nil {
			return Identity{}, protocolError("%s: passwordExpiresDays is %.32q", reply.Name(), days)
		}
		who.PasswordExpiresDays = &n
	}
	return who, nil
}

// logoutRequest returns the command that logs a user out.
func logoutRequest(userID string) Command {
	return NewWrite("LogoutRequest", Text("userId", userID), Text("reason", "Client Logout"))
}
