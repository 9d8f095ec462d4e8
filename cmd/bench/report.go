//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"ocigate/cmd/internal/measure"
)

// table prints the results: first the claims, then their components.
func table(figures []*figure) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprint(w, "| figure\t| measured\t| spread\t| target\t| reached\t|\n|---\t|---\t|---\t|---\t|---\t|\n")
	each(figures, func(l line, values []float64) {
		if l.bound == 0 {
			return
		}
		target, result := "≤", "missed"
		if l.least {
			target = "≥"
		}
		if l.reached(median(values)) {
			result = "reached"
		}
		target = strings.TrimSpace(fmt.Sprintf("%s %v %s", target, l.bound, l.unit))
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t| %s\t|\n", l.what, number(median(values), l.unit), spread(values), target, result)
	})
	fmt.Fprint(w, "\n| made of\t| measured\t| spread\t|\n|---\t|---\t|---\t|\n")
	each(figures, func(l line, values []float64) {
		if l.bound == 0 {
			fmt.Fprintf(w, "| %s\t| %s\t| %s\t|\n", l.what, number(median(values), l.unit), spread(values))
		}
	})
	_ = w.Flush() // strings.Builder returns no errors
	return b.String()
}

func each(figures []*figure, do func(line, []float64)) {
	for _, f := range figures {
		for i, l := range f.rows {
			do(l, f.values[i])
		}
	}
}

func spread(values []float64) string {
	return number(slices.Min(values), "") + " .. " + number(slices.Max(values), "")
}

// number formats a number with about three digits.
func number(v float64, unit string) string {
	digits := 0
	if v != 0 {
		digits = min(2, max(0, 2-int(math.Floor(math.Log10(math.Abs(v))))))
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, v, unit))
}

// origin returns the version, the time and the machine of the measurement.
func origin(ctx context.Context) (string, error) {
	of, err := measure.OriginOf(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`
Made by "make bench" on %s from commit %s, with %s.

Each figure is the median of several rounds, in which whatever is compared takes turns; the spread is that of the rounds.
What is measured, and how, is in [cmd/bench](../../cmd/bench). The gateway authenticates, checks, counts and logs as always;
what it is compared with does nothing of that. [The curves](scaling.svg) are here [as numbers](scaling.csv), in µs of CPU a
request; a curve counts as flat, or linear, up to %v between its dearest and its cheapest point.
`, of.Date, of.Commit, of.Machine, flatness), nil
}

// writeResults writes the files of a full run.
func writeResults(folder, text string, figures []*figure) error {
	drawing, numbers, err := draw(figures)
	if err != nil {
		return err
	}
	for name, content := range map[string]string{"ratios.md": "# Speed\n\n" + text, "scaling.svg": drawing, "scaling.csv": numbers} {
		if err := os.MkdirAll(folder, 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil { //nolint:gosec // to be read by all
			return err
		}
	}
	return nil
}
