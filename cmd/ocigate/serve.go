package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/operation/postgres"
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
		program.file = c.Flag("config").Value.String()
		return program.Run(c.Context(), nil)
	})
}

// description is what the log says of the program when it serves. It holds no
// secrets.
func (p *Program) description() []any {
	c := p.config
	fields := []any{
		"version", versionText(), "config", absolute(p.file),
		"api", p.api.bound.Addr().String(), "admin", p.admin.bound.Addr().String(),
		"journal", string(c.Journal.Store),
	}
	if store, ok := p.store.(*postgres.Store); ok {
		fields = append(fields, "journal_database", store.Address())
	} else {
		fields = append(fields, "journal_folder", absolute(c.Journal.Folder))
	}
	var endpoints []string
	for _, e := range c.Platform.Endpoints {
		endpoints = append(endpoints, e.Name+" "+e.Address)
	}
	return append(fields, "platform", endpoints)
}

// absolute is a path that says where a file is without the working directory.
func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil && path != "" {
		return whole
	}
	return path
}
