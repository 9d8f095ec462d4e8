package gateway

import (
	"context"
	"net/http"
	"net/url"
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
		own: translate.Description{
			Response: &indexShape,
			Errors:   []*errcode.Code{errcode.InvalidParameters},
		},
	}}
}

// indexShape is the response of [IndexRoute], whose values are those of indexBody.
var indexShape = translate.Shape{Fields: []translate.Field{
	{Key: "ids", Kind: translate.Object, Item: &translate.Shape{Fields: []translate.Field{
		{Key: "tenant_id", Optional: true, Example: "ApioSpTest"},
		{Key: "group_id", Optional: true, Example: "ApioGrpTest"},
		{Key: "user_id", Optional: true, Example: "ApioUserTest@sip.netaxis.be"},
	}}},
	{Key: "profile", Kind: translate.Object, Item: &translate.Shape{Fields: []translate.Field{
		{Key: "name", Example: "groupadmin"},
		{Key: "user_level", Kind: translate.Integer, Max: int(auth.SystemAdmin), Example: "8"},
		{Key: "level_name", Example: auth.GroupAdmin.String()},
	}}},
	{Key: "documentation", Example: docsPath},
	{Key: "description", Example: descriptionPath},
	{Key: "links", Kind: translate.List, Item: &translate.Shape{Fields: []translate.Field{
		{Key: "route", Example: "itc_numbers_list"},
		{Key: "method", Example: http.MethodGet},
		{Key: "href", Example: "/api/v1/tenant/ApioSpTest/group/ApioGrpTest/services/immediate_trunking_connectivity/numbers/"},
		{Key: "title", Example: "List the number ranges of the group."},
		{Key: "least_level", Kind: translate.Integer, Max: int(auth.SystemAdmin), Example: "8"},
	}}},
}}

// The paths of the documentation and of the description of the API.
const (
	docsPath        = "/docs/"
	descriptionPath = "/openapi.json"
)

// indexBody is the response of the index. IDs and Profile are as in the response to a
// login.
type indexBody struct {
	IDs           indexIDs     `json:"ids"`
	Profile       indexProfile `json:"profile"`
	Documentation string       `json:"documentation"`
	Description   string       `json:"description"`
	Links         []indexLink  `json:"links"`
}

// indexIDs is the scope of the caller. Ids that the level does not have are absent.
type indexIDs struct {
	TenantID string `json:"tenant_id,omitempty"`
	GroupID  string `json:"group_id,omitempty"`
	UserID   string `json:"user_id,omitempty"`
}

type indexProfile struct {
	Name      string     `json:"name"`
	Level     auth.Level `json:"user_level"`
	LevelName string     `json:"level_name"`
}

// indexLink is a route that the caller may use.
type indexLink struct {
	Route  string `json:"route"`
	Method string `json:"method"`
	// Href is a URI template of RFC 6570, level 1. It is a path without variables if
	// the caller's scope determines all of its ids.
	Href  string `json:"href"`
	Title string `json:"title"`
	// LeastLevel is that of this caller's use: for routes that users call for
	// themselves, that of a user.
	LeastLevel auth.Level `json:"least_level"`
}

// index responds with what the caller can use. It reads only the table of routes.
func (g *Gateway) index(_ context.Context, c echo.Context, who auth.Principal, _ translate.Params) error {
	body := indexBody{
		IDs:           indexIDs{who.TenantID, who.GroupID, who.UserID},
		Profile:       indexProfile{who.Name, who.Level, who.Level.String()},
		Documentation: docsPath,
		Description:   descriptionPath,
		Links:         []indexLink{},
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
	case r.Name == logoutRoute && who.Method != auth.MethodToken && who.Method != auth.MethodCookie: // there is nothing to log out
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
