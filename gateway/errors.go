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
	Errors []errorObject `json:"errors"`
}

type errorObject struct {
	Code    int          `json:"code"`
	Name    string       `json:"name"`
	Message string       `json:"message"`
	Details *errorDetail `json:"details,omitempty"`
}

// errorDetail has only what there is to say.
type errorDetail struct {
	Entries   []string                `json:"entries,omitempty"`
	Operation string                  `json:"operation,omitempty"` // the path to ask for it
	Problems  []problem               `json:"problems,omitempty"`
	Errors    map[string]platformSaid `json:"errors,omitempty"` // by their order: "0", "1", …
}

type problem struct {
	Pointer   *string `json:"pointer,omitempty"`
	Parameter string  `json:"parameter,omitempty"`
	Reason    string  `json:"reason"`
}

type platformSaid struct {
	Number  int    `json:"error_code,omitempty"`
	Level   string `json:"level"`
	Summary string `json:"summary"`
	Detail  string `json:"detail"`
}

// problemBody is the form of RFC 9457, with the same facts.
type problemBody struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   int    `json:"code"`
	Name   string `json:"name"`
	*errorDetail
}

// writeError is the only place where errors are written. Its signature is
// echo's.
func (g *Gateway) writeError(err error, c echo.Context) {
	told := departed(c, toldOf(err))
	record := recordOf(c)
	record.err = told
	if c.Response().Committed {
		record.unheard = true // only the connection fails once the header is out
		return
	}
	header := c.Response().Header()
	header.Set(echo.HeaderCacheControl, "no-store")
	if told.RetryAfter > 0 {
		header.Set(echo.HeaderRetryAfter, seconds(told.RetryAfter))
	}
	if err := writeForm(c, told); err != nil {
		record.err = errcode.Wrap(told.Code, errors.Join(told, err))
		record.unheard = record.unheard || c.Response().Committed
	}
}

// toldOf turns the router's own errors into ours.
func toldOf(err error) *errcode.Error {
	if told, ok := errors.AsType[*errcode.Error](err); ok {
		return told
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

// seconds is a Retry-After: whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}

// writeForm writes the error in the form that the caller asks for.
func writeForm(c echo.Context, e *errcode.Error) error {
	if wantsProblem(c.Request()) {
		return writeMedia(c, e.Code.Status, mimeProblem, problemBody{
			Type: "/docs/errors/" + e.Code.Name + "/", Title: e.Code.Text, Status: e.Code.Status, Detail: e.Text(),
			Code: e.Code.Number, Name: e.Code.Name, errorDetail: detailOf(e),
		})
	}
	return writeJSON(c, e.Code.Status, errorBody{Errors: []errorObject{objectOf(e)}})
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
		told := problem{Parameter: p.Parameter, Reason: p.Reason}
		if p.Parameter == "" {
			told.Pointer = &p.Pointer // "" is the body as a whole
		}
		d.Problems = append(d.Problems, told)
	}
	for i, said := range e.Platform {
		if d.Errors == nil {
			d.Errors = map[string]platformSaid{}
		}
		d.Errors[strconv.Itoa(i)] = platformSaid(said)
	}
	return d
}

// wantsProblem tells whether the caller asks for RFC 9457: where Accept names
// its media type, and ranks application/json no higher.
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

// acceptOf reads one media range of an Accept header.
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
