package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// These tests specify ocigate health: what it asks, what it prints, and when it fails.

func TestHealthOfAGateway(t *testing.T) {
	r := newReloadRig(t, newPlatform(t).Addr, nil)
	defer r.end(t)
	for want, args := range map[string][]string{
		"alive\n": {"health", "--admin", r.admin},
		"ready\n": {"health", "--admin", r.admin, "--ready"},
	} {
		if out, errs, err := execute(t, "", args...); err != nil || out != want || errs != "" {
			t.Errorf("%v: %v, %q %q", args, err, out, errs)
		}
	}
}

// TestHealthNeedsNoSecrets has a configuration of which only the section admin is valid:
// every address and its secrets are those of a container.
func TestHealthNeedsNoSecrets(t *testing.T) {
	admin := adminServer(t, http.StatusOK, "alive\n")
	_, port, err := net.SplitHostPort(admin)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	for _, listen := range []string{":" + port, "0.0.0.0:" + port, "localhost:" + port, admin} {
		writeText(t, file, fmt.Sprintf("admin: {listen: %q}\nplatform: {password: {file: /nowhere/password}}\nauth: {tokens: {keys: [{id: a, secret: {env: MISSING}}]}}\n", listen))
		if out, errs, err := execute(t, "", "health", "--config", file); err != nil || out != "alive\n" {
			t.Errorf("%s: %v, %q %q", listen, err, out, errs)
		}
	}
}

// adminServer serves every path with a status and a body, and returns its address.
func adminServer(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body)) // the client may have disconnected
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestHealthFails(t *testing.T) {
	stalled := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stalled }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(stalled) })
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"while it is not ready":         {[]string{"--ready", "--admin", adminServer(t, http.StatusServiceUnavailable, "draining\n")}, ": draining"},
		"if nothing listens":            {[]string{"--admin", quietPort(t)}, "no gateway responds at the listener for operators"},
		"without a response in time":    {[]string{"--timeout", "10ms", "--admin", strings.TrimPrefix(silent.URL, "http://")}, "no response within 10ms"},
		"if another program listens":    {[]string{"--admin", adminServer(t, http.StatusOK, "<html>")}, "it is no gateway"},
		"after a redirect":              {[]string{"--admin", adminServer(t, http.StatusFound, "")}, "status 302"},
		"with a timeout that is none":   {[]string{"--timeout", "0s", "--admin", "127.0.0.1:1"}, "--timeout must be longer"},
		"without a configuration":       {[]string{"--config", "/nowhere/ocigate.yaml"}, "/nowhere/ocigate.yaml"},
		"with text that would be lines": {[]string{"--ready", "--admin", adminServer(t, http.StatusServiceUnavailable, "a\nb\x1b[2J")}, `"a\nb\x1b[2J"`},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := execute(t, "", append([]string{"health"}, test.args...)...)
			if err == nil || out != "" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || exitCode(err) != 1 {
				t.Errorf("%v, printed %q", err, out)
			}
		})
	}
}
