//go:build linux

package main

import (
	"context"
	"slices"
)

// figure is a measurement in several rounds, with its results.
type figure struct {
	name    string // for -only
	rows    []line
	measure func(ctx context.Context, b *bench, round func(values ...float64)) error
	values  [][]float64 // one value of each round for each row
}

// line is a number that every round of a figure returns. Lines with a bound are claims; the
// others are their components.
type line struct {
	what  string
	unit  string // none for a ratio
	bound float64
	least bool // the bound is a lower one
	x     int  // position on the figure's curve, if it has one
}

func (l line) reached(value float64) bool {
	if l.least {
		return value >= l.bound
	}
	return value <= l.bound
}

// allFigures returns the table of all measurements. Curves end at the largest value.
func allFigures(largest int) []*figure {
	return []*figure{
		{
			name:    "small",
			measure: smallRead,
			rows: []line{
				{what: "CPU of a GET of 2 rows, over Echo writing the same bytes + raw round trip", bound: 1.5},
				{what: "CPU of a GET of 2 rows: gateway", unit: "µs"},
				{what: "CPU of a GET of 2 rows: Echo writing the same bytes", unit: "µs"},
				{what: "CPU of a GET of 2 rows: raw round trip", unit: "µs"},
				{what: "CPU of a GET of 2 rows: Echo that makes the raw round trip itself", unit: "µs"},
			},
		}, {
			name:    "reader",
			measure: reader,
			rows: []line{
				{what: "time to read a reply of 10,000 rows: etree over package oci", bound: 15, least: true},
				{what: "speed of package oci on it", unit: "MB/s", bound: 400, least: true},
				{what: "bytes that package oci allocates for it, over its size", bound: 1.2},
				{what: "reply of 10,000 rows: size", unit: "MB"},
				{what: "reply of 10,000 rows: read with package oci", unit: "ms"},
				{what: "reply of 10,000 rows: read with etree", unit: "ms"},
				{what: "reply of 10,000 rows: bytes that etree allocates, over its size"},
			},
		}, {
			name:    "large",
			measure: largeRead,
			rows: []line{
				{what: "CPU of a GET of 10,000 rows: plain facade over gateway", bound: 10, least: true},
				{what: "CPU of a GET of 10,000 rows: gateway", unit: "ms"},
				{what: "CPU of a GET of 10,000 rows: plain facade", unit: "ms"},
			},
		}, {
			name:    "memory",
			measure: memory,
			rows: []line{
				{what: "bytes allocated for a GET of 10,000 rows, over the platform's reply", bound: 2.5},
				{what: "growth of resident memory over the idle gateway's by such GETs, over the platform's reply", bound: 2.5},
				{what: "resident memory of the idle gateway before them", unit: "MB"},
			},
		}, {
			name:    "queue",
			measure: queue,
			rows: []line{
				{what: "1,000 callers, 16 sessions, platform of 5 ms: throughput over 16 / 5 ms", bound: 0.97, least: true},
				{what: "1,000 callers, 16 sessions, platform of 5 ms: 99th percentile of latency over the ideal queue's", bound: 1.1},
				{what: "1,000 callers: requests a second"},
				{what: "1,000 callers: 99th percentile of latency", unit: "ms"},
				{what: "1,000 callers: mean service time of the platform", unit: "ms"},
			},
		}, {
			name:    "latency",
			measure: latency,
			rows: []line{
				{what: "median latency that the gateway adds to a lone read", unit: "µs", bound: 100},
				{what: "median latency of a lone GET of 2 rows", unit: "µs"},
				{what: "median latency of a lone raw round trip", unit: "µs"},
				{what: "median latency added by Echo that makes the raw round trip itself", unit: "µs"},
			},
		},
		curve("rows", upTo(largest, 1, 10, 100, 1_000, 10_000, 100_000), byRows,
			claim{what: "cost of a row, dearest over cheapest from 1,000 to 100,000 rows", from: 1_000, each: true}),
		curve("callers", upTo(largest, 1, 10, 100, 1_000, 2_000), byCallers,
			claim{what: "cost of a GET, dearest over cheapest from 1 to 2,000 callers", from: 1},
			claim{what: "the same without the lone caller, who pays for waking idle threads", from: 10}),
		curve("tenants", upTo(largest, 10, 100, 1_000, 10_000), byTenants,
			claim{what: "cost of a GET, dearest over cheapest from 10 to 10,000 tenants", from: 10}),
		{
			name:    "start",
			measure: startUp,
			rows: []line{
				{what: "resident memory a second after the first answer", unit: "MB", bound: 25},
				{what: "time from exec to the first answer to a GET of 2 rows", unit: "ms", bound: 100},
				{what: "size of the binary", unit: "MB", bound: 25},
			},
		},
	}
}

func upTo(largest int, points ...int) []int {
	return slices.DeleteFunc(points, func(x int) bool { return x > largest })
}

// median returns the median of the values, which it does not change.
func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile returns the value that this fraction of the values does not exceed, and 0 if there
// are none.
func quantile(values []float64, part float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}
