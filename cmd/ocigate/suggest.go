package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ocigate/config"
)

// suggest has every command below one, and itself, answer a mistyped command or
// flag with the one that was probably meant.
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

// noSuchCommand refuses what is no command of those that another one holds.
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

// noSuchFlag adds to the error about an unknown flag which one was meant.
func noSuchFlag(c *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	typed := unknown.GetSpecifiedName()
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		typed = letters // a flag with one dash instead of two looks like these
	}
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	meant := config.Nearest(typed, known)
	if meant == "" {
		return err
	}
	return fmt.Errorf("%w; did you mean --%s?", err, meant)
}
