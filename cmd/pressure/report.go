//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"ocigate/cmd/internal/measure"
)

// figure is a measured value and the bound that it must keep: at most or at least the limit.
type figure struct {
	what    string
	value   float64
	unit    string
	limit   float64
	atLeast bool
	free    bool // has no limit: it explains another figure
}

func atMost(what string, value float64, unit string, limit float64) figure {
	return figure{what: what, value: value, unit: unit, limit: limit}
}

func atLeast(what string, value float64, unit string, limit float64) figure {
	return figure{what: what, value: value, unit: unit, limit: limit, atLeast: true}
}

func noted(what string, value float64, unit string) figure {
	return figure{what: what, value: value, unit: unit, free: true}
}

func (f figure) reached() bool {
	switch {
	case f.free:
		return true
	case f.atLeast:
		return f.value >= f.limit
	}
	return f.value <= f.limit
}

func (f figure) text(v float64) string { return strings.TrimSpace(fmt.Sprintf("%.4g %s", v, f.unit)) }

func (f figure) target() string {
	switch {
	case f.free:
		return ""
	case f.atLeast:
		return "≥ " + f.text(f.limit)
	}
	return "≤ " + f.text(f.limit)
}

// skippedError means that a row cannot be measured on this machine.
type skippedError struct{ why string }

func (e *skippedError) Error() string { return e.why }

// result is what became of a row.
type result struct {
	row
	figures []figure
	err     error
}

// suite is a run of several rows.
type suite struct {
	binary, dir string
	hash        string // of the secret of all clients
	short       bool
	progress    io.Writer

	mu sync.Mutex // guards writing to progress
}

// besideEachOther is how many rows run at the same time, of those that mostly wait.
const besideEachOther = 3

// measure measures the rows: first those that need the machine for themselves, then the
// others, several at a time.
func (s *suite) measure(ctx context.Context, chosen []row) []result {
	results := make([]result, len(chosen))
	one := func(i int) {
		began := time.Now()
		figures, err := s.row(ctx, chosen[i])
		results[i] = result{chosen[i], figures, err}
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprintf(s.progress, "%s: %.0f s\n", chosen[i].name, time.Since(began).Seconds())
	}
	for i := range chosen {
		if chosen[i].alone {
			one(i)
		}
	}
	slots := make(chan struct{}, besideEachOther)
	var running sync.WaitGroup
	for i := range chosen {
		if !chosen[i].alone {
			slots <- struct{}{}
			running.Go(func() { one(i); <-slots })
		}
	}
	running.Wait()
	return results
}

// row measures a row, and ends whatever it has started. In a short run, a machine that is too
// busy to make the requests in time skips the row: that says nothing about the binary.
func (s *suite) row(ctx context.Context, row row) ([]figure, error) {
	dir, err := os.MkdirTemp(s.dir, row.name+"-")
	if err != nil {
		return nil, err
	}
	r := &rig{suite: s, dir: dir}
	figures, err := row.measure(ctx, r)
	if s.short && errors.Is(err, errTooSlow) {
		err = &skippedError{err.Error()}
	}
	return figures, errors.Join(err, r.close())
}

func names(rows []row) []string {
	var all []string
	for _, r := range rows {
		all = append(all, r.name)
	}
	return all
}

func choose(rows []row, only string, short bool) ([]row, error) {
	var chosen []row
	if only == "" {
		for _, r := range rows {
			if r.short || !short {
				chosen = append(chosen, r)
			}
		}
		return chosen, nil
	}
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q, only %s", name, strings.Join(names(rows), ", "))
		}
		chosen = append(chosen, rows[i])
	}
	return chosen, nil
}

// table returns the results as Markdown.
func table(results []result) string {
	var b strings.Builder
	b.WriteString("| case | figure | target | reached |\n|---|---|---|---|\n")
	for _, r := range results {
		title := r.title
		for _, f := range r.figures {
			reached := "yes"
			switch {
			case f.free:
				reached = ""
			case !f.reached():
				reached = "**no**"
			}
			fmt.Fprintf(&b, "| %s | %s: %s | %s | %s |\n", title, f.what, f.text(f.value), f.target(), reached)
			title = ""
		}
		skipped, isSkipped := errors.AsType[*skippedError](r.err)
		switch {
		case isSkipped:
			fmt.Fprintf(&b, "| %s | skipped: %s | | |\n", title, skipped.why)
		case r.err != nil:
			fmt.Fprintf(&b, "| %s | it could not be measured | | **no** |\n", title)
		}
	}
	return b.String()
}

// verdict returns an error if a target was missed or a row could not be measured.
func verdict(results []result) error {
	missed := 0
	var errs []error
	for _, r := range results {
		for _, f := range r.figures {
			if !f.reached() {
				missed++
			}
		}
		if _, skipped := errors.AsType[*skippedError](r.err); r.err != nil && !skipped {
			errs = append(errs, fmt.Errorf("%s: %w", r.name, r.err))
		}
	}
	if missed > 0 {
		errs = append(errs, fmt.Errorf("%d targets were missed", missed))
	}
	return errors.Join(errs...)
}

// origin returns the version, the time and the machine of the measurement. The binary is empty if
// it was built from the same source.
func origin(ctx context.Context, binary string) (string, error) {
	of, err := measure.OriginOf(ctx)
	if err != nil {
		return "", err
	}
	if binary != "" {
		binary = " for the binary " + binary
	}
	return fmt.Sprintf(`
Made by "make pressure" on %s%s from commit %s, with %s, which the gateway,
the platform, the proxy and the callers share. What is measured, and how, is in [cmd/pressure](../../cmd/pressure).
`, of.Date, binary, of.Commit, of.Machine), nil
}
