package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// hangupSignals are the SIGHUPs that the process gets. From the start to the end
// of the process none of them ends it, whatever it is doing: a write may be in
// flight. What runs for long decides what to do instead; other commands end by
// themselves and do nothing.
type hangupSignals struct {
	signals chan os.Signal
	// ignored reports whether the process was started with SIGHUP ignored, as
	// nohup does, so that it outlives its terminal.
	ignored bool
}

// notifyHangups must be the first that main does.
func notifyHangups() *hangupSignals {
	// One that comes before anybody looks must not be lost. Any more would say
	// nothing new.
	h := &hangupSignals{signals: make(chan os.Signal, 1), ignored: signal.Ignored(syscall.SIGHUP)}
	signal.Notify(h.signals, syscall.SIGHUP)
	return h
}

type hangupKey struct{}

func withHangups(ctx context.Context, h *hangupSignals) context.Context {
	return context.WithValue(ctx, hangupKey{}, h)
}

// hangups returns the SIGHUPs of the process, or nil where main does not run, as
// in tests of commands.
func hangups(ctx context.Context) <-chan os.Signal {
	h, _ := ctx.Value(hangupKey{}).(*hangupSignals)
	if h == nil {
		return nil
	}
	return h.signals
}

var errHangup = errors.New("hangup signal received")

// untilHangup returns a context that ends with a SIGHUP, for commands that are
// run at a terminal and stop when it goes away.
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
