package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ocigate/config"
)

// These tests specify what happens with invalid secrets after the start, and how problems
// name their place.

// TestAnInvalidPasswordInAFileIsNotUsed checks that a password that has become invalid in its
// file is not used. The log contains the file and the reason once, and not the password.
func TestAnInvalidPasswordInAFileIsNotUsed(t *testing.T) {
	platform := newPlatform(t)
	file := filepath.Join(t.TempDir(), "password")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("not-the-password\n")
	g := start(t, platform.Addr, func(c *config.Config) {
		c.Platform.Password = readSecret(t, file)
		c.Platform.Pool.Min = 1
	})
	defer g.stop()
	logins := func() (refused, good int) {
		for _, entry := range platform.Ledger() {
			switch {
			case entry.Command != "LoginRequest14sp4":
			case entry.Applied:
				good++
			default:
				refused++
			}
		}
		return refused, good
	}
	waitFor(t, func() bool { refused, _ := logins(); return refused == 1 })
	write("\ufeffgateway-demo \n")
	waitFor(t, func() bool { return strings.Contains(g.log.String(), "begins with a byte order mark") })
	write("gateway-demo \n")
	waitFor(t, func() bool { return strings.Contains(g.log.String(), "ends with a blank") })
	if refused, good := logins(); refused != 1 || good != 0 {
		t.Errorf("%d logins were refused, %d were not: an invalid password was used", refused, good)
	}
	write("gateway-demo\n")
	waitFor(t, func() bool { _, good := logins(); return good > 0 })
	waitFor(t, func() bool { return strings.Contains(g.log.String(), "can be read again") })
	log := g.log.String()
	if !strings.Contains(log, file) || strings.Count(log, "ends with a blank") != 1 || strings.Contains(log, "gateway-demo") {
		t.Errorf("the log does not name the file once, or contains the password:\n%s", log)
	}
}

func TestPasswordThatCannotBeReadIsLogged(t *testing.T) {
	trace, log := traced()
	trace.PasswordRead("primary", errors.New("the file /run/secrets/platform ends with a blank"))
	wantLine(t, log, "level=ERROR", "platform_endpoint=primary", "last good one stays in use", "/run/secrets/platform ends with a blank")

	trace, log = traced()
	trace.PasswordRead("primary", nil)
	wantLine(t, log, "level=INFO", "platform_endpoint=primary")
}

// TestConfigCheckNamesTheFile checks that problems that are found after loading have their
// place, too.
func TestConfigCheckNamesTheFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "ocigate.yaml")
	missing := filepath.Join(folder, "missing.pem")
	const head = "platform:\n  endpoints:\n    - name: a\n      address: \"127.0.0.1:2208\"\n"
	for name, tt := range map[string]struct{ more, want string }{
		"where an error's name is misspelled": {
			"  user_id: u\n  password: p\napi:\n  platform_errors:\n    - number: 1\n      error: PLATFORM_UNAVAILABL\n",
			": line 10: api.platform_errors[0].error: there is no error of the name PLATFORM_UNAVAILABL; did you mean PLATFORM_UNAVAILABLE?",
		},
		"of a missing certificate": {
			"      tls:\n        ca_file: " + missing + "\n  user_id: u\n  password: p\n", ": line 5: platform.endpoints[0].tls: ca_file: open " + missing,
		},
		"of a missing secret file": {
			"  user_id: u\n  password: {file: " + missing + "}\n", ": line 6: platform.password: cannot be read: open " + missing,
		},
		"where an address of a database is none": {
			"  user_id: u\n  password: p\njournal:\n  store: postgres\n  folder: \"\"\n  postgres_url: \"mysql://x\"\n", ": line 10: journal.postgres_url: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(head+tt.more), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range [][]string{{"config", "check"}, {"serve"}} {
				_, _, err := execute(t, "", append(command, "--config", path)...)
				if err == nil || !strings.Contains(err.Error(), path+tt.want) {
					t.Errorf("%v: got %v\nwant %s%s", command, err, path, tt.want)
				}
			}
		})
	}
}
