package gateway

import (
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"ocigate/gateway/operation"
	"ocigate/oci"
	"ocigate/translate/errcode"
)

// A counter that appears with its first event hides that event from increase()
// and rate(), which need a value before it. So each series whose labels are known
// exists from the start, with 0: by the rows, their errors, the commands of the
// services, and the endpoints of the platform. A metric with labels gets its line
// in start, or where its labels become known; a test demands that no series
// appears later.

// vector is a metric with labels. A series of it exists once it was asked for.
type vector[M any] interface{ WithLabelValues(values ...string) M }

// startAtZero makes the series of all combinations of the labels' values.
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

// start makes the series whose labels are in tables of the program's own.
func (m *Metrics) start() {
	writes := writingRows()
	startAtZero(m.operations, writes, firstOutcomes)
	startAtZero(m.operationsResolved, writes, endOutcomes)
	startAtZero(m.corrections, writes)
	startAtZero(m.replays, writes)

	reads, all := sentCommands()
	startAtZero(m.commands, all, []string{resultOK, commandRefused, commandLost})
	startAtZero(m.commandDuration, all)
	startAtZero(m.readsJoined, reads)
	startAtZero(m.waits, []string{resultOK, waitFailed, waitLeft})

	startAtZero(m.loginsThrottled, slices.Collect(maps.Values(throttledWays)))
	startAtZero(m.logins, []string{resultOK})
	m.startRequests(nil)
}

// startPlatform makes the series of an endpoint of the platform.
func (m *Metrics) startPlatform(endpoint string) {
	name := []string{endpoint}
	startAtZero(m.sessionTries, name, append(texts(oci.Stages()), resultOK))
	startAtZero(m.sessionsClosed, name, texts(oci.CloseReasons()))
	startAtZero(m.repliesRefused, name, texts(oci.Refusals()))
}

// startRequests makes the series of requests. meanings are the codes that the
// operator gives refusals of the platform, besides those that rows name.
func (m *Metrics) startRequests(meanings []*errcode.Code) {
	for _, e := range Table() {
		codes := e.codes(meanings)
		for _, method := range e.methods() {
			m.requestDuration.WithLabelValues(e.Name, method)
			for _, status := range e.goodStatuses() {
				m.requests.WithLabelValues(e.Name, method, strconv.Itoa(status), noErrorName)
			}
			for _, code := range codes {
				m.requests.WithLabelValues(e.Name, method, strconv.Itoa(code.Status), code.Name)
			}
		}
		if e.Name == loginRow {
			for _, code := range codes {
				m.logins.WithLabelValues(code.Name)
			}
		}
	}
	for _, method := range append(slices.Clone(knownMethods), otherMethod) {
		m.requestDuration.WithLabelValues(noEndpoint, method)
		for _, code := range []*errcode.Code{errcode.RouteNotFound, errcode.MethodNotAllowed, errcode.CallerLeft} {
			m.requests.WithLabelValues(noEndpoint, method, strconv.Itoa(code.Status), code.Name)
		}
	}
	m.requests.WithLabelValues(noEndpoint, http.MethodOptions, strconv.Itoa(http.StatusNoContent), noErrorName)
}

// codes are all that the row can be counted with. meanings are as in
// [Metrics.startRequests].
func (e Route) codes(meanings []*errcode.Code) []*errcode.Code {
	codes := slices.Concat(CommonErrors(), e.Describe().Errors, []*errcode.Code{errcode.CallerLeft})
	if e.Query == nil && e.Change == nil && e.Name != loginRow {
		return codes // it does not ask the platform
	}
	for _, code := range meanings {
		if e.Change == nil || code.PromisesNotDone() || code == errcode.Internal {
			codes = append(codes, code)
		}
	}
	return codes
}

// goodStatuses are the statuses of the row's good answers.
func (e Route) goodStatuses() []int {
	statuses := []int{e.Status}
	if e.Query != nil || e.Journal != nil {
		statuses = append(statuses, http.StatusNotModified)
	}
	if e.Change != nil {
		statuses = append(statuses, http.StatusOK) // of a dry run
	}
	if e.reports() {
		statuses = append(statuses, http.StatusMultiStatus)
	}
	return statuses
}

// writingRows are the names of the rows that make operations.
func writingRows() []string {
	var names []string
	for _, e := range Table() {
		if e.Change != nil {
			names = append(names, e.Name)
		}
	}
	return names
}

// firstOutcomes are the states in which an operation can first be recorded, and
// endOutcomes those that can be found out of an unknown one.
var (
	firstOutcomes = texts([]operation.State{operation.Done, operation.NotDone, operation.PartlyDone, operation.Unknown})
	endOutcomes   = texts([]operation.State{operation.Done, operation.NotDone, operation.PartlyDone})
)

// sentCommands are the names of the commands that are counted: those of the
// rows in all their forms, of which reads are the ones that callers can share, and
// those that verify credentials. The commands that log a session in or keep it are
// not counted.
func sentCommands() (reads, all []string) {
	var writes []string
	for _, e := range Table() {
		described := e.Describe()
		reads, writes = append(reads, described.Reads...), append(writes, described.Writes...)
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
