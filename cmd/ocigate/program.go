package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/gateway/tracing"
	"ocigate/oci"
)

// aroundAPI wraps the handler of the API. The tests of this package replace it before
// they start programs, to validate every request and response.
var aroundAPI = func(handler http.Handler) http.Handler { return handler }

// A Program is a running gateway: the client of the platform, the listener of the API
// and the listener for operators. Tests start and stop it as main does.
type Program struct {
	file    string                         // of the configuration, empty if it was not read from a file
	load    func() (*config.Config, error) // reads that file again; nil without one
	with    []func(*parts)
	logger  *slog.Logger
	lines   *logQueue // of the log, nil if they are not queued
	metrics *gateway.Metrics
	trace   oci.Trace
	client  *oci.Client
	store   operation.Store
	keeper  *operation.Keeper
	revoked *auth.Revocations // of all generations
	control *controlServer
	api     *listener
	admin   *listener
	health  *gateway.Admin
	wires   *gateway.WireTraces
	traces  *tracing.Tracing
	closing closing
	status  *runningStatus
	notify  *notifier // nil unless systemd has started the process

	current    atomic.Pointer[generation]
	lastReload lastReload
	seen       seenFiles
	reloads    chan struct{} // wakes the watch of files after a reload; holds one signal

	// reloading serializes reloads, and is held while they read files. It guards
	// longest.
	reloading sync.Mutex
	longest   writeTimeouts // of all configurations since the start
}

// NewProgram returns the gateway of a configuration. Its client begins to open sessions
// immediately. [Program.Run], which must be called next, opens the listeners, and ends
// the sessions and the listeners. Each of with may change what was built from the
// configuration, also after each reload.
func NewProgram(c *config.Config, logger *slog.Logger, with ...func(*parts)) (*Program, error) {
	p := &Program{with: with, logger: logger, reloads: make(chan struct{}, 1), metrics: gateway.NewMetrics(versionText())}
	p.traces = tracing.New(logger, versionText())
	p.trace = p.traces.Platform(withLog(p.metrics.Trace(), logger))
	parts, err := p.build(c)
	if err != nil {
		return nil, err
	}
	if p.client, err = oci.New(parts.platform); err != nil {
		return nil, err
	}
	p.metrics.Watch(p.client)
	p.metrics.WatchSpans(p.traces.Counts)
	p.current.Store(&generation{config: c, parts: parts}) // until it is complete
	if err := p.assemble(parts); err != nil {
		return nil, errors.Join(err, p.end(context.Background()))
	}
	return p, nil
}

// build returns the parts of a configuration, with the hooks of this program.
func (p *Program) build(c *config.Config) (*parts, error) {
	parts, err := build(c)
	if err != nil {
		return nil, err
	}
	for _, change := range p.with {
		change(parts)
	}
	parts.platform.Trace = p.trace
	return parts, nil
}

// assemble makes the parts of the program that need the client.
func (p *Program) assemble(parts *parts) error {
	c, logger := parts.config, p.logger
	services, err := parts.services(p.client)
	if err != nil {
		return err
	}
	p.longest = timeoutsOfWrites(c)
	if p.store, err = journal(c, logger); err != nil {
		return err
	}
	trace := p.traces.Operations(withJournalLog(withOperationsLog(p.metrics.Operations(), logger), logger))
	p.revoked = auth.NewRevocations()
	options := keeperOptions(c.Journal, p.store, services.Observer(), trace)
	options.Revoked = loadInto(p.revoked)
	p.keeper = operation.NewKeeper(options)
	p.control = startControlServer(p.store, p.keeper, c.Journal, logger)
	p.wires = gateway.NewWireTraces(logger, p.keeper.Note)
	if err := p.traces.Prepare(parts.tracing); err != nil {
		return &valueError{tracingKey, err}
	}
	first, err := p.generate(parts, services, nil)
	if err != nil {
		return err
	}
	p.current.Store(first)
	p.useTracing(c.Tracing)
	p.noteTracing(first)
	p.lastReload.note(startTrigger, reloaded{}, nil, first.since)
	p.watchMetrics()
	p.logValidity(first.since)
	p.health = gateway.NewAdmin(p.metrics)
	if c.Journal.Store == config.StoreEmbedded {
		p.health.FollowJournal(p.keeper, c.Journal.UnreadyAfter)
	}
	p.health.Handle("POST "+reloadPath, p.adminCommand(p.reloadHandler()))
	p.health.Handle(gateway.WireTracePath, p.adminCommand(p.wires))
	p.status = p.startStatus()
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := p.current.Load()
		withWriteTimeout(w, r, g.config.HTTP.WriteTimeout)
		g.gateway.ServeHTTP(w, r)
	})
	p.api = newListener("http.listen", c.HTTP.Listen, c.HTTP, budgetOf(c).connections, parts.certificates.serverTLS(), p.closing.wrap(aroundAPI(api)), logger)
	p.admin = newListener("admin.listen", c.Admin.Listen, c.HTTP, maxAdminConnections, nil, p.health, logger)
	p.admin.relief = []*connections{p.api.open, p.admin.open}
	p.metrics.WatchConnections(p.connections)
	return nil
}

// watchMetrics adds what is read when the metrics are gathered.
func (p *Program) watchMetrics() {
	p.metrics.WatchOperations(p.keeper)
	p.metrics.WatchJournal(p.keeper)
	if holder, shared := p.store.(gateway.LockHolder); shared {
		p.metrics.WatchLock(holder)
	}
	p.metrics.WatchCertificates(p.certificatesInUse)
	p.metrics.WatchReloads(p.lastReload.get)
	p.metrics.WatchWireTraces(p.wires)
	p.metrics.WatchIssuer(func() (auth.IssuerStats, bool) { return p.current.Load().issuer.stats() })
}

// connections returns the connections of both listeners.
func (p *Program) connections() []gateway.Connections {
	return []gateway.Connections{p.api.open.stats(), p.admin.open.stats()}
}

// certificatesInUse returns the certificates of this program, and those that the platform
// presented.
func (p *Program) certificatesInUse() []gateway.Certificate {
	return append(p.current.Load().parts.certificates.inUse(), platformCertificates(p.client.Stats())...)
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

// Run serves until ctx ends. Then it stops in this order: it is not ready, but goes on
// serving for http.drain; it accepts no more connections; requests in flight finish;
// sessions log out. Unless ready is nil, Run calls it with the addresses as soon as
// both listeners are open.
//
// Stopping takes no longer than http.drain and http.shutdown_timeout together, even if
// a part of the program hangs. Run cuts off unfinished requests after that time, and
// returns an error that names them.
func (p *Program) Run(ctx context.Context, ready func(api, admin net.Addr)) error {
	p.awaitRevocations(ctx)
	for _, l := range []*listener{p.admin, p.api} {
		if err := l.listen(ctx); err != nil {
			return errors.Join(err, p.admin.close(), p.stop(ctx))
		}
	}
	failed := make(chan error, 2)
	for _, l := range []*listener{p.admin, p.api} {
		go func() { failed <- l.serve() }()
	}
	p.warn()
	p.health.SetReady(true)
	p.logger.Info("serving", p.description()...)
	p.notify.ready()
	if ready != nil {
		ready(p.api.bound.Addr(), p.admin.bound.Addr())
	}
	running := 2
	var err error
	select {
	case <-ctx.Done():
		p.logger.Info("stopping", "cause", context.Cause(ctx).Error(), "drain_seconds", p.configOf().HTTP.Drain.Seconds())
		p.notifyStop(p.configOf().HTTP.Drain)
		running, err = p.drain(failed, running)
	case err = <-failed:
		p.notifyStop(0)
		running--
	}
	p.health.SetReady(false)
	err = errors.Join(err, p.stop(ctx))
	for range running {
		err = errors.Join(err, <-failed)
	}
	p.logger.Info("stopped")
	return err
}
