package gateway

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"ocigate/translate/errcode"
)

// Paths of the documentation, which [Options.Docs] serves.
const (
	DescriptionJSONPath = "/openapi.json"
	DescriptionYAMLPath = "/openapi.yaml"
	// DocsPath is the beginning of the paths of all pages.
	DocsPath = "/docs/"
)

// docsRoute is the label of requests for the documentation in metrics and log lines. It
// is no route of the API.
const docsRoute = "docs"

// docsMethods are the methods of requests for the documentation.
var docsMethods = []string{http.MethodGet, http.MethodHead}

// mountDocs makes the router serve the documentation. It needs no credentials. around is
// what wraps the handler of every route.
func (g *Gateway) mountDocs(around func(echo.HandlerFunc) echo.HandlerFunc) {
	handler := around(func(c echo.Context) error {
		infoOf(c).route = docsRoute
		g.options.Docs.ServeHTTP(c.Response(), c.Request())
		return nil
	})
	for _, path := range []string{DescriptionJSONPath, DescriptionYAMLPath, "/docs", DocsPath, DocsPath + "*"} {
		g.router.Match(docsMethods, path, handler)
	}
}

// startDocs creates the series of requests for the documentation.
func (m *Metrics) startDocs() {
	for _, method := range docsMethods {
		m.requestDuration.WithLabelValues(docsRoute, method)
		for _, status := range []int{http.StatusOK, http.StatusMovedPermanently, http.StatusNotModified, http.StatusNotFound} {
			m.requests.WithLabelValues(docsRoute, method, strconv.Itoa(status), noErrorName)
		}
		for _, code := range []*errcode.Code{errcode.Internal, errcode.CallerLeft} {
			m.requests.WithLabelValues(docsRoute, method, strconv.Itoa(code.Status), code.Name)
		}
	}
}
