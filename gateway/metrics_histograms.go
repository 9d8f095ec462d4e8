package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// durationBuckets range from a response without a command to the longest timeouts.
var durationBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// The resolution of native histograms: two borders next to each other differ by 9 % at most,
// and a series has at most as many buckets as are needed from 30 µs to 30 s. With more, it
// starts again if it is an hour old, and has half the resolution until then.
const (
	nativeFactor     = 1.1
	nativeMaxBuckets = 160
	nativeMinReset   = time.Hour
)

// newDurations returns a histogram of durations in seconds, which is not registered. It has
// both the buckets of durationBuckets and those of a native histogram: the latter are only in
// the protobuf form, which a scraper asks for with its header Accept.
func newDurations(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: durationBuckets,
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeMaxBuckets, NativeHistogramMinResetDuration: nativeMinReset,
	}, labels)
}
