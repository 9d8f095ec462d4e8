package ocisim

import (
	"cmp"
	"log/slog"
	"net"
	"slices"
	"sync"
)

// Platform is a simulated platform. Its methods may be called concurrently. The
// caller of [New] closes it.
//
// Locks: mu may be held when the lock of a session is acquired; no other two
// locks are held together. Only a session's writeMu is held during I/O.
type Platform struct {
	settings  Settings
	form      form
	numbering numbering
	log       *slog.Logger

	mu    sync.Mutex // guards state and everything that it refers to
	state *state

	ledger ledger
	faults faults

	// Close closes done and waits for work, which counts all goroutines.
	done chan struct{}
	work sync.WaitGroup

	connMu    sync.Mutex // guards closed, accepted, sessions and listeners
	closed    bool
	accepted  int // connections so far
	sessions  map[*session]struct{}
	listeners map[net.Listener]struct{}
}

// Option is an option of [New] that is not part of a seed.
type Option func(*Platform)

// WithLogger sets the logger: connections are logged at level info, documents at
// level debug with passwords and nonces redacted. By default nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return func(p *Platform) { p.log = l }
}

// New returns a platform that holds what the seed describes. The error is a
// *[SeedError].
func New(seed Seed, options ...Option) (*Platform, error) {
	built, err := build(seed)
	if err != nil {
		return nil, err
	}
	p := newPlatform(seed.Platform.withDefaults(), built)
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

// newPlatform returns a platform with effective settings.
func newPlatform(s Settings, built *state) *Platform {
	return &Platform{
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
}

// withDefaults returns a copy with defaults for what is empty and has one.
func (s Settings) withDefaults() Settings {
	s.Without = slices.Clone(s.Without)
	s.Release = cmp.Or(s.Release, defaultRelease)
	s.Version = cmp.Or(s.Version, versionOf(s.Release))
	s.Refusal = cmp.Or(s.Refusal, RefusalCommand)
	s.MaxDocument = cmp.Or(s.MaxDocument, 1<<20)
	return s
}

// Settings returns the effective settings: those of the seed, with the defaults
// for what it leaves empty.
func (p *Platform) Settings() Settings {
	s := p.settings
	s.Without, s.WithoutColumns, s.CountryCodes = slices.Clone(s.Without), slices.Clone(s.WithoutColumns), slices.Clone(s.CountryCodes)
	return s
}
