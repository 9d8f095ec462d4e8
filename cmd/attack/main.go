//go:build linux

// Command attack measures what callers without rights can do to the ocigate binary: guessing at
// passwords and secrets, floods of unknown clients, and logins without end. It starts the binary
// as operators do, in front of the simulated platform, attacks it from many addresses, and prints
// a figure and a target for each row. "make attacks" runs it.
//
// The tests of the package auth check the same rows in simulated time. This command shows what
// the complete process does: CPU time, memory, and time to wait.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"ocigate/cmd/internal/measure"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

// longest limits a complete run, and with it every wait.
const longest = 15 * time.Minute

// row is one attack, which returns its figures.
type row struct {
	name, title string
	attack      func(context.Context, *rig) ([]figure, error)
}

// rows are the attacks, in the order in which they run. Each has a new gateway and platform.
var rows = []row{
	{"unknown", "1,000 unknown client ids from 20 addresses, as fast as possible", floodFrom20},
	{"many", "unknown client ids from 100 new addresses a second", floodFromMany},
	{"guess", "guessing at the password of one user", guessing},
	{"nat", "60 correct logins at the same time from one address", oneAddress},
	{"evict", "10,000 failures on random names from 200 /64 networks", eviction},
	{"logins", "one user logs in as fast as possible", endlessLogins},
}

// run attacks a binary and writes the table of the figures.
func run(ctx context.Context, arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("attack", flag.ContinueOnError)
	only := flags.String("only", "", "only these `rows`, separated by commas")
	binary := flags.String("binary", "", "attack this ocigate `file` instead of building one")
	file := flags.String("write", "", "write the table to this `file`, too")
	switch err := flags.Parse(arguments); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	dir, err := os.MkdirTemp("", "ocigate-attack-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if *binary == "" {
		if *binary, err = measure.Build(ctx, dir); err != nil {
			return err
		}
	}
	table, err := attackAll(ctx, *binary, dir, *only)
	if _, printed := io.WriteString(out, table); err == nil {
		err = printed
	}
	if err == nil && *file != "" {
		err = os.WriteFile(*file, []byte(table), 0o600)
	}
	return err
}

// attackAll runs the rows and returns their table. It has an error if a target was missed.
func attackAll(ctx context.Context, binary, dir, only string) (string, error) {
	var table strings.Builder
	fmt.Fprintf(&table, "# Attacks\n\nThe output of `make attacks` on %d processors with %s.\n\n", runtime.NumCPU(), runtime.Version())
	table.WriteString("| attack | figure | target | reached |\n|---|---|---|---|\n")
	missed := 0
	for _, row := range rows {
		if only != "" && !slices.Contains(strings.Split(only, ","), row.name) {
			continue
		}
		figures, err := attackOnce(ctx, row, binary, dir)
		if err != nil {
			return table.String(), fmt.Errorf("%s: %w", row.name, err)
		}
		for i, f := range figures {
			title := row.title
			if i > 0 {
				title = ""
			}
			reached := "yes"
			if !f.reached() {
				reached, missed = "**no**", missed+1
			}
			fmt.Fprintf(&table, "| %s | %s: %s | %s | %s |\n", title, f.what, f.text(f.value), f.target(), reached)
		}
	}
	if missed > 0 {
		return table.String(), fmt.Errorf("%d targets were missed", missed)
	}
	return table.String(), nil
}

func attackOnce(ctx context.Context, row row, binary, dir string) ([]figure, error) {
	r, err := start(ctx, binary, dir)
	if err != nil {
		return nil, err
	}
	figures, err := row.attack(ctx, r)
	return figures, errors.Join(err, r.stop())
}

// figure is a measured value and the bound that it must keep: at most or at least the limit.
type figure struct {
	what    string
	value   float64
	unit    string
	limit   float64
	atLeast bool
}

func (f figure) reached() bool {
	if f.atLeast {
		return f.value >= f.limit
	}
	return f.value <= f.limit
}

func (f figure) text(v float64) string { return strings.TrimSpace(fmt.Sprintf("%.4g %s", v, f.unit)) }

func (f figure) target() string {
	if f.atLeast {
		return "≥ " + f.text(f.limit)
	}
	return "≤ " + f.text(f.limit)
}
