package oci

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Replies that arrive before the request has been written completely. To add a case, use a
// connection of type stuck.

// stuck is a connection on which the write of a document that holds some text
// does not return before the connection is closed, although the other side can answer:
// like a platform that answers a document before it has read it to its end.
type stuck struct {
	net.Conn
	on     string
	closed chan struct{}
	once   *sync.Once
}

func (c stuck) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if bytes.Contains(b, []byte(c.on)) {
		<-c.closed
		return n - 1, net.ErrClosed
	}
	return n, err
}

func (c stuck) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// withStuck runs a test in which each write of a change is stuck.
func withStuck(p *platform, o *Options) {
	o.ProbeInterval = time.Hour
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := p.Dial(ctx, network, address)
		return stuck{conn, change.Name(), make(chan struct{}), &sync.Once{}}, err
	}
}

func TestACallerWhoseReplyComesEarlyWaitsNoLongerThanOthers(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *Client) error{
		"a writer": func(ctx context.Context, c *Client) error { _, err := c.Write(ctx, change, nil); return err },
		"a reader": func(ctx context.Context, c *Client) error { _, err := c.Read(ctx, NewRead(change.Name())); return err },
	} {
		t.Run(name, func(t *testing.T) {
			p := &platform{}
			run(t, p, func(o *Options) { withStuck(p, o) }, func(t *testing.T, c *Client) {
				over := make(chan error, 1)
				go func() { over <- ask(t.Context(), c) }()
				select {
				case err := <-over:
					if err != nil {
						t.Errorf("the answer is lost: %v", err)
					}
				case <-time.After(c.pool.options().CommandTimeout + time.Second):
					t.Errorf("the caller still waits after %v; %+v", c.pool.options().CommandTimeout, c.Stats())
					for _, s := range c.pool.idle {
						s.close(ErrClosed) // lets the caller go
					}
					t.Log("returned much later:", <-over)
				}
			})
		})
	}
}

func TestASessionIsReservedUntilItsDocumentIsWritten(t *testing.T) {
	p := &platform{}
	run(t, p, func(o *Options) { withStuck(p, o); o.MaxSessions = 2 }, func(t *testing.T, c *Client) {
		var writer sync.WaitGroup
		writer.Go(func() { _, _ = c.Write(t.Context(), change, nil) }) // see above
		synctest.Wait()
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Error(err)
		}
		if logins, _, _, _ := p.counts(); logins != 2 {
			t.Errorf("%d logins, want 2", logins)
		}
		writer.Wait()
	})
}
