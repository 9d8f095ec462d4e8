package main

import (
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/operation/postgres"
)

// exitNotValid is the exit code of serve if its configuration is not valid: EX_CONFIG
// of sysexits(3), after which a service manager need not try again.
const exitNotValid = 78

func newServe() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API",
		Long: "Serve the API until a SIGINT or SIGTERM. Then readyz goes off, the API is served for\n" +
			"another http.drain, the requests in flight finish and the sessions with the platform\n" +
			"log out. A second signal ends the process immediately.\n\n" +
			"On a SIGHUP, or by ocigate reload, the configuration is read again, with the certificates\n" +
			"and secrets that it names, and becomes effective if all of it is valid. No request is\n" +
			"lost. Only the addresses of the listeners and the journal need a restart.\n\n" +
			"As a service of systemd with Type=notify, it reports when it serves, reloads and stops,\n" +
			"and serves the watchdog.\n\n" +
			"Exit codes:\n" +
			"  0   stopped by a signal, and all requests were finished\n" +
			"  1   failed, or requests were cut off\n" +
			"  78  the configuration is not valid; nothing was served",
		Args: cobra.NoArgs,
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		loaded, err := config.Load(*path, os.Environ())
		if err != nil {
			return &exitError{exitNotValid, err}
		}
		return serve(c, *path, loaded)
	}
	return c
}

// serve runs the gateway of a configuration until the command's context ends.
func serve(c *cobra.Command, file string, loaded *config.Config) error {
	outliveReaders()
	program, err := NewProgram(loaded, newLogger(loaded.Log, c.ErrOrStderr()))
	if err != nil {
		return &exitError{exitNotValid, err}
	}
	program.readFrom(file)
	program.followLog(c.ErrOrStderr())
	defer program.notifySystemd()()
	defer program.ReloadOn(hangups(c.Context()))()
	defer program.WatchFiles()()
	return program.Run(c.Context(), nil)
}

// outliveReaders makes a write to a pipe without a reader return an error instead of
// ending the process.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }

// followLog adds the number of dropped log lines to the metrics, if the lines are
// queued.
func (p *Program) followLog(to io.Writer) {
	if queue, ok := to.(*logQueue); ok {
		p.lines = queue
		p.setUpLog()
		p.metrics.WatchLog(queue)
	}
}

// setUpLog adapts the queue of the log to the effective configuration.
func (p *Program) setUpLog() {
	if p.lines != nil {
		c := p.configOf()
		p.lines.setUp(gapLine(c.Log), lastPart(c.HTTP.ShutdownTimeout)/2)
	}
}

// readFrom names the file of the configuration, from which a reload reads it again. What
// is no regular file, such as a pipe, can be read only once: then a reload reads only the
// certificates and secrets again.
func (p *Program) readFrom(file string) {
	p.file = file
	p.load = func() (*config.Config, error) {
		if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
			p.logger.Warn("the configuration cannot be read again, because it is not a regular file: only certificates and secrets are reloaded", "config", file)
			return p.rereadSecrets()
		}
		return config.Load(file, os.Environ())
	}
}

// description returns the fields of the log line at the start of serving. It contains
// no secrets.
func (p *Program) description() []any {
	c := p.configOf()
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

// absolute returns the absolute form of a path, and an empty path unchanged.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil && path != "" {
		return full
	}
	return path
}
