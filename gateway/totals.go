package gateway

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Totals are counts since the start of the program, for [Metrics.Totals].
type Totals struct {
	Requests uint64 // to the API, that have ended
	InFlight int    // requests that have not ended
	// Errors are the errors in responses, the most frequent first, without those that
	// have not occurred.
	Errors []ErrorTotal
	// Durations counts requests by the time that they took: Durations[i] took at most
	// DurationBounds()[i] seconds and longer than the bound before. The last count is
	// of those that took longer than all bounds.
	Durations []uint64
	// Logins are the logins of callers, by result: LoginOK or the name of the error.
	// Throttled are the attempts to authenticate that were refused unchecked.
	Logins    map[string]uint64
	Throttled uint64
	// Shed counts requests that got no session with the platform, by reason, without the
	// reasons that have not occurred.
	Shed map[string]uint64
	// Sessions is the time for which sessions were used, by caller, the longest first.
	Sessions []SessionTotal
	// LogLinesDropped counts log lines that were dropped; see [Metrics.WatchLog].
	LogLinesDropped uint64
}

// LoginOK is the result of a successful login in [Totals].
const LoginOK = resultOK

// An ErrorTotal is how many responses had an error.
type ErrorTotal struct {
	Name   string // such as "PLATFORM_BUSY"
	Status int    // of the response
	Count  uint64
}

// A SessionTotal is for how long a caller has used sessions with the platform.
type SessionTotal struct {
	Caller  string  // client, user for all users together, or ocigate for the gateway itself
	Client  string  // the id of a listed client
	Seconds float64 // of all sessions together
}

// DurationBounds returns the bounds of [Totals].Durations in seconds, in ascending order.
func DurationBounds() []float64 { return slices.Clone(durationBuckets) }

// Totals returns counts of requests and logins. It reads only their metrics, which takes
// less than a millisecond.
func (m *Metrics) Totals() Totals {
	t := Totals{Durations: make([]uint64, len(durationBuckets)+1), Logins: map[string]uint64{}, Shed: map[string]uint64{}}
	errors := map[ErrorTotal]uint64{}
	eachSeries(m.requests, func(series *dto.Metric) {
		count := uint64(series.GetCounter().GetValue())
		t.Requests += count
		name := labelOf(series, "error")
		if name == noErrorName || count == 0 {
			return
		}
		status, _ := strconv.Atoi(labelOf(series, "status")) // it was made from a number
		errors[ErrorTotal{Name: name, Status: status}] += count
	})
	for e, count := range errors {
		e.Count = count
		t.Errors = append(t.Errors, e)
	}
	slices.SortFunc(t.Errors, func(a, b ErrorTotal) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Status, b.Status))
	})
	eachSeries(m.requestDuration, func(series *dto.Metric) {
		histogram, below := series.GetHistogram(), uint64(0)
		for i, bucket := range histogram.GetBucket() {
			t.Durations[i] += bucket.GetCumulativeCount() - below
			below = bucket.GetCumulativeCount()
		}
		t.Durations[len(durationBuckets)] += histogram.GetSampleCount() - below
	})
	eachSeries(m.logins, func(series *dto.Metric) {
		if count := uint64(series.GetCounter().GetValue()); count > 0 {
			t.Logins[labelOf(series, "result")] += count
		}
	})
	eachSeries(m.loginsThrottled, func(series *dto.Metric) { t.Throttled += uint64(series.GetCounter().GetValue()) })
	eachSeries(m.shed, func(series *dto.Metric) {
		if count := uint64(series.GetCounter().GetValue()); count > 0 {
			t.Shed[labelOf(series, "reason")] = count
		}
	})
	t.Sessions = m.sessionTotals()
	eachSeries(m.inFlight, func(series *dto.Metric) { t.InFlight = int(series.GetGauge().GetValue()) })
	if log := m.log.Load(); log != nil {
		t.LogLinesDropped = (*log).Dropped()
	}
	return t
}

// sessionTotals returns the time for which sessions were used, by caller.
func (m *Metrics) sessionTotals() []SessionTotal {
	var all []SessionTotal
	eachSeries(m.sessionSeconds, func(series *dto.Metric) {
		if used := series.GetCounter().GetValue(); used > 0 {
			all = append(all, SessionTotal{labelOf(series, "caller"), labelOf(series, "client"), used})
		}
	})
	slices.SortFunc(all, func(a, b SessionTotal) int {
		return cmp.Or(cmp.Compare(b.Seconds, a.Seconds), cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Client, b.Client))
	})
	return all
}

// eachSeries calls use with the present value of each series of a metric.
func eachSeries(of prometheus.Collector, use func(*dto.Metric)) {
	series := make(chan prometheus.Metric)
	go func() {
		defer close(series)
		of.Collect(series)
	}()
	for s := range series {
		var value dto.Metric
		if s.Write(&value) == nil { // it fails only for a metric that is not valid
			use(&value)
		}
	}
}

func labelOf(series *dto.Metric, name string) string {
	for _, label := range series.GetLabel() {
		if label.GetName() == name {
			return label.GetValue()
		}
	}
	return ""
}
