package gateway

import (
	"maps"
	"net/http"
	"net/url"
	"slices"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

// unreadableQuery is the problem of a query that is not in the form in which browsers
// send it.
var unreadableQuery = errcode.Problem{Parameter: "query", Reason: "must be name=value pairs, joined by & and percent-encoded"}

// cacheBuster is a parameter that clients in browsers add to bypass caches. Reads
// ignore it.
const cacheBuster = "_"

// dryRunParam is the parameter of every write that asks for a dry run.
var dryRunParam = translate.Param{
	Name: dryRunParameter, Kind: translate.BooleanParam,
	Doc: "true makes all checks, sends nothing, and returns what would change.",
}

// parametersOf returns the declared query parameters of a request, and the problems of
// all its parameters, in the order of their names.
func parametersOf(r *http.Request, declared []translate.Param) (translate.Params, []errcode.Problem) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	var problems []errcode.Problem
	if err != nil {
		// The unreadable part may be a parameter that the sender relies on, such as
		// the one for a dry run.
		problems = append(problems, unreadableQuery)
	}
	isRead := r.Method == http.MethodGet || r.Method == http.MethodHead
	params := translate.Params{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if isRead && name == cacheBuster {
			continue
		}
		if reason := parameterProblem(name, values[name], declared); reason != "" {
			problems = append(problems, errcode.Problem{Parameter: name, Reason: reason})
		} else {
			params[name] = values[name][0]
		}
	}
	return params, problems
}

// parameterProblem returns the problem of the values of a parameter, or "".
func parameterProblem(name string, values []string, declared []translate.Param) string {
	i := slices.IndexFunc(declared, func(p translate.Param) bool { return p.Name == name })
	switch {
	case i < 0:
		return translate.UnknownParam(name, declared)
	case len(values) > 1:
		return "must be given only once"
	}
	return declared[i].Problem(values[0])
}
