//go:build linux

// Command pressure measures what the ocigate binary does under pressure: with more requests than
// the platform can answer, with a platform or a network that dies slowly, and with callers that
// take and do not give back. It starts the binary as operators do, behind a proxy that cuts,
// resets, freezes and delays connections, and prints a figure and a target for each row. "make
// pressure" runs it.
//
// The tests of the packages check the same rules in simulated time. This command shows what the
// complete process does on a real machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"ocigate/cmd/internal/measure"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pressure:", err)
		os.Exit(1)
	}
}

// longest limits a complete run, and with it every wait.
const longest = 40 * time.Minute

// row is one case, which returns its figures.
type row struct {
	name, title string
	measure     func(context.Context, *rig) ([]figure, error)
	// short reports whether the row is part of a short run.
	short bool
	// alone reports whether the row needs the machine for itself. The others mostly wait,
	// and run beside each other.
	alone bool
}

// rows are the cases, in the order in which they are printed. Each has new processes.
var rows = []row{
	{name: "reads", title: "reads beyond capacity", measure: overloadedReads, short: true, alone: true},
	{name: "writes", title: "writes beyond capacity", measure: overloadedWrites, alone: true},
	{name: "mixed", title: "reads and writes beyond capacity", measure: overloadedMix, short: true, alone: true},
	{name: "place", title: "writes between check and command", measure: places, short: true},
	{name: "fair", title: "one caller offers 9 × capacity, another 5 %", measure: fairness, short: true},
	{name: "weights", title: "weights and limits of callers", measure: weights},
	{name: "hang", title: "the first endpoint accepts and hangs, pool full", measure: hangingEndpoint, short: true},
	{name: "burst", title: "then a burst", measure: burstBesideHanging},
	{name: "slow", title: "the first endpoint replies after 3 s", measure: slowEndpoint},
	{name: "logins", title: "a login takes 0.5 s, all 40 sessions are cut", measure: slowLogins, short: true},
	{name: "failing", title: "logins fail", measure: failingLogins},
	{name: "logouts", title: "all sessions are logged out every 2 s", measure: logouts, short: true},
	{name: "return", title: "the preferred endpoint works again", measure: preferredReturns},
	{name: "cut", title: "a link is cut without FIN and RST", measure: cutLink, short: true},
	{name: "dies", title: "the first endpoint dies", measure: firstDies, short: true},
	{name: "killed", title: "a replica with a shared journal is killed", measure: killedReplica, short: true},
	{name: "alone", title: "a gateway with a journal of its own is killed", measure: killedAlone},
	{name: "races", title: "two replicas get the same key at the same time", measure: races},
	{name: "database", title: "the database of the journal dies", measure: deadDatabase},
	{name: "idle", title: "400 idle connections, 256 descriptors", measure: idleConnections, short: true},
	{name: "uploads", title: "uploads that never end", measure: endlessUploads, short: true},
	{name: "stop", title: "SIGTERM with 600 requests in flight", measure: stopInFlight, short: true},
}

// options are those of the command line.
type options struct {
	only, binary, file string
	short              bool
}

func parse(arguments []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("pressure", flag.ContinueOnError)
	flags.StringVar(&o.only, "only", "", "measure only these `rows`, separated by commas: "+strings.Join(names(rows), ", "))
	flags.StringVar(&o.binary, "binary", "", "measure this ocigate `file` instead of building one")
	flags.StringVar(&o.file, "write", "", "write the table to this `file`, too")
	flags.BoolVar(&o.short, "short", false, "measure for a minute at most, with wide bounds that a busy machine keeps")
	return o, flags.Parse(arguments)
}

// run measures the rows of a binary and writes the table of the figures.
func run(ctx context.Context, arguments []string, out, progress io.Writer) error {
	o, err := parse(arguments)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	chosen, err := choose(rows, o.only, o.short)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	dir, err := os.MkdirTemp("", "ocigate-pressure-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	given := o.binary
	if given == "" {
		if o.binary, err = measure.Build(ctx, dir); err != nil {
			return err
		}
	}
	s := &suite{binary: o.binary, dir: dir, short: o.short, progress: progress}
	if s.hash, err = measure.Hash(ctx, s.binary, secret); err != nil {
		return err
	}
	results := s.measure(ctx, chosen)
	text := table(results)
	if o.file != "" {
		about, unknown := origin(ctx, given)
		err = errors.Join(unknown, os.WriteFile(o.file, []byte("# Pressure\n\n"+text+about), 0o644)) //nolint:gosec // to be read by all
	}
	_, printed := io.WriteString(out, text)
	return errors.Join(err, printed, verdict(results))
}
