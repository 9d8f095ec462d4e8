package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/config"
)

// These tests specify which secrets Reread reads again, and which contents of their
// files it refuses. To add a refused content, add an entry to the table of
// TestRereadRefusesWrongContents.

// fromFiles is a configuration whose secrets are in files of a folder, apart
// from the password of the second endpoint.
const fromFiles = `
auth:
  tokens:
    keys:
      - {id: "now", secret: {file: "%[1]s/now"}}
      - {id: "then", secret: {file: "%[1]s/then"}}
  clients:
    - {id: "portal", hash: {file: "%[1]s/portal"}, level: system}
platform:
  endpoints:
    - {name: primary, address: "ocs1.example.com:2209", password: {file: "%[1]s/primary"}}
    - {name: secondary, address: "ocs2.example.com:2209", password: "in the file itself"}
  user_id: "ocigate"
  password: {env: PLATFORM_PASSWORD}
`

// secretFolder returns a folder with those files.
func secretFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{
		"now": strings.Repeat("n", 32) + "\n", "then": strings.Repeat("t", 32), "portal": hash + "\n", "primary": "word\r\n",
	} {
		writeSecret(t, folder, name, content)
	}
	return folder
}

func writeSecret(t *testing.T, folder, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func loadFromFiles(t *testing.T, folder string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ocigate.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, fromFiles, folder), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, []string{"PLATFORM_PASSWORD=from the environment"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRereadReturnsChangedSecrets(t *testing.T) {
	folder := secretFolder(t)
	c, before := loadFromFiles(t, folder), loadFromFiles(t, folder)
	writeSecret(t, folder, "then", strings.Repeat("T", 40)+"\n")
	writeSecret(t, folder, "primary", "another word")
	next, secrets, err := c.Reread()
	if err != nil {
		t.Fatal(err)
	}
	want := []config.FileSecret{
		{Path: "auth.tokens.keys[0].secret", File: folder + "/now"},
		{Path: "auth.tokens.keys[1].secret", File: folder + "/then", Changed: true},
		{Path: "auth.clients[0].hash", File: folder + "/portal"},
		{Path: "platform.endpoints[0].password", File: folder + "/primary", Changed: true},
	}
	if diff := cmp.Diff(want, secrets); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(loadFromFiles(t, folder), next, same); diff != "" {
		t.Errorf("Load returns another configuration (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(before, c, same); diff != "" {
		t.Errorf("the configuration itself has changed (-want +got)\n%s", diff)
	}
	_, secrets, err = next.Reread()
	for _, s := range secrets {
		if s.Changed {
			t.Errorf("%s has changed a second time", s.Path)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

func TestRereadRefusesWrongContents(t *testing.T) {
	for name, test := range map[string]struct{ file, content, path string }{
		"a key that is too short":    {"then", "short", "auth.tokens.keys[1].secret: must be at least 32 bytes long"},
		"a secret that is no hash":   {"portal", "hunter2", "auth.clients[0].hash: must be a bcrypt hash"},
		"an empty file":              {"primary", "\n", "platform.endpoints[0].password: "},
		"the placeholder of secrets": {"primary", "[redacted]", "platform.endpoints[0].password: must be the secret itself"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := secretFolder(t)
			c, before := loadFromFiles(t, folder), loadFromFiles(t, folder)
			writeSecret(t, folder, test.file, test.content)
			writeSecret(t, folder, "now", strings.Repeat("N", 32)) // which is valid
			next, _, err := c.Reread()
			if _, ok := errors.AsType[*config.Problems](err); !ok || next != nil {
				t.Fatalf("got %v, error %v", next, err)
			}
			if text := err.Error(); !strings.Contains(text, test.path) || !strings.Contains(text, filepath.Join(folder, test.file)) {
				t.Errorf("the error does not name key, reason and file: %s", text)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error contains the secret: %v", err)
			}
			if diff := cmp.Diff(before, c, same); diff != "" {
				t.Errorf("the configuration has changed (-want +got)\n%s", diff)
			}
		})
	}
	t.Run("all files that were removed", func(t *testing.T) {
		folder := secretFolder(t)
		c := loadFromFiles(t, folder)
		if err := errors.Join(os.Remove(filepath.Join(folder, "now")), os.Remove(filepath.Join(folder, "portal"))); err != nil {
			t.Fatal(err)
		}
		_, _, err := c.Reread()
		for _, file := range []string{"now", "portal"} {
			if err == nil || !strings.Contains(err.Error(), filepath.Join(folder, file)) {
				t.Errorf("%s is not named: %v", file, err)
			}
		}
	})
}
