package gateway

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"ocigate/gateway/auth"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/itc"
	"ocigate/translate/scope"
)

// basePath is what all endpoints begin with.
const basePath = "/api/v1"

// loginRow is the name of the row that verifies credentials of the platform.
const loginRow = "login"

// Route is one row of the API.
type Route struct {
	// Name is the endpoint's own: the label of its metrics, the field of its
	// log lines and its folder under testdata/api.
	Name   string
	Method string
	// Scope is what the path names. Path is what follows the scope's prefix, as
	// documented: it ends in / and has parameters of its own in braces.
	Scope scope.Scope
	Path  string
	// Summary is one line for people.
	Summary string
	// Level is the least that a caller needs, whose scope must cover the path's
	// target, or those of the operations that are asked for. Neither applies to
	// an endpoint with a Session.
	Level auth.Level
	// ByPost is what follows the path in that of a POST that does the same as a
	// DELETE, for clients that cannot send it with a body; empty for none.
	ByPost string
	// Self lets a user use the endpoint about themself, whatever their level.
	Self bool
	// Status is that of a good answer.
	Status int

	// One of these does the work.
	Query   translate.Query
	Change  translate.Change
	Session sessionWork
	Journal journalWork

	// own describes the work of a Session or Journal. Query and Change describe
	// themselves.
	own translate.Description
}

// Services are all services of the API on one platform.
type Services struct {
	engine *translate.Engine
	itc    *itc.Service
}

// ServiceOptions are the options of the services.
type ServiceOptions struct {
	ITC itc.Options
}

// NewServices makes the services. Its error names an option that does not exist.
func NewServices(engine *translate.Engine, o ServiceOptions) (Services, error) {
	immediate, err := itc.New(engine, o.ITC)
	if err != nil {
		return Services{}, err
	}
	return Services{engine, immediate}, nil
}

// observers are those of all kinds of entries.
func (s Services) observers() translate.Observers {
	return translate.NewObservers(s.itc.Observer())
}

// Routes is the API of the services, which [NewServices] made.
func Routes(s Services) []Route {
	return slices.Concat(sessionRows(), journalRows(), itcRows(s.itc))
}

// Table is the API without a platform: what can be known of the rows, and none of
// which can be carried out.
var Table = sync.OnceValue(func() []Route {
	services, err := NewServices(translate.New(translate.Options{}), ServiceOptions{})
	if err != nil {
		panic(err) // the options of a service are valid where they are empty
	}
	return Routes(services)
})

func sessionRows() []Route {
	return []Route{
		{
			Name: loginRow, Method: http.MethodPost, Path: "/login/",
			Summary: "Log in with the platform's credentials and get a token.",
			Status:  http.StatusOK, Session: (*Gateway).login,
			own: translate.Description{
				Request: translate.LoginShape,
				Errors: []*errcode.Code{
					errcode.InvalidParameters, errcode.JSONSchemaValidation, errcode.BadMediaType,
					errcode.BodyTooLarge, errcode.PlatformError, errcode.PlatformTimeout,
				},
			},
		},
		{
			Name: "logout", Method: http.MethodPost, Path: "/logout/",
			Summary: "End the token that the request carries.",
			Status:  http.StatusOK, Session: (*Gateway).logout,
		},
	}
}

func journalRows() []Route {
	return []Route{
		{
			Name: "operation_get", Method: http.MethodGet, Path: "/operations/{operation_id}/",
			Summary: "Tell what became of a write.",
			Level:   auth.GroupAdmin, Status: http.StatusOK, Journal: (*Gateway).operation,
			own: translate.Description{
				Errors: []*errcode.Code{errcode.InvalidParameters, errcode.OperationNotFound, errcode.JournalUnavailable},
			},
		},
		{
			Name: "operations_list", Method: http.MethodGet, Path: "/operations/",
			Summary: "List the writes of a tenant or a group, the last ones first.",
			Level:   auth.GroupAdmin, Status: http.StatusOK, Journal: (*Gateway).operations,
			own: translate.Description{
				Params: listParams,
				Errors: []*errcode.Code{errcode.InvalidParameters, errcode.JournalUnavailable},
			},
		},
	}
}

// readErrors and writeErrors are the codes that every Query and every Change can
// be answered with, besides those that every endpoint has. A Change that reports
// its entries has no PartlyDone: its report says so.
var (
	readErrors  = []*errcode.Code{errcode.InvalidParameters, errcode.PlatformError, errcode.PlatformTimeout}
	writeErrors = []*errcode.Code{
		errcode.InvalidParameters, errcode.JSONSchemaValidation, errcode.BadMediaType,
		errcode.PlatformCheckFailed, errcode.PlatformRefused, errcode.PlatformError, errcode.OutcomeUnknown,
		errcode.JournalUnavailable, errcode.EntriesHeld, errcode.KeyReused, errcode.RequestRunning,
		errcode.OperationNotDone,
	}
)

// Describe is what is known of the row without the platform. Its errors are all
// that the row can be answered with, besides those that every endpoint has.
func (e Route) Describe() translate.Description {
	described := e.own
	switch {
	case e.Query != nil:
		described = e.Query.Describe()
		described.Errors = translate.CodesOnce(readErrors, described.Errors)
	case e.Change != nil:
		described = e.Change.Describe()
		described.Params = append([]translate.Param{dryRunParam}, described.Params...)
		codes := writeErrors
		if !e.reports() {
			codes = append(slices.Clone(codes), errcode.PartlyDone)
		}
		described.Errors = translate.CodesOnce(codes, described.Errors)
	}
	return described
}

// reports reports whether the answer to a good request says what became of each
// entry.
func (e Route) reports() bool {
	_, reports := e.Change.(translate.Reporter)
	return reports
}

// CommonErrors are the codes that any endpoint can answer with.
func CommonErrors() []*errcode.Code {
	return []*errcode.Code{
		errcode.Unauthenticated, errcode.Forbidden, errcode.RateLimited, errcode.BodyTooLarge,
		errcode.PlatformBusy, errcode.PlatformUnavailable, errcode.Internal,
	}
}

// methods are those that the row answers to: what can be read can also be
// asked for without its body.
func (e Route) methods() []string {
	if e.Method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{e.Method}
}

// FullPath is the documented path, with its parameters in braces.
func (e Route) FullPath() string { return basePath + e.Scope.Prefix() + e.Path }

// routerSpelling turns a documented path into the router's spelling. It is made once:
// its tables are large.
var routerSpelling = strings.NewReplacer("{", ":", "}", "")

// routes are the paths that serve the row, in the router's spelling: under each
// spelling of the scope's prefix, with and without the final slash.
func (e Route) routes() []string {
	var routes []string
	for _, prefix := range e.Scope.Prefixes() {
		path := routerSpelling.Replace(basePath + prefix + e.Path)
		routes = append(routes, path, strings.TrimSuffix(path, "/"))
	}
	return routes
}
