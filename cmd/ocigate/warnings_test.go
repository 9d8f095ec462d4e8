package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ocigate/config"
)

// These tests specify where settings that are not secure are reported. Those of package
// config specify which ones are. Faults of the command doctor have those that it reports.

// exposed returns the address of a server on this machine as one that is no loopback
// address.
func exposed(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("0.0.0.0", port)
}

func TestConfigCheckWarnsOfInsecureSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ocigate.yaml")
	const text = `platform:
  endpoints:
    - {name: a, address: "ocs1.example.com:2208", tls: {enabled: false}}
    - {name: b, address: "ocs2.example.com:2208", tls: {enabled: false}}
  user_id: u
  password: p
http: {trusted_proxies: ["0.0.0.0/0"], trust_all_proxies: true}
journal: {store: postgres, postgres_url: "postgres://u:canary@db.example.com/d?sslmode=require"}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := execute(t, "", "config", "check", "--config", path)
	if err != nil || stdout != "The configuration is valid.\n" {
		t.Errorf("got %q, %v", stdout, err)
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	wanted := []string{
		"warning: " + path + ": line 7: http.trusted_proxies: covers half of all IPv4",
		"warning: " + path + ": line 3: platform.endpoints[0].tls.enabled: is false, and ocs1.example.com:2208",
		"warning: " + path + ": line 4: platform.endpoints[1].tls.enabled: is false, and ocs2.example.com:2208",
		"warning: " + path + ": line 8: journal.postgres_url: does not require that the certificate of db.example.com is verified",
	}
	for i, want := range wanted {
		if len(lines) != len(wanted) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("got\n%s\nwant %q", stderr, wanted)
		}
	}
}

func TestInsecureSettingsAreLoggedAtEveryStartAndReload(t *testing.T) {
	platform := newPlatform(t)
	const line = `level=WARN msg="a setting is not secure" cause="platform.endpoints[`
	g := start(t, platform.Addr, func(c *config.Config) {
		c.Platform.Endpoints[0].Address = exposed(t, platform.Addr)
		other := c.Platform.Endpoints[0]
		other.Name = "other"
		c.Platform.Endpoints = append(c.Platform.Endpoints, other)
	})
	defer g.stop()
	if got := strings.Count(g.log.String(), line); got != 2 {
		t.Errorf("%d lines at the start:\n%s", got, g.log)
	}
	next := *g.program.configOf()
	next.Platform.Endpoints = next.Platform.Endpoints[:1]
	if _, err := g.program.reload(signalTrigger, func() (*config.Config, error) { return &next, nil }); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(g.log.String(), line); got != 3 {
		t.Errorf("%d lines after a reload:\n%s", got, g.log)
	}
}

func TestNothingIsWarnedOfOnLoopback(t *testing.T) {
	g := start(t, newPlatform(t).Addr, nil)
	defer g.stop()
	if strings.Contains(g.log.String(), "not secure") {
		t.Errorf("the log is\n%s", g.log)
	}
}
