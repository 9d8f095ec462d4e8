package main

import (
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker when a release is built.
var version string

// versionText is the release, or else what the Go toolchain knows of the
// source.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// versionLine is what both ways to ask for the version print.
func versionLine() string { return "ocigate " + versionText() + "\n" }

// newRoot is the command line. Commands write to the streams that cobra gives
// them, so that tests can read what they say.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ocigate",
		Short: "A JSON API in front of BroadWorks-style telephony platforms",
		Long: "ocigate takes documented JSON requests and does what they ask on a telephony\n" +
			"platform that speaks OCI-P.\n\n" +
			"Start with \"ocigate demo\", which needs nothing but itself.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          showHelp,
		Version:       versionText(),
	}
	// Declared here, so that cobra does not give it the shorthand -v as well, which
	// stands for verbose elsewhere.
	root.Flags().Bool("version", false, "print the version")
	root.SetVersionTemplate(versionLine())
	root.AddCommand(newServe(), newDemo(), newSimulate(), newAudit(), newOperations(), newConfig(), newHash(), newVersion())
	suggest(root)
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), versionLine())
			return err
		},
	}
}

// showHelp is what a command does that only holds others. Without it a
// mistyped one among them would pass for help that was asked for.
func showHelp(c *cobra.Command, _ []string) error { return c.Help() }
