package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// WireTracePath is the path of [WireTraces] on the listener for operators.
const WireTracePath = "/wire-trace"

// Parameters of the handler.
const (
	wireTenant  = "tenant_id"
	wireMinutes = "minutes"
)

// wireTraceList is the response to a GET.
type wireTraceList struct {
	Traces []wireTrace `json:"traces"`
}

// wireTraceError is the response to a request that was refused.
type wireTraceError struct {
	Error string `json:"error"`
}

// ServeHTTP implements http.Handler. All responses are JSON:
//
//   - GET: {"traces":[{"tenant_id","started_at","ends_at","logged","left_out"}…]}.
//   - POST ?tenant_id=…&minutes=…: traces the tenant from now on, for 1 to
//     [MaxWireMinutes] minutes. 201 with the trace; 409 with {"error"} if too many tenants
//     are traced.
//   - DELETE ?tenant_id=…: ends the trace. 200 with the trace; 404 with {"error"} if there
//     is none.
//
// An invalid parameter is 400 with {"error"}, which names it.
func (t *WireTraces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(echo.HeaderCacheControl, "no-store")
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		from = ""
	}
	var trace wireTrace
	status := http.StatusOK
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if _, err = wireParams(r); err == nil {
			t.list(w)
			return
		}
	case http.MethodPost:
		var values map[string]string
		if values, err = wireParams(r, wireTenant, wireMinutes); err == nil {
			minutes, _ := strconv.Atoi(values[wireMinutes]) // it was checked
			status = http.StatusCreated
			trace, err = t.start(r.Context(), values[wireTenant], time.Duration(minutes)*time.Minute, from)
		}
	case http.MethodDelete:
		var values map[string]string
		if values, err = wireParams(r, wireTenant); err == nil {
			trace, err = t.stop(r.Context(), values[wireTenant], from)
		}
	default:
		w.Header().Set(echo.HeaderAllow, "GET, HEAD, POST, DELETE")
		writeWireJSON(w, http.StatusMethodNotAllowed, wireTraceError{"the methods are GET, POST and DELETE"})
		return
	}
	if err != nil {
		writeWireJSON(w, wireTraceStatus(err), wireTraceError{err.Error()})
		return
	}
	writeWireJSON(w, status, trace)
}

// list writes all traces, by tenant.
func (t *WireTraces) list(w http.ResponseWriter) {
	list := wireTraceList{Traces: []wireTrace{}}
	all := t.all()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		list.Traces = append(list.Traces, all[id].state())
	}
	writeWireJSON(w, http.StatusOK, list)
}

func writeWireJSON(w http.ResponseWriter, status int, value any) {
	body, err := marshal(value)
	if err != nil { // cannot happen: JSON can hold all of it
		writeText(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have disconnected
}

// wireTraceStatus returns the status for an error.
func wireTraceStatus(err error) int {
	_, invalid := errors.AsType[*wireParamError](err)
	switch {
	case invalid:
		return http.StatusBadRequest
	case errors.Is(err, errNotTraced):
		return http.StatusNotFound
	case errors.Is(err, errTracesClosed):
		return http.StatusServiceUnavailable
	}
	return http.StatusConflict
}

// wireParamError reports an invalid parameter of a query.
type wireParamError struct{ name, reason string }

// Error implements error.
func (e *wireParamError) Error() string { return e.name + " " + e.reason }

// wireParams returns the parameters of the query, which must have exactly these.
func wireParams(r *http.Request, names ...string) (map[string]string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &wireParamError{"the query", unreadableQuery.Reason}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(names, name) {
			return nil, &wireParamError{fmt.Sprintf("%.40q", name), "is not a parameter of this request"}
		}
	}
	values := map[string]string{}
	for _, name := range names {
		switch given := query[name]; {
		case len(given) == 0:
			return nil, &wireParamError{name, "is missing"}
		case len(given) > 1:
			return nil, &wireParamError{name, "must be given only once"}
		default:
			values[name] = given[0]
		}
		if reason := wireParamProblem(name, values[name]); reason != "" {
			return nil, &wireParamError{name, reason}
		}
	}
	return values, nil
}

// wireParamProblem returns the problem of a value, or "".
func wireParamProblem(name, value string) string {
	if name == wireMinutes {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > MaxWireMinutes || strings.HasPrefix(value, "+") {
			return fmt.Sprintf("must be a number from 1 to %d, not %.20q", MaxWireMinutes, value)
		}
		return ""
	}
	if value == "" {
		return "must not be empty"
	}
	return idProblem(wireTenant)(value)
}
