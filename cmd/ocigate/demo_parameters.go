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
		path, _, _ := strings.Cut(call.path, "?")
		for _, route := range gateway.Table() {
			if found[route.Name] != nil || route.Method != call.method {
				continue
			}
			if values := pathValues(route.FullPath(), "/api/v1"+path); len(values) > 0 {
				found[route.Name] = values
			}
		}
	}
	return found
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
