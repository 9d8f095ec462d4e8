//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
)

// These tests specify what the store returns while the server is away, does not respond,
// or returns errors, and that it recovers. To add a case, add a row to the table of
// TestErrorsOfTheServer, or a test that stops the server.

func TestServerIsAway(t *testing.T) {
	server, address := database(t)
	s := open(t, address, Options{})
	op := received("op", "a", "1")
	beginAll(t, s, op)
	op = record(t, s, op, operation.Intent)
	must(t, server.Stop())
	defer func() { _ = server.Start() }() // does nothing if the test has
	done := next(op, operation.Done)
	for name, call := range everyMethod(t, s, done) {
		if err := call(); err == nil || errors.Is(err, operation.ErrNotFound) || errors.Is(err, operation.ErrConflict) {
			t.Errorf("%s without a server: %v", name, err)
		}
	}
	must(t, server.Start())
	// Each connection may have to be found broken once.
	var err error
	for range defaultConnections + 1 {
		if err = s.Record(t.Context(), done, event(done)); err == nil {
			break
		}
	}
	must(t, err)
	if lines(t, s) != 2 {
		t.Error("the trail does not go on where it was")
	}
	must(t, s.Close())
	for name, call := range everyMethod(t, s, done) {
		if err := call(); err == nil {
			t.Errorf("%s after Close: no error", name)
		}
	}
	must(t, s.Close())
}

func everyMethod(t *testing.T, s *Store, op operation.Operation) map[string]func() error {
	ctx := t.Context()
	return map[string]func() error{
		"Begin":       func() error { return s.Begin(ctx, received("other", "a", "2")) },
		"Abandon":     func() error { return s.Abandon(ctx, op) },
		"Record":      func() error { return s.Record(ctx, op, event(op)) },
		"Get":         func() error { _, err := s.Get(ctx, op.ID); return err },
		"List":        func() error { _, _, err := s.List(ctx, operation.Query{Limit: 1}); return err },
		"Adopt":       func() error { _, err := s.Adopt(ctx, "a"); return err },
		"Touched":     func() error { _, err := s.Touched(ctx, op); return err },
		"Append":      func() error { return s.Append(ctx, event(op)) },
		"Revoke":      func() error { return s.Revoke(ctx, operation.Revocation{Principal: "user"}, operation.Event{}) },
		"Revocations": func() error { _, _, err := s.Revocations(ctx, 0); return err },
		"Prune":       func() error { return s.Prune(ctx, moment()) },
		"Trail":       func() error { _, err := operation.Verify(s.Trail(ctx)); return err },
	}
}

func TestUnresponsiveServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = listener.Close() }()
	for _, c := range []struct {
		name string
		o    Options
		ctx  func() (context.Context, context.CancelFunc)
	}{
		{"is waited for no longer than the store's own timeout", Options{Timeout: 20 * time.Millisecond}, func() (context.Context, context.CancelFunc) {
			return t.Context(), func() {}
		}},
		{"is waited for no longer than the call may last", Options{Timeout: time.Hour}, func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 20*time.Millisecond)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, "postgres://u:p@"+listener.Addr().String()+"/d?sslmode=disable", c.o)
			for range 2 {
				ctx, cancel := c.ctx()
				if err := s.Begin(ctx, received("op", "a", "1")); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
}

func TestErrorsOfTheServer(t *testing.T) {
	server, address := database(t)
	name := server.Value(t, address, `SELECT current_database()`)
	server.Exec(t, address, fmt.Sprintf(`CREATE ROLE guest_%s LOGIN PASSWORD 'hush'`, name))
	server.Exec(t, address, fmt.Sprintf(`CREATE DATABASE latin_%s ENCODING 'LATIN1' TEMPLATE template0`, name))
	newer := server.Database(t)
	server.Exec(t, newer, `CREATE TABLE ocigate_schema (version integer); INSERT INTO ocigate_schema VALUES (1000)`)
	for _, c := range []struct{ name, address, want string }{
		{"a wrong password", server.URL(postgrestest.User, "wr0ng/secret", name), "password authentication failed"},
		{"a database that is not there", server.URL(postgrestest.User, postgrestest.Password, "nowhere"), `database "nowhere" does not exist`},
		{"a role that may not make tables", server.URL("guest_"+name, "hush", name), "permission denied for database "},
		{"another encoding", server.URL(postgrestest.User, postgrestest.Password, "latin_"+name), "the database is encoded in LATIN1, and must be in UTF8"},
		{"tables of a later program", newer, "format 1000, and this program supports none above"},
	} {
		t.Run("name "+c.name, func(t *testing.T) {
			_, err := open(t, c.address, Options{}).Get(t.Context(), "op")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v", err)
			}
			for _, secret := range []string{"wr0ng/secret", postgrestest.Password, "hush"} {
				if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
					t.Error("the error contains a password")
				}
			}
		})
	}
}
