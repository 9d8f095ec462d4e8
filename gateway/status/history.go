package status

import (
	"context"
	"math"
	"sync"
	"time"

	"ocigate/gateway"
)

// Samples are taken each sampleEvery, and kept for an hour.
const (
	sampleEvery = 30 * time.Second
	keptSamples = int(time.Hour / sampleEvery)
	// Each markEvery samples, the counts of errors by name are kept. Of the marks of more
	// than an hour, one is always an hour old, also when the newest was just made.
	markEvery = 10
	keptMarks = keptSamples/markEvery + 2
	// recently is the number of samples of the last 5 minutes.
	recently = int(5 * time.Minute / sampleEvery)
)

// A sample has what has happened since the sample before, and what is the case at its
// time.
type sample struct {
	at                     time.Time
	requests               uint64
	clientErrs, serverErrs uint64
	dropped                uint64 // log lines
	busy, waiting          int
}

// mark has the counts of errors at a time.
type mark struct {
	at     time.Time
	errors []gateway.ErrorTotal
}

// history keeps samples in a fixed amount of memory.
type history struct {
	bounds []float64 // of durations

	mu      sync.Mutex // guards the fields below; not held while sources are read
	samples []sample   // the oldest first
	// durations has a row for each sample: requests by duration since the one before.
	durations [][]uint32
	marks     []mark // the oldest first
	last      *gateway.Totals
	taken     int // samples since the start
}

func newHistory() *history { return &history{bounds: gateway.DurationBounds()} }

// Run takes samples until ctx ends. It must be called only once.
func (p *Page) Run(ctx context.Context) {
	p.takeSample(time.Now())
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			p.takeSample(now)
		}
	}
}

// takeSample reads the sources and adds a sample. The first one is only the base of the
// next. A fault in a source must not end the gateway: there is no sample then.
func (p *Page) takeSample(now time.Time) {
	defer func() { _ = recover() }()
	s := sample{at: now}
	var totals gateway.Totals
	if p.options.Metrics != nil {
		totals = p.options.Metrics.Totals()
	}
	if p.options.Stats != nil {
		stats := p.options.Stats()
		s.waiting = stats.Waiting
		for i := range stats.Endpoints {
			s.busy += stats.Endpoints[i].Busy
		}
	}
	p.history.add(s, &totals)
}

func (h *history) add(s sample, totals *gateway.Totals) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken%markEvery == 0 {
		h.marks = keepLast(append(h.marks, mark{s.at, totals.Errors}), keptMarks)
	}
	h.taken++
	before := h.last
	h.last = totals
	if before == nil {
		return
	}
	s.requests = totals.Requests - before.Requests
	s.dropped = totals.LogLinesDropped - before.LogLinesDropped
	clientBefore, serverBefore := failed(before.Errors)
	client, server := failed(totals.Errors)
	s.clientErrs, s.serverErrs = client-clientBefore, server-serverBefore
	var row []uint32
	if len(h.durations) == keptSamples {
		row = h.durations[0][:0] // the oldest one makes room
	}
	for i := range totals.Durations {
		row = append(row, uint32(totals.Durations[i]-before.Durations[i])) //nolint:gosec // no replica ends so many requests in 30 s
	}
	h.durations = keepLast(append(h.durations, row), keptSamples)
	h.samples = keepLast(append(h.samples, s), keptSamples)
}

// keepLast returns the last elements in the same memory, if there are more than most.
func keepLast[T any](list []T, most int) []T {
	if over := len(list) - most; over > 0 {
		copy(list, list[over:])
		clear(list[most:])
		list = list[:most]
	}
	return list
}

// failed returns how many responses had a status from 400 to 499, and from 500.
func failed(errors []gateway.ErrorTotal) (client, server uint64) {
	for _, e := range errors {
		if e.Status >= 500 {
			server += e.Count
		} else {
			client += e.Count
		}
	}
	return client, server
}

// document returns the history for the page.
func (h *history) document() *History {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := &History{IntervalSeconds: int(sampleEvery / time.Second), At: []time.Time{}}
	for i, s := range h.samples {
		per := sampleEvery.Seconds()
		d.At = append(d.At, s.at.UTC().Truncate(time.Second))
		d.Requests = append(d.Requests, float64(s.requests)/per)
		d.ClientErrors = append(d.ClientErrors, float64(s.clientErrs)/per)
		d.ServerErrors = append(d.ServerErrors, float64(s.serverErrs)/per)
		d.P50 = append(d.P50, quantile(.5, h.bounds, h.durations[i]))
		d.P95 = append(d.P95, quantile(.95, h.bounds, h.durations[i]))
		d.Busy = append(d.Busy, float64(s.busy))
		d.Waiting = append(d.Waiting, float64(s.waiting))
	}
	return d
}

// recent returns the requests of the last 5 minutes, and those with a status from 500,
// up to the present totals.
func (h *history) recent(now time.Time, totals *gateway.Totals) (requests, serverErrs uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	requests = totals.Requests
	_, serverErrs = failed(totals.Errors)
	if h.last != nil {
		_, before := failed(h.last.Errors)
		requests, serverErrs = since(h.last.Requests, requests), since(before, serverErrs)
	}
	for _, s := range h.samples[max(0, len(h.samples)-recently):] {
		if now.Sub(s.at) <= time.Duration(recently)*sampleEvery {
			requests += s.requests
			serverErrs += s.serverErrs
		}
	}
	return requests, serverErrs
}

// since returns the difference of two counts. The second may be a little older, because a
// sample was taken after it.
func since(before, now uint64) uint64 { return max(before, now) - before }

// dropped returns the log lines that were dropped in the last hour, as far as there are
// samples.
func (h *history) dropped() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var n uint64
	for _, s := range h.samples {
		n += s.dropped
	}
	return n
}

// errorsBefore returns the counts of errors about an hour ago; none if the program has
// not run for so long.
func (h *history) errorsBefore(now time.Time) map[gateway.ErrorTotal]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var at mark // the newest that is an hour old; none of the kept ones is much older
	for _, m := range h.marks {
		if now.Sub(m.at) < time.Hour {
			break
		}
		at = m
	}
	counts := make(map[gateway.ErrorTotal]uint64, len(at.errors))
	for _, e := range at.errors {
		counts[gateway.ErrorTotal{Name: e.Name, Status: e.Status}] = e.Count
	}
	return counts
}

// quantile estimates a quantile from counts by duration, in seconds, by interpolation
// within a bucket as Prometheus does. It is NaN if there are none, and the highest
// bound if it is above that.
func quantile(q float64, bounds []float64, counts []uint32) float64 {
	var total float64
	for _, n := range counts {
		total += float64(n)
	}
	if total == 0 {
		return math.NaN()
	}
	rank, below := q*total, 0.0
	for i, bound := range bounds {
		n := float64(counts[i])
		if below+n >= rank {
			low := 0.0
			if i > 0 {
				low = bounds[i-1]
			}
			return low + (bound-low)*(rank-below)/n
		}
		below += n
	}
	return bounds[len(bounds)-1]
}
