package main

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/oci"
)

// These tests specify the log lines about the platform's release and the gateway's account.
// To add a line, call the function of the trace and check its parts with wantLine.

// traced returns a trace that writes to a log, and the log.
func traced() (oci.Trace, *output) {
	log := &output{}
	handler := slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
	return withLog(gateway.NewMetrics("test").Trace(), slog.New(handler)), log
}

// wantLine checks that exactly one line contains all of the parts.
func wantLine(t *testing.T, log *output, parts ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 1 {
		t.Fatalf("%d lines: %s", len(lines), log)
	}
	for _, part := range parts {
		if !strings.Contains(lines[0], part) {
			t.Errorf("no %q in: %s", part, lines[0])
		}
	}
}

func TestReleaseIsLogged(t *testing.T) {
	trace, log := traced()
	trace.DialectChanged("primary", oci.Dialect{Release: 21, Version: "21sp1", Fallbacks: []oci.Fallback{{Feature: "tracking_id", Use: "left out"}}})
	wantLine(t, log, "level=INFO", "platform_endpoint=primary", "release=21", "version=21sp1", `fallback_tracking_id="left out"`)

	trace, log = traced()
	trace.DialectChanged("primary", oci.Dialect{})
	wantLine(t, log, "level=WARN", "platform.release sets it")

	trace, log = traced()
	trace.DialectChanged("primary", oci.Dialect{Release: 24, Set: true})
	wantLine(t, log, "level=INFO", "release=24", "source=set")
	first := log.String()
	trace.DialectChanged("primary", oci.Dialect{Release: 24, Set: true, Fallbacks: []oci.Fallback{{Feature: "tracking_id", Use: "left out"}}})
	if second := strings.TrimPrefix(log.String(), first); !strings.Contains(second, "fall-backs changed") || !strings.Contains(second, "fallback_tracking_id") {
		t.Errorf("got %s", second)
	}
}

func TestRefusedAccountIsLogged(t *testing.T) {
	trace, log := traced()
	trace.AccountRefused("primary", "gateway", 5*time.Minute, errors.New("the platform answered no"))
	wantLine(t, log, "level=ERROR", "account=gateway", "next_try_seconds=300", "the platform answered no", "platform.password")
}

func TestAccountThatLacksRightsIsLoggedOnce(t *testing.T) {
	for loginType, lacking := range map[string]string{
		"System": "", "Provisioning": "", "Service Provider": "all other tenants", "Group": "every request",
		"Group Department": "every request", "User": "every request", "Reseller": "other resellers",
	} {
		t.Run(loginType, func(t *testing.T) {
			trace, log := traced()
			for range 3 {
				trace.LoggedIn("primary", oci.Identity{UserID: "gateway", LoginType: loginType})
			}
			if lacking == "" {
				if log.String() != "" {
					t.Errorf("logged %s", log)
				}
				return
			}
			wantLine(t, log, "level=ERROR", "account=gateway", loginType, `required="System or Provisioning"`, lacking)
		})
	}
}

// TestPasswordInAFileIsReadAgain checks that a gateway whose password was refused logs in
// again within two seconds after the file has changed, and not before.
func TestPasswordInAFileIsReadAgain(t *testing.T) {
	platform := newPlatform(t)
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("not-the-password")
	g := start(t, platform.Addr, func(c *config.Config) {
		c.Platform.Password = readSecret(t, file)
		c.Platform.Pool.Min = 1
	})
	defer g.stop()
	refused := func() (n int) {
		for _, entry := range platform.Ledger() {
			if entry.Command == "LoginRequest14sp4" && !entry.Applied {
				n++
			}
		}
		return n
	}
	waitFor(t, func() bool { return refused() == 1 })
	numbers := "http://" + g.api + "/api/v1" + itc("ApioSpTest", "ApioGrpTest", "numbers")
	if status, _ := ask(t, "GET", numbers, ""); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
	write("gateway-demo")
	waitFor(t, func() bool { status, _ := ask(t, "GET", numbers, ""); return status == http.StatusOK })
	if n := refused(); n != 1 {
		t.Errorf("%d logins were refused", n)
	}
	if !strings.Contains(g.log.String(), "refuses the credentials") {
		t.Errorf("the refusal is not logged: %s", g.log)
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Error(err)
	}
}

// readSecret returns the secret of a configuration that names a file.
func readSecret(t *testing.T, file string) config.Secret {
	t.Helper()
	raw := "platform:\n  endpoints: [{name: a, address: \"a.example.com:2208\"}]\n  user_id: u\n  password: {file: " + file + "}\n"
	path := filepath.Join(t.TempDir(), "ocigate.yaml")
	if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Platform.Password
}

// TestAccountOfAGroupIsReportedAtItsFirstLogin checks that the account of a group logs in and
// serves the requests that its rights permit.
func TestAccountOfAGroupIsReportedAtItsFirstLogin(t *testing.T) {
	platform := newPlatform(t)
	g := start(t, platform.Addr, func(c *config.Config) {
		c.Platform.UserID, c.Platform.Password = "groupadmin", config.NewSecret("groupadmin-demo")
	})
	defer g.stop()
	waitFor(t, func() bool { return strings.Contains(g.log.String(), "does not have the rights") })
	if log := g.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "type=Group") {
		t.Errorf("got %s", log)
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Error(err)
	}
}
