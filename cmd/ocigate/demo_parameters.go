package main

import (
	"strings"

	"ocigate/gateway"
)

// viewerParameters returns the values of path parameters with which the viewer calls
// each route by default: those of the first of the calls that succeeds. The examples of
// bodies need them: the documented prefixes are free in one group only.
func viewerParameters(calls []demoCall) map[string]map[string]string {
	found := map[string]map[string]string{}
	for _, call := range calls {
		if call.status >= 300 || strings.Contains(call.path, lastOperation) {
			continue
		}
		if route, values, ok := routeOf(call); ok && len(values) > 0 && found[route.Name] == nil {
			found[route.Name] = values
		}
	}
	return found
}

// routeOf returns the route that a call is of, and the values of the parameters of its
// path. A call of a path or method that does not exist is of none.
func routeOf(call demoCall) (route gateway.Route, values map[string]string, ok bool) {
	path, _, _ := strings.Cut("/api/v1"+call.path, "?")
	for _, route := range gateway.Table() {
		if values := pathValues(route.FullPath(), path); values != nil && route.Method == call.method {
			return route, values, true
		}
	}
	return gateway.Route{}, nil, false
}

// pathValues returns the values that the parameters of a route's path have in a path, nil
// if the path is that of another route.
func pathValues(pattern, path string) map[string]string {
	names, segments := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(names) != len(segments) {
		return nil
	}
	values := map[string]string{}
	for i, name := range names {
		switch {
		case strings.HasPrefix(name, "{"):
			values[strings.Trim(name, "{}")] = segments[i]
		case name != segments[i]:
			return nil
		}
	}
	return values
}
