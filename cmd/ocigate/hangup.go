package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// hangupSignals holds the SIGHUPs that the process gets. None of them ends the process
// at any time, because a write may be in flight. Commands that run for long handle the
// signals; other commands ignore them.
type hangupSignals struct {
	signals chan os.Signal
	// ignored reports whether the process was started with SIGHUP ignored, as
	// nohup does, so that it outlives its terminal.
	ignored bool
}

// notifyHangups begins to receive SIGHUPs. It must be the first call of main.
func notifyHangups() *hangupSignals {
	// A signal before the first receive must not be lost. Further ones in the
	// meantime have no additional effect.
	h := &hangupSignals{signals: make(chan os.Signal, 1), ignored: signal.Ignored(syscall.SIGHUP)}
	signal.Notify(h.signals, syscall.SIGHUP)
	return h
}

type hangupKey struct{}

func withHangups(ctx context.Context, h *hangupSignals) context.Context {
	return context.WithValue(ctx, hangupKey{}, h)
}

// hangups returns the SIGHUPs of the process, or nil if main does not run, as in tests
// of commands.
func hangups(ctx context.Context) <-chan os.Signal {
	h, _ := ctx.Value(hangupKey{}).(*hangupSignals)
	if h == nil {
		return nil
	}
	return h.signals
}

var errHangup = errors.New("hangup signal received")

// untilHangup returns a context that ends with a SIGHUP, for commands that run at a
// terminal and stop when it is closed.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	ended, cancel := context.WithCancelCause(ctx)
	h, _ := ctx.Value(hangupKey{}).(*hangupSignals)
	if h != nil && !h.ignored {
		go func() {
			select {
			case <-h.signals:
				cancel(errHangup)
			case <-ended.Done():
			}
		}()
	}
	return ended, func() { cancel(context.Canceled) }
}
