// Package errcode declares every error that the API can answer with: number,
// name, status, text and help, each in one place. It knows nothing of HTTP
// servers, JSON or the platform; who meets a problem makes an [Error] of one
// of its codes, and package gateway alone writes it out.
package errcode

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Code is one kind of error.
type Code struct {
	// Number is the API's sub-error code. Numbers below 1000 belong to the
	// documents of the API family, the others are ours.
	Number int
	// Name is the constant-like name beside the number.
	Name string
	// Status is the HTTP status. For a write it is a promise: 4xx and 503 say
	// that nothing was done, 504 that nobody knows yet, 502 that nobody knows
	// or that part of it was done. 500, our own failure, promises nothing.
	Status int
	// Text is the message where the error brings none of its own.
	Text string
	// Help tells whoever gets the error what to do about it.
	Help string
}

// IsTemporary reports whether the status says that the same request may be sent again
// later: the platform or the gateway cannot serve it at the moment.
func (c *Code) IsTemporary() bool { return c.Status == http.StatusServiceUnavailable }

// PromisesNotDone tells whether the status says of a write that nothing was
// done.
func (c *Code) PromisesNotDone() bool {
	return c.Status < http.StatusInternalServerError || c.IsTemporary()
}

var codes []*Code

// declare is called by package-level variables only.
func declare(number int, name string, status int, text, help string) *Code {
	c := &Code{Number: number, Name: name, Status: status, Text: text, Help: help}
	codes = append(codes, c)
	return c
}

// The codes of the documents of the API family.
var (
	InvalidParameters = declare(2, "INVALID_PARAMETERS", 400,
		"A parameter of the request is not valid.",
		"The message and details.problems name every parameter or entry at fault. Correct them all and send the request again.")
	JSONSchemaValidation = declare(3, "JSON_SCHEMA_VALIDATION", 400,
		"The body does not have the documented form.",
		"details.problems gives the JSON pointer of every place at fault. Keys are case-sensitive, may appear once, and no other keys are taken.")
	NotAvailableForAssignment = declare(19, "NOT_AVAILABLE_FOR_ASSIGNMENT", 400,
		"The number range or prefix provided is not available to the groups of this Tenant.",
		"details.entries names the entries at fault, and details.problems gives the place and the reason of each; nothing was changed. To assign, each must be free in the tenant; to remove, each must be the group's own. For a user, each must be the group's own, or the enterprise's, and no other user's. Correct the entries, or leave them out, and send the request again.")
	NotAvailableInSPMode = declare(42, "NOT_AVAILABLE_IN_SP_MODE", 400,
		"This API is not available in SP Mode.",
		"The tenant is a service provider and this endpoint is for enterprises.")
	NotAvailableInEnterpriseMode = declare(46, "NOT_AVAILABLE_IN_ENTERPRISE_MODE", 400,
		"This API is not available in Enterprise Mode.",
		"The tenant is an enterprise and this endpoint is for service providers.")
)

// Our own codes. Their numbers are part of the API: none is ever given to
// another error.
var (
	Unauthenticated = declare(1000, "UNAUTHENTICATED", 401,
		"Authentication is required.",
		"Send one kind of credentials: a Bearer token or the sessionid cookie from a login, or those of a listed client. Tokens are short-lived: log in again.")
	Forbidden = declare(1001, "FORBIDDEN", 403,
		"You may not do this here.",
		"The caller's level is below the endpoint's minimum, or the tenant, group or user is not the caller's own. Nothing was looked up.")
	TenantNotFound = declare(1002, "TENANT_NOT_FOUND", 404,
		"There is no such tenant.",
		"The platform knows no service provider or enterprise of that id. Ids are case-sensitive.")
	GroupNotFound = declare(1003, "GROUP_NOT_FOUND", 404,
		"There is no such group in this tenant.",
		"The platform knows no group of that id in the tenant. Ids are case-sensitive.")
	ServiceNotAssigned = declare(1004, "SERVICE_NOT_ASSIGNED", 404,
		"The service is not assigned to this group.",
		"On the platform, authorize the service to the tenant or group, or assign it to the user, whichever the message names, then try again.")
	RouteNotFound = declare(1005, "ROUTE_NOT_FOUND", 404,
		"There is no such resource.",
		"Compare the path with the documentation.")
	MethodNotAllowed = declare(1006, "METHOD_NOT_ALLOWED", 405,
		"The resource does not take this method.",
		"The Allow header lists the methods that it takes.")
	BadMediaType = declare(1007, "BAD_MEDIA_TYPE", 416,
		"Bad Media Type",
		"The body must be a JSON object in UTF-8, of media type application/json or of none, and not compressed.")
	BodyTooLarge = declare(1008, "BODY_TOO_LARGE", 400,
		"The body is too large.",
		"The message has the limit. Split the list and send it in several requests.")
	RateLimited = declare(1009, "RATE_LIMITED", 429,
		"Too many failed attempts.",
		"Wait as long as the Retry-After header says.")
	PlatformRefused = declare(1010, "PLATFORM_REFUSED", 400,
		"The platform refused the request.",
		"details.errors holds the platform's own words, which say why nothing was changed. The operator can give its number a better name in api.platform_errors.")
	PlatformError = declare(1011, "PLATFORM_ERROR", 502,
		"The platform did not give a usable answer.",
		"details.errors holds the platform's own words where it spoke. After a write, ask what became of it at details.operation.")
	PlatformUnavailable = declare(1012, "PLATFORM_UNAVAILABLE", 503,
		"The platform is not available at the moment; nothing was changed.",
		"There is no session with the platform, or it says itself that it is temporarily unavailable. Wait as long as the Retry-After header says, then send the request again.")
	PlatformBusy = declare(1013, "PLATFORM_BUSY", 503,
		"All sessions with the platform are in use; nothing was changed.",
		"Wait as long as the Retry-After header says, then send the request again.")
	PlatformTimeout = declare(1014, "PLATFORM_TIMEOUT", 504,
		"The platform did not answer in time.",
		"Only reads get this error, so sending the request again is safe.")
	OutcomeUnknown = declare(1015, "OUTCOME_UNKNOWN", 504,
		"The request was sent to the platform, but its answer was lost: it may have been done or not.",
		"Ask what became of it at details.operation, as soon as the Retry-After header says; details.entries names what to look for in the list. An Idempotency-Key makes it safe to send the request again.")
	Internal = declare(1016, "INTERNAL", 500,
		"The gateway failed.",
		"The gateway's log has the cause under the request id of the X-Request-Id header.")
	JournalUnavailable = declare(1018, "JOURNAL_UNAVAILABLE", 503,
		"The gateway cannot record the change at the moment, so it was not sent.",
		"The operator has to look after the gateway's journal: its folder may be missing, full or read-only, or its database out of reach. Reads go on.")
	EntriesHeld = declare(1019, "ENTRIES_HELD", 409,
		"Another change of the same entries has not ended yet.",
		"details.entries names them and details.operation the change that holds them. Wait as long as the Retry-After header says, then send the request again.")
	KeyReused = declare(1020, "IDEMPOTENCY_KEY_REUSED", 422,
		"The Idempotency-Key belongs to another request.",
		"A key stands for one request of one caller to one endpoint, with its path and body. Use a new key for a new request.")
	RequestRunning = declare(1021, "REQUEST_RUNNING", 409,
		"The first request with this Idempotency-Key has not ended yet.",
		"Wait as long as the Retry-After header says, then send the request again to learn what became of the first one.")
	OperationNotFound = declare(1022, "OPERATION_NOT_FOUND", 404,
		"There is no such operation.",
		"Writes are kept from the moment they have passed every check, for as long as the operator has configured. One that was refused before that was not done.")
	OperationNotDone = declare(1023, "OPERATION_NOT_DONE", 400,
		"The answer to the request was lost, and the platform's lists have shown since that it was not done.",
		"Send the request again with a new Idempotency-Key.")
	PartlyDone = declare(1024, "PARTLY_DONE", 502,
		"The platform did a part of what was asked.",
		"details.entries names what was not done, and details.operation where the whole is told. Send what is missing as a new request.")
	NotAvailableInRelease = declare(1025, "NOT_AVAILABLE_IN_RELEASE", 400,
		"This API is not available in the release of the platform.",
		"The platform's release does not have the commands that the request needs. Nothing was changed. The metric ocigate_platform_release shows the release that was detected or set; the operator can set it with platform.release.")
	CallerLeft = declare(1026, "CALLER_LEFT", 499,
		"The caller closed the connection before the answer; nothing was changed.",
		"Nobody waited for the answer, so this is mostly found in the log and in the metrics. A caller that closes its own side of the connection after the request, and still reads, counts as one that left: keep it open until the answer is there.")
	UserNotFound = declare(1027, "USER_NOT_FOUND", 404,
		"There is no such user in this group.",
		"The platform knows no user of that id in the group. Ids are case-sensitive.")
	PlatformCheckFailed = declare(1017, "PLATFORM_CHECK_FAILED", 503,
		"The platform could not be asked whether the change may be made; nothing was changed.",
		"details.errors holds the platform's own words where it spoke. Wait as long as the Retry-After header says, then send the request again.")
	PreconditionFailed = declare(1028, "PRECONDITION_FAILED", 412,
		"What is there is not what If-Match names; nothing was changed.",
		"Somebody has changed it since it was read. Read it again, decide what to change, and send the request with the new ETag.")
	PossessedByUser = declare(1029, "POSSESSED_BY_USER", 400,
		"A user possesses some of what would be removed; nothing was changed.",
		"details.entries names it. Take it from the user first, or leave it in the list.")
)

// All goes through the codes in the order of their numbers.
func All() iter.Seq[*Code] {
	sorted := slices.SortedFunc(slices.Values(codes), func(a, b *Code) int { return a.Number - b.Number })
	return slices.Values(sorted)
}

// ByName finds a code by its name, as configurations spell it.
func ByName(name string) (*Code, bool) {
	i := slices.IndexFunc(codes, func(c *Code) bool { return c.Name == name })
	if i < 0 {
		return nil, false
	}
	return codes[i], true
}

// Problem is one thing wrong with a request.
type Problem struct {
	// Pointer is the place in the body as an RFC 6901 JSON pointer. It is
	// empty for the body as a whole, and where Parameter is set.
	Pointer string
	// Parameter is the name of the path or query parameter at fault.
	Parameter string
	// Reason is a clause that reads well after the place: "must not be empty".
	Reason string
}

// Place names where the problem is, for people.
func (p Problem) Place() string {
	switch {
	case p.Parameter != "":
		return p.Parameter
	case p.Pointer != "":
		return p.Pointer
	}
	return "the body"
}

func (p Problem) String() string { return p.Place() + " " + p.Reason }

// Platform is what the platform said of one command it refused.
type Platform struct {
	Number  int    // 0 where the platform gave none
	Level   string // "Error", "Warning" or "Info"
	Summary string
	Detail  string
}

// Error is what a caller is told. The cause is for the log alone.
type Error struct {
	Code *Code
	// Message stands in for the code's text where it is not empty.
	Message string
	// Entries are those at fault, as the caller wrote them.
	Entries []string
	// Problems are all the things wrong with the request.
	Problems []Problem
	// Platform holds the platform's own words, one for each command refused.
	Platform []Platform
	// Operation is the id of the write that the error is about, which the
	// caller can ask for.
	Operation string
	// RetryAfter is how long the caller should wait, 0 for no advice.
	RetryAfter time.Duration
	// Cause is never shown to the caller.
	Cause error
}

// New is an error of that code with the code's own text.
func New(code *Code) *Error { return &Error{Code: code} }

// Wrap is an error of that code whose cause goes to the log.
func Wrap(code *Code, cause error) *Error { return &Error{Code: code, Cause: cause} }

// Invalid is an error of that code that tells all the problems at once.
func Invalid(code *Code, problems ...Problem) *Error {
	return &Error{Code: code, Problems: problems}
}

// Text is the message for the caller.
func (e *Error) Text() string {
	switch {
	case e.Message != "":
		return e.Message
	case len(e.Problems) > 0:
		reasons := make([]string, len(e.Problems))
		for i, p := range e.Problems {
			reasons[i] = p.String()
		}
		return strings.Join(reasons, "; ") + "."
	}
	return e.Code.Text
}

// Error is the text for the log.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %v", e.Code.Name, e.Cause)
	}
	return e.Code.Name + ": " + e.Text()
}

func (e *Error) Unwrap() error { return e.Cause }

// Of is the [*Error] in an error's chain, or an Internal one because of it.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Wrap(Internal, err)
}
