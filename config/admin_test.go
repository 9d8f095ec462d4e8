package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ocigate/config"
)

// These tests specify what is read of a configuration's file for commands to the running
// gateway.

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadAdminReadsOneSection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	writeFile(t, file, "admin: {listen: '127.0.0.1:9191', commands: any}\nplatform: {pool: {max: none}, password: {file: /none}}\n")
	admin, err := config.LoadAdmin(file, []string{"OCIGATE_ADMIN_COMMANDS=none", "OCIGATE_PLATFORM_POOL_MAX=x"})
	if err != nil || admin != (config.Admin{Listen: "127.0.0.1:9191", Commands: config.CommandsNone}) {
		t.Errorf("%+v, %v", admin, err)
	}
	writeFile(t, file, "admin: {commands: all}\n")
	if _, err := config.LoadAdmin(file, nil); err == nil || !strings.Contains(err.Error(), "admin.commands: must be loopback, any or none") {
		t.Errorf("a wrong value: %v", err)
	}
	if _, err := config.LoadAdmin(file+"x", nil); err == nil {
		t.Error("no error without a file")
	}
}

func TestFileSecrets(t *testing.T) {
	folder := t.TempDir()
	password, key := filepath.Join(folder, "password"), filepath.Join(folder, "key")
	writeFile(t, password, "hunter2")
	writeFile(t, key, strings.Repeat("k", 40))
	file := filepath.Join(folder, "ocigate.yaml")
	writeFile(t, file, `
auth: {tokens: {keys: [{id: a, secret: {file: `+key+`}}, {id: b, secret: `+strings.Repeat("x", 40)+`}]}}
platform:
  user_id: x
  password: {file: `+password+`}
  endpoints: [{name: a, address: "127.0.0.1:2208", tls: {enabled: false}}]
`)
	c, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := c.FileSecrets()
	if len(found) != 2 || found[0] != (config.FileSecret{Path: "auth.tokens.keys[0].secret", File: key}) || found[1] != (config.FileSecret{Path: "platform.password", File: password}) {
		t.Errorf("%+v", found)
	}
}
