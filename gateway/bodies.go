package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// What the description of the API needs to know about bodies. The bodies that the
// gateway composes itself are described by their Go types: a struct tag doc describes a
// member, and a struct tag values names the set of its values in [BodyValues].

// A Body is the body of a response that is not an error. Exactly one of Shape and Type
// is set.
type Body struct {
	Shape *translate.Shape
	Type  reflect.Type
	// DryRun reports whether the body is that of a dry run.
	DryRun bool
}

// Bodies returns the bodies of the route's responses by their statuses. A status
// without bodies, such as 304, has an empty list.
func (r Route) Bodies() map[int][]Body {
	bodies := map[int][]Body{}
	switch {
	case r.Journal != nil || r.Session != nil:
		bodies[r.Status] = []Body{r.ownBody}
	default:
		bodies[r.Status] = []Body{{Shape: r.Describe().Response}}
	}
	if isRead(r) {
		bodies[http.StatusNotModified] = nil
	}
	if r.Change != nil {
		bodies[http.StatusOK] = append(bodies[http.StatusOK], Body{Type: reflect.TypeFor[dryRunBody](), DryRun: true})
	}
	if r.reports() {
		bodies[http.StatusMultiStatus] = []Body{{Shape: r.Describe().Response}}
	}
	return bodies
}

// Statuses returns the statuses of the route's responses, in ascending order: of
// successes, and of its errors, [CommonErrors] included.
func (r Route) Statuses() []int {
	statuses := r.goodStatuses()
	for _, code := range r.Errors() {
		statuses = append(statuses, code.Status)
	}
	slices.Sort(statuses)
	return slices.Compact(statuses)
}

// ErrorMedia returns the media types of errors with the Go types of their bodies, the
// usual one first.
func ErrorMedia() []Media {
	return []Media{
		{echo.MIMEApplicationJSON, reflect.TypeFor[errorBody]()},
		{mimeProblem, reflect.TypeFor[problemBody]()},
	}
}

// Media is a media type with the Go type of its bodies.
type Media struct {
	Name string
	Type reflect.Type
}

// WireBody is the Go type of bodies of the media type [WireMedia].
func WireBody() reflect.Type { return reflect.TypeFor[wireBody]() }

// BodyMedia is the media type of all other bodies, of requests too.
const BodyMedia = echo.MIMEApplicationJSON

// RouterErrors returns the error codes of requests that reach no route.
func RouterErrors() []*errcode.Code {
	return []*errcode.Code{errcode.RouteNotFound, errcode.MethodNotAllowed}
}

// ErrorPage returns the path of the page of an error in the documentation.
func ErrorPage(c *errcode.Code) string { return DocsPath + "errors/" + c.Name + "/" }

// ErrorBodies returns the bodies of an error in the forms of [ErrorMedia].
func ErrorBodies(e *errcode.Error) []any {
	return []any{errorBody{Errors: []errorObject{objectOf(e)}}, problemOf(e, detailOf(e))}
}

// ProblemBody returns the problem+json form of an error in the usual form. Its error
// reports a body that is not one of an error.
func ProblemBody(usual []byte) (any, error) {
	var body errorBody
	decoder := json.NewDecoder(bytes.NewReader(usual))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		return nil, fmt.Errorf("gateway: the body of an error: %w", err)
	}
	if len(body.Errors) != 1 {
		return nil, fmt.Errorf("gateway: the body has %d errors", len(body.Errors))
	}
	code, known := errcode.ByName(body.Errors[0].Name)
	if !known {
		return nil, fmt.Errorf("gateway: the body has the unknown error name %q", body.Errors[0].Name)
	}
	return problemOf(&errcode.Error{Code: code, Message: body.Errors[0].Message}, body.Errors[0].Details), nil
}

// SchemaName returns the name of the body or of a part of it in the description, by
// its Go type; "" for a type without a name of its own. Names never change.
func SchemaName(t reflect.Type) string {
	return map[reflect.Type]string{
		reflect.TypeFor[indexBody]():            "Index",
		reflect.TypeFor[indexIDs]():             "IndexIds",
		reflect.TypeFor[indexProfile]():         "IndexProfile",
		reflect.TypeFor[indexLink]():            "IndexLink",
		reflect.TypeFor[loginBody]():            "Session",
		reflect.TypeFor[operationBody]():        "Operation",
		reflect.TypeFor[entryBody]():            "OperationEntry",
		reflect.TypeFor[operation.Correction](): "OperationCorrection",
		reflect.TypeFor[operationsBody]():       "OperationsPage",
		reflect.TypeFor[listedBody]():           "ListedOperation",
		reflect.TypeFor[dryRunBody]():           "DryRun",
		reflect.TypeFor[dryRunChange]():         "DryRunChange",
		reflect.TypeFor[errorBody]():            "Errors",
		reflect.TypeFor[errorObject]():          "Error",
		reflect.TypeFor[errorDetail]():          "ErrorDetails",
		reflect.TypeFor[problem]():              "ErrorPlace",
		reflect.TypeFor[platformErrorBody]():    "PlatformMessage",
		reflect.TypeFor[problemBody]():          "Problem",
		reflect.TypeFor[wireBody]():             "Wire",
		reflect.TypeFor[wireExchange]():         "WireExchange",
	}[t]
}

// BodyValues returns a set of values that a struct tag names. More values may be added
// to it.
func BodyValues(set string) []string {
	switch set {
	case "states":
		return texts([]operation.State{
			operation.Received, operation.Intent, operation.Sent, operation.Done, operation.NotDone, operation.PartlyDone, operation.Unknown,
		})
	case "outcomes":
		return texts(listedStates)
	case "bases":
		return texts([]operation.Basis{operation.ByReply, operation.ByReading, operation.NotTaken})
	case "levels":
		var numbers []string
		for _, level := range auth.Levels() {
			numbers = append(numbers, strconv.Itoa(int(level)))
		}
		return numbers
	}
	panic("gateway: there is no set of values " + set)
}

// A PathParameter is a parameter of a route's path.
type PathParameter struct {
	Name     string
	Doc      string
	Min, Max int // characters
	Pattern  string
	Example  string
}

// PathParameters returns the parameters of the route's path, in its order.
func (r Route) PathParameters() []PathParameter {
	var parameters []PathParameter
	for _, p := range r.Scope.Parameters() {
		doc, example := scopeParameterDocs[p.Name][0], scopeParameterDocs[p.Name][1]
		parameters = append(parameters, PathParameter{Name: p.Name, Doc: doc, Min: 1, Max: p.MaxLength, Pattern: idPattern, Example: example})
	}
	if strings.Contains(r.Path, "{"+operationIDParameter+"}") {
		parameters = append(parameters, PathParameter{
			Name: operationIDParameter, Doc: "The id of a write: the header " + HeaderOperationID + " of its response.",
			Min: 1, Max: len(ExampleOperationID), Example: ExampleOperationID,
		})
	}
	return parameters
}

// idPattern is a condition on ids besides their length: no blank at the beginning or the
// end, and no two in a row. The other conditions are not expressed by it.
const idPattern = `^[^ ]+( [^ ]+)*$`

// scopeParameterDocs has a text and an example for each parameter of a scope.
var scopeParameterDocs = map[string][2]string{
	"tenant_id": {"The id of the tenant: the platform's service provider or enterprise. Case matters.", "ApioSpTest"},
	"group_id":  {"The id of the group in the tenant. Case matters.", "ApioGrpTest"},
	"user_id":   {"The id of the user, mostly name@domain. Case matters.", "ApioUserTest@sip.netaxis.be"},
}

// Limits of requests that the description names.
const (
	// SessionBodyBytes is the limit of the body of a login or a logout.
	SessionBodyBytes = maxSessionBytes
	// DefaultBodyBytes is the default of [Options.MaxBodyBytes].
	DefaultBodyBytes = 1 << 20
	// IgnoredParameter is the query parameter that reads ignore.
	IgnoredParameter = cacheBuster
)

// LevelNames returns the names of all levels, the lowest first.
func LevelNames() []string {
	var names []string
	for _, level := range auth.Levels() {
		names = append(names, level.String())
	}
	return names
}
