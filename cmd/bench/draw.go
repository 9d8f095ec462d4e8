//go:build linux

package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/template"
)

// The drawing is a template: a plotting library would be the largest dependency of the
// module, for three lines. Its gray and its blue are readable on white and on black.
var drawing = template.Must(template.New("").Parse(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1020 320" font-family="sans-serif" font-size="12" fill="#808080">
{{range .}}<g transform="translate({{.Left}} 40)">
<text x="130" y="-20" text-anchor="middle" font-size="14">µs of CPU a GET, by {{.Name}}</text>
<path d="M0 0V220H260" fill="none" stroke="#808080"/>
{{range .X}}<path d="M{{.X}} 220v5" stroke="#808080"/><text x="{{.X}}" y="240" text-anchor="middle">{{.Text}}</text>
{{end}}<text x="130" y="262" text-anchor="middle">{{.Name}} (log)</text>
{{range .Y}}<path d="M-5 {{.Y}}H260" stroke="#808080" stroke-opacity="0.4"/><text x="-9" y="{{.Y}}" dy="4" text-anchor="end">{{.Text}}</text>
{{end}}<polyline points="{{range .Points}}{{.X}},{{.Y}} {{end}}" fill="none" stroke="#2f81f7" stroke-width="2"/>
{{range .Points}}<circle cx="{{.X}}" cy="{{.Y}}" r="3" fill="#2f81f7"/><text x="{{.X}}" y="{{.Y}}" dy="-8" text-anchor="middle" font-size="10">{{.Text}}</text>
{{end}}</g>
{{end}}</svg>
`))

type panel struct {
	Name   string
	Left   int
	X, Y   []mark // the ticks of the axes
	Points []mark
}

type mark struct{ X, Y, Text string }

// draw returns the curves among the figures as SVG and as CSV.
func draw(figures []*figure) (svg, table string, err error) {
	var text strings.Builder
	lines := csv.NewWriter(&text)
	rows := [][]string{{"by", "number", "microseconds"}}
	var panels []panel
	for _, f := range figures {
		var xs []int
		var ys []float64
		for i, l := range f.rows {
			if l.x > 0 {
				xs, ys = append(xs, l.x), append(ys, median(f.values[i]))
				rows = append(rows, []string{f.name, strconv.Itoa(l.x), fmt.Sprintf("%.1f", median(f.values[i]))})
			}
		}
		if len(xs) > 0 {
			panels = append(panels, newPanel(f.name, 70+340*len(panels), xs, ys))
		}
	}
	if err := lines.WriteAll(rows); err != nil {
		return "", "", err
	}
	var picture strings.Builder
	err = drawing.Execute(&picture, panels)
	return picture.String(), text.String(), err
}

// newPanel draws one curve. The vertical axis spans full powers of ten.
func newPanel(name string, left int, xs []int, ys []float64) panel {
	p := panel{Name: name, Left: left}
	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, y := range ys {
		lowest, highest = min(lowest, math.Floor(math.Log10(y))), max(highest, math.Ceil(math.Log10(y)))
	}
	highest = max(highest, lowest+1)
	upright := func(log float64) string { return fmt.Sprintf("%.1f", 220*(highest-log)/(highest-lowest)) }
	from, to := math.Log10(float64(xs[0])), math.Log10(float64(xs[len(xs)-1]))
	for i, x := range xs {
		along := fmt.Sprintf("%.1f", 15+230*(math.Log10(float64(x))-from)/max(to-from, 1))
		p.X = append(p.X, mark{X: along, Text: short(float64(x))})
		p.Points = append(p.Points, mark{along, upright(math.Log10(ys[i])), short(ys[i])})
	}
	for power := lowest; power <= highest; power++ {
		p.Y = append(p.Y, mark{Y: upright(power), Text: short(math.Pow(10, power))})
	}
	return p
}

// short formats a number with at most three digits.
func short(v float64) string {
	switch {
	case v >= 999.5e3:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 999.5:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.3g", v)
}
