package gateway

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"ocigate/translate/errcode"
)

// mimeProblem is the media type of RFC 9457.
const mimeProblem = "application/problem+json"

// errorBody is the documented form of an error.
type errorBody struct {
	Errors []errorObject `json:"errors" doc:"One error."`
}

type errorObject struct {
	Code    int          `json:"code" doc:"The number of the error, which never changes."`
	Name    string       `json:"name" doc:"The name of the error, which never changes."`
	Message string       `json:"message" doc:"For people; it may be reworded."`
	Details *errorDetail `json:"details,omitempty" doc:"The facts of the error. Absent if there are none."`
}

// errorDetail holds the facts of an error. Those that it does not have are absent.
type errorDetail struct {
	Entries   []string                     `json:"entries,omitempty" doc:"The entries at fault, as the caller wrote them."`
	Operation string                       `json:"operation,omitempty" doc:"The path of the operation that the error is about."`
	Problems  []problem                    `json:"problems,omitempty" doc:"Every place of the request that is at fault, with the reason."`
	Errors    map[string]platformErrorBody `json:"errors,omitempty" doc:"The platform's own messages. The keys are 0, 1, … in their order."`
}

type problem struct {
	Pointer   *string `json:"pointer,omitempty" doc:"The place in the body as a JSON pointer; empty for the complete body."`
	Parameter string  `json:"parameter,omitempty" doc:"The parameter or header at fault."`
	Reason    string  `json:"reason" doc:"A clause that follows the place."`
}

type platformErrorBody struct {
	Number  int    `json:"error_code,omitempty" doc:"The number of the message; absent if it has none."`
	Level   string `json:"level" doc:"Error, Warning or Info."`
	Summary string `json:"summary" doc:"The text of the message."`
	Detail  string `json:"detail" doc:"More of it; empty if there is no more."`
}

// problemBody is an error in the form of RFC 9457, with the same facts.
type problemBody struct {
	Type   string `json:"type" doc:"The address of the page of the error."`
	Title  string `json:"title" doc:"The text of this kind of error."`
	Status int    `json:"status" doc:"The HTTP status."`
	Detail string `json:"detail" doc:"What happened; it may be reworded."`
	Code   int    `json:"code" doc:"The number of the error, which never changes."`
	Name   string `json:"name" doc:"The name of the error, which never changes."`
	*errorDetail
}

// writeError writes the response to a request that failed. It is the only function
// that writes errors. Its signature is that of an echo.HTTPErrorHandler.
func (g *Gateway) writeError(err error, c echo.Context) {
	failure := disconnectError(c, errorOf(err))
	info := infoOf(c)
	info.err = failure
	if c.Response().Committed {
		info.undelivered = true // after the header only the connection can fail
		return
	}
	header := c.Response().Header()
	header.Set(echo.HeaderCacheControl, "no-store")
	addLinks(header, failure.Code)
	if failure.RetryAfter > 0 {
		header.Set(echo.HeaderRetryAfter, seconds(failure.RetryAfter))
	}
	if err := writeForm(c, failure); err != nil {
		info.err = errcode.Wrap(failure.Code, errors.Join(failure, err))
		info.undelivered = info.undelivered || c.Response().Committed
	}
}

// errorOf returns the error of the API for any error, also for one of the router.
func errorOf(err error) *errcode.Error {
	if failure, ok := errors.AsType[*errcode.Error](err); ok {
		return failure
	}
	if routing, ok := errors.AsType[*echo.HTTPError](err); ok {
		switch routing.Code {
		case http.StatusNotFound:
			return errcode.New(errcode.RouteNotFound)
		case http.StatusMethodNotAllowed:
			return errcode.New(errcode.MethodNotAllowed)
		}
	}
	return errcode.Of(err)
}

// seconds returns the value of a Retry-After: seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}

// writeForm writes the error in the form that the caller accepts.
func writeForm(c echo.Context, e *errcode.Error) error {
	if wantsProblem(c.Request()) {
		return writeMedia(c, e.Code.Status, mimeProblem, problemOf(e, detailOf(e)))
	}
	return writeJSON(c, e.Code.Status, errorBody{Errors: []errorObject{objectOf(e)}})
}

func problemOf(e *errcode.Error, detail *errorDetail) problemBody {
	return problemBody{
		Type: ErrorPage(e.Code), Title: e.Code.Text, Status: e.Code.Status, Detail: e.Text(),
		Code: e.Code.Number, Name: e.Code.Name, errorDetail: detail,
	}
}

func objectOf(e *errcode.Error) errorObject {
	return errorObject{Code: e.Code.Number, Name: e.Code.Name, Message: e.Text(), Details: detailOf(e)}
}

func detailOf(e *errcode.Error) *errorDetail {
	if len(e.Entries)+len(e.Problems)+len(e.Platform)+len(e.Operation) == 0 {
		return nil
	}
	d := &errorDetail{Entries: e.Entries}
	if e.Operation != "" {
		d.Operation = operationPath(e.Operation)
	}
	for _, p := range e.Problems {
		one := problem{Parameter: p.Parameter, Reason: p.Reason}
		if p.Parameter == "" {
			one.Pointer = &p.Pointer // "" is the complete body
		}
		d.Problems = append(d.Problems, one)
	}
	for i, reported := range e.Platform {
		if d.Errors == nil {
			d.Errors = map[string]platformErrorBody{}
		}
		d.Errors[strconv.Itoa(i)] = platformErrorBody(reported)
	}
	return d
}

// wantsProblem reports whether the caller asks for the form of RFC 9457: Accept names
// its media type, and does not prefer application/json.
func wantsProblem(r *http.Request) bool {
	problem, plain := 0.0, 0.0
	for _, value := range r.Header.Values(echo.HeaderAccept) {
		for one := range strings.SplitSeq(value, ",") {
			media, quality := acceptOf(one)
			switch media {
			case mimeProblem:
				problem = max(problem, quality)
			case echo.MIMEApplicationJSON:
				plain = max(plain, quality)
			}
		}
	}
	return problem > 0 && problem >= plain
}

// acceptOf parses one element of an Accept or Accept-Encoding header.
func acceptOf(one string) (media string, quality float64) {
	media, parameters, _ := strings.Cut(one, ";")
	quality = 1
	for p := range strings.SplitSeq(parameters, ";") {
		if q, ok := strings.CutPrefix(strings.ReplaceAll(p, " ", ""), "q="); ok {
			if n, err := strconv.ParseFloat(q, 64); err == nil {
				quality = n
			}
		}
	}
	return strings.ToLower(strings.TrimSpace(media)), quality
}
