package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/gateway/operation/postgres"
)

// verifyOptions are the flags of audit verify.
type verifyOptions struct {
	heads   []string
	from    string
	journal bool
	config  *string
}

func newAuditVerify() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify [FILE...]",
		Short: "Verify that the audit trail was not changed after it was written",
		Long: "Verify that the audit trail was not changed after it was written, and print its head:\n" +
			"the number and the hash of the last line.\n\n" +
			"Without files, the trail of the configuration's journal is verified. It must begin\n" +
			"with line 1, or behind the line that was archived last, and have the line that the\n" +
			"journal knows as its last one. Who can change the trail and the journal can make both\n" +
			"agree again: the log has an anchor from time to time, and --head verifies that the\n" +
			"trail still has the line of an anchor.\n\n" +
			"With files, their lines are verified in the order of the files, such as those of an\n" +
			"archive. Missing lines at their end are only noticed by --head, or by --journal, which\n" +
			"verifies that the trail of the journal goes on behind them.",
		RunE: o.run,
	}
	o.config = configFlag(c)
	flags := c.Flags()
	flags.StringArrayVar(&o.heads, "head", nil, "a line that the trail must have, as verify and the anchors in the log print it; may be given several times")
	flags.StringVar(&o.from, "from", "", "the line before the first of the files, as archive and verify print it, if that is not line 1")
	flags.BoolVar(&o.journal, "journal", false, "verify the files and the trail of the journal as one trail")
	return c
}

func (o *verifyOptions) run(c *cobra.Command, files []string) error {
	v := operation.Verification{}
	for _, text := range o.heads {
		head, err := operation.ParseHead(text)
		if err != nil {
			return fmt.Errorf("--head: %w", err)
		}
		v.Heads = append(v.Heads, head)
	}
	if o.from != "" {
		var err error
		if v.After, err = operation.ParseHead(o.from); err != nil {
			return fmt.Errorf("--from: %w", err)
		}
	}
	switch {
	case len(files) == 0 && (o.from != "" || o.journal):
		return errors.New("--from and --journal are for files: without files the journal knows where its trail begins")
	case len(files) > 0 && !o.journal:
		return verifyFiles(c, files, v)
	}
	j, err := config.LoadJournal(*o.config, os.Environ())
	if err != nil {
		return err
	}
	return verifyJournal(c, j, files, v)
}

// verifyFiles verifies the lines of files.
func verifyFiles(c *cobra.Command, files []string, v operation.Verification) error {
	found, err := v.Run(linesOf(files))
	if _, broken := errors.AsType[*operation.BrokenError](err); broken && found.First == 0 && v.After.Sequence == 0 {
		return fmt.Errorf("%w. If the lines before it are archived, give those files first, or the last line of them with --from", err)
	}
	if err != nil {
		return err
	}
	return printVerified(c, found, "not in these files")
}

// verifyJournal verifies the trail of a journal, behind the lines of files, if there are
// some.
func verifyJournal(c *cobra.Command, j config.Journal, files []string, v operation.Verification) error {
	source, err := openTrailSource(c.Context(), j)
	if err != nil {
		return err
	}
	return errors.Join(source.verify(c, files, v), source.close())
}

// trailSource is the trail of a journal, to be read.
type trailSource struct {
	bounds func(context.Context) (operation.Bounds, error)
	trail  operation.Trail
	close  func() error
	// exact reports that the trail cannot have lines behind the head of the bounds.
	exact bool
}

// openTrailSource returns the trail of a journal.
func openTrailSource(ctx context.Context, j config.Journal) (trailSource, error) {
	if j.Store == config.StoreEmbedded {
		return trailSource{
			bounds: func(ctx context.Context) (operation.Bounds, error) {
				b, err := inspectBounds(ctx, j.Folder)
				if err != nil {
					err = fmt.Errorf("what the journal knows of its audit trail cannot be read (give the files, to verify them alone): %w", err)
				}
				return b, err
			},
			trail: settled(bolt.Trail(j.Folder)), close: func() error { return nil },
		}, nil
	}
	store, err := openPostgres(j, postgres.Options{})
	if err != nil {
		return trailSource{}, err
	}
	return trailSource{bounds: store.Bounds, trail: store.Trail(ctx), close: store.Close, exact: true}, nil
}

// verify verifies the trail. If its first lines are archived meanwhile, it begins again.
func (s trailSource) verify(c *cobra.Command, files []string, v operation.Verification) error {
	for {
		b, err := s.bounds(c.Context())
		if err != nil {
			return err
		}
		broken := s.verifyFrom(c, files, v, b)
		if broken == nil {
			return nil
		}
		if after, err := s.bounds(c.Context()); err != nil || after.Archived == b.Archived {
			return broken
		}
	}
}

// verifyFrom verifies the trail. The bounds were read before it, because lines are added
// meanwhile.
func (s trailSource) verifyFrom(c *cobra.Command, files []string, v operation.Verification, b operation.Bounds) error {
	v.Heads = append(slices.Clone(v.Heads), b.Head)
	trail, absent := s.trail, "not in the journal any more"
	if len(files) > 0 {
		v.Heads = append(v.Heads, b.Archived)
		trail, absent = joined(linesOf(files), behind(trail, b.Archived)), "not in these files"
	} else {
		v.After = b.Archived
	}
	found, err := v.Run(trail)
	if err != nil {
		return whatToDo(err, b)
	}
	if s.exact {
		after, err := s.bounds(c.Context())
		if err != nil {
			return err
		}
		if found.Head.Sequence > after.Head.Sequence {
			return fmt.Errorf("the audit trail has lines behind its head %s, up to line %d: they were added by another program", after.Head, found.Head.Sequence)
		}
	}
	if !b.Known && len(v.Heads) == 1 {
		c.PrintErrln("The journal does not know the head of its trail yet, so missing lines at its end are only noticed by --head.")
	}
	return printVerified(c, found, absent)
}

// whatToDo adds to an error of a journal's trail what an operator can do, if lines are
// missing that can be accepted: those at the beginning, and those at the end.
func whatToDo(err error, b operation.Bounds) error {
	broken, isBroken := errors.AsType[*operation.BrokenError](err)
	missing, isMissing := errors.AsType[*operation.HeadError](err)
	switch {
	case isBroken && broken.Line == 1 && b.Archived.Sequence == 0:
		return fmt.Errorf("%w. Bring the files with them back; if they are kept elsewhere or lost, run ocigate audit accept", err)
	case isMissing && missing.Missing == b.Head:
		return fmt.Errorf("%w. Restore what belongs together; if it is lost, run ocigate audit accept", err)
	}
	return err
}

// printVerified prints the result of a verification. absent says where the lines before the
// first one are.
func printVerified(c *cobra.Command, found operation.Verified, absent string) (err error) {
	for _, line := range found.Accepted {
		c.PrintErrf("Line %d says that an operator has accepted that lines were missing.\n", line)
	}
	switch {
	case found.Head.Sequence == 0:
		_, err = fmt.Fprintln(c.OutOrStdout(), "The audit trail has no lines.")
	case found.First == 2:
		_, err = fmt.Fprintf(c.OutOrStdout(), "The audit trail is whole from line 2 on; line 1 is %s. Its head is %s\n", absent, found.Head)
	case found.First > 1:
		_, err = fmt.Fprintf(c.OutOrStdout(), "The audit trail is whole from line %d on; lines 1 to %d are %s. Its head is %s\n", found.First, found.First-1, absent, found.Head)
	default:
		_, err = fmt.Fprintf(c.OutOrStdout(), "The audit trail is whole. Its head is %s\n", found.Head)
	}
	return err
}

// joined returns one trail after the other.
func joined(trails ...operation.Trail) operation.Trail {
	return func(yield func([]byte, error) bool) {
		for _, trail := range trails {
			for line, err := range trail {
				if !yield(line, err) {
					return
				}
			}
		}
	}
}

// behind returns a trail without the lines up to one that was archived. A line that cannot
// be read is not left out.
func behind(trail operation.Trail, archived operation.Head) operation.Trail {
	return func(yield func([]byte, error) bool) {
		for line, err := range trail {
			if err == nil && archived.Sequence > 0 {
				if head, _, broken := operation.HeadOf(line); broken == nil && head.Sequence <= archived.Sequence {
					continue
				}
			}
			if !yield(line, err) {
				return
			}
		}
	}
}
