package main

import (
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/config/assets"
)

// These tests compare the unit for systemd with the program. Those in systemd_test.go run it.

// unit is a unit for systemd: the values of each key, in order.
type unit map[string][]string

// parseUnit reads a unit of the assets.
func parseUnit(t *testing.T, asset string) unit {
	t.Helper()
	text, err := fs.ReadFile(assets.Files(), asset)
	if err != nil {
		t.Fatal(err)
	}
	u := unit{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if key, value, found := strings.Cut(line, "="); found && !strings.HasPrefix(line, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

// one returns the only value of a key.
func (u unit) one(t *testing.T, key string) string {
	t.Helper()
	if len(u[key]) != 1 {
		t.Fatalf("%s is %q, want one value", key, u[key])
	}
	return u[key][0]
}

func (u unit) time(t *testing.T, key string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(u.one(t, key))
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return d
}

func (u unit) number(t *testing.T, key string) int {
	t.Helper()
	n, err := strconv.Atoi(u.one(t, key))
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return n
}

func TestUnitFitsTheProgram(t *testing.T) {
	u, c := parseUnit(t, "systemd/ocigate.service"), config.Default()
	if stop := c.HTTP.Drain + c.HTTP.ShutdownTimeout; u.time(t, "TimeoutStopSec") < stop+stopReserve {
		t.Errorf("a stop may take %v, and TimeoutStopSec is %s", stop, u["TimeoutStopSec"])
	}
	if u.time(t, "TimeoutStartSec") <= max(adminTimeout, revocationsTime) {
		t.Errorf("a reload may take %v, and TimeoutStartSec is %s", adminTimeout, u["TimeoutStartSec"])
	}
	if u.time(t, "WatchdogSec") < 5*notifyEvery {
		t.Errorf("signs of life come every %v, and WatchdogSec is %s", notifyEvery, u["WatchdogSec"])
	}
	if u.number(t, "RestartPreventExitStatus") != exitNotValid {
		t.Errorf("RestartPreventExitStatus is %s, want %d", u["RestartPreventExitStatus"], exitNotValid)
	}
	if limit := u.number(t, "LimitNOFILE"); limit < 2*mostConnections {
		t.Errorf("LimitNOFILE is %d", limit)
	}
	if c.Admin.Commands == config.CommandsNone {
		t.Error("ExecReload is refused by default")
	}
}

func TestUnitAgreesWithItself(t *testing.T) {
	u := parseUnit(t, "systemd/ocigate.service")
	start, reload := u.one(t, "ExecStart"), u.one(t, "ExecReload")
	if strings.Replace(start, " serve ", " reload ", 1) != reload {
		t.Errorf("ExecStart is %q, and ExecReload %q", start, reload)
	}
	if binary, _, _ := strings.Cut(start, " "); u.one(t, "ExecPaths") != binary {
		t.Errorf("ExecPaths is %q, want %s", u["ExecPaths"], binary)
	}
	if folder := "/var/lib/" + u.one(t, "StateDirectory"); u.one(t, "WorkingDirectory") != folder {
		t.Errorf("WorkingDirectory is %q, want %s", u["WorkingDirectory"], folder)
	}
	user, err := fs.ReadFile(assets.Files(), "systemd/ocigate.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(user), "\nu "+u.one(t, "User")+" - ") || u.one(t, "Group") != u.one(t, "User") {
		t.Errorf("the user is %q, the group %q, and the file has\n%s", u["User"], u["Group"], user)
	}
	// Without a path, a credential that does not exist is left out.
	if len(u["LoadCredential"]) == 0 || slices.ContainsFunc(u["LoadCredential"], func(v string) bool { return strings.Contains(v, ":") }) {
		t.Errorf("the credentials are %q", u["LoadCredential"])
	}
}
