package main

import (
	"github.com/spf13/cobra"
)

// newRoot returns the command line. Commands write only to the streams of cobra, so
// that tests can read their output.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ocigate",
		Short: "A JSON API in front of BroadWorks-style telephony platforms",
		Long: "ocigate is a gateway: it accepts documented JSON requests and carries them out on a\n" +
			"telephony platform by OCI-P commands.\n\n" +
			"Start with \"ocigate demo\", which needs neither a platform nor a configuration.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          showHelp,
		Version:       versionText(),
	}
	// Declared here, because cobra would add the shorthand -v, which elsewhere means
	// verbose.
	root.Flags().Bool("version", false, "print the version, and how the program was built")
	root.SetVersionTemplate(readBuild().String())
	root.AddCommand(newServe(), newReload(), newHealth(), newDoctor(), newDemo(), newSimulate(), newAudit(), newOperations(), newTokens(), newCall(), newWire(), newConfig(), newAssets(), newOpenAPI(), newHash(), newVersion())
	suggest(root)
	return root
}

// showHelp is the action of a command that only has subcommands. Without it, cobra
// would print the help, but not report a mistyped subcommand.
func showHelp(c *cobra.Command, _ []string) error { return c.Help() }
