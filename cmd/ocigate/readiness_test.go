//go:build linux

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ocigate/config"
)

// These tests specify when readyz changes, and the log line at the start of serving.

// readyz reads the readiness of a gateway in this process.
func (g *running) readyz(t *testing.T) (status int, body string) {
	t.Helper()
	return ask(t, http.MethodGet, "http://"+g.admin+"/readyz", "")
}

// waitForReadiness waits until readyz returns that status.
func (g *running) waitForReadiness(t *testing.T, status int, body string) {
	t.Helper()
	deadline := time.Now().Add(wellAgain)
	for {
		gotStatus, got := g.readyz(t)
		if gotStatus == status && strings.Contains(got, body) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("readyz still answers %d %q, want %d %q", gotStatus, got, status, body)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// wantGoodEnd stops a gateway, which must be without an error.
func (g *running) wantGoodEnd(t *testing.T) {
	t.Helper()
	g.stop()
	if err := <-g.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestReadinessFollowsTheFolder makes the folder of the journal unusable, and usable again,
// without writes in the meantime. To add a cause, add an entry to the map.
func TestReadinessFollowsTheFolder(t *testing.T) {
	// Each function prepares a folder before the gateway starts. It returns a function
	// that makes the folder unusable, nil if it is already, and one that makes it usable.
	tests := map[string]struct {
		prepare func(t *testing.T) (folder string, spoil, mend func())
		reason  string
	}{
		"a disk that is full": {prepare: func(t *testing.T) (string, func(), func()) {
			d := newDisk(t, 4<<20)
			if !d.mounted {
				t.Skip("no file system can be mounted")
			}
			return d.folder("journal"), func() { fillDiskOf(t, d) }, func() { d.clear(t) }
		}, reason: "no space left on device"},
		"a disk that is read-only": {prepare: func(t *testing.T) (string, func(), func()) {
			root := t.TempDir()
			if err := syscall.Mount("tmpfs", root, "tmpfs", syscall.MS_RDONLY, ""); err != nil {
				t.Skipf("no file system can be mounted: %v", err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			return filepath.Join(root, "journal"), nil, func() {
				if err := syscall.Mount("", root, "", syscall.MS_REMOUNT, ""); err != nil {
					t.Error(err)
				}
			}
		}, reason: "read-only file system"},
		"a folder that another process uses": {prepare: func(t *testing.T) (string, func(), func()) {
			folder := t.TempDir()
			file, err := os.Create(filepath.Join(folder, "operations.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = file.Close() }) // it is closed already
			if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			return folder, nil, func() { _ = file.Close() }
		}, reason: "another process uses the folder"},
		"a folder that cannot be made": {prepare: func(t *testing.T) (string, func(), func()) {
			inTheWay := filepath.Join(t.TempDir(), "journal")
			if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return inTheWay, nil, func() {
				if err := os.Remove(inTheWay); err != nil {
					t.Error(err)
				}
			}
		}, reason: "not a directory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, spoil, mend := test.prepare(t)
			g := start(t, newPlatform(t).Addr, func(c *config.Config) {
				c.Journal.Folder, c.Journal.UnreadyAfter = folder, time.Second
			})
			if spoil != nil {
				g.waitForReadiness(t, http.StatusOK, "ready\n")
				waitFor(t, func() bool { _, err := os.Stat(folder); return err == nil })
				spoil()
			}
			g.waitForReadiness(t, http.StatusServiceUnavailable, test.reason)
			mend()
			g.waitForReadiness(t, http.StatusOK, "ready\n")
			g.wantGoodEnd(t)
		})
	}
}

// fillDiskOf fills a disk, although the journal sometimes writes a file there and removes it.
func fillDiskOf(t *testing.T, d *disk) {
	t.Helper()
	for {
		d.fill(t)
		_, err := os.Stat(filepath.Join(d.folder("journal"), "probe"))
		var s syscall.Statfs_t
		if err := syscall.Statfs(d.root, &s); err != nil {
			t.Fatal(err)
		}
		if err != nil && s.Bfree == 0 {
			return
		}
	}
}

// TestReadinessDoesNotFollowADatabase checks that an unusable database, which all replicas
// share, does not make a replica unready.
func TestReadinessDoesNotFollowADatabase(t *testing.T) {
	g := start(t, newPlatform(t).Addr, func(c *config.Config) {
		c.Journal.Store, c.Journal.UnreadyAfter = config.StorePostgres, 0
		c.Journal.PostgresURL = config.NewSecret("postgres://ocigate:pass-word@127.0.0.1:1/journal")
	})
	status, body := ask(t, http.MethodPost, "http://"+g.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), writeBody)
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "JOURNAL_UNAVAILABLE") {
		t.Errorf("a write is answered with %d %s", status, body)
	}
	waitFor(t, func() bool { _, err := g.program.keeper.JournalState(); return err != nil })
	if status, body := g.readyz(t); status != http.StatusOK {
		t.Errorf("readyz: %d %q", status, body)
	}
	g.wantGoodEnd(t)
	line := g.servingLine(t)
	if !strings.Contains(line, `journal=postgres journal_database="journal at 127.0.0.1:1"`) || strings.Contains(line, "pass-word") {
		t.Errorf("the line is %s", line)
	}
}

// servingLine returns the line of the log at the start of serving.
func (g *running) servingLine(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(g.log.String()) {
		if strings.Contains(line, " msg=serving ") {
			return line
		}
	}
	t.Fatalf("there is no such line: %s", g.log)
	return ""
}

func TestServingLineHasAllPlaces(t *testing.T) {
	platform := newPlatform(t)
	var folder string
	g := start(t, platform.Addr, func(c *config.Config) { folder = c.Journal.Folder })
	line := g.servingLine(t)
	for _, want := range []string{
		"version=", "config=", "api=" + g.api, "admin=" + g.admin,
		"journal=embedded journal_folder=" + folder, `platform="[simulated ` + platform.Addr + `]"`,
	} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
	g.wantGoodEnd(t)
}
