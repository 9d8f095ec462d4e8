package gateway

import (
	"net/http"
	"slices"
	"strings"

	"ocigate/gateway/auth"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// basePath is what all endpoints begin with.
const basePath = "/api/v1"

// loginRow is the name of the row that verifies credentials of the platform.
const loginRow = "login"

// Endpoint is one row of the API.
type Endpoint struct {
	// Name is the endpoint's own: the label of its metrics, the field of its
	// log lines and its folder under testdata/api.
	Name string
	// Method and Path as documented. Path begins with /api/v1, ends in / and
	// has its parameters in braces.
	Method, Path string
	// Summary is one line for people.
	Summary string
	// Level is the least that a caller needs; his scope must cover the path's
	// tenant and group, or those of the operations that he asks for. Neither
	// applies to an endpoint with a Session.
	Level auth.Level
	// Status is that of a good answer.
	Status int
	// Errors are the codes that the endpoint's own operation can answer
	// with, besides those that every endpoint has.
	Errors []*errcode.Code

	// One of these does the work.
	Query   translate.Query
	Change  translate.Change
	Session sessionWork
	Journal journalWork
}

// Services are what the endpoints' operations belong to.
type Services struct {
	ITC *translate.ITC
}

// Endpoints is the API. The operations of services that are nil must not be
// called, but the rest of the rows is whole.
func Endpoints(s Services) []Endpoint {
	const (
		group    = basePath + "/tenant/{tenant_id}/group/{group_id}"
		itc      = group + "/services/immediate_trunking_connectivity"
		numbers  = itc + "/numbers/"
		prefixes = itc + "/prefixes/"
	)
	itcReads := []*errcode.Code{
		errcode.InvalidParameters, errcode.NotAvailableInEnterpriseMode,
		errcode.TenantNotFound, errcode.GroupNotFound, errcode.ServiceNotAssigned,
		errcode.PlatformError, errcode.PlatformTimeout,
	}
	itcWrites := []*errcode.Code{
		errcode.InvalidParameters, errcode.JSONSchemaValidation, errcode.NotAvailableForAssignment,
		errcode.NotAvailableInEnterpriseMode, errcode.TenantNotFound, errcode.GroupNotFound,
		errcode.ServiceNotAssigned, errcode.BadMediaType,
		errcode.PlatformCheckFailed, errcode.PlatformRefused, errcode.PlatformError, errcode.OutcomeUnknown,
		errcode.JournalUnavailable, errcode.EntriesHeld, errcode.KeyReused, errcode.RequestRunning,
		errcode.OperationNotDone, errcode.PartlyDone,
	}
	prefixReads := append(slices.Clone(itcReads), errcode.NotAvailableInRelease)
	prefixWrites := append(slices.Clone(itcWrites), errcode.NotAvailableInRelease)
	return []Endpoint{
		{
			Name: loginRow, Method: http.MethodPost, Path: basePath + "/login/",
			Summary: "Log in with the platform's credentials and get a token.",
			Status:  http.StatusOK, Session: (*Gateway).login,
			Errors: []*errcode.Code{errcode.InvalidParameters, errcode.JSONSchemaValidation, errcode.BadMediaType, errcode.BodyTooLarge, errcode.PlatformError, errcode.PlatformTimeout},
		},
		{
			Name: "logout", Method: http.MethodPost, Path: basePath + "/logout/",
			Summary: "End the token that the request carries.",
			Status:  http.StatusOK, Session: (*Gateway).logout,
		},
		{
			Name: "operation_get", Method: http.MethodGet, Path: basePath + "/operations/{operation_id}/",
			Summary: "Tell what became of a write.",
			Level:   auth.GroupAdmin, Status: http.StatusOK, Journal: (*Gateway).operation,
			Errors: []*errcode.Code{errcode.OperationNotFound, errcode.JournalUnavailable},
		},
		{
			Name: "operations_list", Method: http.MethodGet, Path: basePath + "/operations/",
			Summary: "List the writes of a tenant or a group, the last ones first.",
			Level:   auth.GroupAdmin, Status: http.StatusOK, Journal: (*Gateway).operations,
			Errors: []*errcode.Code{errcode.InvalidParameters, errcode.JournalUnavailable},
		},
		{
			Name: "itc_numbers_list", Method: http.MethodGet, Path: numbers,
			Summary: "List the number ranges of the group.",
			Level:   auth.GroupAdmin, Status: http.StatusOK, Errors: itcReads, Query: s.ITC.Numbers,
		},
		{
			Name: "itc_numbers_assign", Method: http.MethodPost, Path: numbers,
			Summary: "Assign number ranges of the tenant to the group.",
			Level:   auth.TenantAdmin, Status: http.StatusCreated, Errors: itcWrites, Change: s.ITC.AssignNumbers(),
		},
		{
			Name: "itc_available_numbers_list", Method: http.MethodGet, Path: itc + "/available_numbers/",
			Summary: "List the number ranges that are available: the group's own, or those that can be assigned.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Errors: itcReads, Query: s.ITC.AvailableNumbers,
		},
		{
			Name: "itc_numbers_remove", Method: http.MethodDelete, Path: numbers,
			Summary: "Remove number ranges from the group.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Errors: itcWrites, Change: s.ITC.RemoveNumbers(),
		},
		{
			Name: "itc_numbers_remove_by_post", Method: http.MethodPost, Path: numbers + "remove/",
			Summary: "The same as DELETE, for clients and proxies that drop the body of a DELETE.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Errors: itcWrites, Change: s.ITC.RemoveNumbers(),
		},
		{
			Name: "itc_prefixes_list", Method: http.MethodGet, Path: prefixes,
			Summary: "List the prefixes of the group.",
			Level:   auth.GroupAdmin, Status: http.StatusOK, Errors: prefixReads, Query: s.ITC.Prefixes,
		},
		{
			Name: "itc_prefixes_assign", Method: http.MethodPost, Path: prefixes,
			Summary: "Assign prefixes of the tenant to the group.",
			Level:   auth.TenantAdmin, Status: http.StatusCreated, Errors: prefixWrites, Change: s.ITC.AssignPrefixes(),
		},
		{
			Name: "itc_available_prefixes_list", Method: http.MethodGet, Path: itc + "/available_prefixes/",
			Summary: "List the prefixes that are available: the group's own, or those that can be assigned.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Errors: prefixReads, Query: s.ITC.AvailablePrefixes,
		},
		{
			Name: "itc_prefixes_remove", Method: http.MethodDelete, Path: prefixes,
			Summary: "Remove prefixes from the group.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Errors: prefixWrites, Change: s.ITC.RemovePrefixes(),
		},
		{
			Name: "itc_prefixes_remove_by_post", Method: http.MethodPost, Path: prefixes + "remove/",
			Summary: "The same as DELETE, for clients and proxies that drop the body of a DELETE.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Errors: prefixWrites, Change: s.ITC.RemovePrefixes(),
		},
	}
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
func (e Endpoint) methods() []string {
	if e.Method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{e.Method}
}

// routes are the paths that serve the row, in the router's spelling: with and
// without the final slash, and with the plural that the rest of the API family
// uses.
func (e Endpoint) routes() []string {
	path := strings.NewReplacer("{", ":", "}", "").Replace(e.Path)
	plural := strings.NewReplacer("/tenant/", "/tenants/", "/group/", "/groups/").Replace(path)
	routes := []string{path, strings.TrimSuffix(path, "/")}
	if plural != path {
		routes = append(routes, plural, strings.TrimSuffix(plural, "/"))
	}
	return routes
}
