package gateway

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/auth"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// IndexRoute is the name of the route that describes what its caller can use. It is the
// only one with credentials that serves every level.
const IndexRoute = "api_index"

func indexRoutes() []Route {
	return []Route{{
		Name: IndexRoute, Method: http.MethodGet, Path: "/",
		Summary: "Show who you are, and what you can use.",
		Level:   auth.EndUser, Status: http.StatusOK, Journal: (*Gateway).index,
		own:     translate.Description{Errors: []*errcode.Code{errcode.InvalidParameters}},
		ownBody: Body{Type: reflect.TypeFor[indexBody]()},
	}}
}

// indexBody is the response of the index. IDs and Profile are as in the response to a
// login.
type indexBody struct {
	IDs           indexIDs     `json:"ids" doc:"The scope of the caller. Ids that the level does not have are absent."`
	Profile       indexProfile `json:"profile" doc:"Who the caller is."`
	Documentation string       `json:"documentation,omitempty" doc:"The path of the documentation. Absent if it is not served." example:"/docs/"`
	Description   string       `json:"description,omitempty" doc:"The path of this description. Absent if it is not served." example:"/openapi.json"`
	Links         []indexLink  `json:"links" doc:"The routes that the caller may use."`
}

// indexIDs is the scope of the caller. Ids that the level does not have are absent.
type indexIDs struct {
	TenantID string `json:"tenant_id,omitempty" doc:"The caller's tenant." example:"ApioSpTest"`
	GroupID  string `json:"group_id,omitempty" doc:"The caller's group." example:"ApioGrpTest"`
	UserID   string `json:"user_id,omitempty" doc:"The caller's user id."`
}

type indexProfile struct {
	Name      string     `json:"name" doc:"The name of the user or client." example:"portal"`
	Level     auth.Level `json:"user_level" values:"levels" doc:"The caller's level." example:"8"`
	LevelName string     `json:"level_name" doc:"The name of the level." example:"Group Admin"`
	ReadOnly  bool       `json:"read_only,omitempty" doc:"Whether the platform lets the caller only read. Absent if not."`
}

// indexLink is a route that the caller may use.
type indexLink struct {
	Route  string `json:"route" doc:"The name of the route: its operationId here." example:"itc_numbers_list"`
	Method string `json:"method" doc:"The HTTP method." example:"GET"`
	// Href is a URI template of RFC 6570, level 1. It is a path without variables if
	// the caller's scope determines all of its ids.
	Href  string `json:"href" doc:"The path: a URI template of RFC 6570, level 1, with a variable for each id that the caller's scope does not determine." example:"/api/v1/tenant/ApioSpTest/group/ApioGrpTest/services/immediate_trunking_connectivity/numbers/"`
	Title string `json:"title" doc:"What the route does." example:"List the number ranges of the group."`
	// LeastLevel is that of this caller's use: for routes that users call for
	// themselves, that of a user.
	LeastLevel auth.Level `json:"least_level" values:"levels" doc:"The lowest level that may use it like this." example:"8"`
}

// index responds with what the caller can use. It reads only the table of routes.
func (g *Gateway) index(_ context.Context, c echo.Context, who auth.Principal, _ translate.Params) error {
	body := indexBody{
		IDs:     indexIDs{who.TenantID, who.GroupID, who.UserID},
		Profile: indexProfile{who.Name, who.Level, who.Level.String(), who.ReadOnly},
		Links:   []indexLink{},
	}
	if g.options.Docs != nil {
		body.Documentation, body.Description = DocsPath, DescriptionJSONPath
	}
	for _, route := range g.routes {
		if level, may := route.usableBy(who); may {
			body.Links = append(body.Links, indexLink{route.Name, route.Method, route.hrefFor(who), route.Summary, level})
		}
	}
	return writeTagged(c, body)
}

// usableBy reports whether a caller may use the route somewhere in their scope, and the
// least level for that.
func (r Route) usableBy(who auth.Principal) (least auth.Level, may bool) {
	switch {
	case r.Name == logoutRoute && (who.Method == auth.MethodBasic || who.Method == auth.MethodAPIKey): // there is no token to log out
		return 0, false
	case r.Change != nil && who.ReadOnly:
		return 0, false
	case who.Level >= r.Level:
		return r.Level, true
	case r.Self && who.Level == auth.EndUser && who.UserID != "":
		return auth.EndUser, true
	}
	return 0, false
}

// hrefFor returns the path of the route as a URI template, with the ids that the
// caller's scope determines.
func (r Route) hrefFor(who auth.Principal) string {
	href := r.FullPath()
	for name, id := range map[string]string{"tenant_id": who.TenantID, "group_id": who.GroupID, "user_id": who.UserID} {
		if id != "" {
			href = strings.Replace(href, "{"+name+"}", url.PathEscape(id), 1) // which escapes braces
		}
	}
	return href
}
