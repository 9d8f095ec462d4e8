package gateway

import (
	"net/http"

	"ocigate/gateway/auth"
	"ocigate/translate/itc"
	"ocigate/translate/scope"
)

// itcRoutes returns the routes of immediate trunking connectivity.
func itcRoutes(s *itc.Service) []Route {
	const (
		service           = "/services/immediate_trunking_connectivity"
		numbers           = service + "/numbers/"
		prefixes          = service + "/prefixes/"
		availableNumbers  = service + "/available_numbers/"
		availablePrefixes = service + "/available_prefixes/"
		byPost            = "remove/"
	)
	return []Route{
		{
			Name: "itc_numbers_list", Method: http.MethodGet, Scope: scope.Group, Path: numbers,
			Summary: "List the number ranges of the group.",
			Level:   auth.GroupAdmin, Status: http.StatusOK, Query: s.Numbers(),
		},
		{
			Name: "itc_numbers_assign", Method: http.MethodPost, Scope: scope.Group, Path: numbers,
			Summary: "Assign number ranges of the tenant to the group.",
			Level:   auth.TenantAdmin, Status: http.StatusCreated, Change: s.AssignNumbers(),
		},
		{
			Name: "itc_available_numbers_list", Method: http.MethodGet, Scope: scope.Group, Path: availableNumbers,
			Summary: "List the number ranges that are available: the group's own, or those that can be assigned.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Query: s.AvailableNumbers(),
		},
		{
			Name: "itc_numbers_remove", Method: http.MethodDelete, Scope: scope.Group, Path: numbers,
			Summary: "Remove number ranges from the group.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, ByPost: byPost, Change: s.RemoveNumbers(),
		},
		{
			Name: "itc_numbers_remove_by_post", Method: http.MethodPost, Scope: scope.Group, Path: numbers + byPost,
			Summary: "The same as DELETE, for clients and proxies that drop the body of a DELETE.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Change: s.RemoveNumbers(),
		},
		{
			Name: "itc_numbers_set", Method: http.MethodPut, Scope: scope.Group, Path: numbers,
			Summary: "Give the group exactly the number ranges that are listed.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Change: s.SetNumbers(),
		},
		{
			Name: "itc_prefixes_list", Method: http.MethodGet, Scope: scope.Group, Path: prefixes,
			Summary: "List the prefixes of the group.",
			Level:   auth.GroupAdmin, Status: http.StatusOK, Query: s.Prefixes(),
		},
		{
			Name: "itc_prefixes_assign", Method: http.MethodPost, Scope: scope.Group, Path: prefixes,
			Summary: "Assign prefixes of the tenant to the group.",
			Level:   auth.TenantAdmin, Status: http.StatusCreated, Change: s.AssignPrefixes(),
		},
		{
			Name: "itc_available_prefixes_list", Method: http.MethodGet, Scope: scope.Group, Path: availablePrefixes,
			Summary: "List the prefixes that are available: the group's own, or those that can be assigned.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Query: s.AvailablePrefixes(),
		},
		{
			Name: "itc_prefixes_remove", Method: http.MethodDelete, Scope: scope.Group, Path: prefixes,
			Summary: "Remove prefixes from the group.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, ByPost: byPost, Change: s.RemovePrefixes(),
		},
		{
			Name: "itc_prefixes_remove_by_post", Method: http.MethodPost, Scope: scope.Group, Path: prefixes + byPost,
			Summary: "The same as DELETE, for clients and proxies that drop the body of a DELETE.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Change: s.RemovePrefixes(),
		},
		{
			Name: "itc_prefixes_set", Method: http.MethodPut, Scope: scope.Group, Path: prefixes,
			Summary: "Give the group exactly the prefixes that are listed.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Change: s.SetPrefixes(),
		},
		{
			Name: "itc_tenant_numbers_list", Method: http.MethodGet, Scope: scope.Tenant, Path: numbers,
			Summary: "List the number ranges of the tenant, and who has them.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Query: s.TenantNumbers(),
		},
		{
			Name: "itc_tenant_available_numbers_list", Method: http.MethodGet, Scope: scope.Tenant, Path: availableNumbers,
			Summary: "List the number ranges of the tenant that are free.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Query: s.TenantAvailableNumbers(),
		},
		{
			Name: "itc_tenant_prefixes_list", Method: http.MethodGet, Scope: scope.Tenant, Path: prefixes,
			Summary: "List the prefixes of the tenant, and who has them.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Query: s.TenantPrefixes(),
		},
		{
			Name: "itc_tenant_available_prefixes_list", Method: http.MethodGet, Scope: scope.Tenant, Path: availablePrefixes,
			Summary: "List the prefixes of the tenant that are free.",
			Level:   auth.TenantAdmin, Status: http.StatusOK, Query: s.TenantAvailablePrefixes(),
		},
		{
			Name: "itc_user_get", Method: http.MethodGet, Scope: scope.User, Path: service + "/",
			Summary: "Show the settings, number ranges and prefixes of the user.",
			Level:   auth.GroupAdmin, Self: true, Status: http.StatusOK, Query: s.User(),
		},
		{
			Name: "itc_user_set", Method: http.MethodPut, Scope: scope.User, Path: service + "/",
			Summary: "Change settings of the user, and replace their number ranges or prefixes.",
			Level:   auth.GroupAdmin, Status: http.StatusOK, Change: s.SetUser(),
		},
	}
}
