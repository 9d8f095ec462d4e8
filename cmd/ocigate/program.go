package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/gateway/operation"
	"ocigate/oci"
)

// maxHeaderBytes is the limit of a request's line and headers. It is far more than they
// need, including tokens.
const maxHeaderBytes = 32 << 10

// aroundAPI wraps the handler of the API. The tests of this package replace it before
// they start programs, to validate every request and response.
var aroundAPI = func(handler http.Handler) http.Handler { return handler }

// A Program is a running gateway: the client of the platform, the listener of the API
// and the listener for operators. Tests start and stop it as main does.
type Program struct {
	config  *config.Config
	file    string // of the configuration, empty if it was not read from a file
	logger  *slog.Logger
	metrics *gateway.Metrics
	client  *oci.Client
	store   operation.Store
	keeper  *operation.Keeper
	control *controlServer
	api     *listener
	admin   *listener
	health  *gateway.Admin
	closing closing
	files   *files
	issuer  *runningIssuer // nil without an external issuer
}

// listener is a server with the address that it listens on.
type listener struct {
	name    string
	server  *http.Server
	secured bool         // uses TLS, by the server's TLSConfig
	bound   net.Listener // nil before listen
}

// NewProgram returns the gateway of a configuration. Its client begins to open sessions
// immediately. [Program.Run], which must be called next, opens the listeners, and ends
// the sessions and the listeners. Each of with may change what was built from the
// configuration.
func NewProgram(c *config.Config, logger *slog.Logger, with ...func(*parts)) (*Program, error) {
	parts, err := build(c)
	if err != nil {
		return nil, err
	}
	for _, change := range with {
		change(parts)
	}
	metrics := gateway.NewMetrics(versionText())
	parts.platform.Trace = withLog(metrics.Trace(), logger)
	client, err := oci.New(parts.platform)
	if err != nil {
		return nil, err
	}
	metrics.Watch(client)
	p := &Program{config: c, logger: logger, metrics: metrics, client: client}
	if err := p.assemble(parts, metrics); err != nil {
		return nil, errors.Join(err, p.end(context.Background()))
	}
	return p, nil
}

// assemble makes the parts of the program that need the client.
func (p *Program) assemble(parts *parts, metrics *gateway.Metrics) error {
	c, logger := p.config, p.logger
	services, err := parts.services(p.client)
	if err != nil {
		return err
	}
	if p.store, err = journal(c, logger); err != nil {
		return err
	}
	trace := withJournalLog(withOperationsLog(metrics.Operations(), logger), logger)
	p.keeper = operation.NewKeeper(keeperOptions(c.Journal, p.store, services.Observer(), trace))
	metrics.WatchOperations(p.keeper)
	metrics.WatchJournal(p.keeper)
	p.control = startControlServer(p.store, p.keeper, c.Journal, logger)
	handler, err := parts.gateway(p.client, services, p.keeper, metrics, logger)
	if err != nil {
		return err
	}
	if p.issuer, err = startIssuer(c.Auth.OIDC, parts.auth, metrics, logger); err != nil {
		return err
	}
	p.files = newFiles(parts)
	p.files.report(logger, metrics, p.client)
	p.health = gateway.NewAdmin(metrics)
	if c.Journal.Store == config.StoreEmbedded {
		p.health.FollowJournal(p.keeper, c.Journal.UnreadyAfter)
	}
	p.api = &listener{name: "api", secured: parts.serverTLS != nil, server: newServer(c.HTTP, c.HTTP.Listen, p.closing.wrap(aroundAPI(handler)), logger)}
	p.api.server.TLSConfig = parts.serverTLS
	p.admin = &listener{name: "admin", server: newServer(c.HTTP, c.Admin.Listen, p.health, logger)}
	return nil
}

// newServer returns a server with the timeouts that both listeners have.
func newServer(c config.HTTP, address string, handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Addr:              address,
		Handler:           handler,
		ReadHeaderTimeout: c.ReadHeaderTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadTimeout:       c.ReadTimeout,
		WriteTimeout:      c.WriteTimeout,
		IdleTimeout:       c.IdleTimeout,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		// net/http would answer OPTIONS * without calling the handler, which
		// decides after which requests a connection must be closed.
		DisableGeneralOptionsHandler: true,
	}
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
	if ready != nil {
		ready(p.api.bound.Addr(), p.admin.bound.Addr())
	}
	running := 2
	var err error
	select {
	case <-ctx.Done():
		p.logger.Info("stopping", "cause", context.Cause(ctx).Error(), "drain_seconds", p.config.HTTP.Drain.Seconds())
		running, err = p.drain(failed, running)
	case err = <-failed:
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

// shutdown closes the listener and waits for the requests in flight. It cuts them off
// when ctx ends.
func (l *listener) shutdown(ctx context.Context) error {
	if err := l.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("%s: requests were still in flight: %w", l.name, err), l.server.Close())
	}
	return nil
}

// listen opens the address.
func (l *listener) listen(ctx context.Context) error {
	bound, err := new(net.ListenConfig).Listen(ctx, "tcp", l.server.Addr)
	if err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	l.bound = bound
	return nil
}

// serve serves until the server is shut down or fails.
func (l *listener) serve() error {
	var err error
	if l.secured {
		err = l.server.ServeTLS(l.bound, "", "")
	} else {
		err = l.server.Serve(l.bound)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s: %w", l.name, err)
}

// close closes the address if it is open.
func (l *listener) close() error {
	if l.bound == nil {
		return nil
	}
	return l.bound.Close()
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
