//go:build linux

package main

import (
	"context"
	"math"
	"strconv"
)

// claim is the claim that the costs of a curve are even from some point on.
type claim struct {
	what string
	from int
	each bool // divide the cost by the point
}

// flatness is the largest ratio of the highest to the lowest cost of a curve that counts as
// flat or, after division by the points, as linear.
const flatness = 1.5

// curve measures the CPU time that the gateway needs for a request at each of several
// points. For a point, use returns the number of callers and their paths.
func curve(name string, points []int, use func(point int) (callers int, paths []string), claims ...claim) *figure {
	f := &figure{name: name}
	for _, c := range claims {
		f.rows = append(f.rows, line{what: c.what, bound: flatness})
	}
	for _, x := range points {
		f.rows = append(f.rows, line{what: "CPU of a GET, by " + name + ": " + thousands(x), unit: "µs", x: x})
	}
	f.measure = func(ctx context.Context, b *bench, round func(...float64)) error {
		_, g, err := b.site(ctx, 0, callersOfPairs)
		if err != nil {
			return err
		}
		for range b.rounds(5) {
			var costs []float64
			for _, x := range points {
				callers, paths := use(x)
				cost, err := b.costAt(ctx, g, callers, paths)
				if err != nil {
					return err
				}
				costs = append(costs, cost)
			}
			var values []float64
			for _, c := range claims {
				values = append(values, c.ratio(points, costs))
			}
			round(append(values, costs...)...)
		}
		return nil
	}
	return f
}

func byRows(rows int) (callers int, list []string) { return 2, paths(2, rows) }

func byCallers(callers int) (int, []string) { return callers, paths(callers, 2) }

func byTenants(tenants int) (callers int, list []string) { return callersOfPairs, paths(tenants, 2) }

func (b *bench) costAt(ctx context.Context, g *gateway, callers int, paths []string) (float64, error) {
	l, err := b.dial(ctx, g.address, callers, paths)
	if err != nil {
		return 0, err
	}
	cpu, err := b.costs(l.on(ctx, b, g.process))
	if err != nil {
		return 0, err
	}
	return cpu[0], l.close()
}

// ratio returns the highest cost divided by the lowest.
func (c claim) ratio(points []int, costs []float64) float64 {
	cheapest, dearest := math.Inf(1), 0.0
	for i, x := range points {
		cost := costs[i]
		if c.each {
			cost /= float64(x)
		}
		if x >= c.from {
			cheapest, dearest = min(cheapest, cost), max(dearest, cost)
		}
	}
	return dearest / cheapest
}

// thousands formats a number with commas.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	rest := strconv.Itoa(1000 + n%1000)
	return thousands(n/1000) + "," + rest[1:]
}
