package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ocigate/config"
)

// suggest makes a command and its subcommands suggest the right command or flag for a
// mistyped one.
func suggest(c *cobra.Command) {
	if c.HasSubCommands() {
		c.SuggestionsMinimumDistance = 2
		c.Args = noSuchCommand
	}
	c.SetFlagErrorFunc(noSuchFlag)
	for _, sub := range c.Commands() {
		suggest(sub)
	}
}

// noSuchCommand returns an error if the first argument is not a subcommand.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	question := ""
	if meant := c.SuggestionsFor(args[0]); len(meant) > 0 {
		question = "; did you mean " + strings.Join(meant, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), question)
}

// noSuchFlag adds a suggestion to the error about an unknown flag.
func noSuchFlag(c *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	typed := unknown.GetSpecifiedName()
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		typed = letters // a flag with one dash is parsed as letters
	}
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	meant := config.Nearest(typed, known)
	if meant == "" {
		return err
	}
	return fmt.Errorf("%w; did you mean --%s?", err, meant)
}
