//go:build unix

package postgres

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ocigate/gateway/operation"
)

// These tests specify calls whose commit took effect and whose reply was lost. To add a case,
// add a subtest of TestLostReplies that has the thief drop the reply of a commit.

// thief is a proxy between stores and the server that drops replies to commits.
type thief struct {
	listener net.Listener
	server   string // its socket
	work     sync.WaitGroup
	steal    atomic.Int32 // the reply to which commit from now on, 0 for none

	mu    sync.Mutex
	conns []net.Conn
}

const socketName = ".s.PGSQL.5432"

// newThief returns a thief and the URL of the database through it.
func newThief(t *testing.T, address string) (*thief, string) {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	folder, err := os.MkdirTemp("", "thief")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(folder)) })
	listener, err := net.Listen("unix", filepath.Join(folder, socketName))
	must(t, err)
	th := &thief{listener: listener, server: filepath.Join(u.Query().Get("host"), socketName)}
	th.work.Go(th.listen)
	t.Cleanup(th.close)
	u.RawQuery = url.Values{"host": {folder}}.Encode()
	return th, u.String()
}

func (th *thief) listen() {
	for {
		client, err := th.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", th.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		th.mu.Lock()
		th.conns = append(th.conns, client, server)
		th.mu.Unlock()
		var stolen atomic.Bool
		th.work.Go(func() { th.forward(client, server, &stolen) })
		th.work.Go(func() { th.back(server, client, &stolen) })
	}
}

// forward forwards what the client sends, and notes a commit whose reply is to be dropped.
func (th *thief) forward(client, server net.Conn, stolen *atomic.Bool) {
	defer func() { _ = server.Close() }()
	for buffer := make([]byte, 1<<16); ; {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if bytes.Contains(buffer[:n], []byte("commit\x00")) && th.steal.Load() > 0 && th.steal.Add(-1) == 0 {
			stolen.Store(true)
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// back forwards what the server sends, until that is to be dropped.
func (th *thief) back(server, client net.Conn, stolen *atomic.Bool) {
	defer func() { _ = client.Close() }()
	for buffer := make([]byte, 1<<16); ; {
		n, err := server.Read(buffer)
		if err != nil || stolen.Load() {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (th *thief) close() {
	_ = th.listener.Close()
	th.mu.Lock()
	for _, conn := range th.conns {
		_ = conn.Close()
	}
	th.mu.Unlock()
	th.work.Wait()
}

func TestLostReplies(t *testing.T) {
	server, address := database(t)
	th, detour := newThief(t, address)
	s := open(t, detour, Options{Connections: 1})
	must(t, s.Append(t.Context(), event(received("op", "a")))) // the connection is made
	_, err := s.Adopt(t.Context(), "a")
	must(t, err)
	until(t, func() bool { held, _ := s.LockState(); return held }) // its commit is not one of those below

	// lose has a call fail although its commits did what they were to do.
	lose := func(t *testing.T, commits int32, call func() error) {
		t.Helper()
		th.steal.Store(commits)
		if err := call(); err == nil || th.steal.Load() != 0 {
			t.Fatal("the call got its reply")
		}
	}
	t.Run("to Begin do not keep entries for long", func(t *testing.T) {
		op := keyed(received("begin", "a", "1"))
		lose(t, 1, func() error { return s.Begin(t.Context(), op) })
		if _, held := errors.AsType[*operation.HeldError](s.Begin(t.Context(), received("other", "a", "1"))); !held {
			t.Error("it did not take effect")
		}
		_, err := s.Adopt(t.Context(), "a")
		must(t, err)
		beginAll(t, s, keyed(received("other", "a", "1")))
	})
	t.Run("to Abandon do not matter", func(t *testing.T) {
		op := received("abandon", "a", "5")
		beginAll(t, s, op)
		lose(t, 1, func() error { return s.Abandon(t.Context(), op) })
		beginAll(t, s, received("free", "a", "5"))
	})
	t.Run("to Begin do no harm if it is called again", func(t *testing.T) {
		op := received("again", "a", "2")
		lose(t, 1, func() error { return s.Begin(t.Context(), op) })
		beginAll(t, s, op)
		_, err := s.Adopt(t.Context(), "a")
		must(t, err)
		record(t, s, op, operation.Intent)
	})
	t.Run("to Record do no harm if it is called again", func(t *testing.T) {
		op := received("record", "a", "3")
		beginAll(t, s, op)
		intent := next(op, operation.Intent)
		lose(t, 1, func() error { return s.Record(t.Context(), intent, event(intent)) })
		must(t, s.Record(t.Context(), intent, event(intent)))
		record(t, s, intent, operation.Done)
		lines(t, s)
	})
	t.Run("to Adopt come with the next one", func(t *testing.T) {
		op := received("abandoned", "stopped", "4")
		beginAll(t, s, op)
		op = record(t, s, op, operation.Intent)
		expire(t, server, address, "stopped")
		lose(t, 2, func() error { _, err := s.Adopt(t.Context(), "a"); return err })
		op.Owner, op.Version = "a", op.Version+1
		for _, want := range [][]operation.Operation{{op}, {}} {
			got, err := s.Adopt(t.Context(), "a")
			must(t, err)
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		}
	})
}
