package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

func newAuditArchive() *cobra.Command {
	var before, to string
	c := &cobra.Command{
		Use:   "archive --before MONTH --to FILE",
		Short: "Move the lines of past months from the audit trail to a file",
		Long: "Move the lines of past months from the audit trail to a file. The lines are written to\n" +
			"the file and verified there. Then the journal stores the number and the hash of the\n" +
			"last of them, writes a line about the archive to the trail, and removes the lines.\n" +
			"If the command is interrupted, nothing is lost: run it again with the same file.\n\n" +
			"With the embedded journal, whole files are moved, and never the last one. With\n" +
			"PostgreSQL, the role of journal.postgres_url must own the tables: that of the gateway\n" +
			"cannot remove lines.",
		Args: cobra.NoArgs,
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if _, err := time.Parse("2006-01", before); err != nil {
			return fmt.Errorf("--before must be a month, such as 2026-01, not %q", before)
		}
		j, err := config.LoadJournal(*path, os.Environ())
		if err != nil {
			return err
		}
		return archiveTrail(c, j, before, to)
	}
	flags := c.Flags()
	flags.StringVar(&before, "before", "", "the first month in UTC whose lines stay, such as 2026-01")
	flags.StringVar(&to, "to", "", "the file for the lines, or a folder for a file that is named by their numbers")
	_ = c.MarkFlagRequired("before") // the flags are there
	_ = c.MarkFlagRequired("to")
	return c
}

func newAuditAccept() *cobra.Command {
	var order operation.TrailOrder
	c := withManager(&cobra.Command{
		Use:   "accept --reason TEXT",
		Short: "Go on with an audit trail that lacks lines",
		Long: "Go on with an audit trail that lacks lines at its end or at its beginning, or whose\n" +
			"database is older than it. The gateway refuses writes until what belongs together is\n" +
			"restored, or this command is run. It adds a line to the trail, with the reason, the\n" +
			"name of the operating system's user, and the head that was expected.\n\n" +
			"Keep a copy of the journal first. With a database that is older than the trail, the\n" +
			"gateway does not know the writes since: see the page about restoring the journal.",
		Args: cobra.NoArgs,
	}, func(c *cobra.Command, m manager, _ []string) error {
		trail, err := trailManagerOf(m)
		if err != nil {
			return err
		}
		if order.By, err = operatorName(); err != nil {
			return err
		}
		b, err := trail.AcceptTrail(c.Context(), order)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "The audit trail goes on. Its head is %s\n", b.Head)
		return err
	})
	c.Flags().StringVar(&order.Reason, "reason", "", fmt.Sprintf("why, in up to %d characters; the audit trail keeps it", operation.MaxReason))
	_ = c.MarkFlagRequired("reason") // the flag is there
	return c
}

// archiveTrail archives the lines of the months before one.
func archiveTrail(c *cobra.Command, j config.Journal, before, to string) error {
	m, err := openManager(c.Context(), j)
	if err != nil {
		return err
	}
	return errors.Join(archiveWith(c, m, j, before, to), m.close())
}

func archiveWith(c *cobra.Command, m manager, j config.Journal, before, to string) error {
	if err := checkOutside(j, to); err != nil {
		return err
	}
	store, err := trailManagerOf(m)
	if err != nil {
		return err
	}
	b, err := store.Bounds(c.Context())
	if err != nil {
		return err
	}
	if b.Archived.Sequence > 0 { // removes what an interrupted call has left
		if err := store.ArchiveTrail(c.Context(), operation.TrailOrder{Head: b.Archived}); err != nil {
			return err
		}
	}
	old, err := oldLines(c.Context(), m, j, before)
	if err != nil {
		return err
	}
	old = behind(old, b.Archived)
	if isEmpty(old) {
		text := fmt.Sprintf("The audit trail has no lines before %s that can be archived.", before)
		if b.Archived.Sequence > 0 {
			text += fmt.Sprintf(" Those up to line %d are not in the journal any more.", b.Archived.Sequence)
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), text)
		return err
	}
	copied, err := writeArchive(old, b.Archived, to)
	if err != nil {
		return err
	}
	order := operation.TrailOrder{Head: copied.head, Archive: copied.path}
	if order.By, err = operatorName(); err != nil {
		return err
	}
	if err := store.ArchiveTrail(c.Context(), order); err != nil {
		return fmt.Errorf("the lines are in %s, and are still in the journal, too: %w", copied.path, err)
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "Lines %d to %d are in %s, and not in the journal any more. The last of them is %s\n", copied.first, copied.head.Sequence, copied.path, copied.head)
	return err
}

// checkOutside returns an error if an archive would be in the folder of the journal, where
// it could be one of the files that are removed.
func checkOutside(j config.Journal, to string) error {
	if j.Store != config.StoreEmbedded {
		return nil
	}
	found, err := filepath.EvalSymlinks(to)
	if errors.Is(err, fs.ErrNotExist) {
		found, err = filepath.EvalSymlinks(filepath.Dir(to))
		found = filepath.Join(found, filepath.Base(to))
	}
	if err != nil {
		return err
	}
	journal, err := os.Stat(j.Folder)
	if err != nil {
		return err
	}
	for _, path := range []string{found, filepath.Dir(found)} {
		if info, err := os.Stat(path); err == nil && os.SameFile(info, journal) {
			return fmt.Errorf("--to %s is in the folder of the journal: give a place outside of it", to)
		}
	}
	return nil
}

// isEmpty reports whether a trail has neither a line nor an error.
func isEmpty(trail operation.Trail) bool {
	for line, err := range trail {
		return line == nil && err == nil
	}
	return true
}

// oldLines returns the lines of the months before one: with the embedded journal those of
// whole files, and in no case the last line.
func oldLines(ctx context.Context, m manager, j config.Journal, before string) (operation.Trail, error) {
	if j.Store == config.StoreEmbedded {
		files, err := bolt.FilesBefore(j.Folder, before)
		return linesOf(files), err
	}
	trail := m.(*storeManager).store.(operation.TrailStore).Trail(ctx) // the manager of a database
	return func(yield func([]byte, error) bool) {
		var held []byte // the last line that was read, which is not yielded before the next
		for line, err := range trail {
			if err == nil && held != nil && !yield(held, nil) {
				return
			}
			if held = nil; err == nil {
				var event operation.Event
				if err = json.Unmarshal(line, &event); err == nil && event.Time.UTC().Format("2006-01") >= before {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			held = append(held, line...)
		}
	}, nil
}

// archived describes an archive that was written.
type archived struct {
	path  string
	first int64
	head  operation.Head
}

// writeArchive writes lines to a file, makes it durable and verifies it. after is the line
// before the first. A complete archive of an interrupted call is not written again.
func writeArchive(lines operation.Trail, after operation.Head, to string) (archived, error) {
	to, err := filepath.Abs(to)
	if err != nil {
		return archived{}, err
	}
	folder := ""
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		folder, to = to, filepath.Join(to, "audit")
	} else if err == nil {
		return existingArchive(to, after)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return archived{}, err
	}
	partial, err := copyLines(lines, to)
	defer func() { _ = os.Remove(partial) }() // its other name remains
	if err != nil {
		return archived{}, err
	}
	found, err := operation.Verification{After: after}.Run(linesOf([]string{partial}))
	if err != nil {
		return archived{}, err
	}
	if folder != "" {
		to = filepath.Join(folder, fmt.Sprintf("audit-%012d-%012d.jsonl", found.First, found.Head.Sequence))
	}
	if err := moveNew(partial, to); err != nil {
		return archived{}, err
	}
	return archived{to, found.First, found.Head}, syncFolder(filepath.Dir(to))
}

// moveNew gives a file another name, and replaces no file: that may be the archive of
// another call. partial may remain.
func moveNew(partial, to string) error {
	err := os.Link(partial, to)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without hard links
		if _, err = os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(partial, to)
		}
		err = cmp.Or(err, fs.ErrExist)
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: give it with --to if an interrupted call has left it", to)
	}
	return err
}

// existingArchive verifies a file that an interrupted call has left.
func existingArchive(path string, after operation.Head) (archived, error) {
	found, err := operation.Verification{After: after}.Run(linesOf([]string{path}))
	if err == nil && found.Head.Sequence <= after.Sequence {
		err = errors.New("it has no line that is not archived yet")
	}
	if err != nil {
		return archived{}, fmt.Errorf("%s exists, and is not an archive of the next lines: %w", path, err)
	}
	file, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return archived{}, err
	}
	return archived{path, found.First, found.Head}, errors.Join(file.Sync(), file.Close(), syncFolder(filepath.Dir(path)))
}

// copyLines writes lines to a new file beside a path, which only its owner can read, and
// makes it durable. It returns the path of the file. Another call has another file.
func copyLines(lines operation.Trail, beside string) (path string, err error) {
	file, err := os.CreateTemp(filepath.Dir(beside), filepath.Base(beside)+".*.partial")
	if err != nil {
		return "", err
	}
	w := bufio.NewWriter(file)
	for line, failed := range lines {
		if failed != nil {
			err = failed
			break
		}
		_, _ = w.Write(line) // Flush returns the error
		_ = w.WriteByte('\n')
	}
	return file.Name(), errors.Join(err, w.Flush(), file.Sync(), file.Close())
}

// syncFolder makes the list of files of a folder durable.
func syncFolder(folder string) error {
	f, err := os.Open(folder) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
