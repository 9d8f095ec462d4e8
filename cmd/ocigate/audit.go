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
			"a write. Every line holds the hash of the one before it, so none can be changed,\n" +
			"left out or moved unnoticed. The gateway may be running meanwhile.",
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
		Short: "Tell whether the audit trail is as it was written",
		Long: "Tell whether the audit trail is as it was written, and print its head: the number and\n" +
			"the hash of the last line. That lines are missing at the end shows in nothing but\n" +
			"an earlier head: note one from time to time where nobody can change it, and give it\n" +
			"with --head.",
	}, func(c *cobra.Command, trail operation.Trail) error {
		want, err := parseHead(expected)
		if err != nil {
			return err
		}
		met := want == operation.Head{}
		first := int64(0)
		head, err := operation.Verify(func(yield func([]byte, error) bool) {
			for line, err := range trail {
				if err == nil && (first == 0 || !met) {
					at, _, broken := operation.HeadOf(line)
					met = met || broken == nil && at == want
					first = cmp.Or(first, at.Sequence)
				}
				if !yield(line, err) {
					return
				}
			}
		})
		if err != nil {
			return err
		}
		if !met {
			return fmt.Errorf("the audit trail holds no line %s: lines are missing, or it was written anew", want)
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
	c.Flags().StringVar(&expected, "head", "", "a head that was noted earlier, which the trail must hold")
	return c
}

// parseHead reads what Head.String writes; an empty text is the zero Head.
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

// withTrail completes a command that reads an audit trail: that of files that
// are named, or else of the configuration's journal.
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

// settled is a trail without the line that is being written at the moment.
func settled(trail operation.Trail) operation.Trail {
	return func(yield func([]byte, error) bool) {
		for line, err := range trail {
			if errors.Is(err, bolt.ErrTorn) || !yield(line, err) {
				return
			}
		}
	}
}

// maxAuditLine is longer than any line of an audit trail: a body of the largest
// size that can be configured, spelled twice.
const maxAuditLine = 256 << 20

// linesOf are the lines of some files.
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
