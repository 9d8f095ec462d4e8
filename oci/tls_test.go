package oci_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// TLS to the simulated platform. To add a case, change the configuration between connections.

// TestTLSSourceIsAskedForEachConnection has a source whose authorities change.
// Sessions that are logged in are kept.
func TestTLSSourceIsAskedForEachConnection(t *testing.T) {
	platform := serve(t, ocisim.NewTLSServer(ocisim.DemoSeed()))
	other := ocisim.NewTLSServer(ocisim.DemoSeed())
	defer func() { _ = other.Close() }() // never fails
	var source atomic.Pointer[tls.Config]
	trust := func(pool *x509.CertPool) { source.Store(&tls.Config{RootCAs: pool}) }
	trust(platform.CertPool())
	var ended atomic.Int64
	c := connect(t, platform, func(o *oci.Options) {
		o.MaxSessions = 1
		o.BackoffInitial = time.Millisecond
		o.Endpoints[0].TLS = &tls.Config{RootCAs: other.CertPool(), MinVersion: tls.VersionTLS12}
		o.Endpoints[0].TLSSource = source.Load
		o.Trace.SessionClosed = func(string, oci.CloseReason, error) { ended.Add(1) }
	})
	read := func() error {
		_, err := c.Read(t.Context(), oci.NewRead(summary, group()...))
		return err
	}
	wantRefused := func(what string) {
		t.Helper()
		failed, ok := errors.AsType[*oci.ConnectError](read())
		if !ok || failed.Stage != oci.StageTLS {
			t.Errorf("%s: %v", what, failed)
		}
	}
	endSession := func() {
		t.Helper()
		before := ended.Load()
		platform.Restart()
		waitUntil(t, func() bool { return ended.Load() > before })
	}
	if err := read(); err != nil {
		t.Errorf("with a source that trusts the platform: %v", err)
	}
	trust(other.CertPool())
	if err := read(); err != nil {
		t.Errorf("a session from before: %v", err)
	}
	endSession()
	wantRefused("with a source that trusts another authority")
	source.Store(nil)
	wantRefused("without a source's configuration, TLS is used")
	trust(platform.CertPool())
	waitUntil(t, func() bool { return read() == nil })
}

func waitUntil(t *testing.T, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited in vain")
		}
	}
}

func TestTLSSourceNeedsTLS(t *testing.T) {
	source := func() *tls.Config { return nil }
	if c, err := oci.New(oci.Options{Endpoints: []oci.Endpoint{{Address: "a:1", TLSSource: source}}}); err == nil {
		t.Errorf("no error, client %v", c.Close(t.Context()))
	}
}
