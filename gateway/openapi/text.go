package openapi

import (
	"fmt"
	"net/http"
	"strings"

	"ocigate/gateway"
	"ocigate/translate/scope"
)

// The texts of the description that no table has.

// version is that of the API, which its paths begin with. Additions do not change it.
const version = "1"

func info() object {
	return object{
		{"title", "ocigate"},
		{"version", version},
		{"summary", "A JSON API in front of BroadWorks-style telephony platforms"},
		{"description", infoDoc()},
		{"license", object{{"name", "Apache License 2.0"}, {"identifier", "Apache-2.0"}}},
	}
}

func infoDoc() string {
	return strings.Join([]string{
		"# Paths\n\nPaths are given as documented. The final slash may be left out. " + aliases() +
			" Ids are percent-decoded once. Each GET also serves HEAD. A query parameter that a route does not have is refused; reads ignore `" + gateway.IgnoredParameter + "`, which clients in browsers send to bypass caches.",
		"# Callers\n\nA request carries exactly one kind of credentials. Each operation names the least level of a caller: " + levels() +
			". The caller's scope must also cover the tenant, group or user in the path; this is checked before anything is looked up.",
		fmt.Sprintf("# Bodies\n\nA body is a JSON object in UTF-8, without a byte order mark and without compression. Its Content-Type is `%s`, or none. "+
			"Keys are case-sensitive and may appear once; unknown keys are refused. A body may have %d bytes (the operator can change that), that of a login or a logout %d. "+
			"The connection is closed after a body that is sent in chunks. Responses may get more members, headers and values of enumerations at any time: ignore those that you do not know.",
			gateway.BodyMedia, gateway.DefaultBodyBytes, gateway.SessionBodyBytes),
		"# Reads\n\nEach GET has an `ETag`. With `If-None-Match`, a GET whose content has not changed returns 304. Responses are compressed with gzip if the request accepts it.",
		"# Writes\n\nThe status promises what became of a write:\n\n| status | the write was |\n|---|---|\n" +
			"| 200, 201 | done; a dry run returns 200 and changes nothing |\n| 207 | done in part, or not known to be done: the response has the outcome of each entry |\n" +
			"| 4xx, 503 | not done |\n| 504 | sent, and its outcome is unknown |\n| 502 | of unknown outcome, or done in part |\n| 500 | of unknown outcome: the gateway failed |\n\n" +
			"Each write is an operation: `Operation-Id` and `Operation-Outcome` are headers of its response, and `operation_get` shows what became of it later. " +
			"With an `Idempotency-Key`, a write can be sent again safely. A dry run, asked for by `?dry_run=true` or `Prefer: dry-run`, makes all checks, sends nothing, and returns what would change. " +
			"`If-Match` makes a write conditional where an operation has that parameter; all others refuse it. A header that asks for another method is refused.",
		"# Errors\n\nDecide by the status and by `code` or `name`, never by the message. With `Accept: application/problem+json` an error has the form of RFC 9457 and the same facts; its `type` is the address of a page about the error. " +
			"The operator can map errors of the platform to other errors of this description than those listed with an operation.",
	}, "\n\n")
}

// aliases returns a sentence about the other spellings of paths.
func aliases() string {
	var pairs []string
	for _, s := range []scope.Scope{scope.Tenant, scope.Group, scope.User} {
		last := s.Parameters()[len(s.Parameters())-1].Name
		spellings := map[string]bool{}
		var both []string
		for _, prefix := range s.Prefixes() {
			before, _, _ := strings.Cut(prefix, "/{"+last+"}")
			segment := before[strings.LastIndexByte(before, '/')+1:]
			if !spellings[segment] {
				spellings[segment] = true
				both = append(both, "`"+segment+"`")
			}
		}
		pairs = append(pairs, strings.Join(both, " and "))
	}
	return "In a path, " + strings.Join(pairs, ", ") + " mean the same, in every combination."
}

func levels() string {
	var all []string
	for i, number := range gateway.BodyValues("levels") {
		all = append(all, fmt.Sprintf("%s (%s)", gateway.LevelNames()[i], number))
	}
	return strings.Join(all, ", ")
}

// A tag groups operations.
type tag struct{ name, doc string }

// tagOf returns the tag of a route.
func tagOf(route gateway.Route) tag {
	switch {
	case route.Session != nil, route.Name == gateway.IndexRoute:
		return tag{"Session", "Log in and out, and who you are."}
	case route.Journal != nil:
		return tag{"Operations", "What became of writes."}
	}
	switch route.Scope {
	case scope.Tenant:
		return tag{"Tenant", "What a tenant has: a service provider or an enterprise."}
	case scope.Group:
		return tag{"Group", "What a group of a tenant has, and what can be assigned to it."}
	case scope.User:
		return tag{"User", "What a user of a group has."}
	}
	return tag{"API", "The API itself."}
}

func tags(routes []gateway.Route) []any {
	var all []any
	seen := map[tag]bool{}
	for _, route := range routes {
		if of := tagOf(route); !seen[of] {
			seen[of] = true
			all = append(all, object{{"name", of.name}, {"description", of.doc}})
		}
	}
	return all
}

// descriptionOf returns the description of an operation.
func descriptionOf(route gateway.Route) string {
	paragraphs := []string{route.Summary, callersOf(route)}
	if route.Change != nil {
		write := "A write: the status promises what became of it. It supports dry runs and `Idempotency-Key`"
		if route.Describe().Conditional {
			write += ", and `If-Match` with the `ETag` of what it changes"
		}
		paragraphs = append(paragraphs, write+".")
	}
	if route.ByPost != "" {
		paragraphs = append(paragraphs, "Some clients and proxies drop the body of a DELETE: a POST to the same path followed by `"+route.ByPost+"` does the same.")
	}
	return strings.Join(paragraphs, "\n\n")
}

func callersOf(route gateway.Route) string {
	schemes := route.Schemes()
	switch {
	case len(schemes) == 0:
		return "It needs no credentials."
	case route.Session != nil:
		return "It needs the token of a login."
	}
	text := fmt.Sprintf("Least level: %s (%d)", route.Level, int(route.Level))
	if route.Scope != scope.System {
		text += ", whose scope covers the " + route.Scope.String() + " in the path"
	}
	if route.Self {
		text += "; or the user themself"
	}
	return text + "."
}

func requestDoc(route gateway.Route) string {
	if route.ByPost != "" {
		return "What to remove. The body of this DELETE is required."
	}
	return "A JSON object."
}

func successDoc(route gateway.Route, status int) string {
	switch {
	case status == http.StatusNotModified:
		return "The content still has the entity tag that the request names. There is no body."
	case status == http.StatusMultiStatus:
		return "Not all of it is known to be done: the body has the outcome of each entry. While some are unknown, `Retry-After` says when to ask for the operation again."
	case route.Change != nil && status == route.Status && status != http.StatusOK:
		return "Done."
	case route.Change != nil && status != route.Status:
		return "A dry run: what would change. Nothing was changed."
	case route.Change != nil:
		return "Done; or, for a dry run, what would change."
	}
	return http.StatusText(status) + "."
}

// promiseOf returns what an error with that status promises about a write.
func promiseOf(route gateway.Route, status int) string {
	switch {
	case route.Change == nil:
		return ""
	case status == http.StatusInternalServerError:
		return "The outcome is unknown."
	case status == http.StatusBadGateway:
		return "The outcome is unknown, or a part was done: see `details.operation`."
	case status == http.StatusGatewayTimeout:
		return "It was sent, and its outcome is unknown: see `details.operation`."
	}
	return "Nothing was changed."
}

const otherErrorsDoc = "Any other error. Of a path or method that does not exist, of a connection that its caller has closed, or one that was added to the API later:"
