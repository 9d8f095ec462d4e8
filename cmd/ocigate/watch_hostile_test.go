//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"ocigate/config"
)

// These tests specify what the watch of files does with files and folders that change all
// the time, and with files that become usable later.

func TestWatchOfAFileThatChangesAllTheTime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	writeText(t, file, "")
	synctest.Test(t, func(t *testing.T) {
		p := &Program{file: file}
		p.current.Store(&generation{config: &config.Config{Reload: config.Reload{Watch: true}}, parts: &parts{certificates: &certificates{}}})
		p.seen.set(p.contents())
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		var writing sync.WaitGroup
		defer writing.Wait()
		defer cancel()
		writing.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				writeText(t, file, fmt.Sprint(i))
				time.Sleep(100 * time.Millisecond)
			}
		})
		time.Sleep(50 * time.Millisecond)
		start := time.Now()
		_, changed := (&fileWatch{program: p}).settled(ctx)
		if took := time.Since(start); !changed || took > watchLongest+watchQuiet {
			t.Errorf("changed: %t, after %v", changed, took)
		}
	})
}

func TestWatchOfAFolderThatChangesAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		var sending sync.WaitGroup
		defer sending.Wait()
		defer cancel()
		events := make(chan fsnotify.Event)
		sending.Go(func() {
			for ctx.Err() == nil {
				select {
				case events <- fsnotify.Event{Name: "other.log", Op: fsnotify.Write}:
				case <-ctx.Done():
				}
				time.Sleep(time.Millisecond)
			}
		})
		w := &fileWatch{program: &Program{}, events: &fsnotify.Watcher{Events: events}}
		checks := 0
		for w.wait(ctx, watchEvery) {
			checks++
		}
		if checks < 50 || checks > 100 {
			t.Errorf("the files were compared %d times in 20 seconds", checks)
		}
	})
}

func TestWatchRepeatsAReloadWhoseCausePasses(t *testing.T) {
	t.Parallel()
	pair := pairIn(t.TempDir(), "api")
	writePair(t, pair, issue(t, "before", -day, 20*day, nil))
	g := start(t, newPlatform(t).Addr, func(c *config.Config) { c.HTTP.TLS = pair })
	defer g.end(t)
	w := &fileWatch{program: g.program}
	after := issue(t, "after", 2*time.Second, 40*day, nil) // of a machine whose clock is ahead
	writePair(t, pair, after)
	w.reload(g.program.contents())
	if g.program.lastReload.get().Successful || w.again == nil {
		t.Fatal("a certificate that is not valid yet is in use, or will not be tried again")
	}
	w.repeat()
	if tried := g.program.lastReload.get().TriedAt; w.again == nil || time.Until(w.againAt) > watchEvery || time.Since(tried) < 0 {
		t.Errorf("it is tried again at %v", w.againAt)
	}
	for w.again != nil {
		time.Sleep(100 * time.Millisecond)
		w.againAt = time.Now()
		w.repeat()
	}
	if in := g.program.certificatesInUse(); !in[0].NotAfter.Equal(after.certificate.NotAfter) {
		t.Errorf("in use: %v", in)
	}
	writePair(t, pair, issue(t, "expired", -2*day, -day, nil))
	if w.reload(g.program.contents()); w.again != nil {
		t.Error("a reload that fails for ever is repeated")
	}
}

func TestWatchDoesNotReadPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	// Reading it would block.
	if first, second := digestOf(pipe), digestOf(pipe); first != second || first == digestOf(pipe+"-none") {
		t.Error("the digest of a pipe is not that of its mode")
	}
}
