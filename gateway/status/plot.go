package status

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// The inner size of a plot. The page stretches it.
const (
	plotWidth  = 240.0
	plotHeight = 60.0
)

// A plot shows one or two series of the last hour.
type plot struct {
	Title string
	Top   string // what the upper edge is
	Lines []plotLine
	Label string // what a reader of the page without eyes gets
	Empty bool   // there is no value yet
}

type plotLine struct {
	Name, Class string
	Now         string // the last value
	Path        string
	Area        string // the path of the ground below it; empty for none
}

// curve is a series with its name.
type curve struct {
	name, class string
	values      Series
}

// plots returns the plots of the page; none before there are two samples.
func (s *Status) plots() []plot {
	h := s.History
	if h == nil {
		return nil
	}
	var all []plot
	if s.Requests != nil {
		all = append(all,
			newPlot("Requests", h.At, s.At, 0, perSecond, curve{"requests", "one", h.Requests}),
			newPlot("Errors", h.At, s.At, 0, perSecond, curve{"5xx", "bad", h.ServerErrors}, curve{"4xx", "two", h.ClientErrors}),
			newPlot("Latency", h.At, s.At, 0, seconds, curve{"p95", "two", h.P95}, curve{"p50", "one", h.P50}),
		)
	}
	if s.Platform != nil {
		all = append(all,
			newPlot("Sessions busy", h.At, s.At, float64(s.Platform.SessionsMax), figure, curve{"busy", "one", h.Busy}),
			newPlot("Requests waiting", h.At, s.At, 0, figure, curve{"waiting", "one", h.Waiting}),
		)
	}
	return all
}

func perSecond(v float64) string {
	if math.IsNaN(v) {
		return figure(v)
	}
	return figure(v) + "/s"
}

// newPlot returns a plot whose upper edge is top, or chosen by the values if top is 0.
func newPlot(title string, at []time.Time, now time.Time, top float64, text func(float64) string, curves ...curve) plot {
	highest, known := 0.0, 0
	for _, c := range curves {
		for _, v := range c.values {
			if !math.IsNaN(v) {
				known++
				highest = max(highest, v)
			}
		}
	}
	if top == 0 {
		top = roundUp(highest)
	}
	p := plot{Title: title, Top: text(top), Empty: known == 0}
	var spoken []string
	for _, c := range curves {
		last := math.NaN()
		if n := len(c.values); n > 0 {
			last = c.values[n-1]
		}
		line := plotLine{Name: c.name, Class: c.class, Now: text(last)}
		line.Path, line.Area = paths(at, now, c.values, top)
		if len(curves) > 1 {
			line.Area = ""
		}
		p.Lines = append(p.Lines, line)
		spoken = append(spoken, c.name+" now "+line.Now)
	}
	p.Label = fmt.Sprintf("%s in the last hour: %s, highest %s", title, strings.Join(spoken, ", "), text(highest))
	return p
}

// roundUp returns the next of 1, 2 and 5 times a power of ten; 1 for 0.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, factor := range []float64{1, 2, 5} {
		if v <= factor*power {
			return factor * power
		}
	}
	return 10 * power
}

// paths returns the line of a series and the ground below it as paths of SVG. The line
// has a gap where there is no value.
func paths(at []time.Time, now time.Time, values Series, top float64) (line, area string) {
	var l, a strings.Builder
	first, last := math.NaN(), math.NaN() // of the present piece of the line
	end := func() {
		if !math.IsNaN(first) {
			if first == last {
				l.WriteString("h0") // a dot
			}
			fmt.Fprintf(&a, "L%.1f %.1fL%.1f %.1fZ", last, plotHeight, first, plotHeight)
		}
		first = math.NaN()
	}
	for i, v := range values {
		if math.IsNaN(v) {
			end()
			continue
		}
		x := plotWidth * (1 - now.Sub(at[i]).Seconds()/time.Hour.Seconds())
		x = min(max(x, 0), plotWidth)
		y := plotHeight * (1 - min(v/top, 1))
		command := "L"
		if math.IsNaN(first) {
			command, first = "M", x
		}
		last = x
		fmt.Fprintf(&l, "%s%.1f %.1f", command, x, y)
		fmt.Fprintf(&a, "%s%.1f %.1f", command, x, y)
	}
	end()
	return l.String(), a.String()
}
