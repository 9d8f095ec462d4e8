package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/gateway/operation/postgres"
)

// reloadTrigger is what made the program reload its configuration.
type reloadTrigger string

// The triggers of a reload.
const (
	startTrigger   reloadTrigger = ""
	signalTrigger  reloadTrigger = "SIGHUP"
	commandTrigger reloadTrigger = "ocigate reload"
	filesTrigger   reloadTrigger = "changed file"
)

// lastReload is the result of the last reload.
type lastReload struct {
	mu   sync.Mutex // guards last; not held while files are read
	last gateway.Reload
}

// get returns the result, for the metrics and the status page.
func (l *lastReload) get() gateway.Reload {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// note stores the result of a reload. After a failed one, the time stays that of the
// effective configuration.
func (l *lastReload) note(trigger reloadTrigger, did reloaded, err error, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, tried, cause := now, now, ""
	if err != nil {
		at, cause = l.last.At, onOneLine(err)
	}
	if trigger == startTrigger {
		tried = time.Time{}
	}
	l.last = gateway.Reload{
		Successful: err == nil, At: at, TriedAt: tried, Trigger: string(trigger), Cause: cause,
		Changed: did.changed, NeedRestart: did.needRestart,
	}
}

// reloaded is what a reload has changed: keys of the configuration, with the names of
// files whose content has changed.
type reloaded struct{ changed, needRestart []string }

// Reload reads the configuration's file again, with the certificates and the secrets
// that it names, and makes it effective. A program whose configuration is not from a
// regular file does what [Program.Reread] does.
//
// The new configuration passes the checks of "ocigate config check" first. If anything in
// it is not valid, nothing changes, and the error lists all problems. Requests in flight
// finish with what they began with. Sessions with a platform endpoint that has changed
// end after their request. Keys that need a restart keep their values and are reported.
func (p *Program) Reload(trigger reloadTrigger) (reloaded, error) {
	return p.reload(trigger, p.load)
}

// Reread reads the certificates and the secrets from files again, and makes them
// effective as [Program.Reload] does: all of them, or none. It does not read the
// configuration's file.
func (p *Program) Reread(trigger reloadTrigger) (reloaded, error) {
	return p.reload(trigger, nil)
}

// reload makes the configuration effective that load returns, or if load is nil the
// effective one with the present contents of its files. It logs the result, without any
// secret.
func (p *Program) reload(trigger reloadTrigger, load func() (*config.Config, error)) (reloaded, error) {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	defer p.notify.reloading()()
	if load == nil {
		load = p.rereadSecrets
	}
	now := time.Now()
	contents := p.contents() // before the files are read: a change in between is noticed
	defer func() {
		contents.addNew(p.watchedFiles()) // the new configuration may name others
		p.seen.set(contents)
	}()
	did, err := p.loadAndReplace(load, now)
	p.lastReload.note(trigger, did, err, now)
	select {
	case p.reloads <- struct{}{}:
	default:
	}
	if err != nil {
		p.logger.Error("reload failed: the effective configuration is unchanged", "trigger", string(trigger), "cause", onOneLine(err))
		return reloaded{}, err
	}
	level, fields := slog.LevelInfo, []any{"trigger", string(trigger), "changed", did.changed}
	if len(did.needRestart) > 0 {
		level, fields = slog.LevelWarn, append(fields, "changed_but_needs_restart", did.needRestart)
	}
	p.logger.Log(context.Background(), level, "configuration reloaded", fields...)
	p.logValidity(now)
	p.logWarnings()
	p.warnOfDescriptors()
	return did, nil
}

// loadAndReplace makes the configuration effective that load returns. A panic becomes an
// error, because writes may be in flight. The caller holds p.reloading.
func (p *Program) loadAndReplace(load func() (*config.Config, error), now time.Time) (did reloaded, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			p.logger.Error("a reload panicked", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			did, err = reloaded{}, fmt.Errorf("a fault of the program: panic: %v", cause)
		}
	}()
	next, err := load()
	if err != nil {
		return reloaded{}, err
	}
	return p.replace(next, now)
}

// rereadSecrets returns the effective configuration with the present contents of its
// files of secrets.
func (p *Program) rereadSecrets() (*config.Config, error) {
	c := p.configOf()
	next, _, err := c.Reread()
	if err != nil {
		_, certErr := readCertificates(c) // so that all problems are reported together
		return nil, errors.Join(certErr, err)
	}
	return next, nil
}

// replace makes a configuration effective, or returns an error and changes nothing. The
// caller holds p.reloading.
func (p *Program) replace(next *config.Config, now time.Time) (reloaded, error) {
	before := p.current.Load()
	did := reloaded{needRestart: next.KeepRestartKeys(before.config)}
	parts, err := p.build(next)
	if err == nil {
		err = parts.certificates.usable(before.parts.certificates, now)
	}
	if err != nil {
		return reloaded{}, namingFiles(err, before.config, next)
	}
	did.changed = changes(before, parts)
	services, err := parts.services(p.client)
	if err == nil {
		err = p.extendLease(next)
	}
	if err != nil {
		return reloaded{}, err
	}
	if err := p.traces.Prepare(parts.tracing); err != nil {
		return reloaded{}, &valueError{tracingKey, err}
	}
	p.metrics.StartEndpoints(endpointNames(next)...)
	if err := p.client.Reconfigure(parts.platform); err != nil {
		return reloaded{}, err
	}
	after, err := p.generate(parts, services, before)
	if err != nil { // the checks of build do not permit it
		return reloaded{}, errors.Join(err, p.client.Reconfigure(before.parts.platform))
	}
	p.become(after, before)
	return did, nil
}

// become makes a generation effective for the next requests and connections. Nothing in
// it can fail.
func (p *Program) become(g, before *generation) {
	p.keeper.SetObserve(g.services.Observer())
	p.current.Store(g)
	p.useTracing(g.config.Tracing)
	if !before.config.Tracing.Enabled {
		p.noteTracing(g)
	}
	if before.issuer != g.issuer {
		before.issuer.abandon()
	}
	p.api.configure(g.config.HTTP, budgetOf(g.config).connections, g.parts.certificates.serverTLS())
	p.admin.configure(g.config.HTTP, maxAdminConnections, nil)
	if handler, ok := p.logger.Handler().(*logHandler); ok {
		handler.configure(g.config.Log)
	}
	p.setUpLog()
}

func endpointNames(c *config.Config) []string {
	var names []string
	for _, e := range c.Platform.Endpoints {
		names = append(names, e.Name)
	}
	return names
}

// extendLease makes the leases of this replica in a shared journal as long as the
// timeouts of a configuration need, before they are effective. Leases are never made
// shorter, because requests in flight still have the timeouts from before. Such a request
// may be sent over a session with the new timeouts, and wait for its reply that long. So
// the longest request and the longest command of all configurations count together.
func (p *Program) extendLease(next *config.Config) error {
	store, shared := p.store.(*postgres.Store)
	longest := p.longest.with(timeoutsOfWrites(next))
	needed := longest.lease()
	if !shared || needed <= p.longest.lease() {
		p.longest = longest
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaseTime)
	defer cancel()
	if err := store.SetLease(ctx, needed); err != nil {
		return &passingError{fmt.Errorf("http.request_timeout and platform.timeouts.command are longer than before, which the shared journal must know first: %w", err)}
	}
	p.longest = longest
	return nil
}

// A passingError is why a reload has failed, if the same files may be usable later: a
// certificate that is not valid yet, or a shared journal that cannot be reached.
type passingError struct{ error }

func (e *passingError) Unwrap() error { return e.error }

// leaseTime limits the renewal of a lease during a reload.
const leaseTime = 10 * time.Second

// changes returns the keys of the configuration whose values have changed, and those of
// files whose contents have changed, with the names of the files.
func changes(before *generation, after *parts) []string {
	changed, _ := changedKeys(before.config, after.config)
	for _, file := range after.certificates.files {
		old := before.parts.certificates.fileAt(file.path)
		if old != nil && old.name == file.name && old.content != file.content {
			changed = append(changed, file.path+" ("+file.name+")")
		}
	}
	return changed
}

// changedKeys returns the keys of a configuration whose values differ from those before,
// and which of them are secrets from files. The names of the files are added to these.
func changedKeys(before, after *config.Config) (all, fromFiles []string) {
	files := map[string]string{} // by key
	for _, s := range after.FileSecrets() {
		files[s.Path] = s.File
	}
	all = []string{}
	for _, key := range config.Diff(before, after) {
		if file := files[key]; file != "" {
			key += " (" + file + ")"
			fromFiles = append(fromFiles, key)
		}
		all = append(all, key)
	}
	return all, fromFiles
}

// namingFiles adds the changed files of secrets to an error about a configuration: such
// an error may be about a secret without naming its file.
func namingFiles(err error, before, after *config.Config) error {
	if _, files := changedKeys(before, after); len(files) > 0 {
		return fmt.Errorf("%w (changed: %s)", err, strings.Join(files, ", "))
	}
	return err
}

// onOneLine returns the text of an error on one line.
func onOneLine(err error) string {
	return strings.NewReplacer(":\n\t", ": ", "\n\t", "; ", "\n", "; ", "\t", " ").Replace(err.Error())
}

// logValidity logs certificates that have expired or will expire soon. They do not
// prevent a start: callers or the platform may reject such a certificate, but without
// the gateway no caller is served.
func (p *Program) logValidity(now time.Time) {
	notes, fault := p.current.Load().parts.certificates.validity(now)
	for _, note := range notes {
		p.logger.Warn("a certificate must be renewed", "cause", note)
	}
	if fault != nil {
		p.logger.Error("a certificate in use is not valid", "cause", onOneLine(fault))
	}
}

// usable returns an error if a file was not among those of an earlier reading, with the same
// content, and contains a certificate that is not valid. A certificate that has expired in
// an unchanged file does not prevent the use of the other files, nor the removal of an
// endpoint before its own.
func (c *certificates) usable(earlier *certificates, now time.Time) error {
	var faults []error
	for i := range c.files {
		if !slices.ContainsFunc(earlier.files, func(old certificateFile) bool { return old.content == c.files[i].content }) {
			_, fault := c.files[i].validity(now)
			faults = append(faults, fault)
		}
	}
	return errors.Join(faults...)
}

// fileAt returns the file of a key, or nil.
func (c *certificates) fileAt(path string) *certificateFile {
	i := slices.IndexFunc(c.files, func(f certificateFile) bool { return f.path == path })
	if i < 0 {
		return nil
	}
	return &c.files[i]
}

// ReloadOn reloads the configuration at each of the signals, until the returned function
// is called. That function waits for a short time for a reload in progress, which a file
// system may block for ever.
func (p *Program) ReloadOn(signals <-chan os.Signal) (stop func()) {
	return p.background(func(ctx context.Context) {
		for {
			select {
			case <-signals:
				_, _ = p.Reload(signalTrigger) // it logs the error
			case <-ctx.Done():
				return
			}
		}
	})
}

// background runs a function until the returned function is called. That function cancels
// the context, and waits for a short time.
func (p *Program) background(run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx)
	}()
	return func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(leavingTime(p.configOf().HTTP.ShutdownTimeout)):
		}
	}
}
