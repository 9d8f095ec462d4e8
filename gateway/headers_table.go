package gateway

import (
	"fmt"
	"math"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// A Header is a header of requests or responses, for the description of the API. A
// new header is a row of requestHeaders or responseHeaders.
type Header struct {
	Name string
	// Doc describes it in sentences.
	Doc string
	// Kind, Min, Max and Values are as in a [translate.Param]. Pattern is a regular
	// expression for a text; empty for none.
	Kind     translate.ParamKind
	Min, Max int
	Values   []string
	Pattern  string
	Example  string
	// Always reports whether each response that can have the header has it.
	Always bool

	// of reports whether requests to the route, or its responses of that status, can
	// have the header. status is 0 for a request.
	of func(route Route, status int) bool
}

// RequestHeaders returns the headers that requests to the route can have, without
// those of credentials, of the body, and of Accept.
func RequestHeaders(r Route) []Header { return headersOf(requestHeaders(), r, 0) }

// ResponseHeaders returns the headers that responses of the route with that status can
// have, without those that frame a body (Content-Type, Content-Length and so on).
func ResponseHeaders(r Route, status int) []Header { return headersOf(responseHeaders(), r, status) }

func headersOf(table []Header, r Route, status int) []Header {
	return slices.DeleteFunc(table, func(h Header) bool { return !h.of(r, status) })
}

// AllResponseHeaders returns all rows of the table of response headers.
func AllResponseHeaders() []Header { return responseHeaders() }

// Conditions of rows.
func ofAll(Route, int) bool             { return true }
func ofWrite(r Route, _ int) bool       { return r.Change != nil }
func isRead(r Route) bool               { return r.Query != nil || r.Journal != nil }
func ofConditional(r Route, _ int) bool { return r.Change != nil && r.Describe().Conditional }

// isPaged reports whether the route's list can be requested page by page.
func isPaged(r Route) bool {
	return r.Query != nil && slices.ContainsFunc(r.Describe().Params, func(p translate.Param) bool { return p.Name == translate.StartIndexParam })
}

func ofStatuses(statuses ...int) func(Route, int) bool {
	return func(_ Route, status int) bool { return slices.Contains(statuses, status) }
}

// requestIDPattern is the form of request ids.
const requestIDPattern = `^[A-Za-z0-9._-]{1,64}$`

func requestHeaders() []Header {
	return []Header{
		{
			Name: HeaderIdempotencyKey, Min: 1, Max: maxKeyLength + 2, Pattern: fmt.Sprintf(`^("[!#-~]{1,%d}"|[!#-~]{1,%[1]d})$`, maxKeyLength),
			Example: "3f0c7d52-5d0b-4c8e-9d0f-7f1f3a5c9e21",
			Doc: "Makes it safe to send a write again: a request with the same key gets the outcome of the first one, and nothing is sent twice. " +
				"It belongs to one caller and one route, with its path and body. A UUID, for example. It may be in double quotes.",
			of: ofWrite,
		},
		{
			Name: headerPrefer, Example: waitPreference + "=5",
			Doc: "`" + waitPreference + "=5` limits the request to that many seconds, from 1: without a session with the platform by then, it is refused with 503. It cannot lengthen the gateway's own limits, and a write that was sent is waited for as long as without it. " +
				"`" + dryRunPreference + "` asks for a dry run of a write, as the query parameter " + dryRunParameter + " does. Other preferences are ignored.",
			of: func(r Route, _ int) bool { return r.Exchanges() },
		},
		{
			Name: headerIfMatch, Example: exampleTag,
			Doc: "The write is done only if what it changes still has one of these entity tags; `*` is true of any state. " +
				"Without it, the write is done whatever was changed since it was read.",
			of: ofConditional,
		},
		{
			Name: headerIfNoneMatch, Example: exampleTag,
			Doc: "The response is 304 and has no body if the content still has one of these entity tags.",
			of:  func(r Route, _ int) bool { return isRead(r) },
		},
		{
			Name: HeaderWire, Kind: translate.ChoiceParam, Values: wireModes, Example: wireReturn,
			Doc: "Only for callers of the level System Admin: has the documents that the gateway exchanges with the platform for the request, without secrets, " +
				"returned with the response, which then has the media type `" + WireMedia + "`, or logged under the request's id. Any other value is refused. " +
				"With `" + wireReturn + "`, " + headerIfNoneMatch + " is ignored.",
			of: func(r Route, _ int) bool { return r.Exchanges() },
		},
		{
			Name: echo.HeaderXRequestID, Example: exampleRequestID,
			Doc: "The id of the request in the log, up to 64 letters, digits, dots, dashes and underscores. Any other value is ignored, and a new id is made.",
			of:  ofAll,
		},
	}
}

// ExampleOperationID is the id of the operation in examples.
const ExampleOperationID = "0198c5b4-7c1e-7d1f-9a55-3f4f2a6f0c11"

// Values of examples.
const (
	exampleTag       = `"l2nVtVJ5mP1ub1GyvcvPHg"`
	exampleRequestID = "WVSEQQ3JQKT5YBD7Z3JVZQ2YDA"
)

// operationIDPattern is the form of what [operation.IsID] accepts.
const operationIDPattern = `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`

func responseHeaders() []Header {
	return []Header{
		{
			Name: echo.HeaderXRequestID, Max: 64, Min: 1, Pattern: requestIDPattern, Example: exampleRequestID, Always: true,
			Doc: "The id of the request in the log of the gateway.",
			of:  ofAll,
		},
		{
			Name: echo.HeaderCacheControl, Example: "no-store", Always: true,
			Doc: "No response may be stored by a cache.",
			of:  ofAll,
		},
		{
			Name: echo.HeaderXContentTypeOptions, Example: headerNoSniff, Always: true,
			Doc: "Browsers must not guess another media type.",
			of:  ofAll,
		},
		{
			Name: headerETag, Example: exampleTag, Always: true,
			Doc: "The entity tag of the content: strong, and the same at every replica. Compare it, and send it back in " + headerIfNoneMatch + " or " + headerIfMatch + "; it has no meaning of its own.",
			of: func(r Route, status int) bool {
				return isRead(r) && (status == http.StatusOK || status == http.StatusNotModified)
			},
		},
		{
			Name: HeaderOperationID, Pattern: operationIDPattern, Example: ExampleOperationID,
			Doc: "The id of the write, for the route operation_get. A dry run has none.",
			of:  ofWrite,
		},
		{
			Name: HeaderOperationOutcome, Kind: translate.ChoiceParam, Values: texts(listedStates), Example: string(operation.Done),
			Doc: "What became of the write. A dry run has none.",
			of:  ofWrite,
		},
		{
			Name: HeaderReplayed, Kind: translate.ChoiceParam, Values: []string{"true"}, Example: "true",
			Doc: "The response is the outcome of the first request with the same " + HeaderIdempotencyKey + ".",
			of:  ofWrite,
		},
		{
			Name: headerPreferApplied, Pattern: `^(` + waitPreference + `=[0-9]+|` + waitPreference + `=[0-9]+, ` + dryRunPreference + `|` + dryRunPreference + `)$`, Example: waitPreference + "=5",
			Doc: "The preferences of the " + headerPrefer + " header that were applied: `" + dryRunPreference + "` if the request was a dry run, and `" + waitPreference + "` with its seconds.",
			of:  func(r Route, _ int) bool { return r.Exchanges() },
		},
		{
			Name: echo.HeaderRetryAfter, Kind: translate.IntegerParam, Min: 1, Example: "4",
			Doc: "Seconds to wait before the request is sent again, or before the outcome is read again.",
			of:  mayRetryLater,
		},
		{
			Name: echo.HeaderWWWAuthenticate, Example: `Bearer realm="ocigate"`,
			Doc: "The ways to authenticate, each in its own header. Basic is among them if clients are configured and no script of a browser has sent the request.",
			of:  ofStatuses(http.StatusUnauthorized),
		},
		{
			Name: echo.HeaderSetCookie, Example: "sessionid=eyJhbGciOiJIUzI1NiJ9.…; Path=/api/; Max-Age=900; HttpOnly; Secure; SameSite=Strict", Always: true,
			Doc: "The token as a cookie for browsers; after a logout, a cookie that removes it.",
			of:  func(r Route, status int) bool { return r.Session != nil && status == r.Status },
		},
		{
			Name: echo.HeaderAcceptEncoding, Kind: translate.ChoiceParam, Values: []string{identityCoding}, Example: identityCoding,
			Doc: "The body was compressed, and must not be.",
			of:  ofStatuses(errcode.BadMediaType.Status),
		},
		{
			Name: echo.HeaderAllow, Example: "GET, HEAD, OPTIONS, POST",
			Doc: "The methods that the path supports.",
			of:  ofStatuses(errcode.MethodNotAllowed.Status),
		},
		{
			Name: HeaderLink, Example: link(ErrorPage(errcode.Forbidden), RelHelp),
			Doc: "Links of RFC 8288. `rel=\"help\"`: the page of the error. `rel=\"" + RelLogin + "\"`: where to log in. `rel=\"next\"`, `rel=\"prev\"`: other pages of the list.",
			of:  func(r Route, status int) bool { return status >= http.StatusBadRequest || isPaged(r) },
		},
		{
			Name: headerTotalCount, Kind: translate.IntegerParam, Min: 0, Max: math.MaxInt32, Example: "12",
			Doc: "The number of entries for which the filters hold, on all pages together. A list without parameters does not have it.",
			of:  func(r Route, status int) bool { return isPaged(r) && status < http.StatusBadRequest },
		},
		{
			Name: HeaderAcceptPost, Example: BodyMedia,
			Doc: "The media type of bodies that a POST to the path takes.",
			of:  ofStatuses(errcode.MethodNotAllowed.Status, errcode.BadMediaType.Status),
		},
		{
			Name: HeaderRateLimit, Example: `"caller";r=19;t=1`,
			Doc: "What is left of the caller's limit: `r` requests now, and all of them after `t` seconds. Absent if the caller has no limit.",
			of:  func(r Route, _ int) bool { return r.Session == nil },
		},
		{
			Name: HeaderRateLimitPolicy, Example: `"caller";q=20;w=2`,
			Doc: "The caller's limit: `q` requests in `w` seconds. Absent if the caller has no limit.",
			of:  func(r Route, _ int) bool { return r.Session == nil },
		},
	}
}

// mayRetryLater reports whether responses of that status can advise to wait.
func mayRetryLater(r Route, status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusConflict, http.StatusMultiStatus,
		http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	case http.StatusOK:
		return r.Journal != nil // while the outcome of the operation is unknown
	}
	return false
}
