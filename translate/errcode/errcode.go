// Package errcode declares every error that the API can return: number, name,
// status, text and help, each in one place. It does not depend on HTTP servers,
// JSON or the platform. The package that detects a problem returns an [Error]
// with one of the codes, made by [New], [Wrap] or [Invalid], and package gateway
// alone writes it as a response.
//
// An error with its cause for the log:
//
//	return errcode.Wrap(errcode.PlatformError, err)
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

// A Code is one kind of error.
type Code struct {
	// Number is the API's sub-error code. Numbers below 1000 belong to the
	// documents of the API family, the others are defined here.
	Number int
	// Name identifies the code in responses, logs and configurations.
	Name string
	// Status is the HTTP status. For a write it is a promise: 4xx and 503 mean
	// that nothing was done, 504 that the state is unknown, 502 that the state is
	// unknown or a part was done. 500, a failure of the gateway, promises
	// nothing.
	Status int
	// Text is the message of an error that has none of its own.
	Text string
	// Help describes what the caller or the operator can do about the error.
	Help string
	// FixedBy lists who can remove the cause, the most likely one first. It is not
	// empty.
	FixedBy []Party
}

// A Party is someone who can remove the cause of an error.
type Party string

// The parties. Each is named as the documentation names it.
const (
	// Caller changes the request, or sends it again later.
	Caller Party = "the caller"
	// TenantAdmin changes what the tenant has on the platform: groups, users,
	// services, and who has which entries.
	TenantAdmin Party = "the administrator of the tenant"
	// GatewayOperator changes the gateway's configuration, or the machine that it
	// runs on.
	GatewayOperator Party = "the operator of the gateway"
	// PlatformOperator changes the platform, or the network between it and the
	// gateway.
	PlatformOperator Party = "the operator of the platform"
)

// IsTemporary reports whether the status means that the same request may be sent
// again later: the platform or the gateway cannot serve it at the moment.
func (c *Code) IsTemporary() bool { return c.Status == http.StatusServiceUnavailable }

// PromisesNotDone reports whether the status of a write means that nothing was
// done.
func (c *Code) PromisesNotDone() bool {
	return c.Status < http.StatusInternalServerError || c.IsTemporary()
}

var codes []*Code

// declare must only be called by package-level variables.
func declare(number int, name string, status int, text, help string, fixedBy ...Party) *Code {
	c := &Code{Number: number, Name: name, Status: status, Text: text, Help: help, FixedBy: fixedBy}
	codes = append(codes, c)
	return c
}

// The codes of the documents of the API family.
var (
	InvalidParameters = declare(2, "INVALID_PARAMETERS", 400,
		"A parameter of the request is not valid.",
		"The message and details.problems name every parameter or entry at fault. Correct them all and send the request again.",
		Caller)
	JSONSchemaValidation = declare(3, "JSON_SCHEMA_VALIDATION", 400,
		"The body does not have the documented form.",
		"details.problems gives the JSON pointer of every place at fault. Keys are case-sensitive and may appear only once; unknown keys are errors.",
		Caller)
	NotAvailableForAssignment = declare(19, "NOT_AVAILABLE_FOR_ASSIGNMENT", 400,
		"The number range or prefix provided is not available to the groups of this Tenant.",
		"details.entries names the entries at fault, and details.problems gives the place and the reason of each; nothing was changed. An entry can be assigned if it is free in the tenant, and removed if it is assigned to the group. A user can have an entry if it is assigned to the group, or belongs to the enterprise, and no other user has it. Correct the entries, or leave them out, and send the request again.",
		Caller, TenantAdmin)
	NotAvailableInSPMode = declare(42, "NOT_AVAILABLE_IN_SP_MODE", 400,
		"This API is not available in SP Mode.",
		"The tenant is a service provider, and this route is for enterprises.",
		Caller)
	NotAvailableInEnterpriseMode = declare(46, "NOT_AVAILABLE_IN_ENTERPRISE_MODE", 400,
		"This API is not available in Enterprise Mode.",
		"The tenant is an enterprise, and this route is for service providers.",
		Caller)
)

// The codes defined here. Their numbers are part of the API: a number is never
// given to another error.
var (
	Unauthenticated = declare(1000, "UNAUTHENTICATED", 401,
		"Authentication is required.",
		"Send one kind of credentials: a Bearer token or the sessionid cookie from a login, or the credentials of a configured client. Tokens expire soon: log in again.",
		Caller)
	Forbidden = declare(1001, "FORBIDDEN", 403,
		"You may not do this here.",
		"The caller's level is below the minimum of the route, the tenant, group or user is not the caller's own, the platform lets the caller only read, or a page of another origin may have sent the request. Nothing was changed.",
		Caller, TenantAdmin)
	TenantNotFound = declare(1002, "TENANT_NOT_FOUND", 404,
		"There is no such tenant.",
		"The platform has no service provider or enterprise with that id. Ids are case-sensitive.",
		Caller, PlatformOperator)
	GroupNotFound = declare(1003, "GROUP_NOT_FOUND", 404,
		"There is no such group in this tenant.",
		"The platform has no group with that id in the tenant. Ids are case-sensitive.",
		Caller, TenantAdmin)
	ServiceNotAssigned = declare(1004, "SERVICE_NOT_ASSIGNED", 404,
		"The service is not assigned to this group.",
		"On the platform, authorize the service to the tenant or group, or assign it to the user, whichever the message names, then try again.",
		TenantAdmin, PlatformOperator)
	RouteNotFound = declare(1005, "ROUTE_NOT_FOUND", 404,
		"There is no such resource.",
		"Compare the path with the documentation.",
		Caller)
	MethodNotAllowed = declare(1006, "METHOD_NOT_ALLOWED", 405,
		"The resource does not support this method.",
		"The Allow header lists the methods that it supports.",
		Caller)
	BadMediaType = declare(1007, "BAD_MEDIA_TYPE", 416,
		"Bad Media Type",
		"The body must be a JSON object in UTF-8, of media type application/json or of none, and not compressed.",
		Caller)
	BodyTooLarge = declare(1008, "BODY_TOO_LARGE", 400,
		"The body is too large.",
		"The message gives the limit. Split the list and send it in several requests.",
		Caller, GatewayOperator)
	RateLimited = declare(1009, "RATE_LIMITED", 429,
		"Too many attempts to authenticate.",
		"Wait as long as the Retry-After header says.",
		Caller)
	PlatformRefused = declare(1010, "PLATFORM_REFUSED", 400,
		"The platform refused the request.",
		"details.errors has the platform's own messages, which describe why nothing was changed. The operator can map the number of a message to a more specific error in api.platform_errors.",
		Caller, PlatformOperator)
	PlatformError = declare(1011, "PLATFORM_ERROR", 502,
		"The platform did not give a usable answer.",
		"details.errors has the platform's own messages, if there are any. After a write, read its result at details.operation.",
		PlatformOperator)
	PlatformUnavailable = declare(1012, "PLATFORM_UNAVAILABLE", 503,
		"The platform is not available at the moment; nothing was changed.",
		"There is no session with the platform, or the platform reports that it is temporarily unavailable. Wait as long as the Retry-After header says, then send the request again.",
		PlatformOperator)
	PlatformBusy = declare(1013, "PLATFORM_BUSY", 503,
		"All sessions with the platform are in use; nothing was changed.",
		"Wait as long as the Retry-After header says, then send the request again.",
		GatewayOperator)
	PlatformTimeout = declare(1014, "PLATFORM_TIMEOUT", 504,
		"The platform did not answer in time.",
		"Only reads get this error, so sending the request again is safe.",
		PlatformOperator)
	OutcomeUnknown = declare(1015, "OUTCOME_UNKNOWN", 504,
		"The request was sent to the platform, but its answer was lost: it may have been done or not.",
		"Wait as long as the Retry-After header says, then read the result at details.operation; details.entries names what to look for in the list. With an Idempotency-Key it is safe to send the request again.",
		Caller, PlatformOperator)
	Internal = declare(1016, "INTERNAL", 500,
		"The gateway failed.",
		"The gateway's log has the cause, with the request id of the X-Request-Id header.",
		GatewayOperator)
	JournalUnavailable = declare(1018, "JOURNAL_UNAVAILABLE", 503,
		"The gateway cannot record the change at the moment, so it was not sent.",
		"The operator must check the gateway's journal: its folder may be missing, full or read-only, or its database not reachable. Reads still work, with the credentials of a configured client, or with a token unless the gateway has started since.",
		GatewayOperator)
	EntriesHeld = declare(1019, "ENTRIES_HELD", 409,
		"Another change of the same entries has not ended yet.",
		"details.entries names them and details.operation the change that holds them. Wait as long as the Retry-After header says, then send the request again.",
		Caller)
	KeyReused = declare(1020, "IDEMPOTENCY_KEY_REUSED", 422,
		"The Idempotency-Key belongs to another request.",
		"A key identifies one request of one caller to one route, with its path and body. Use a new key for a new request.",
		Caller)
	RequestRunning = declare(1021, "REQUEST_RUNNING", 409,
		"The first request with this Idempotency-Key has not ended yet.",
		"Wait as long as the Retry-After header says, then send the request again to get the result of the first one.",
		Caller)
	OperationNotFound = declare(1022, "OPERATION_NOT_FOUND", 404,
		"There is no such operation.",
		"A write is recorded when it has passed every check, and is kept as long as the operator has configured. A write that was refused before that was not done.",
		Caller)
	OperationNotDone = declare(1023, "OPERATION_NOT_DONE", 400,
		"The answer to the request was lost, and the platform's lists have shown since that it was not done.",
		"Send the request again with a new Idempotency-Key.",
		Caller)
	PartlyDone = declare(1024, "PARTLY_DONE", 502,
		"The platform did a part of what was asked.",
		"details.entries names what was not done, and details.operation is the path of the complete result. Send what is missing as a new request.",
		Caller)
	NotAvailableInRelease = declare(1025, "NOT_AVAILABLE_IN_RELEASE", 400,
		"This API is not available in the release of the platform.",
		"The platform's release does not have the commands that the request needs. Nothing was changed. The metric ocigate_platform_release shows the release that was detected or set; the operator can set it with platform.release.",
		PlatformOperator)
	CallerLeft = declare(1026, "CALLER_LEFT", 499,
		"The caller closed the connection before the answer; nothing was changed.",
		"The caller usually does not receive this error; it is in the log and in the metrics. A caller that closes its own side of the connection after the request, and still reads, counts as disconnected: keep the connection open until the response is complete.",
		Caller)
	UserNotFound = declare(1027, "USER_NOT_FOUND", 404,
		"There is no such user in this group.",
		"The platform has no user with that id in the group. Ids are case-sensitive.",
		Caller, TenantAdmin)
	PlatformCheckFailed = declare(1017, "PLATFORM_CHECK_FAILED", 503,
		"The platform could not be asked whether the change may be made; nothing was changed.",
		"details.errors has the platform's own messages, if there are any. Wait as long as the Retry-After header says, then send the request again.",
		PlatformOperator)
	PreconditionFailed = declare(1028, "PRECONDITION_FAILED", 412,
		"What is there is not what If-Match names; nothing was changed.",
		"It was changed after it was read. Read it again, decide what to change, and send the request with the new ETag.",
		Caller)
	PossessedByUser = declare(1029, "POSSESSED_BY_USER", 400,
		"A user possesses some of what would be removed; nothing was changed.",
		"details.entries names the entries that users possess. Take them from the users first, or leave them in the list.",
		Caller, TenantAdmin)
	TooManyRequests = declare(1030, "TOO_MANY_REQUESTS", 429,
		"You have made too many requests in a short time; nothing was changed.",
		"Wait as long as the Retry-After header says, then send the request again. The header RateLimit has what is left of your limit, and RateLimit-Policy the limit, which the operator can change in http.caller_limit and auth.clients.",
		Caller, GatewayOperator)
	UploadTimeout = declare(1032, "UPLOAD_TIMEOUT", 408,
		"The request did not arrive completely in time; nothing was changed.",
		"The gateway waits for the end of the body for http.read_timeout. Send the request again over a new connection, and all of its body at once.",
		Caller)
	IssuerUnavailable = declare(1031, "ISSUER_UNAVAILABLE", 503,
		"The token cannot be verified at the moment; nothing was changed.",
		"The keys of the external issuer are not available, so it is not known whether its token is valid. Wait as long as the Retry-After header says, then send the request again. If it persists, the operator must check the issuer: the gateway's log has the cause.",
		GatewayOperator)
)

// All iterates over the codes in the order of their numbers.
func All() iter.Seq[*Code] {
	sorted := slices.SortedFunc(slices.Values(codes), func(a, b *Code) int { return a.Number - b.Number })
	return slices.Values(sorted)
}

// ByName returns the code with that name. Case matters.
func ByName(name string) (*Code, bool) {
	i := slices.IndexFunc(codes, func(c *Code) bool { return c.Name == name })
	if i < 0 {
		return nil, false
	}
	return codes[i], true
}

// A Problem is one thing that is wrong with a request.
type Problem struct {
	// Pointer is the place in the body as an RFC 6901 JSON pointer. It is empty
	// for the entire body, and if Parameter is set.
	Pointer string
	// Parameter is the name of the path or query parameter at fault.
	Parameter string
	// Reason is a clause that follows the place: "must not be empty".
	Reason string
}

// Place returns a readable name of the place: the parameter, the pointer, or "the
// body".
func (p Problem) Place() string {
	switch {
	case p.Parameter != "":
		return p.Parameter
	case p.Pointer != "":
		return p.Pointer
	}
	return "the body"
}

// String returns the place and the reason.
func (p Problem) String() string { return p.Place() + " " + p.Reason }

// Platform is the platform's own error reply to one command.
type Platform struct {
	Number  int    // 0 if the reply has none
	Level   string // "Error", "Warning" or "Info"
	Summary string
	Detail  string
}

// An Error is an error that the API returns to a caller. All fields but Code may
// be zero.
type Error struct {
	Code *Code
	// Message replaces the text of the code.
	Message string
	// Entries are the entries at fault, as the caller wrote them.
	Entries []string
	// Problems are all problems of the request.
	Problems []Problem
	// Platform has the error replies of the platform, one for each refused
	// command.
	Platform []Platform
	// Operation is the id of the operation that the error is about. The caller
	// can read it.
	Operation string
	// RetryAfter is how long the caller should wait. 0 means no advice.
	RetryAfter time.Duration
	// Cause is for the log. It is never shown to the caller.
	Cause error
}

// New returns an error of that code.
func New(code *Code) *Error { return &Error{Code: code} }

// Wrap returns an error of that code with a cause, which is for the log only.
func Wrap(code *Code, cause error) *Error { return &Error{Code: code, Cause: cause} }

// Invalid returns an error of that code that lists the problems.
func Invalid(code *Code, problems ...Problem) *Error {
	return &Error{Code: code, Problems: problems}
}

// Text returns the message for the caller.
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

// Error returns the text for the log: the name of the code, and the cause or else
// the message for the caller.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %v", e.Code.Name, e.Cause)
	}
	return e.Code.Name + ": " + e.Text()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Of returns the [*Error] in the chain of err, or an Internal one that wraps err.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Wrap(Internal, err)
}
