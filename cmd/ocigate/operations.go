package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

func newOperations() *cobra.Command {
	c := &cobra.Command{
		Use:   "operations",
		Short: "List, show and release writes whose outcome is unknown",
		Long: "List, show and release writes whose outcome is unknown. While it is, no other write\n" +
			"may touch their entries. The gateway may be running meanwhile, and should be: it\n" +
			"finds out by itself what became of them as soon as the platform can be read.\n\n" +
			"With the embedded journal the commands speak with the running gateway, by the socket\n" +
			controlSocket + " in the journal's folder; be the user that it runs as. Where none runs they\n" +
			"open the folder themselves. With PostgreSQL they use the database.",
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	c.AddCommand(newOperationsList(), newOperationsShow(), newOperationsRelease())
	return c
}

// heldNames are names of what an operation holds: of its entries, and of claims as
// kind:key.
func heldNames(s *standing) []string {
	var held []string
	names := s.Names()
	for _, c := range s.Held {
		held = append(held, names.Of(c, c.Key))
	}
	return held
}

// checkTarget reports which flag a list of a group or user lacks: their ids are
// unique in a tenant or group only.
func checkTarget(t scope.Target) error {
	switch {
	case t.GroupID != "" && t.TenantID == "":
		return errors.New("--group needs --tenant")
	case t.UserID != "" && t.GroupID == "":
		return errors.New("--user needs --group")
	}
	return nil
}

// listPage is how many operations are asked for at a time.
const listPage = 500

func newOperationsList() *cobra.Command {
	var q operation.Query
	var state string
	var all, asJSON bool
	c := withDesk(&cobra.Command{
		Use:   "list",
		Short: "List the writes that hold entries, the last ones first",
		Long: "List the writes that hold entries, the last ones first: since when, which, and why\n" +
			"it is not known yet what became of them. --state and --all list others.",
		Args: cobra.NoArgs,
	}, func(c *cobra.Command, d desk, _ []string) error {
		if q.State = operation.State(state); state != "" && !slices.Contains(listableStates, q.State) {
			return fmt.Errorf("--state must be one of %v, not %q", listableStates, state)
		}
		if q.Limit < 1 {
			return errors.New("--limit must be 1 or more")
		}
		if err := checkTarget(q.Target); err != nil {
			return err
		}
		q.Open = state == "" && !all
		found, more, err := listed(c.Context(), d, q)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(c, found)
		}
		return printTable(c.OutOrStdout(), found, more)
	})
	flags := c.Flags()
	flags.StringVar(&q.Target.TenantID, "tenant", "", "only those of this tenant")
	flags.StringVar(&q.Target.GroupID, "group", "", "only those of this group, with --tenant")
	flags.StringVar(&q.Target.UserID, "user", "", "only those of this user, with --group")
	flags.StringVar(&state, "state", "", "those of this state: unknown, intent, done, not_done or partly_done")
	flags.BoolVar(&all, "all", false, "those of every state")
	flags.IntVar(&q.Limit, "limit", 100, "at most so many")
	flags.BoolVar(&asJSON, "json", false, "print all that is known, as a list in JSON")
	c.MarkFlagsMutuallyExclusive("state", "all")
	return c
}

var listableStates = []operation.State{
	operation.Unknown, operation.Intent, operation.Received, operation.Done, operation.NotDone, operation.PartlyDone,
}

// listed finds operations page by page, and reports whether there are more. Of
// those that are open, only the ones that hold entries count.
func listed(ctx context.Context, d desk, q operation.Query) (found []standing, more bool, err error) {
	found = []standing{}
	page := q
	for {
		page.Limit = listPage
		some, err := d.list(ctx, page)
		if err != nil {
			return nil, false, err
		}
		for _, s := range some {
			page.Before = s.ID
			if q.Open && len(s.Held) == 0 {
				continue
			}
			if len(found) == q.Limit {
				return found, true, nil
			}
			found = append(found, s)
		}
		if len(some) < listPage {
			return found, false, nil
		}
	}
}

func newOperationsShow() *cobra.Command {
	var asJSON bool
	c := withDesk(&cobra.Command{
		Use:   "show ID",
		Short: "Show all that is known of a write",
		Args:  cobra.ExactArgs(1),
	}, func(c *cobra.Command, d desk, args []string) error {
		if !operation.IsID(args[0]) {
			return fmt.Errorf("%q is not the id of an operation", args[0])
		}
		s, err := d.show(c.Context(), args[0])
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(c, s)
		}
		return printOne(c.OutOrStdout(), &s)
	})
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return c
}

func newOperationsRelease() *cobra.Command {
	var order operation.Release
	var asJSON bool
	c := withDesk(&cobra.Command{
		Use:   "release ID --reason TEXT",
		Short: "Free the entries of a write whose outcome stays unknown",
		Long: "Free the entries of a write whose outcome stays unknown, all or some, so that others\n" +
			"may write them. Look at the platform first: from now on nothing can find out what\n" +
			"became of them, and the API says so of the write: its outcome is unknown, for good.\n" +
			"Its Idempotency-Key is not freed, so that a repeated request is not sent again.\n\n" +
			"It is refused while the write is on its way, and within journal.settle after it\n" +
			"became unknown: the platform may still carry it out. The reason and the name of the\n" +
			"operating system's user who gives it are written to the audit trail.",
		Args: cobra.ExactArgs(1),
	}, func(c *cobra.Command, d desk, args []string) error {
		if !operation.IsID(args[0]) {
			return fmt.Errorf("%q is not the id of an operation", args[0])
		}
		if err := mayWrite(d); err != nil {
			return err
		}
		order.ID = args[0]
		var err error
		if order.By, err = operatorName(); err != nil {
			return err
		}
		s, err := d.release(c.Context(), order)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(c, s)
		}
		last := s.Releases[len(s.Releases)-1]
		_, err = fmt.Fprintf(c.OutOrStdout(), "Free again: %s. It holds %s.\n", strings.Join(cells(last.Entries), ", "), noneOr(strings.Join(cells(heldNames(&s)), ", ")))
		return err
	})
	flags := c.Flags()
	flags.StringVar(&order.Reason, "reason", "", fmt.Sprintf("why, in up to %d characters; the audit trail keeps it", operation.MaxReason))
	flags.StringArrayVar(&order.Entries, "entry", nil, "free only this entry, by a name that show has, or as kind:key where that names several; may be given several times")
	flags.BoolVar(&asJSON, "json", false, "print the operation as JSON")
	_ = c.MarkFlagRequired("reason") // the flag is there
	return c
}

func noneOr(text string) string {
	if text == "" {
		return "nothing any more"
	}
	return text
}

// mayWrite refuses to write to a folder here that is another user's: files made
// there would not be that user's, and the gateway could not write them.
func mayWrite(d desk) error {
	direct, ok := d.(*storeDesk)
	if !ok || direct.folder == "" {
		return nil
	}
	if owner := ownerOf(direct.folder); owner >= 0 && owner != os.Geteuid() {
		return fmt.Errorf("no gateway runs, and %s belongs to the user with id %d: be that user", direct.folder, owner)
	}
	return nil
}

// operatorName is the operating system's name for who runs this, and of who they
// were before sudo.
func operatorName() (string, error) {
	who, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("who runs this is not known: %w", err)
	}
	name := who.Username
	if before := os.Getenv("SUDO_USER"); before != "" && before != name {
		name += " (sudo: " + before + ")"
	}
	return name, nil
}

// withDesk completes a command that needs the desk of the configuration's journal.
func withDesk(c *cobra.Command, run func(*cobra.Command, desk, []string) error) *cobra.Command {
	return withJournal(c, func(c *cobra.Command, j config.Journal, args []string) error {
		d, err := openDesk(c.Context(), j)
		if err != nil {
			return err
		}
		return errors.Join(run(c, d, args), d.close())
	})
}

// withJournal completes a command that needs the configuration's journal, and
// nothing else of it.
func withJournal(c *cobra.Command, run func(*cobra.Command, config.Journal, []string) error) *cobra.Command {
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		j, err := config.LoadJournal(*path, os.Environ())
		if err != nil {
			return err
		}
		return run(c, j, args)
	}
	return c
}

func printJSON(c *cobra.Command, value any) error {
	encoder := json.NewEncoder(c.OutOrStdout())
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
