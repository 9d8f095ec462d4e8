package main

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/gateway/operation/postgres"
)

func newAudit() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Show, verify and archive the audit trail",
		Long: "Show, verify and archive the audit trail: a line of JSON for each login and for each\n" +
			"step of a write. Every line contains the hash of the line before it, so \"audit verify\"\n" +
			"detects lines that were changed, moved or removed. The gateway may be running at the\n" +
			"same time.",
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	c.AddCommand(newAuditVerify(), newAuditTail(), newAuditArchive(), newAuditAccept())
	return c
}

func newAuditTail() *cobra.Command {
	var count int
	c := withTrail(&cobra.Command{
		Use:   "tail",
		Short: "Print the last lines of the audit trail",
	}, func(c *cobra.Command, trail operation.Trail) error {
		if count < 1 {
			return errors.New("--lines must be 1 or more")
		}
		var last [][]byte
		for line, err := range trail {
			if err != nil {
				return err
			}
			if last = append(last, slices.Clone(line)); len(last) > count {
				last = last[1:]
			}
		}
		for _, line := range last {
			if _, err := fmt.Fprintf(c.OutOrStdout(), "%s\n", line); err != nil {
				return err
			}
		}
		return nil
	})
	c.Flags().IntVarP(&count, "lines", "n", 10, "how many lines")
	return c
}

// withTrail completes a command that reads an audit trail: that of the given files, or
// otherwise that of the configuration's journal.
func withTrail(c *cobra.Command, run func(*cobra.Command, operation.Trail) error) *cobra.Command {
	configured := withJournal(c, func(c *cobra.Command, j config.Journal, _ []string) error {
		if j.Store == config.StoreEmbedded {
			return run(c, settled(bolt.Trail(j.Folder)))
		}
		store, err := openPostgres(j, postgres.Options{})
		if err != nil {
			return err
		}
		return errors.Join(run(c, store.Trail(c.Context())), store.Close())
	}).RunE
	c.Use += " [FILE...]"
	c.Long = strings.TrimSpace(c.Long + "\n\nWithout files, the trail of the configuration's journal is read. With files, their\nlines are, in the order of the files.")
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, files []string) error {
		if len(files) == 0 {
			return configured(c, nil)
		}
		return run(c, linesOf(files))
	}
	return c
}

// settled returns a trail without the line that is just being written.
func settled(trail operation.Trail) operation.Trail {
	return func(yield func([]byte, error) bool) {
		for line, err := range trail {
			if errors.Is(err, bolt.ErrTorn) || !yield(line, err) {
				return
			}
		}
	}
}

// maxAuditLine is longer than any line of an audit trail, which may contain a body of the
// largest configurable size twice.
const maxAuditLine = 256 << 20

// linesOf returns the lines of several files.
func linesOf(files []string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, name := range files {
			if !linesOfOne(name, yield) {
				return
			}
		}
	}
}

func linesOfOne(name string, yield func([]byte, error) bool) bool {
	file, err := os.Open(name) //nolint:gosec // the operator names it
	if err != nil {
		return yield(nil, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxAuditLine)
	for lines.Scan() {
		if !yield(lines.Bytes(), nil) {
			return false
		}
	}
	if err := lines.Err(); err != nil {
		return yield(nil, fmt.Errorf("%s: %w", name, err))
	}
	return true
}
