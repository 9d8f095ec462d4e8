package gateway

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// exemplarLabel is the only label of exemplars: it has the id of a trace, and nothing else of
// a request.
const exemplarLabel = "trace_id"

// sampledFlag is the bit of W3C Trace Context's trace-flags that is set if the trace may have
// been recorded.
const sampledFlag = 1

// noTrace is the id of no trace, of 32 zeros, which is invalid.
var noTrace = strings.Repeat("0", 32)

// isSampled reports whether the trace-flags of a traceparent, two hexadecimal digits, have the
// sampled flag.
func isSampled(flags string) bool {
	bits, err := strconv.ParseUint(flags, 16, 8)
	return err == nil && bits&sampledFlag != 0
}

// exemplar returns the labels with which a request is an exemplar of its histogram, or nil
// if it has no sampled trace: nobody could look up a trace that was not recorded.
func (i *requestInfo) exemplar() prometheus.Labels {
	if !i.sampled || i.traceID == "" || i.traceID == noTrace {
		return nil
	}
	return prometheus.Labels{exemplarLabel: i.traceID}
}

// observeDuration adds a duration to a histogram, with an exemplar unless labels is nil.
func observeDuration(histogram prometheus.Observer, took time.Duration, labels prometheus.Labels) {
	if with, ok := histogram.(prometheus.ExemplarObserver); ok && labels != nil {
		with.ObserveWithExemplar(took.Seconds(), labels)
		return
	}
	histogram.Observe(took.Seconds())
}
