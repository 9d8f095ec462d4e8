package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// drain goes on serving for http.drain while readyz is off, so that load balancers
// notice in time that this replica will stop. If a listener fails, drain ends early and
// returns its error. running is the number of listeners that serve; drain returns how
// many still do.
//
// Responses ask clients to close their connections. Idle connections stay open, because
// a request may be on its way over any of them. By the end of the drain, clients should
// no longer use them.
func (p *Program) drain(failed <-chan error, running int) (int, error) {
	p.health.SetDraining()
	p.closing.begin()
	over := time.NewTimer(p.configOf().HTTP.Drain)
	defer over.Stop()
	select {
	case <-over.C:
		return running, nil
	case err := <-failed:
		return running - 1, err
	}
}

// closing makes the responses of a handler ask for their connections to be closed,
// after begin was called. Unlike http.Server.SetKeepAlivesEnabled it does not close idle
// connections. It affects only HTTP/1: on HTTP/2, a server sends GOAWAY when it is shut
// down.
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

// closingWriter adds the header when the response begins, because the drain may have
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

// Write implements http.ResponseWriter. If the header was written before, the additional
// field has no effect.
func (w *closingWriter) Write(p []byte) (int, error) {
	w.ask()
	return w.ResponseWriter.Write(p)
}

// Unwrap returns the wrapped writer, for http.ResponseController.
func (w *closingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// lastPart returns the last part of the time for stopping, which is reserved: half of
// it for the parts of the program that end then, and half for the last lines of the
// log.
func lastPart(shutdownTimeout time.Duration) time.Duration {
	return min(time.Second, shutdownTimeout/10)
}

// mayHang is the number of parts of the program that are abandoned one after the other
// if all of them hang: the watch of files, a reload, the control socket, the issuer's
// keys, the journal's keeper, the platform's client, the journal, the traces, and the
// messages to systemd.
const mayHang = 9

// leavingTime returns the share of each of these in the last part.
func leavingTime(shutdownTimeout time.Duration) time.Duration {
	return lastPart(shutdownTimeout) / 2 / mayHang
}

// stop closes the listeners, waits for requests in flight, and ends the other parts. It
// takes at most http.shutdown_timeout without the part that is reserved for the log.
func (p *Program) stop(ctx context.Context) error {
	timeout := p.configOf().HTTP.ShutdownTimeout
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout-lastPart(timeout))
	defer cancel()
	return errors.Join(p.api.shutdown(ctx), p.admin.shutdown(ctx), p.end(ctx))
}

// end ends the parts besides the listeners: first the keeper, which reads from the
// platform and writes to the store. A part that hangs is abandoned. Nothing is lost by
// that: an outcome that is not recorded is unknown to the next process, which reads it
// back.
func (p *Program) end(ctx context.Context) error {
	patience := leavingTime(p.configOf().HTTP.ShutdownTimeout)
	err := within(ctx, patience, "the control socket", func() error { p.control.close(); return nil })
	if p.wires != nil {
		p.wires.Close()
	}
	if p.status != nil {
		p.status.stop()
	}
	if issuer := p.current.Load().issuer; issuer != nil {
		err = errors.Join(err, within(ctx, patience, "the fetch of the issuer's keys", func() error { issuer.stop(); return nil }))
	}
	if p.keeper != nil {
		err = errors.Join(err, within(ctx, patience, "the journal's keeper", func() error { p.keeper.Close(ctx); return nil }))
	}
	// Close may wait for the file from which a login reads a password.
	err = errors.Join(err, within(ctx, patience, "the client of the platform", func() error { return p.client.Close(ctx) }))
	if p.store != nil {
		err = errors.Join(err, within(ctx, patience, "the journal", p.store.Close))
	}
	return errors.Join(err, within(ctx, patience, "the sending of traces", func() error { p.closeTracing(ctx); return nil }))
}

// within calls f and waits for it until ctx has ended and patience has passed after
// that. Then it returns an error, and f goes on in the background.
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

// warn logs settings that are valid but usually a mistake.
func (p *Program) warn() {
	if p.api.secured.Load() == nil && !isLoopback(p.api.bound.Addr()) {
		p.logger.Warn("the API is served without TLS: credentials are sent in plain text unless a proxy adds TLS", "address", p.api.bound.Addr().String())
	}
	p.logWarnings()
	p.warnOfDescriptors()
	c := p.configOf()
	if least := c.HTTP.RequestTimeout + c.Platform.Timeouts.Command; c.HTTP.ShutdownTimeout < least {
		p.logger.Warn("a stop may cut off requests in flight: http.shutdown_timeout is shorter than http.request_timeout and platform.timeouts.command together",
			"shutdown_timeout", c.HTTP.ShutdownTimeout.String(), "together", least.String())
	}
}
