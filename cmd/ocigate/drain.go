package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// drain keeps serving for http.drain while the readiness is off, so that whoever
// balances the load learns in time that this replica is about to go. It ends
// early where a listener fails, of which the error is. running is how many
// serve, and how many still do is returned.
//
// Answers ask for their connections to be closed. Idle connections stay open,
// since a request may be on its way over any of them: by the end of the drain
// nobody should be using them any more.
func (p *Program) drain(failed <-chan error, running int) (int, error) {
	p.health.SetDraining()
	p.closing.begin()
	over := time.NewTimer(p.config.HTTP.Drain)
	defer over.Stop()
	select {
	case <-over.C:
		return running, nil
	case err := <-failed:
		return running - 1, err
	}
}

// closing has a handler's answers ask for their connections to be closed, once
// it has begun. Unlike http.Server.SetKeepAlivesEnabled it leaves idle
// connections alone. It is about HTTP/1: to HTTP/2 a server says goodbye when it
// is shut down.
type closing struct{ begun atomic.Bool }

func (c *closing) begin() { c.begun.Store(true) }

func (c *closing) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 {
			w = &closingWriter{w, c}
		}
		next.ServeHTTP(w, r)
	})
}

// closingWriter adds the header when the answer begins, since the drain may have
// begun after the request.
type closingWriter struct {
	http.ResponseWriter
	closing *closing
}

func (w *closingWriter) ask() {
	if w.closing.begun.Load() {
		w.Header().Set("Connection", "close")
	}
}

// WriteHeader implements http.ResponseWriter.
func (w *closingWriter) WriteHeader(status int) {
	w.ask()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. After the header it is too late to ask,
// and does no harm.
func (w *closingWriter) Write(p []byte) (int, error) {
	w.ask()
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *closingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// lastPart is the end of a stop's time that is kept back: half of it for what
// comes to its end only then, and half for the last lines of the log.
func lastPart(shutdownTimeout time.Duration) time.Duration {
	return min(time.Second, shutdownTimeout/10)
}

// mayHang is how many parts of the program a stop leaves behind one after the
// other where all of them hang: the control socket, the journal's keeper, the
// platform's client, the journal, and a reading of the files.
const mayHang = 5

// leavingTime is what each of these has of the last part.
func leavingTime(shutdownTimeout time.Duration) time.Duration {
	return lastPart(shutdownTimeout) / 2 / mayHang
}

// stop closes the listeners, has requests in flight finish, and ends the rest. It
// takes http.shutdown_timeout, but for the log's part of it, at the most.
func (p *Program) stop(ctx context.Context) error {
	timeout := p.config.HTTP.ShutdownTimeout
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout-lastPart(timeout))
	defer cancel()
	return errors.Join(p.api.shutdown(ctx), p.admin.shutdown(ctx), p.end(ctx))
}

// end ends what runs besides the listeners: first the keeper, which reads from
// the platform and writes to the store. What hangs is left behind. That loses
// nothing: an outcome that is not recorded is unknown to the next process, which
// finds it out.
func (p *Program) end(ctx context.Context) error {
	patience := leavingTime(p.config.HTTP.ShutdownTimeout)
	err := within(ctx, patience, "the control socket", func() error { p.control.close(); return nil })
	if p.keeper != nil {
		err = errors.Join(err, within(ctx, patience, "the journal's keeper", func() error { p.keeper.Close(ctx); return nil }))
	}
	// It waits for a file that a login reads a password from.
	err = errors.Join(err, within(ctx, patience, "the client of the platform", func() error { return p.client.Close(ctx) }))
	if p.store != nil {
		err = errors.Join(err, within(ctx, patience, "the journal", p.store.Close))
	}
	return err
}

// within calls f, and does not wait for it when ctx has ended longer than
// patience ago.
func within(ctx context.Context, patience time.Duration, what string, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return fmt.Errorf("%s hangs and was left behind: %w", what, context.Cause(ctx))
	}
}

// warn logs what is legal and yet rarely meant.
func (p *Program) warn() {
	if !p.api.secured && !isLoopback(p.api.bound.Addr()) {
		p.logger.Warn("the API is served without TLS: credentials cross the network as they are unless a proxy adds TLS", "address", p.api.bound.Addr().String())
	}
	c := p.config
	if least := c.HTTP.RequestTimeout + c.Platform.Timeouts.Command; c.HTTP.ShutdownTimeout < least {
		p.logger.Warn("a stop may cut off requests in flight: http.shutdown_timeout is shorter than http.request_timeout and platform.timeouts.command together",
			"shutdown_timeout", c.HTTP.ShutdownTimeout.String(), "together", least.String())
	}
}
