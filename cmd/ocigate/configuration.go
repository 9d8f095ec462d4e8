package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ocigate/config"
)

func newConfig() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Make, check and show configurations",
		Args:  cobra.NoArgs,
		RunE:  showHelp,
	}
	c.AddCommand(newConfigInit(), newConfigCheck(), newConfigPrint())
	return c
}

func newConfigInit() *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Print a commented example",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(config.Example())
			return err
		},
	}
}

func newConfigCheck() *cobra.Command {
	return withConfig(&cobra.Command{
		Use:   "check",
		Short: "Report all problems of a configuration, without connecting anywhere",
		Long: "Report all problems of a configuration: first those of its keys and values, and if\n" +
			"there are none, those of the files and names in it: certificates, errors of the API,\n" +
			"hashes. A certificate that has expired or is not valid yet is an error, and one that\n" +
			"expires within 14 days a note. A setting that is valid but not secure is a warning.\n" +
			"No connection is made.",
	}, func(c *cobra.Command, loaded *config.Config) error {
		built, err := build(loaded)
		notes, fault := built.certificates.validity(time.Now())
		for _, note := range notes {
			fmt.Fprintln(c.ErrOrStderr(), "note:", note)
		}
		for _, w := range warnings(loaded) {
			fmt.Fprintln(c.ErrOrStderr(), "warning:", w)
		}
		if err := errors.Join(err, fault); err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), "The configuration is valid.")
		return err
	})
}

func newConfigPrint() *cobra.Command {
	return withConfig(&cobra.Command{
		Use:   "print",
		Short: "Print the effective configuration: file, environment and defaults, without secrets",
	}, func(c *cobra.Command, loaded *config.Config) error {
		return loaded.Print(c.OutOrStdout())
	})
}

// withConfig completes a command that needs a configuration: it adds the flag of the file
// and loads the file.
func withConfig(c *cobra.Command, run func(*cobra.Command, *config.Config) error) *cobra.Command {
	path := configFlag(c)
	c.Args = cobra.NoArgs
	c.RunE = func(c *cobra.Command, _ []string) error {
		loaded, err := config.Load(*path, os.Environ())
		if err != nil {
			return err
		}
		return run(c, loaded)
	}
	return c
}

// configFlag adds the flag that names the configuration's file.
func configFlag(c *cobra.Command) *string {
	path := c.Flags().StringP("config", "c", "ocigate.yaml", "the configuration's YAML file")
	// It returns an error only for an unknown flag.
	_ = c.MarkFlagFilename("config", "yaml", "yml")
	return path
}
