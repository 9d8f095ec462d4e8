package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strconv"
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
		Short: "Show and verify the audit trail",
		Long: "Show and verify the audit trail: a line of JSON for each login and for each step of\n" +
			"a write. Every line contains the hash of the line before it, so no line can be\n" +
			"changed, removed or moved undetected. The gateway may be running at the same time.",
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	c.AddCommand(newAuditVerify(), newAuditTail())
	return c
}

func newAuditVerify() *cobra.Command {
	var expected string
	c := withTrail(&cobra.Command{
		Use:   "verify",
		Short: "Verify that the audit trail was not changed after it was written",
		Long: "Verify that the audit trail was not changed after it was written, and print its head:\n" +
			"the number and the hash of the last line. Missing lines at the end can only be\n" +
			"detected by an earlier head: store a head from time to time in a place where it\n" +
			"cannot be changed, and give it with --head.",
	}, func(c *cobra.Command, trail operation.Trail) error {
		want, err := parseHead(expected)
		if err != nil {
			return err
		}
		first, head, err := verifyTrail(trail, want)
		if err != nil {
			return err
		}
		switch {
		case first == 0:
			_, err = fmt.Fprintln(c.OutOrStdout(), "The audit trail has no lines.")
		case first > 1:
			_, err = fmt.Fprintf(c.OutOrStdout(), "The audit trail is whole from line %d on; lines 1 to %d are not there. Its head is %s\n", first, first-1, head)
		default:
			_, err = fmt.Fprintf(c.OutOrStdout(), "The audit trail is whole. Its head is %s\n", head)
		}
		return err
	})
	c.Flags().StringVar(&expected, "head", "", "an earlier head, which the trail must contain")
	return c
}

// verifyTrail verifies a trail. It returns the number of its first line, 0 if it has none,
// and its head. Unless want is the zero Head, the trail must contain that line.
func verifyTrail(trail operation.Trail, want operation.Head) (first int64, head operation.Head, err error) {
	found := want == operation.Head{}
	head, err = operation.Verify(func(yield func([]byte, error) bool) {
		for line, err := range trail {
			if err == nil && (first == 0 || !found) {
				at, _, broken := operation.HeadOf(line)
				found = found || broken == nil && at == want
				first = cmp.Or(first, at.Sequence)
			}
			if !yield(line, err) {
				return
			}
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("the audit trail does not contain the line %s: lines are missing, or the trail was written again", want)
	}
	return first, head, err
}

// parseHead parses the output of Head.String. An empty text is the zero Head.
func parseHead(text string) (operation.Head, error) {
	if text == "" {
		return operation.Head{}, nil
	}
	number, hash, ok := strings.Cut(text, ":")
	sequence, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil {
		return operation.Head{}, fmt.Errorf("--head must be a number, a colon and a hash, as verify prints them, not %q", text)
	}
	return operation.Head{Sequence: sequence, Hash: hash}, nil
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
