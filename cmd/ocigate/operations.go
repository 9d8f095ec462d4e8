package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
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
		Long: "List, show and release writes whose outcome is unknown. Until it is known, no other\n" +
			"write may change their entries. The gateway should be running: it determines the\n" +
			"outcomes itself as soon as the platform can be read.\n\n" +
			"With the embedded journal, the commands connect to the running gateway by the socket\n" +
			controlSocket + " in the journal's folder; run them as the user of the gateway. If no\n" +
			"gateway runs, they open the folder themselves. With PostgreSQL they use the database.",
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	c.AddCommand(newOperationsList(), newOperationsShow(), newOperationsRelease())
	return c
}

// heldNames returns the names of the claims that an operation holds: names of entries, and
// kind:key for other claims.
func heldNames(s *operationStatus) []string {
	var held []string
	names := s.Names()
	for _, c := range s.Held {
		held = append(held, names.Of(c, c.Key))
	}
	return held
}

// checkTarget returns an error if a flag is missing for a list of a group or user, whose
// ids are unique only in a tenant or group.
func checkTarget(t scope.Target) error {
	switch {
	case t.GroupID != "" && t.TenantID == "":
		return errors.New("--group needs --tenant")
	case t.UserID != "" && t.GroupID == "":
		return errors.New("--user needs --group")
	}
	return nil
}

// listPage is how many operations are requested at a time.
const listPage = 500

func newOperationsList() *cobra.Command {
	var q operation.Query
	var state string
	var all, asJSON bool
	c := withManager(&cobra.Command{
		Use:   "list",
		Short: "List the writes that hold entries, the latest first",
		Long: "List the writes that hold entries, the latest first, with the time since when, the\n" +
			"entries, and the reason why the outcome is not known yet. --state and --all list\n" +
			"others.",
		Args: cobra.NoArgs,
	}, func(c *cobra.Command, m manager, _ []string) error {
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
		found, more, err := listed(c.Context(), m, q)
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
	flags.BoolVar(&asJSON, "json", false, "print everything that is known, as a list in JSON")
	c.MarkFlagsMutuallyExclusive("state", "all")
	return c
}

var listableStates = []operation.State{
	operation.Unknown, operation.Intent, operation.Received, operation.Done, operation.NotDone, operation.PartlyDone,
}

// listed returns operations, which it requests page by page, and reports whether there are
// more. Of open operations, only those that hold entries count. The last page is the empty
// one: any other may be short because its operations are large.
func listed(ctx context.Context, m manager, q operation.Query) (found []operationStatus, more bool, err error) {
	found = []operationStatus{}
	page := q
	for {
		page.Limit = listPage
		some, err := m.list(ctx, page)
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
		if len(some) == 0 {
			return found, false, nil
		}
	}
}

func newOperationsShow() *cobra.Command {
	var asJSON bool
	c := withManager(&cobra.Command{
		Use:   "show ID",
		Short: "Show everything that is known about a write",
		Args:  cobra.ExactArgs(1),
	}, func(c *cobra.Command, m manager, args []string) error {
		if !operation.IsID(args[0]) {
			return fmt.Errorf("%q is not the id of an operation", args[0])
		}
		s, err := m.show(c.Context(), args[0])
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
	c := withManager(&cobra.Command{
		Use:   "release ID --reason TEXT",
		Short: "Free the entries of a write whose outcome stays unknown",
		Long: "Free the entries of a write whose outcome stays unknown, all or some, so that other\n" +
			"writes may change them. Check the entries on the platform first: after the release,\n" +
			"the gateway does not read them back any more, and the API reports the outcome of the\n" +
			"write as unknown for good. The write's Idempotency-Key is not freed, so that a\n" +
			"repeated request is not sent again.\n\n" +
			"A release is refused while the write is in progress, and within journal.settle after\n" +
			"its outcome became unknown, because the platform may still carry it out. The reason\n" +
			"and the name of the operating system's user are written to the audit trail.",
		Args: cobra.ExactArgs(1),
	}, func(c *cobra.Command, m manager, args []string) error {
		if !operation.IsID(args[0]) {
			return fmt.Errorf("%q is not the id of an operation", args[0])
		}
		if err := mayWrite(m); err != nil {
			return err
		}
		order.ID = args[0]
		var err error
		if order.By, err = operatorName(); err != nil {
			return err
		}
		s, err := m.release(c.Context(), order)
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
	flags.StringArrayVar(&order.Entries, "entry", nil, "free only this entry, by its name in the output of show, or as kind:key if the name is ambiguous; may be given several times")
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

// mayWrite returns an error if this process would write to the journal of another user: the
// gateway could not write files that it creates there.
func mayWrite(m manager) error {
	direct, ok := m.(*storeManager)
	if !ok || direct.folder == "" {
		return nil
	}
	if owner := ownerOf(filepath.Join(direct.folder, operationsDatabase)); owner >= 0 && owner != os.Geteuid() {
		return fmt.Errorf("no gateway runs, and the journal in %s belongs to the user with id %d: run the command as that user", direct.folder, owner)
	}
	return nil
}

// operatorName returns the operating system's name of the user who runs the command, with
// the name before sudo.
func operatorName() (string, error) {
	who, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("the name of the user who runs the command: %w", err)
	}
	name := who.Username
	if before := os.Getenv("SUDO_USER"); before != "" && before != name {
		name += " (sudo: " + before + ")"
	}
	return name, nil
}

// withManager completes a command that needs the manager of the configuration's journal.
func withManager(c *cobra.Command, run func(*cobra.Command, manager, []string) error) *cobra.Command {
	return withJournal(c, func(c *cobra.Command, j config.Journal, args []string) error {
		m, err := openManager(c.Context(), j)
		if err != nil {
			return err
		}
		return errors.Join(run(c, m, args), m.close())
	})
}

// withJournal completes a command that needs only the journal of the configuration.
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
