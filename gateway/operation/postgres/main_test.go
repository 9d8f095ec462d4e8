//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/translate/scope"
)

// This file has the helpers of the tests: the server, empty databases, and operations in the
// state that a test needs. The tests are skipped if PostgreSQL is not installed.

// cluster starts the server of all tests, when the first of them needs it. The tests do not
// run in parallel, so that one of them may stop it.
var cluster = sync.OnceValues(func() (*postgrestest.Server, error) {
	var err error
	running, err = postgrestest.New()
	return running, err
})

var running *postgrestest.Server // nil if no test needed one

// run stops the server after the tests, before goroutines are counted.
type run struct{ *testing.M }

func (r run) Run() int {
	code := r.M.Run()
	if running == nil {
		return code
	}
	if err := running.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(run{m}) }

// database returns the server and an empty database for a test.
func database(t *testing.T) (*postgrestest.Server, string) {
	t.Helper()
	server, err := cluster()
	if errors.Is(err, postgrestest.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return server, server.Database(t)
}

func open(t *testing.T, address string, o Options) *Store {
	t.Helper()
	s, err := Open(address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// moment returns a time that the store keeps exactly.
func moment() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// received returns an operation that is Received.
func received(id, owner string, entries ...string) operation.Operation {
	op := operation.Operation{
		ID: id, Owner: owner, State: operation.Received, Route: "assign", Target: scope.Target{TenantID: "T", GroupID: "G"},
		Caller:     operation.Caller{Name: "alice", Level: "group", Method: "token", RequestID: "r"},
		ReceivedAt: moment(),
	}
	for _, e := range entries {
		op.Entries = append(op.Entries, operation.Entry{Kind: "dn", Given: e, Key: e})
	}
	return op
}

// keyed returns the operation with an idempotency key, always the same, for an hour.
func keyed(op operation.Operation) operation.Operation {
	op.Key, op.Fingerprint, op.KeyExpires = "key", "f", moment().Add(time.Hour)
	return op
}

// next returns the next record of the operation.
func next(op operation.Operation, state operation.State) operation.Operation {
	op.Version++
	op.State = state
	if state.Ended() {
		op.EndedAt, op.Basis = moment(), operation.ByReply
	}
	return op
}

func event(op operation.Operation) operation.Event {
	kind := operation.EventOutcome
	if op.State == operation.Intent {
		kind = operation.EventIntent
	}
	return operation.EventOf(kind, &op, moment())
}

// record records the next state of the operation, and returns it.
func record(t *testing.T, s *Store, op operation.Operation, state operation.State) operation.Operation {
	t.Helper()
	op = next(op, state)
	must(t, s.Record(t.Context(), op, event(op)))
	return op
}

// beginAll begins operations, which must succeed.
func beginAll(t *testing.T, s *Store, ops ...operation.Operation) {
	t.Helper()
	for _, op := range ops {
		must(t, s.Begin(t.Context(), op))
	}
}

// expire lets an owner's lease run out.
func expire(t *testing.T, server *postgrestest.Server, address, owner string) {
	t.Helper()
	expireIn(t, server, address, "", owner)
}

// expireIn does so in a schema, which ends in a dot.
func expireIn(t *testing.T, server *postgrestest.Server, address, schema, owner string) {
	t.Helper()
	server.Exec(t, address, `UPDATE `+schema+`ocigate_replicas SET renewed = renewed - lease - interval '1 second' WHERE owner = $1`, owner)
}

func ids(ops []operation.Operation) []string {
	ids := []string{}
	for _, op := range ops {
		ids = append(ids, op.ID)
	}
	return ids
}

// lines verifies the audit trail and counts its lines.
func lines(t *testing.T, s *Store) int64 {
	t.Helper()
	head, err := operation.Verify(s.Trail(t.Context()))
	must(t, err)
	return head.Sequence
}
