package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/oci"
)

// files holds the certificates and the secrets from files, which are read again while
// the program runs.
type files struct {
	certificates *liveCertificates
	auth         *auth.Authenticator

	// rereading serializes calls of reread and is held while they read files. It
	// guards config.
	rereading sync.Mutex
	config    *config.Config // with the effective secrets

	lastMu sync.Mutex // guards last; not held while files are read
	last   gateway.Reload
}

func newFiles(p *parts) *files {
	return &files{
		certificates: p.certificates, auth: p.auth, config: p.config,
		last: gateway.Reload{Successful: true, At: time.Now()},
	}
}

// report adds the files, and the certificates that the platform presented, to the
// metrics, and logs which certificates must be renewed.
func (f *files) report(logger *slog.Logger, metrics *gateway.Metrics, client *oci.Client) {
	metrics.WatchCertificates(func() []gateway.Certificate {
		return append(f.certificates.inUse(), platformCertificates(client.Stats())...)
	})
	metrics.WatchReloads(f.lastReload)
	f.logValidity(logger, time.Now())
}

// platformCertificates returns the certificates that the platform presented.
func platformCertificates(stats oci.Stats) []gateway.Certificate {
	var shown []gateway.Certificate
	for _, e := range stats.Endpoints {
		if !e.PeerCertificateNotAfter.IsZero() {
			shown = append(shown, gateway.Certificate{Use: gateway.UsePlatformServer, PlatformEndpoint: e.Name, NotAfter: e.PeerCertificateNotAfter})
		}
	}
	return shown
}

// logValidity logs certificates that have expired or will expire soon. They do not
// prevent a restart: callers or the platform may reject such a certificate, but without
// the gateway no caller is served.
func (f *files) logValidity(logger *slog.Logger, now time.Time) {
	notes, fault := f.certificates.current.Load().validity(now)
	for _, note := range notes {
		logger.Warn("a certificate must be renewed", "cause", note)
	}
	if fault != nil {
		logger.Error("a certificate in use is not valid", "cause", onOneLine(fault))
	}
}

// lastReload returns the result of the last reload, for the metrics.
func (f *files) lastReload() gateway.Reload {
	f.lastMu.Lock()
	defer f.lastMu.Unlock()
	return f.last
}

// note stores whether a reload was successful.
func (f *files) note(successful bool, now time.Time) {
	f.lastMu.Lock()
	defer f.lastMu.Unlock()
	f.last.Successful = successful
	if successful {
		f.last.At = now
	}
}

// onOneLine returns the text of an error on one line.
func onOneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// rereadResult is the result of reading the files again: keys of the configuration with
// the names of their files.
type rereadResult struct{ changed, unchanged, needRestart []string }

// needRestart lists the keys of secrets that are only used at the start.
var needRestart = []string{"journal.postgres_url"}

// Reread reads the certificates and the secrets from files again and makes them
// effective: all of them or, if one is not valid, none. New connections, logins and
// requests use them. Open connections and sessions are not affected. The result is also
// logged, without any secret.
//
// Each login reads the passwords of the platform itself (see
// [oci.Endpoint.PasswordSource]); Reread only checks whether they can be read.
func (p *Program) Reread() error {
	now := time.Now()
	did, err := p.files.reread(now)
	p.files.note(err == nil, now)
	if err != nil {
		p.logger.Error("certificates and secrets were read again and are not good: those in force stay", "cause", onOneLine(err))
		return err
	}
	level, fields := slog.LevelInfo, []any{"changed", did.changed, "unchanged", did.unchanged}
	if len(did.needRestart) > 0 {
		level, fields = slog.LevelWarn, append(fields, "changed_but_needs_restart", did.needRestart)
	}
	p.logger.Log(context.Background(), level, "certificates and secrets were read again", fields...)
	p.files.logValidity(p.logger, now)
	return nil
}

// reread reads all files and replaces the effective certificates and secrets, or
// replaces nothing and returns an error.
func (f *files) reread(now time.Time) (rereadResult, error) {
	f.rereading.Lock()
	defer f.rereading.Unlock()
	read, certErr := readCertificates(f.config)
	if certErr == nil {
		certErr = read.usable(f.certificates.current.Load(), now)
	}
	next, secrets, err := f.config.Reread()
	if err == nil {
		err = checkAuth(next, secrets)
	}
	if err := errors.Join(certErr, err); err != nil {
		return rereadResult{}, err
	}
	o := authOptions(next, noPlatform{})
	if err := f.auth.Replace(o.Keys, o.Clients); err != nil {
		return rereadResult{}, err
	}
	did := rereadResult{changed: []string{}, unchanged: []string{}}
	for _, s := range secrets {
		did.add(s.Changed, s.Path, s.File)
	}
	for i, file := range read.files {
		did.add(file.content != f.certificates.current.Load().files[i].content, file.path, file.name)
	}
	// A changed secret that needs a restart is reported until the restart.
	next.Journal.PostgresURL = f.config.Journal.PostgresURL
	f.config = next
	f.certificates.current.Store(read)
	return did, nil
}

// checkAuth returns the error that Replace would return, so that it is reported together
// with all others. The error names the files that may be the cause: those that have
// changed.
func checkAuth(c *config.Config, secrets []config.FileSecret) error {
	_, err := auth.New(authOptions(c, noPlatform{}))
	if err == nil {
		return nil
	}
	var changed []string
	for _, s := range secrets {
		if s.Changed && strings.HasPrefix(s.Path, "auth.") {
			changed = append(changed, s.Path+" "+s.File)
		}
	}
	return fmt.Errorf("%w (changed: %s)", err, strings.Join(changed, ", "))
}

// add adds a file to the list that it belongs to.
func (r *rereadResult) add(changed bool, path, file string) {
	text := fmt.Sprintf("%s (%s)", path, file)
	switch {
	case !changed:
		r.unchanged = append(r.unchanged, text)
	case slices.Contains(needRestart, path):
		r.needRestart = append(r.needRestart, text)
	default:
		r.changed = append(r.changed, text)
	}
}

// usable returns an error if a file has changed since an earlier reading and contains a
// certificate that is not valid. A certificate that has expired in an unchanged file does
// not prevent the use of the other files.
func (c *certificates) usable(earlier *certificates, now time.Time) error {
	var faults []error
	for i := range c.files {
		if c.files[i].content != earlier.files[i].content {
			_, fault := c.files[i].validity(now)
			faults = append(faults, fault)
		}
	}
	return errors.Join(faults...)
}

// RereadOn reads the files again at each of the signals, until the returned function is
// called. That function waits for a short time for a reread in progress, which a file
// system may block for ever.
func (p *Program) RereadOn(signals <-chan os.Signal) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-signals:
				_ = p.Reread() // it logs the error
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(leavingTime(p.config.HTTP.ShutdownTimeout)):
		}
	}
}
