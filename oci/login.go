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

// LoginMethod is how a session is logged in.
type LoginMethod string

// The ways to log in. The plain ones send the password as it is, and only go
// over TLS.
const (
	// LoginAuto is LoginSigned on a connection without TLS. With TLS it is
	// the first of LoginPlain22V5, LoginPlain22V2 and LoginSigned that the
	// platform's release has, as far as that is known, or else that the
	// platform does not refuse as unknown.
	LoginAuto LoginMethod = "auto"
	// LoginSigned is AuthenticationRequest and LoginRequest14sp4.
	LoginSigned LoginMethod = "signed"
	// LoginPlain22V5 is LoginRequest22V5.
	LoginPlain22V5 LoginMethod = "plain_22v5"
	// LoginPlain22V2 is LoginRequest22V2.
	LoginPlain22V2 LoginMethod = "plain_22v2"
)

// Identity is who a login is, by the platform's answer to it.
type Identity struct {
	UserID            string
	LoginType         string // such as "System", "Service Provider", "Group", "User"
	ServiceProviderID string // empty where the type has none
	GroupID           string // empty where the type has none
	IsEnterprise      bool   // the service provider is an enterprise
	// PasswordExpiresDays is nil where the password does not expire.
	PasswordExpiresDays *int
}

// validationError is the number of the platform's "OCI XML Request validation
// error", which is known publicly. A login command that the platform's release
// does not have gets it.
const validationError = 6004

// SignPassword answers an AuthenticationRequest's nonce: the lower-case hex of
// MD5 over the nonce, a colon and the lower-case hex of the password's SHA-1,
// as the published schema has it. The password is taken as UTF-8.
func SignPassword(nonce, password string) string {
	inner := sha1.Sum([]byte(password))                                  //nolint:gosec // see the import
	outer := md5.Sum([]byte(nonce + ":" + hex.EncodeToString(inner[:]))) //nolint:gosec // see the import
	return hex.EncodeToString(outer[:])
}

// login logs the session in with those credentials.
func (s *session) login(ctx context.Context, userID string, password Secret) (Identity, error) {
	ctx, cancel := within(ctx, s.endpoint.options.LoginTimeout)
	defer cancel()
	return s.loginByFirst(ctx, s.endpoint.loginMethods(), userID, string(password))
}

// loginMethods are the methods by their forms in the table of releases.
var loginMethods = map[string]LoginMethod{
	"LoginRequest22V5":      LoginPlain22V5,
	"LoginRequest22V2":      LoginPlain22V2,
	"AuthenticationRequest": LoginSigned,
}

// form is the method's form in the table of releases.
func (m LoginMethod) form() string {
	for form, method := range loginMethods {
		if method == m {
			return form
		}
	}
	return ""
}

// loginByFirst uses the first of the methods that the platform knows. Only a
// command that it does not know may be followed by another: any other refusal
// may count against the account.
//
// What that shows of the platform is learned from our own accounts alone:
// credentials of others may not fit the schema of a command.
func (s *session) loginByFirst(ctx context.Context, methods []LoginMethod, userID, password string) (Identity, error) {
	dialect := s.endpoint.dialect
	var unknown []string
	for i, method := range methods {
		who, err := s.loginBy(ctx, method, userID, password)
		last := i+1 == len(methods)
		if isValidationError(err) && !last && !dialect.hasAnswered(method.form()) {
			unknown = append(unknown, method.form())
			continue
		}
		if s.ours {
			err = s.learnFromLogin(method, last, unknown, err)
		}
		if err == nil {
			s.userID = userID
		}
		return who, err
	}
	return Identity{}, errors.New("oci: no way to log in is left")
}

// learnFromLogin notes what a login has shown of the platform, and returns its
// error.
func (s *session) learnFromLogin(by LoginMethod, last bool, unknown []string, err error) error {
	dialect := s.endpoint.dialect
	_, refused := errors.AsType[*ErrorReply](err)
	switch {
	case err == nil || refused && !isValidationError(err):
		dialect.noteAnswered(by.form())
		dialect.refuse(unknown...)
	case !last && closedByPeer(err) && dialect.wasClosed(by.form(), 0):
		return &otherFormError{err}
	case last && !refused:
		// The forms that count as unsupported may have failed for this reason
		// too.
		dialect.reconsider(loginFeature)
	}
	return err
}

// isValidationError reports whether an error is the platform's refusal of a
// command that it does not know, or that does not fit its schema.
func isValidationError(err error) bool {
	refused, ok := errors.AsType[*ErrorReply](err)
	return ok && refused.isValidationError()
}

func (e *ErrorReply) isValidationError() bool {
	return e.Number == validationError && e.Severity == SeverityError
}

// maxVersionLength bounds what is kept of a platform's version, in bytes. The
// schema has 30 characters.
const maxVersionLength = 64

// detect asks for the platform's version, where its release is not known. It
// goes out in the oldest form of a document, because nothing else is known to be
// understood. Its refusal is no error: the release is then unknown.
func (s *session) detect(ctx context.Context) error {
	dialect := s.endpoint.dialect
	if !dialect.mustDetect() {
		dialect.settle()
		return nil
	}
	ctx, cancel := within(ctx, s.endpoint.options.LoginTimeout)
	defer cancel()
	for _, form := range dialect.forms(versionFeature) {
		replies, err := s.exchangeDocument(ctx, s.bareDocument([]Command{NewRead(form.name)}))
		if err != nil {
			// Whatever kept the answer away: no endpoint is refused because its
			// release is not known.
			if _, sent := errors.AsType[*LostError](err); sent && ctx.Err() != context.Canceled && dialect.wasClosed(form.name, 0) {
				return &otherFormError{err}
			}
			return err
		}
		dialect.noteAnswered(form.name)
		if replies[0].isValidationError() {
			continue
		}
		if refused := replies[0].failure; refused != nil && s.endpoint.options.Temporary(refused) {
			return nil // the next session asks again
		}
		version, _, err := replies[0].Text("version")
		if err != nil {
			version = "" // it states several, so the release is not known
		}
		dialect.detect(clip(version, maxVersionLength))
		return nil
	}
	dialect.detect("")
	return nil
}

func (s *session) loginBy(ctx context.Context, method LoginMethod, userID, password string) (Identity, error) {
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
	algorithm, told, err := challenge.Text("passwordAlgorithm")
	if err != nil {
		return Identity{}, err
	}
	if nonce == "" || told && algorithm != "MD5" {
		return Identity{}, fmt.Errorf("oci: the platform offers no signed login (its password algorithm is %.32q)", algorithm)
	}
	return s.identify(ctx, NewRead("LoginRequest14sp4",
		Text("userId", userID), Text("signedPassword", SignPassword(nonce, password))), userID)
}

// identify sends a command whose answer tells who is logged in.
func (s *session) identify(ctx context.Context, login Command, userID string) (Identity, error) {
	reply, err := s.ask(ctx, login)
	if err != nil {
		return Identity{}, err
	}
	return IdentityOf(reply, userID)
}

// IdentityOf reads the answer to a login command or to an
// AuthenticationVerifyRequest. Where it names no user, it is userID's.
func IdentityOf(reply Reply, userID string) (Identity, error) {
	var who Identity
	var days string
	present := map[string]bool{}
	for _, text := range []struct {
		element string
		into    *string
	}{
		{"loginType", &who.LoginType}, {"userId", &who.UserID}, {"serviceProviderId", &who.ServiceProviderID},
		{"groupId", &who.GroupID}, {"passwordExpiresDays", &days},
	} {
		var err error
		if *text.into, present[text.element], err = reply.Text(text.element); err != nil {
			return Identity{}, err
		}
		if len(*text.into) > maxSaid {
			// Not cut: it would be somebody else's.
			return Identity{}, &ReplyLimitError{RefusedText, "bytes in " + text.element, maxSaid}
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

// ask sends one command and turns a refusal into an error.
func (s *session) ask(ctx context.Context, command Command) (Reply, error) {
	replies, err := s.exchange(ctx, command)
	if err != nil {
		return Reply{}, err
	}
	return replies[0], replies[0].Err()
}

// ping asks the platform whether the session is still logged in. A release that
// does not know the question has still answered it.
func (s *session) ping(ctx context.Context) error {
	_, err := s.ask(ctx, NewRead(validityCommand))
	if isValidationError(err) {
		return nil
	}
	return err
}

func logoutRequest(userID string) Command {
	return NewWrite("LogoutRequest", Text("userId", userID), Text("reason", "Client Logout"))
}
