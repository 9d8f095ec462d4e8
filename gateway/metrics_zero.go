package gateway

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"ocigate/gateway/operation"
	"ocigate/oci"
	"ocigate/translate/errcode"
)

// A counter that appears with its first event hides that event from increase() and
// rate(), which need a value before it. So each series whose labels are known exists
// from the start, with 0: for the routes, their errors, the commands of the services,
// and the platform endpoints. A new metric with labels needs a line in start, or where
// its labels become known; a test requires that no series appears later.

// vector is a metric with labels. WithLabelValues makes a series exist.
type vector[M any] interface{ WithLabelValues(values ...string) M }

// startAtZero creates the series for all combinations of the labels' values.
func startAtZero[M any](of vector[M], labels ...[]string) {
	combinations := [][]string{nil}
	for _, values := range labels {
		var longer [][]string
		for _, c := range combinations {
			for _, value := range values {
				longer = append(longer, append(slices.Clone(c), value))
			}
		}
		combinations = longer
	}
	for _, c := range combinations {
		of.WithLabelValues(c...)
	}
}

// start creates the series whose labels come from tables of the program.
func (m *Metrics) start() {
	writes := writeRoutes()
	startAtZero(m.operations, writes, firstOutcomes)
	startAtZero(m.operationsResolved, writes, endOutcomes)
	startAtZero(m.corrections, writes)
	startAtZero(m.replays, writes)
	startAtZero(m.adopted, []string{adoptedByLock, adoptedByLease})

	reads, all := sentCommands()
	startAtZero(m.commands, all, []string{resultOK, commandRefused, commandLost})
	startAtZero(m.commandDuration, all)
	startAtZero(m.readsJoined, reads)
	startAtZero(m.waits, []string{resultOK, waitFailed, waitLeft})
	startAtZero(m.shed, texts(oci.BusyReasons()))
	startAtZero(m.sessionSeconds, []string{usedByUser, usedByProgram}, []string{""})

	startAtZero(m.loginsThrottled, slices.Collect(maps.Values(throttledWays)))
	startAtZero(m.throttledReasons, throttledReasons())
	startAtZero(m.logins, []string{resultOK})
	m.startRequests(nil)
}

// startPlatform creates the series of a platform endpoint.
func (m *Metrics) startPlatform(endpoint string) {
	name := []string{endpoint}
	startAtZero(m.sessionTries, name, append(texts(oci.Stages()), resultOK))
	startAtZero(m.sessionsClosed, name, texts(oci.CloseReasons()))
	startAtZero(m.repliesRefused, name, texts(oci.Refusals()))
}

// startRequests creates the series of requests. configured are the codes to which the
// configuration maps errors of the platform, in addition to those of the routes.
func (m *Metrics) startRequests(configured []*errcode.Code) {
	for _, route := range Table() {
		codes := route.codes(configured)
		for _, method := range route.methods() {
			m.requestDuration.WithLabelValues(route.Name, method)
			for _, status := range route.goodStatuses() {
				m.requests.WithLabelValues(route.Name, method, strconv.Itoa(status), noErrorName)
			}
			for _, code := range codes {
				m.requests.WithLabelValues(route.Name, method, strconv.Itoa(code.Status), code.Name)
			}
		}
		if route.Name == loginRoute {
			for _, code := range codes {
				m.logins.WithLabelValues(code.Name)
			}
		}
	}
	for _, method := range append(slices.Clone(knownMethods), otherMethod) {
		m.requestDuration.WithLabelValues(noRoute, method)
		for _, code := range []*errcode.Code{errcode.RouteNotFound, errcode.MethodNotAllowed, errcode.CallerLeft} {
			m.requests.WithLabelValues(noRoute, method, strconv.Itoa(code.Status), code.Name)
		}
	}
	m.requests.WithLabelValues(noRoute, http.MethodOptions, strconv.Itoa(http.StatusNoContent), noErrorName)
}

// errorsOfRoutes has the errors of all routes by their names. It is made once, because to
// describe a route takes longer than to create its series.
var errorsOfRoutes = sync.OnceValue(func() map[string][]*errcode.Code {
	all := map[string][]*errcode.Code{}
	for _, route := range Table() {
		all[route.Name] = append(route.Errors(), errcode.CallerLeft)
	}
	return all
})

// codes returns all codes with which requests to the route can be counted. configured
// are as in [Metrics.startRequests].
func (r Route) codes(configured []*errcode.Code) []*errcode.Code {
	codes := slices.Clone(errorsOfRoutes()[r.Name])
	if r.Query == nil && r.Change == nil {
		return codes // it sends no commands, or logs in, and all refusals of a login are one
	}
	for _, code := range configured {
		if r.Change == nil || code.PromisesNotDone() || code == errcode.Internal {
			codes = append(codes, code)
		}
	}
	return codes
}

// goodStatuses returns the statuses of the route's responses that are not errors.
func (r Route) goodStatuses() []int {
	statuses := []int{r.Status}
	if r.Query != nil || r.Journal != nil {
		statuses = append(statuses, http.StatusNotModified)
	}
	if r.Change != nil {
		statuses = append(statuses, http.StatusOK) // of a dry run
	}
	if r.reports() {
		statuses = append(statuses, http.StatusMultiStatus)
	}
	return statuses
}

// writeRoutes returns the names of the routes that make operations.
func writeRoutes() []string {
	var names []string
	for _, route := range Table() {
		if route.Change != nil {
			names = append(names, route.Name)
		}
	}
	return names
}

// firstOutcomes are the first outcomes that an operation can have, and endOutcomes those
// that an operation with an unknown outcome can get later.
var (
	firstOutcomes = texts([]operation.State{operation.Done, operation.NotDone, operation.PartlyDone, operation.Unknown})
	endOutcomes   = texts([]operation.State{operation.Done, operation.NotDone, operation.PartlyDone})
)

// sentCommands is made once, because the table of the routes does not change.
var sentCommands = sync.OnceValues(listSentCommands)

// listSentCommands returns the names of the commands that are counted: those of the routes,
// in all their forms, and those that verify credentials and read administrators. reads are the reads among them,
// which callers can share. Commands that log a session in or keep it are not counted.
func listSentCommands() (reads, all []string) {
	var writes []string
	for _, route := range Table() {
		described := route.Describe()
		reads, writes = append(reads, described.Reads...), append(writes, described.Writes...)
	}
	for _, p := range profiles {
		reads = append(reads, p.command)
	}
	slices.Sort(reads)
	reads = slices.Compact(reads)
	for _, command := range slices.Concat(reads, writes) {
		all = append(all, oci.Forms(command)...)
	}
	return reads, append(all, oci.VerificationForms()...)
}

func texts[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}

var (
	_ vector[prometheus.Counter]  = (*prometheus.CounterVec)(nil)
	_ vector[prometheus.Observer] = (*prometheus.HistogramVec)(nil)
)
