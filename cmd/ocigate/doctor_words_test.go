package main

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/oci"
)

// These tests specify texts and addresses of the command doctor and of readyz that depend
// on nothing but their arguments. To add a case, add an entry.

func TestHostOnThisMachine(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "10.0.0.1": "10.0.0.1", "127.0.0.2": "127.0.0.2", "gateway": "gateway",
	} {
		if got := onThisMachine(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
	// A name would need a hosts file or a name server.
	if got := reachable(":8080"); got != "127.0.0.1:8080" {
		t.Error(got)
	}
}

func TestErrorsOnOneLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\nb": "a; b", "failed:\n\tno host\n\tno route": "failed: no host; no route", "a\tb": "a b",
	} {
		if got := onOneLine(errors.New(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestNothingToCompareTheClockWith(t *testing.T) {
	t.Parallel()
	d := &doctor{config: &config.Config{}}
	if got := d.nothingToCompare(); !strings.Contains(got, "is configured") {
		t.Error(got)
	}
	for _, change := range []func(*config.Config){
		func(c *config.Config) { c.Journal.Store = config.StorePostgres },
		func(c *config.Config) { c.Auth.OIDC.Issuer = "https://issuer.example.com" },
	} {
		d := &doctor{config: &config.Config{}}
		change(d.config)
		if got := d.nothingToCompare(); strings.Contains(got, "is configured") {
			t.Error(got)
		}
	}
}

func TestADatabaseThatMayNotBeReadIsNotCorrupt(t *testing.T) {
	t.Parallel()
	cause, do := explainFormat(&fs.PathError{Op: "stat", Path: "operations.db", Err: syscall.EACCES})
	if !strings.Contains(cause, "may not read") || !strings.Contains(do, "user of the gateway") || strings.Contains(do, "corrupt") {
		t.Error(cause, do)
	}
	if _, do = explainFormat(errors.New("invalid database")); !strings.Contains(do, "corrupt") {
		t.Error(do)
	}
}

func TestReasonOfAPlatformThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	failed := func(text string, tried time.Time) oci.EndpointStats {
		return oci.EndpointStats{LastError: errors.New(text), LastTried: tried}
	}
	for name, test := range map[string]struct {
		endpoints []oci.EndpointStats
		want      string
	}{
		"one is up":          {[]oci.EndpointStats{failed("refused", at), {Up: true}}, ""},
		"one has sessions":   {[]oci.EndpointStats{failed("refused", at), {Busy: 1}}, ""},
		"none was tried":     {[]oci.EndpointStats{{}, {}}, "no endpoint was reached yet"},
		"the last attempt":   {[]oci.EndpointStats{failed("connection refused", at), failed("invalid password", at.Add(time.Second))}, "no endpoint can be used: invalid password"},
		"the first attempt":  {[]oci.EndpointStats{failed("connection refused", at.Add(time.Second)), failed("invalid password", at), {}}, "no endpoint can be used: connection refused"},
		"at the same moment": {[]oci.EndpointStats{failed("first", at), failed("second", at)}, "no endpoint can be used: first"},
	} {
		if got := platformFailure(oci.Stats{Endpoints: test.endpoints}); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
