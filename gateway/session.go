package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// A sessionHandler handles a route that begins or ends a caller's session.
type sessionHandler func(*Gateway, context.Context, echo.Context) error

// maxSessionBytes limits the body of a login and of a logout, which a client can send
// without credentials.
const maxSessionBytes = 8 << 10

// loginBody is the documented response to a login.
type loginBody struct {
	IDs struct {
		TenantID string `json:"tenant_id,omitempty" doc:"The tenant of the user or administrator." example:"ApioSpTest"`
		GroupID  string `json:"group_id,omitempty" doc:"Their group." example:"ApioGrpTest"`
		UserID   string `json:"user_id,omitempty" doc:"The user; absent for administrators."`
	} `json:"ids" doc:"The scope of the caller: those that fit the level."`
	Profile struct {
		Level      auth.Level `json:"user_level" values:"levels" doc:"0 End User, 4 Department Admin, 8 Group Admin, 12 Tenant Admin, 16 System Admin." example:"8"`
		FirstLogin bool       `json:"is_first_login" doc:"Whether the platform wants a new password." example:"false"`
		ReadOnly   bool       `json:"read_only,omitempty" doc:"Whether the platform lets the caller only read. Absent if not."`
	} `json:"profile" doc:"The caller's level."`
	AccessToken string `json:"access_token" doc:"Send it as Authorization: Bearer." example:"eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"`
	TokenType   string `json:"token_type" doc:"Always Bearer." example:"Bearer"`
	ExpiresIn   int    `json:"expires_in" doc:"How long the token is valid, in seconds." example:"900"`
}

// login has the platform verify the caller's credentials, and responds with a token.
func (g *Gateway) login(ctx context.Context, c echo.Context) error {
	session, err := g.verified(ctx, c)
	g.options.Metrics.login(loginResult(c, err))
	if err != nil {
		return err
	}
	infoOf(c).principal = session.Principal
	c.SetCookie(g.options.Auth.Cookie(session))
	body := loginBody{
		AccessToken: string(session.Token),
		TokenType:   "Bearer",
		ExpiresIn:   int(session.ExpiresIn.Seconds()),
	}
	body.IDs.TenantID = session.Principal.TenantID
	body.IDs.GroupID = session.Principal.GroupID
	body.IDs.UserID = session.Principal.UserID
	body.Profile.Level = session.Principal.Level
	body.Profile.FirstLogin = session.MustChangePassword
	body.Profile.ReadOnly = session.Principal.ReadOnly
	return writeJSON(c, http.StatusOK, body)
}

// verified returns a new session for the credentials in the body. Every login that the
// platform accepts or refuses has a line in the audit trail, except one of an administrator
// whose restrictions it does not report, which gets no session. While the trail cannot be
// written, all of them get the same response, whether the password was right or not, and
// the platform is not asked once the journal is known not to be usable.
func (g *Gateway) verified(ctx context.Context, c echo.Context) (auth.Session, error) {
	if err := g.options.Auth.CheckOrigin(c.Request()); err != nil {
		return auth.Session{}, g.authFailure(c, err)
	}
	body, err := readBody(c, maxSessionBytes)
	if err != nil {
		return auth.Session{}, err
	}
	username, password, err := translate.DecodeLogin(body)
	if err != nil {
		return auth.Session{}, err
	}
	if _, cause := g.options.Operations.JournalState(); cause != nil {
		return auth.Session{}, unrecordedLogin(cause)
	}
	session, err := g.options.Auth.Login(ctx, infoOf(c).clientIP, username, password)
	if form, ok := errors.AsType[*auth.InputError](err); ok {
		problems := make([]errcode.Problem, len(form.Problems))
		for i, p := range form.Problems {
			problems[i] = errcode.Problem{Pointer: "/" + p.Field, Reason: p.Reason}
		}
		return auth.Session{}, errcode.Invalid(errcode.InvalidParameters, problems...)
	}
	if err != nil {
		err = g.authFailure(c, err)
	}
	if cause := g.auditLogin(ctx, c, username, session.Principal, err); cause != nil {
		c.Response().Header().Del(echo.HeaderWWWAuthenticate) // of a refusal
		return auth.Session{}, unrecordedLogin(cause)
	}
	return session, err
}

// unrecordedLogin returns the error for a login that has no line in the audit trail.
func unrecordedLogin(cause error) error {
	return &errcode.Error{
		Code: errcode.JournalUnavailable, Message: "The gateway cannot record logins at the moment, so nobody can log in.",
		RetryAfter: shortly, Cause: cause,
	}
}

// auditLogin adds a login to the audit trail, also one that was refused. It adds no
// login that was throttled or that could not be verified: a client without credentials
// can make any number of those. It adds one whose password the platform has verified,
// also if the platform reported no rights. After an error it is not known whether the line was
// written.
func (g *Gateway) auditLogin(ctx context.Context, c echo.Context, username string, who auth.Principal, err error) error {
	result := loginResult(c, err)
	accepted := err == nil || errors.Is(err, auth.ErrRightsUnknown)
	if !accepted && result != errcode.Unauthenticated.Name && result != errcode.Forbidden.Name {
		return nil
	}
	event := operation.Event{
		Kind:     operation.EventLogin,
		Caller:   operation.Caller{Name: username, Method: string(auth.MethodToken), ClientIP: addressText(infoOf(c).clientIP), RequestID: infoOf(c).requestID},
		Outcome:  result,
		TenantID: who.TenantID, GroupID: who.GroupID,
	}
	if err == nil {
		event.Caller.Name, event.Caller.Level = who.Name, who.Level.String()
	}
	return g.audit(ctx, c, event)
}

// audit adds an event that belongs to no operation to the audit trail. The keeper
// counts and logs a failure.
func (g *Gateway) audit(ctx context.Context, c echo.Context, event operation.Event) error {
	return g.options.Operations.Note(ctx, eventNow(c, event))
}

// eventNow returns the event with the time and the route of the request.
func eventNow(c echo.Context, event operation.Event) operation.Event {
	event.Time, event.Route = time.Now().UTC(), infoOf(c).route
	return event
}

// loginResult returns the label of a login in the metrics.
func loginResult(c echo.Context, err error) string {
	if err == nil {
		return resultOK
	}
	return disconnectError(c, errcode.Of(err)).Code.Name
}

// logout revokes the token that the request carries: at once in this process, and in the
// journal for the next one and for other replicas. While the journal is not usable, the
// keeper stores it later.
func (g *Gateway) logout(ctx context.Context, c echo.Context) error {
	if err := checkLength(c.Request(), maxSessionBytes); err != nil {
		return err
	}
	who, revoked, err := g.options.Auth.Logout(c.Request().WithContext(ctx))
	if err != nil {
		return g.credentialsFailure(c, err)
	}
	infoOf(c).principal = who
	_ = g.options.Operations.Revoke(ctx, operation.Revocation(revoked), eventNow(c, operation.Event{
		Kind: operation.EventLogout, Caller: callerOf(c), Outcome: resultOK,
		TenantID: who.TenantID, GroupID: who.GroupID,
	})) // the keeper reports the error, and tries again
	c.SetCookie(g.options.Auth.ClearCookie())
	return writeJSON(c, http.StatusOK, struct{}{})
}
