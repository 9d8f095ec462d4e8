//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ocigate/gateway/operation/bolt"
)

// TestCommandsRefuseAJournalThatIsNotSafe has a folder that every user can write to, and a
// socket that another user may have planted in a safe one.
func TestCommandsRefuseAJournalThatIsNotSafe(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "journal")
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	writeFile(t, file, fmt.Sprintf("journal: {folder: %q}\n", folder))
	store := bolt.Open(folder, bolt.Options{})
	if err := store.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	wantRefused := func(want string, commands ...string) {
		t.Helper()
		for _, line := range commands {
			_, _, err := execute(t, "", append(strings.Fields(line), "-c", file)...)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", line, err, want)
			}
		}
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	wantRefused(folder+" is writable for every user (mode drwxrwxrwx", "operations list", "audit verify", "audit tail")
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	elsewhere, err := os.MkdirTemp("", "sock") // short: a socket's path has room for 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(elsewhere) })
	planted, err := net.Listen("unix", filepath.Join(elsewhere, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = planted.Close() })
	if err := os.Symlink(planted.Addr().String(), filepath.Join(folder, controlSocket)); err != nil {
		t.Fatal(err)
	}
	wantRefused(controlSocket+" is a symbolic link", "operations list")
	if err := os.Remove(filepath.Join(folder, controlSocket)); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"operations list", "audit verify"} {
		if _, _, err := execute(t, "", append(strings.Fields(line), "-c", file)...); err != nil {
			t.Errorf("%s of a safe folder: %v", line, err)
		}
	}
}
