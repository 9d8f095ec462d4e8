package oci

import (
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
	// platform knows.
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
	ctx, cancel := context.WithTimeout(ctx, s.endpoint.options.LoginTimeout)
	defer cancel()
	return s.loginByFirst(ctx, s.endpoint.loginMethods(), userID, string(password))
}

// loginByFirst uses the first of the methods that the platform knows.
func (s *session) loginByFirst(ctx context.Context, methods []LoginMethod, userID, password string) (Identity, error) {
	var err error
	for _, method := range methods {
		var who Identity
		if who, err = s.loginBy(ctx, method, userID, password); err == nil {
			s.userID = userID
			return who, nil
		}
		// Only a command that the platform does not know may be followed by
		// another: any other refusal may count against the account.
		if refused, ok := errors.AsType[*ErrorReply](err); !ok || refused.Number != validationError {
			break
		}
	}
	return Identity{}, err
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
	nonce, _ := challenge.Text("nonce")
	if algorithm, ok := challenge.Text("passwordAlgorithm"); nonce == "" || ok && algorithm != "MD5" {
		return Identity{}, fmt.Errorf("oci: the platform offers no signed login (its password algorithm is %q)", algorithm)
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
	who := Identity{UserID: userID}
	var ok bool
	if who.LoginType, ok = reply.Text("loginType"); !ok {
		return Identity{}, protocolError("%s has no loginType", reply.Name())
	}
	if named, ok := reply.Text("userId"); ok && named != "" {
		who.UserID = named
	}
	who.ServiceProviderID, _ = reply.Text("serviceProviderId")
	who.GroupID, _ = reply.Text("groupId")
	var err error
	if who.IsEnterprise, _, err = reply.Bool("isEnterprise"); err != nil {
		return Identity{}, err
	}
	if days, ok := reply.Text("passwordExpiresDays"); ok {
		n, err := strconv.Atoi(days)
		if err != nil {
			return Identity{}, protocolError("%s: passwordExpiresDays is %q", reply.Name(), days)
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
	_, err := s.ask(ctx, NewRead("VerifySessionIsValidRequest"))
	if refused, ok := errors.AsType[*ErrorReply](err); ok && refused.Number == validationError {
		return nil
	}
	return err
}

func logoutRequest(userID string) Command {
	return NewWrite("LogoutRequest", Text("userId", userID), Text("reason", "Client Logout"))
}
