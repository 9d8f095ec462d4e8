package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// These tests specify what a notifier sends to systemd, and when. Those of the process are
// in notify_process_test.go.

// notified is a notifier whose messages a test reads.
type notified struct {
	*notifier
	log *output

	mu       sync.Mutex // guards the fields below
	status   string
	gone     bool // messages cannot be sent
	received []string
}

// notify runs a notifier with these parts until the test ends.
func notify(t *testing.T, watchdog time.Duration, parts ...vitalPart) *notified {
	t.Helper()
	r := &notified{log: &output{}, status: "well"}
	r.notifier = newNotifier(slog.New(slog.NewTextHandler(r.log, nil)), watchdog, parts, func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.status
	})
	r.send = func(message string) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.gone {
			return errors.New("connection refused")
		}
		r.received = append(r.received, message)
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return r
}

// after returns the messages of the next time.
func (r *notified) after(d time.Duration) []string {
	time.Sleep(d) // of the bubble
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	received := r.received
	r.received = nil
	return received
}

func (r *notified) setStatus(status string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *notified) setGone(gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = gone
}

func wantMessages(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i := range got {
		if _, rest, found := strings.Cut(got[i], "MONOTONIC_USEC="); found && len(rest) > 3 {
			got[i] = strings.TrimSuffix(got[i], rest) + "now"
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("sent %q\nwant %q", got, want)
	}
}

const reloadingNow = "RELOADING=1\nMONOTONIC_USEC=now"

func TestLifeOfAService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := notify(t, 0)
		r.reloading()() // it does not serve yet
		wantMessages(t, r.after(time.Hour))
		r.ready()
		wantMessages(t, r.after(0), "READY=1", "STATUS=well")
		r.setStatus("worse")
		wantMessages(t, r.after(notifyEvery), "STATUS=worse")
		wantMessages(t, r.after(time.Hour))
		ended := r.reloading()
		wantMessages(t, r.after(time.Minute), reloadingNow)
		ended()
		wantMessages(t, r.after(0), "READY=1")
		late := r.reloading()
		r.stopping(5*time.Second, time.Minute)
		late()
		r.setStatus("gone")
		r.reloading()()
		wantMessages(t, r.after(time.Hour), reloadingNow, "STOPPING=1\nEXTEND_TIMEOUT_USEC=65000000\nSTATUS=stopping, requests are served for another 5s")
	})
}

func TestWithoutSystemdNothingIsNotified(*testing.T) {
	var n *notifier
	n.ready()
	n.reloading()()
	n.stopping(time.Second, time.Minute)
}

func TestWatchdogGetsSignsOfLife(t *testing.T) {
	t.Run("as often as it needs them", func(t *testing.T) {
		for limit, every := range map[time.Duration]time.Duration{30 * time.Second: 5 * time.Second, 4 * time.Second: 2 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				r := notify(t, limit)
				wantMessages(t, r.after(limit)) // before it serves, systemd waits for that
				r.ready()
				wantMessages(t, r.after(0), "READY=1", "WATCHDOG=1", "STATUS=well")
				wantMessages(t, r.after(2*every), "WATCHDOG=1", "WATCHDOG=1")
			})
		}
	})
	t.Run("also while it reloads for long, and stops", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := notify(t, 30*time.Second)
			r.ready()
			r.reloading()
			r.after(0)
			wantMessages(t, r.after(10*time.Second), "WATCHDOG=1", "WATCHDOG=1")
			r.stopping(0, time.Minute)
			r.after(0)
			wantMessages(t, r.after(10*time.Second), "WATCHDOG=1", "WATCHDOG=1")
		})
	})
	t.Run("not while a part hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			wait := make(chan struct{})
			r := notify(t, 30*time.Second, vitalPart{"the part", func() error { <-wait; return nil }})
			r.ready()
			wantMessages(t, r.after(time.Minute), "READY=1")
			if text := r.log.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, `cause="the part hangs"`) {
				t.Errorf("logged %s", text)
			}
			close(wait)
			wantMessages(t, r.after(0), "WATCHDOG=1", "STATUS=well")
		})
	})
	t.Run("while a part hangs and it stops", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			wait := make(chan struct{})
			defer close(wait)
			r := notify(t, 30*time.Second, vitalPart{"the part", func() error { <-wait; return nil }})
			r.ready()
			wantMessages(t, r.after(20*time.Second), "READY=1")
			r.stopping(0, time.Minute)
			r.after(0)
			wantMessages(t, r.after(5*time.Second), "WATCHDOG=1")
		})
	})
	t.Run("not while a part fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			failure := errors.New("no")
			r := notify(t, 30*time.Second, vitalPart{"the part", func() error { return failure }})
			r.ready()
			wantMessages(t, r.after(time.Minute), "READY=1", "STATUS=well")
			if text := r.log.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, `cause="the part: no"`) {
				t.Errorf("logged %s", text)
			}
		})
	})
}

// A systemd that does not read must not hold up the program.
func TestNobodyWaitsForSystemd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := notify(t, 30*time.Second)
		reads := make(chan struct{})
		r.send = func(string) error { <-reads; return nil }
		began := time.Now()
		r.ready()
		for range 10 * maxNotifications {
			r.reloading()()
		}
		r.stopping(0, time.Minute)
		if time.Since(began) > 0 {
			t.Error("it took a while")
		}
		close(reads)
	})
}

// A systemd that is gone, such as outside of the container of the process, is logged once, and
// not with each sign of life.
func TestSystemdThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := notify(t, 30*time.Second)
		r.setGone(true)
		r.ready()
		r.after(time.Hour)
		if text := r.log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "systemd could not be notified") {
			t.Errorf("logged %s", text)
		}
		r.setGone(false)
		wantMessages(t, r.after(notifyEvery), "WATCHDOG=1", "STATUS=well")
		if text := r.log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "systemd can be notified again") {
			t.Errorf("logged %s", text)
		}
	})
}
