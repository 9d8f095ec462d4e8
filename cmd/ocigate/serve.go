package main

import (
	"github.com/spf13/cobra"

	"ocigate/config"
)

func newServe() *cobra.Command {
	return withConfig(&cobra.Command{
		Use:   "serve",
		Short: "Serve the API",
		Long: "Serve the API until a SIGINT or SIGTERM. Then the readiness goes off, the API is\n" +
			"served for http.drain all the same, the requests in flight finish and the sessions\n" +
			"with the platform log out. A second signal ends the process at once.\n\n" +
			"On a SIGHUP, certificates and the files that hold secrets are read again, and\n" +
			"used if all of them are good. The rest of the configuration needs a restart.",
	}, func(c *cobra.Command, loaded *config.Config) error {
		program, err := NewProgram(loaded, newLogger(loaded.Log, c.ErrOrStderr()))
		if err != nil {
			return err
		}
		defer program.RereadOn(hangups(c.Context()))()
		return program.Run(c.Context(), nil)
	})
}
