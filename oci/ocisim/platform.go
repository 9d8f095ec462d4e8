package ocisim

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"
)

// ErrClosed is what [Platform.Serve] and [Platform.Dial] return after
// [Platform.Close].
var ErrClosed = errors.New("ocisim: the platform is closed")

// Platform is a simulated platform. Its methods may be called by several
// goroutines at once. Whoever made it closes it.
type Platform struct {
	settings  Settings
	form      form
	numbering numbering
	log       *slog.Logger

	mu    sync.Mutex // guards state
	state *state

	ledger ledger
	faults faults

	// done is closed by Close, and every goroutine is in work.
	done chan struct{}
	work sync.WaitGroup

	connMu    sync.Mutex // guards what follows
	closed    bool
	accepted  int
	sessions  map[*session]struct{}
	listeners map[net.Listener]struct{}
}

// Option is a choice for [New] that is no part of a seed.
type Option func(*Platform)

// WithLogger writes what happens to a log: connections at level info, documents
// at level debug, with passwords and nonces blotted out.
func WithLogger(l *slog.Logger) Option {
	return func(p *Platform) { p.log = l }
}

// New makes a platform from a seed. The error is a *[SeedError].
func New(seed Seed, options ...Option) (*Platform, error) {
	built, err := build(seed)
	if err != nil {
		return nil, err
	}
	s := seed.Platform
	s.Without = slices.Clone(s.Without)
	s.Release = cmp.Or(s.Release, defaultRelease)
	s.Version = cmp.Or(s.Version, versionOf(s.Release))
	s.Refusal = cmp.Or(s.Refusal, RefusalCommand)
	s.MaxDocument = cmp.Or(s.MaxDocument, 1<<20)
	p := &Platform{
		settings: s,
		form: form{
			encoding:    cmp.Or(s.Encoding, "ISO-8859-1"),
			errorCode:   s.ErrorCode,
			echo:        !s.OmitEcho,
			tracking:    !s.OmitTracking,
			hideColumns: slices.Clone(s.WithoutColumns),
		},
		numbering: numbering{dashes: s.Dashes, countryCodes: slices.Clone(s.CountryCodes)},
		log:       slog.New(slog.DiscardHandler),
		state:     built,
		done:      make(chan struct{}),
		sessions:  map[*session]struct{}{},
		listeners: map[net.Listener]struct{}{},
	}
	for _, option := range options {
		option(p)
	}
	for _, f := range seed.Faults {
		if _, err := p.Inject(f); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Settings are those in force: of the seed, with the defaults for what it leaves
// empty.
func (p *Platform) Settings() Settings {
	s := p.settings
	s.Without, s.WithoutColumns, s.CountryCodes = slices.Clone(s.Without), slices.Clone(s.WithoutColumns), slices.Clone(s.CountryCodes)
	return s
}

// Serve accepts connections until the platform is closed, when it returns
// ErrClosed, or the listener fails. It closes the listener.
func (p *Platform) Serve(l net.Listener) error {
	defer func() { _ = l.Close() }()
	if !p.enter(func() { p.listeners[l] = struct{}{} }) {
		return ErrClosed
	}
	defer p.leave(func() { delete(p.listeners, l) })
	for {
		conn, err := l.Accept()
		if err != nil {
			if p.isClosed() {
				return ErrClosed
			}
			return err
		}
		p.goServe(conn)
	}
}

// ServeConn serves one connection, closes it and returns when it has ended.
func (p *Platform) ServeConn(conn net.Conn) {
	if s := p.newSession(conn); s != nil {
		s.serve()
	}
}

// goServe serves a connection on a goroutine of its own. It tells whether the
// platform still takes any.
func (p *Platform) goServe(conn net.Conn) bool {
	s := p.newSession(conn)
	if s != nil {
		go s.serve()
	}
	return s != nil
}

// Dial connects to the platform through a pipe in memory, without a network.
// It has the signature of a dialer's DialContext, and ignores its arguments.
func (p *Platform) Dial(_ context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	if !p.goServe(server) {
		_ = client.Close()
		return nil, ErrClosed
	}
	return client, nil
}

// newSession registers a connection, or closes it and returns nil when the
// platform is closed. The session's serve unregisters it.
func (p *Platform) newSession(conn net.Conn) *session {
	s := &session{platform: p, conn: conn, reader: bufio.NewReader(conn)}
	if !p.enter(func() {
		p.accepted++
		s.id = p.accepted
		p.sessions[s] = struct{}{}
	}) {
		_ = conn.Close()
		return nil
	}
	s.log = p.log.With("connection", s.id)
	return s
}

// enter registers work, unless the platform is closed.
func (p *Platform) enter(register func()) bool {
	p.connMu.Lock()
	defer p.connMu.Unlock()
	if p.closed {
		return false
	}
	register()
	p.work.Add(1)
	return true
}

func (p *Platform) leave(unregister func()) {
	p.connMu.Lock()
	unregister()
	p.connMu.Unlock()
	p.work.Done()
}

func (p *Platform) isClosed() bool {
	p.connMu.Lock()
	defer p.connMu.Unlock()
	return p.closed
}

// Close ends all listeners and connections and waits for their goroutines.
// Its error is always nil.
func (p *Platform) Close() error {
	p.connMu.Lock()
	if !p.closed {
		p.closed = true
		close(p.done)
	}
	closers := make([]io.Closer, 0, len(p.sessions)+len(p.listeners))
	for s := range p.sessions {
		closers = append(closers, s.conn)
	}
	for l := range p.listeners {
		closers = append(closers, l)
	}
	p.connMu.Unlock()
	for _, c := range closers {
		_ = c.Close()
	}
	p.work.Wait()
	return nil
}

// Connection is one connection that is open.
type Connection struct {
	ID    int    // as in the ledger
	Login string // the user id, or empty before login
}

// Connections are those open at this moment, in the order of their beginning.
func (p *Platform) Connections() []Connection {
	var open []Connection
	for _, s := range p.openSessions() {
		_, login := s.who()
		open = append(open, Connection{ID: s.id, Login: login})
	}
	return open
}

func (p *Platform) openSessions() []*session {
	p.connMu.Lock()
	defer p.connMu.Unlock()
	all := make([]*session, 0, len(p.sessions))
	for s := range p.sessions {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *session) int { return a.id - b.id })
	return all
}

// LogoutAll sends a LogoutRequest with that reason to every session that is
// logged in and then closes it, as a platform does that goes down. It does not
// wait until they have read it.
func (p *Platform) LogoutAll(reason string) {
	for _, s := range p.openSessions() {
		if p.enter(func() {}) {
			go func() {
				defer p.leave(func() {})
				s.forceLogout(reason)
			}()
		}
	}
}

// Restart ends every connection without a farewell and forgets who was logged
// in, as a platform does that fails and comes back at once. What it holds, its
// ledger and its faults stay, and it takes new connections all the while.
func (p *Platform) Restart() {
	p.connMu.Lock()
	ending := p.sessions
	p.sessions = map[*session]struct{}{}
	p.connMu.Unlock()
	for s := range ending {
		s.setAccount(nil)
		s.abort()
	}
}

// pause waits, and tells whether it did so to the end.
func (p *Platform) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.done:
		return false
	}
}

// Holding is a number range or a prefix of a tenant, as it is now.
type Holding struct {
	// Start and End are the ends of a range as plus and digits. A prefix has
	// a Start only, spelled as it is on the platform.
	Start, End  string
	Group, User string
	Active      bool
}

// Ranges are the number ranges of a tenant in the platform's order, none for
// an unknown tenant.
func (p *Platform) Ranges(serviceProviderID string) []Holding {
	return p.holdings(serviceProviderID, ranges)
}

// Prefixes are the prefixes of a tenant, likewise.
func (p *Platform) Prefixes(serviceProviderID string) []Holding {
	return p.holdings(serviceProviderID, prefixes)
}

func (p *Platform) holdings(serviceProviderID string, k *kind) []Holding {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.state.tenant(serviceProviderID)
	if t == nil {
		return nil
	}
	var all []Holding
	for _, h := range *k.of(t) {
		v := Holding{Start: cmp.Or(h.shown, string(h.key)), End: string(h.end), Active: h.active}
		if h.group != nil {
			v.Group = h.group.id
		}
		if h.user != nil {
			v.User = h.user.id
		}
		all = append(all, v)
	}
	return all
}
