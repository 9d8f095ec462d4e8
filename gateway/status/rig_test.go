package status_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/operation"
	"ocigate/gateway/status"
	"ocigate/oci"
	"ocigate/translate/scope"
)

// The sources of the page in tests. A test changes them, and gets the page in fake time,
// which begins at 2000-01-01 00:00:00 UTC.

// sources are what a page shows.
type sources struct {
	mu     sync.Mutex // guards the fields below
	ready  string
	stats  oci.Stats
	totals gateway.Totals
	reload gateway.Reload
	certs  []gateway.Certificate
	open   []gateway.Connections
	config string
	issuer *status.Issuer

	since, oldest time.Time
	journalErr    error
	unknown       []operation.Unresolved
	count         int
	hangs         chan struct{} // if it is not nil, the keeper waits for it
}

func (s *sources) JournalState() (time.Time, error) {
	s.mu.Lock()
	hangs := s.hangs
	s.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since, s.journalErr
}

func (s *sources) OldestUnresolved() time.Time { return s.oldest }

func (s *sources) Unknown(limit, maxHeld int) ([]operation.Unresolved, int) {
	var newest []operation.Unresolved
	for _, u := range s.unknown[:min(limit, len(s.unknown))] {
		u.Held = u.Held[:min(maxHeld, len(u.Held))]
		newest = append(newest, u)
	}
	return newest, max(s.count, len(s.unknown))
}

func (s *sources) Totals() gateway.Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.totals
}

func (s *sources) snapshot() oci.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Endpoints = slices.Clone(stats.Endpoints)
	return stats
}

// change changes the sources.
func (s *sources) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *sources) options() status.Options {
	return status.Options{
		Version: "v1.2.3", Replica: "gw-1",
		Ready:        func() string { s.mu.Lock(); defer s.mu.Unlock(); return s.ready },
		Stats:        s.snapshot,
		Keeper:       s,
		Metrics:      s,
		Certificates: func() []gateway.Certificate { return s.certs },
		Connections:  func() []gateway.Connections { return s.open },
		Reload:       func() gateway.Reload { return s.reload },
		Config:       func() ([]byte, time.Time) { return []byte(s.config), s.reload.At },
		Issuer:       func() *status.Issuer { return s.issuer },
	}
}

// healthy returns sources without a problem, at the present time.
func healthy() *sources {
	now := time.Now()
	return &sources{
		stats: oci.Stats{Max: 8, MaxWaiting: 256, Endpoints: []oci.EndpointStats{
			{Name: "primary", Address: "10.0.0.1:2209", Idle: 1, Busy: 2, Up: true, LastTried: now, Dialect: oci.Dialect{Release: 24, Version: "24"}, PeerCertificateNotAfter: now.Add(90 * 24 * time.Hour)},
			{Name: "secondary", Address: "10.0.0.2:2209", Up: true, LastTried: now, NextTry: now.Add(time.Minute)},
		}},
		open: []gateway.Connections{{Listener: "http.listen", New: 1, Idle: 40, Receiving: 2, Active: 3, Max: 1000, ClosedForRoom: 5}},
		totals: gateway.Totals{Shed: map[string]uint64{"full": 2, "deadline": 1}, Sessions: []gateway.SessionTotal{{Caller: "client", Client: "portal", Seconds: 12.3456}, {Caller: "user", Seconds: 1}},
			Durations: make([]uint64, len(gateway.DurationBounds())+1), Logins: map[string]uint64{gateway.LoginOK: 7, "UNAUTHENTICATED": 2, "PLATFORM_UNAVAILABLE": 1}, Throttled: 3},
		reload: gateway.Reload{Successful: true, At: now},
		certs:  []gateway.Certificate{{Use: gateway.UseAPI, NotAfter: now.Add(60 * 24 * time.Hour)}},
		config: "http:\n  listen: \"127.0.0.1:8080\"\n",
	}
}

// fails makes an endpoint fail.
func fails(e *oci.EndpointStats, text string) {
	e.Idle, e.Busy, e.Up, e.LastError = 0, 0, false, &oci.ConnectError{Endpoint: e.Name, Address: e.Address, Stage: oci.StageDial, Err: errors.New(text)}
}

// unknownWrite returns an unknown write that has the given age.
func unknownWrite(id string, age time.Duration) operation.Unresolved {
	now := time.Now()
	return operation.Unresolved{
		ID: id, Route: "itc_numbers_assign", Target: scope.Target{TenantID: "Acme", GroupID: "Sales"}, UnknownAt: now.Add(-age),
		PlatformEndpoint: "primary", Held: []string{"+3225126999", "+3225127000"}, HeldCount: 2,
		Readings: operation.ReadBack{SettledAt: now.Add(30*time.Second - age)},
	}
}

// get returns a response of a page.
func get(t *testing.T, page http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	page.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return recorder
}

// inBubble runs a test in fake time with healthy sources.
func inBubble(t *testing.T, test func(*testing.T, *sources)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, healthy()) })
}

// problemsOf returns the problems of a status, each as its severity and text.
func problemsOf(s *status.Status) string {
	var b strings.Builder
	for _, p := range s.Problems {
		fmt.Fprintf(&b, "%s: %s\n", p.Severity, p.Text)
	}
	return b.String()
}
