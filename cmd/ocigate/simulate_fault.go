package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/oci/ocisim"
)

func newSimulateFault() *cobra.Command {
	c := &cobra.Command{
		Use:   "fault",
		Short: "Add, list and remove faults of a simulated platform that runs",
		Long: "Switch the faults of a platform that \"ocigate demo\" or \"ocigate simulate\" of the same\n" +
			"user runs. \"ocigate simulate faults\" lists the kinds of faults.",
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	platform := simulatorFlag(c)
	c.AddCommand(newFaultAdd(platform), newFaultList(platform), newFaultRemove(platform))
	return c
}

func newFaultAdd(platform *string) *cobra.Command {
	return &cobra.Command{
		Use:   "add FAULT",
		Short: "Inject a fault, and print its id",
		Long: "Inject a fault, in the form of simulate --fault: its kind, and then parameters in any\n" +
			"order, as one argument or as several.",
		Example:           "  ocigate simulate fault add drop-after-apply 'command=GroupRoute*AssignListRequest' times=1",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeFault,
		RunE: func(c *cobra.Command, args []string) error {
			text := faultText(args)
			if _, err := parseFault(text); err != nil {
				return err
			}
			s, err := findSimulator(c.Context(), *platform)
			if err != nil {
				return err
			}
			injected, err := s.inject(c.Context(), text)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), injected.ID)
			return err
		},
	}
}

// faultText returns the text form of a fault from arguments: each after the first is one
// parameter, whose value may have blanks.
func faultText(args []string) string {
	text := []string{args[0]}
	for _, arg := range args[1:] {
		if name, value, ok := strings.Cut(arg, "="); ok && strings.ContainsAny(value, " \t\n") && !strings.HasPrefix(value, `"`) {
			arg = name + "=" + strconv.Quote(value)
		}
		text = append(text, arg)
	}
	return strings.Join(text, " ")
}

// parseFault parses the text form of a fault of a command line. Its error suggests the kind
// that a mistyped one means.
func parseFault(text string) (ocisim.Fault, error) {
	fault, err := ocisim.ParseFault(text)
	if err == nil {
		return fault, nil
	}
	var known []string
	for _, k := range ocisim.FaultKinds() {
		known = append(known, string(k.Kind))
	}
	if kind, _, _ := strings.Cut(strings.TrimSpace(text), " "); !slices.Contains(known, kind) {
		err = fmt.Errorf("%w%s", err, config.DidYouMean(kind, known))
	}
	return ocisim.Fault{}, err
}

// completeFault completes the kind of a fault, and then the names of its parameters that
// are not given yet.
func completeFault(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var found []cobra.Completion
	if len(args) == 0 {
		for _, k := range ocisim.FaultKinds() {
			found = append(found, cobra.CompletionWithDesc(string(k.Kind), k.Help))
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	for _, k := range ocisim.FaultKinds() {
		if string(k.Kind) != args[0] {
			continue
		}
		for _, name := range k.Parameters {
			given := func(arg string) bool { return strings.HasPrefix(arg, name+"=") }
			if !slices.ContainsFunc(args[1:], given) {
				found = append(found, name+"=")
			}
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func newFaultList(platform *string) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the faults, and how often each has acted",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := findSimulator(c.Context(), *platform)
			if err != nil {
				return err
			}
			all, err := s.faults(c.Context())
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tHITS\tFAULT")
			for _, f := range all {
				fmt.Fprintf(w, "%d\t%d\t%s\n", f.ID, f.Hits, f.Fault)
			}
			return w.Flush()
		},
	}
}

func newFaultRemove(platform *string) *cobra.Command {
	var everyFault bool
	c := &cobra.Command{
		Use:   "remove [ID...]",
		Short: "End faults, by their ids or all of them",
		Long: "End faults. Commands on which they have acted stay affected: a connection that was\n" +
			"stalled is not answered any more.",
		ValidArgsFunction: func(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return completeInjections(c, *platform), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := faultIDs(args, everyFault)
			if err != nil {
				return err
			}
			s, err := findSimulator(c.Context(), *platform)
			if err != nil {
				return err
			}
			return removeFaults(c, s, ids)
		},
	}
	c.Flags().BoolVar(&everyFault, "all", false, "end all faults")
	return c
}

// faultIDs parses ids. It returns nil for all faults.
func faultIDs(args []string, everyFault bool) ([]int, error) {
	if everyFault == (len(args) > 0) {
		return nil, errors.New("give the ids of faults, or --all; \"ocigate simulate fault list\" shows them")
	}
	var ids []int
	var problems []error
	for _, arg := range args {
		id, err := strconv.Atoi(arg)
		if err != nil {
			err = fmt.Errorf("%q is not the id of a fault: \"ocigate simulate fault list\" shows them", arg)
		}
		problems = append(problems, err)
		ids = append(ids, id)
	}
	return ids, errors.Join(problems...)
}

// removeFaults ends faults, all if ids is nil, and prints each. Its error reports every id
// that does not exist.
func removeFaults(c *cobra.Command, s *simulator, ids []int) error {
	if ids == nil {
		all, err := s.faults(c.Context())
		if err != nil {
			return err
		}
		for _, f := range all {
			ids = append(ids, f.ID)
		}
	}
	var problems []error
	for _, id := range ids {
		removed, err := s.remove(c.Context(), id)
		if err == nil {
			_, err = fmt.Fprintf(c.OutOrStdout(), "removed %d: %s (hits: %d)\n", removed.ID, removed.Fault, removed.Hits)
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// completeInjections completes the ids of faults.
func completeInjections(c *cobra.Command, platform string) []cobra.Completion {
	s, err := findSimulator(c.Context(), platform)
	if err != nil {
		return nil
	}
	all, _ := s.faults(c.Context()) // nothing is completed then
	var found []cobra.Completion
	for _, f := range all {
		found = append(found, cobra.CompletionWithDesc(strconv.Itoa(f.ID), f.Fault))
	}
	return found
}

func newSimulateDisconnect() *cobra.Command {
	var order disconnection
	c := &cobra.Command{
		Use:   "disconnect",
		Short: "End all connections of a simulated platform that runs",
		Long: "End all connections of a platform that \"ocigate demo\" or \"ocigate simulate\" of the same\n" +
			"user runs, as if it were started again. New connections are accepted, unless a fault\n" +
			"refuses them: with the fault refuse, the platform is down.",
		Args: cobra.NoArgs,
	}
	platform := simulatorFlag(c)
	c.Flags().StringVar(&order.Logout, "logout", "", "log the sessions out first, with this `reason`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := findSimulator(c.Context(), *platform)
		if err != nil {
			return err
		}
		ended, err := s.disconnect(c.Context(), order)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "connections: %d\n", ended)
		return err
	}
	return c
}
