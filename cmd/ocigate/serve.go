package main

import (
	"io"
	"os/signal"
	"path/filepath"
	"syscall"

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
		outliveReaders()
		program, err := NewProgram(loaded, newLogger(loaded.Log, c.ErrOrStderr()))
		if err != nil {
			return err
		}
		defer program.RereadOn(hangups(c.Context()))()
		program.file = c.Flag("config").Value.String()
		program.followLog(c.ErrOrStderr())
		return program.Run(c.Context(), nil)
	})
}

// outliveReaders has a write to a pipe that nobody reads any more fail, in the
// place of ending the process.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }

// followLog counts what is dropped of the log, if its lines are queued.
func (p *Program) followLog(to io.Writer) {
	if queue, ok := to.(*logQueue); ok {
		queue.setUp(gapLine(p.config.Log), lastPart(p.config.HTTP.ShutdownTimeout)/2)
		p.metrics.WatchLog(queue)
	}
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
