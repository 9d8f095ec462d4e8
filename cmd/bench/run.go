//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"ocigate/cmd/internal/measure"
)

// longest limits a complete run, and with it every wait.
const longest = 30 * time.Minute

// results is the folder of the output of a full run.
const results = "testdata/bench"

// run measures or, if the first argument is the name of a role, runs as that role.
func run(ctx context.Context, arguments []string, in io.Reader, out io.Writer) error {
	if len(arguments) > 0 && roles[arguments[0]] != nil {
		return roles[arguments[0]](arguments[1:], in, out)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "measure only these `figures`, separated by commas: "+strings.Join(names(allFigures(math.MaxInt)), ", "))
	effort := flags.Float64("effort", 1, "scale the time that is spent: 0.1 for a quick look")
	binary := flags.String("binary", "", "measure this ocigate `file` instead of building one")
	switch err := flags.Parse(arguments); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	chosen, err := choose(allFigures(math.MaxInt), *only)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	b, err := newBench(ctx, *effort, *binary)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.measure(ctx, chosen, os.Stderr); err != nil {
		return err
	}
	output := table(chosen)
	if _, err := io.WriteString(out, output); err != nil || *only != "" || *effort < 1 || *binary != "" {
		return err // only a full run of this source is stored
	}
	about, err := origin(ctx)
	if err != nil {
		return err
	}
	return writeResults(results, output+about, chosen)
}

func names(figures []*figure) []string {
	var names []string
	for _, f := range figures {
		names = append(names, f.name)
	}
	return names
}

func choose(figures []*figure, only string) ([]*figure, error) {
	if only == "" {
		return figures, nil
	}
	var chosen []*figure
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(figures, func(f *figure) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no figure %q, only %s", name, strings.Join(names(figures), ", "))
		}
		chosen = append(chosen, figures[i])
	}
	return chosen, nil
}

// largeTable is the number of rows of a large table.
const largeTable = 10_000

// bench is the state that the figures share.
type bench struct {
	effort  float64
	large   int    // rows of a large table
	dir     string // folder of temporary files
	binary  string
	key     string         // signs the tokens of every gateway, so that one login is enough
	token   string         // of the first login
	cleanup []func() error // functions that end what a figure has started, in reverse order
}

// newBench builds the gateway as "make build" does, unless a binary is given. It must be
// closed.
func newBench(ctx context.Context, effort float64, binary string) (*bench, error) {
	dir, err := os.MkdirTemp("", "ocigate-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{effort: effort, large: largeTable, dir: dir, binary: binary, key: strings.Repeat("benchmark", 8)}
	if binary == "" {
		if b.binary, err = measure.Build(ctx, dir); err != nil {
			b.close()
			return nil, err
		}
	}
	return b, nil
}

func (b *bench) close() {
	// Files that remain in the temporary folder do no harm.
	_ = os.RemoveAll(b.dir)
}

// measure measures the figures in sequence and writes its progress.
func (b *bench) measure(ctx context.Context, figures []*figure, progress io.Writer) error {
	for _, f := range figures {
		start := time.Now()
		f.values = make([][]float64, len(f.rows))
		err := f.measure(ctx, b, func(values ...float64) {
			for i, v := range values {
				f.values[i] = append(f.values[i], v)
			}
		})
		for _, end := range slices.Backward(b.cleanup) {
			err = errors.Join(err, end())
		}
		b.cleanup = nil
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Fprintf(progress, "%s: %.0f s\n", f.name, time.Since(start).Seconds())
	}
	return nil
}

// rounds is the number of rounds of a figure.
func (b *bench) rounds(full int) int { return max(3, int(b.effort*float64(full))) }

// slice is the time for which callers call without a break.
func (b *bench) slice() time.Duration {
	return max(20*time.Millisecond, time.Duration(b.effort*float64(500*time.Millisecond)))
}

// leastCPU is the CPU time that a process must have used before the cost of a request is
// computed: /proc counts in steps of 10 ms.
func (b *bench) leastCPU() float64 { return max(0.03, 0.6*b.effort) }

// subject is a process that is measured, or that another one is compared with.
type subject struct {
	*process
	work func() (requests int, err error) // works for a slice of time
}

// costs returns the CPU time of a request for each subject, in µs.
func (b *bench) costs(subjects ...subject) ([]float64, error) {
	var costs []float64
	for _, s := range subjects {
		cost, err := s.cost(b.leastCPU())
		if err != nil {
			return nil, err
		}
		costs = append(costs, cost)
	}
	return costs, nil
}

// cost lets the subject work until it has used that CPU time in seconds.
func (s subject) cost(least float64) (float64, error) {
	before, err := s.cpu()
	if err != nil {
		return 0, err
	}
	for requests := 0; ; {
		n, err := s.work()
		if err != nil {
			return 0, err
		}
		requests += n
		now, err := s.cpu()
		if err != nil {
			return 0, err
		}
		if used := now - before; used >= least {
			return used / float64(requests) * 1e6, s.truncateLog()
		}
	}
}
