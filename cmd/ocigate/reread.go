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

// files are the certificates and the secrets from files, which are read again
// while the program runs.
type files struct {
	certificates *liveCertificates
	auth         *auth.Authenticator

	mu     sync.Mutex     // guards what follows; is held while the files are read
	config *config.Config // with the secrets in force

	lastMu sync.Mutex // guards last
	last   gateway.Reload
}

func newFiles(p *parts) *files {
	return &files{
		certificates: p.certificates, auth: p.auth, config: p.config,
		last: gateway.Reload{Successful: true, At: time.Now()},
	}
}

// report adds the files, and the certificates that the platform shows, to the
// metrics, and logs which certificates need to be renewed.
func (f *files) report(logger *slog.Logger, metrics *gateway.Metrics, client *oci.Client) {
	metrics.WatchCertificates(func() []gateway.Certificate {
		return append(f.certificates.inUse(), platformCertificates(client.Stats())...)
	})
	metrics.WatchReloads(f.lastReload)
	f.logValidity(logger, time.Now())
}

// platformCertificates are those that the platform showed.
func platformCertificates(stats oci.Stats) []gateway.Certificate {
	var shown []gateway.Certificate
	for _, e := range stats.Endpoints {
		if !e.PeerCertificateNotAfter.IsZero() {
			shown = append(shown, gateway.Certificate{Use: gateway.UsePlatformServer, PlatformEndpoint: e.Name, NotAfter: e.PeerCertificateNotAfter})
		}
	}
	return shown
}

// logValidity logs certificates that have expired or will soon. A gateway that is
// restarted serves all the same: callers or the platform may refuse such a
// certificate, but without the gateway nobody is served.
func (f *files) logValidity(logger *slog.Logger, now time.Time) {
	notes, fault := f.certificates.current.Load().validity(now)
	for _, note := range notes {
		logger.Warn("a certificate must be renewed", "cause", note)
	}
	if fault != nil {
		logger.Error("a certificate in use is not valid", "cause", onOneLine(fault))
	}
}

func (f *files) lastReload() gateway.Reload {
	f.lastMu.Lock()
	defer f.lastMu.Unlock()
	return f.last
}

func (f *files) note(successful bool, now time.Time) {
	f.lastMu.Lock()
	defer f.lastMu.Unlock()
	f.last.Successful = successful
	if successful {
		f.last.At = now
	}
}

// onOneLine is an error of several lines on one.
func onOneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// rereading is what came of reading the files again: the keys of the
// configuration with the names of the files.
type rereading struct{ changed, unchanged, needRestart []string }

// needRestart are the keys of secrets that are used at the start only.
var needRestart = []string{"journal.postgres_url"}

// Reread reads the certificates and the secrets from files again, and puts them
// in the place of those in force: all of them or, where one is not good, none.
// New connections, logins and requests use them. Connections and sessions that
// are open go on as they are. The outcome is logged as well; no secret is.
//
// Passwords of the platform are read by each login itself (see
// [oci.Endpoint.PasswordSource]); here it is only checked whether that works.
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

func (f *files) reread(now time.Time) (rereading, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	read, certErr := readCertificates(f.config)
	if certErr == nil {
		certErr = read.usable(f.certificates.current.Load(), now)
	}
	next, secrets, err := f.config.Reread()
	if err == nil {
		err = checkAuth(next, secrets)
	}
	if err := errors.Join(certErr, err); err != nil {
		return rereading{}, err
	}
	o := authOptions(next, unasked{})
	if err := f.auth.Replace(o.Keys, o.Clients); err != nil {
		return rereading{}, err
	}
	did := rereading{changed: []string{}, unchanged: []string{}}
	for _, s := range secrets {
		did.add(s.Changed, s.Path, s.File)
	}
	for i, file := range read.files {
		did.add(file.content != f.certificates.current.Load().files[i].content, file.path, file.name)
	}
	// What needs a restart is reported until it comes.
	next.Journal.PostgresURL = f.config.Journal.PostgresURL
	f.config = next
	f.certificates.current.Store(read)
	return did, nil
}

// checkAuth refuses what Replace would, so that it is reported together with all
// else. Its error names the files that may be at fault: those that have changed.
func checkAuth(c *config.Config, secrets []config.FileSecret) error {
	_, err := auth.New(authOptions(c, unasked{}))
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

func (r *rereading) add(changed bool, path, file string) {
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

// usable refuses files that have changed since an earlier reading and hold a
// certificate that is not valid. One that has expired meanwhile keeps no other
// file from being used.
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

// RereadOn reads the files again at each of the signals, until the function that
// it returns is called. That one waits a moment for a reading that is under way,
// which a file system may keep for ever.
func (p *Program) RereadOn(signals <-chan os.Signal) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-signals:
				_ = p.Reread() // which has logged it
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
