package gateway

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"ocigate/gateway/auth"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/itc"
	"ocigate/translate/scope"
)

// basePath is the beginning of all paths of the API.
const basePath = "/api/v1"

// loginRoute is the name of the route that verifies credentials of the platform, and
// logoutRoute that of the route that ends a token.
const (
	loginRoute  = "login"
	logoutRoute = "logout"
)

// A Route is one method of one path of the API.
type Route struct {
	// Name is unique and persisted: it is the label "endpoint" of metrics, the field
	// "endpoint" of log lines and operations, and the folder under testdata/api.
	Name   string
	Method string // GET also serves HEAD
	// Scope is the kind of target that the path names. Path follows the prefix of the
	// scope, as documented: it ends in / and has its own parameters in braces.
	Scope scope.Scope
	Path  string
	// Summary is one line for the documentation.
	Summary string
	// Level is the lowest level of a caller. The caller's scope must also cover the
	// target of the path, or those of the operations that are asked for. Neither is
	// checked for a Session.
	Level auth.Level
	// ByPost is what a POST appends to the path to do the same as this DELETE, for
	// clients that cannot send a DELETE with a body; empty for none.
	ByPost string
	// Self lets users at any level call the route for themselves.
	Self bool
	// Status is the HTTP status of a success.
	Status int

	// Exactly one of these is set: it handles the route's requests.
	Query   translate.Query  // reads from the platform
	Change  translate.Change // writes to the platform
	Session sessionHandler   // begins or ends a session
	Journal journalHandler   // reads what the gateway itself has: its journal, its routes

	// own describes a Session or Journal, and ownBody is its response. A Query or
	// Change describes itself.
	own     translate.Description
	ownBody Body
}

// Services are all services of the API on one platform.
type Services struct {
	engine *translate.Engine
	itc    *itc.Service
}

// ServiceOptions are the options of all services.
type ServiceOptions struct {
	ITC itc.Options
}

// NewServices returns the services on that engine. Its error names an invalid option.
func NewServices(engine *translate.Engine, o ServiceOptions) (Services, error) {
	immediate, err := itc.New(engine, o.ITC)
	if err != nil {
		return Services{}, err
	}
	return Services{engine, immediate}, nil
}

// observers returns the observers of all kinds of entries.
func (s Services) observers() translate.Observers {
	return translate.NewObservers(s.itc.Observer())
}

// Routes returns all routes of the API, for the services that [NewServices] returned.
func Routes(s Services) []Route {
	return slices.Concat(sessionRoutes(), indexRoutes(), journalRoutes(), itcRoutes(s.itc))
}

// Table returns all routes of the API without a platform. Callers can describe and
// list them, but not serve requests with them.
var Table = sync.OnceValue(func() []Route {
	services, err := NewServices(translate.New(translate.Options{}), ServiceOptions{})
	if err != nil {
		panic(err) // empty options are valid
	}
	return Routes(services)
})

func sessionRoutes() []Route {
	return []Route{
		{
			Name: loginRoute, Method: http.MethodPost, Path: "/login/",
			Summary: "Log in with the platform's credentials and get a token.",
			Status:  http.StatusOK, Session: (*Gateway).login, ownBody: Body{Type: reflect.TypeFor[loginBody]()},
			own: translate.Description{
				Request: translate.LoginShape,
				Errors: []*errcode.Code{
					errcode.InvalidParameters, errcode.JSONSchemaValidation, errcode.BadMediaType,
					errcode.BodyTooLarge, errcode.UploadTimeout, errcode.PlatformError, errcode.PlatformTimeout, errcode.JournalUnavailable,
				},
			},
		},
		{
			Name: logoutRoute, Method: http.MethodPost, Path: "/logout/",
			Summary: "End the token that the request carries.",
			Status:  http.StatusOK, Session: (*Gateway).logout, ownBody: Body{Shape: translate.EmptyShape},
		},
	}
}

func journalRoutes() []Route {
	return []Route{
		{
			Name: "operation_get", Method: http.MethodGet, Path: "/operations/{operation_id}/",
			Summary: "Show the state and outcome of a write.",
			Level:   auth.GroupAdmin, Status: http.StatusOK, Journal: (*Gateway).operation, ownBody: Body{Type: reflect.TypeFor[operationBody]()},
			own: translate.Description{
				Errors: []*errcode.Code{errcode.InvalidParameters, errcode.OperationNotFound, errcode.JournalUnavailable},
			},
		},
		{
			Name: "operations_list", Method: http.MethodGet, Path: "/operations/",
			Summary: "List the writes of a tenant or a group, the newest first.",
			Level:   auth.GroupAdmin, Status: http.StatusOK, Journal: (*Gateway).operations, ownBody: Body{Type: reflect.TypeFor[operationsBody]()},
			own: translate.Description{
				Params: listParams,
				Errors: []*errcode.Code{errcode.InvalidParameters, errcode.JournalUnavailable},
			},
		},
	}
}

// readErrors and writeErrors are the error codes of every Query and every Change,
// besides [CommonErrors]. A Change also has PartlyDone, unless it reports its entries:
// then it responds with the report.
var (
	readErrors  = []*errcode.Code{errcode.InvalidParameters, errcode.PlatformError, errcode.PlatformTimeout}
	writeErrors = []*errcode.Code{
		errcode.InvalidParameters, errcode.JSONSchemaValidation, errcode.BadMediaType, errcode.UploadTimeout,
		errcode.PlatformCheckFailed, errcode.PlatformRefused, errcode.PlatformError, errcode.OutcomeUnknown,
		errcode.JournalUnavailable, errcode.EntriesHeld, errcode.KeyReused, errcode.RequestRunning,
		errcode.OperationNotDone,
	}
)

// Describe returns the description of the route, which needs no platform. Its Errors
// are all error codes of the route, except [CommonErrors].
func (r Route) Describe() translate.Description {
	described := r.own
	switch {
	case r.Query != nil:
		described = r.Query.Describe()
		described.Errors = translate.CodesOnce(readErrors, described.Errors)
	case r.Change != nil:
		described = r.Change.Describe()
		described.Params = append([]translate.Param{dryRunParam}, described.Params...)
		codes := writeErrors
		if !r.reports() {
			codes = append(slices.Clone(codes), errcode.PartlyDone)
		}
		described.Errors = translate.CodesOnce(codes, described.Errors)
	}
	return described
}

// reports reports whether the response to a write has the outcome of each entry.
func (r Route) reports() bool {
	_, reports := r.Change.(translate.Reporter)
	return reports
}

// CommonErrors returns the error codes that routes can respond with whatever they do:
// see [Route.Errors].
func CommonErrors() []*errcode.Code {
	return []*errcode.Code{
		errcode.Unauthenticated, errcode.Forbidden, errcode.RateLimited, errcode.TooManyRequests, errcode.BodyTooLarge,
		errcode.PlatformBusy, errcode.PlatformUnavailable, errcode.IssuerUnavailable, errcode.JournalUnavailable, errcode.Internal,
	}
}

// Errors returns all error codes that the route can respond with, each once: those of its
// description, and [CommonErrors] except those that cannot happen. The limit of callers
// does not count the routes of a session, and a login has no token of an issuer.
func (r Route) Errors() []*errcode.Code {
	codes := translate.CodesOnce(CommonErrors(), r.Describe().Errors)
	return slices.DeleteFunc(codes, func(c *errcode.Code) bool {
		return r.Session != nil && c == errcode.TooManyRequests || r.Name == loginRoute && c == errcode.IssuerUnavailable
	})
}

// methods returns the HTTP methods that the route serves.
func (r Route) methods() []string {
	if r.Method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{r.Method}
}

// FullPath returns the documented path, with its parameters in braces.
func (r Route) FullPath() string { return basePath + r.Scope.Prefix() + r.Path }

// routerSyntax turns a documented path into the router's syntax. It is made once: its
// tables are large.
var routerSyntax = strings.NewReplacer("{", ":", "}", "")

// Paths returns all paths that serve the route, with their parameters in braces: under
// each spelling of the scope's prefix, with and without the final slash. The documented
// one is the first.
func (r Route) Paths() []string {
	var paths []string
	for _, prefix := range r.Scope.Prefixes() {
		path := basePath + prefix + r.Path
		paths = append(paths, path, strings.TrimSuffix(path, "/"))
	}
	return paths
}

// patterns returns the paths that serve the route, in the router's syntax.
func (r Route) patterns() []string {
	patterns := r.Paths()
	for i := range patterns {
		patterns[i] = routerSyntax.Replace(patterns[i])
	}
	return patterns
}

// Schemes returns the ways in which a request to the route is authenticated; none if it
// needs no credentials.
func (r Route) Schemes() []auth.Scheme {
	switch {
	case r.Name == loginRoute:
		return nil
	case r.Session != nil: // it ends a session, so it needs one
		return slices.DeleteFunc(auth.Schemes(), func(s auth.Scheme) bool { return !s.IsToken() })
	}
	return auth.Schemes()
}
