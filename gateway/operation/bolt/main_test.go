package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/translate/scope"
)

// This file has the helpers of the tests: a store in a temporary folder with its log (rig),
// and operations in the state that a test needs.

// childFolder names, to a process that is started to be killed, the folder in
// which it is to record as much as it can.
const childFolder = "OCIGATE_TEST_BOLT_FOLDER"

// childOnce names, to a process that runs as another user, the folder in which it is to
// record one operation. It prints "recorded" or the error.
const childOnce = "OCIGATE_TEST_BOLT_ONCE"

// moment is a time that the tests need no other one for.
var moment = time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)

// recordOnce records one operation.
func recordOnce(folder string) error {
	s := bolt.Open(folder, bolt.Options{NoSync: true})
	op := newOp(fmt.Sprintf("op-%d", os.Getpid()))
	err := s.Begin(context.Background(), op)
	if err == nil {
		err = record(context.Background(), s, in(operation.Intent, op))
	}
	return errors.Join(err, s.Close())
}

func TestMain(m *testing.M) {
	if folder := os.Getenv(childFolder); folder != "" {
		fmt.Fprintln(os.Stderr, recordForever(folder))
		os.Exit(1)
	}
	if folder := os.Getenv(childOnce); folder != "" {
		if err := recordOnce(folder); err != nil {
			fmt.Fprintln(os.Stdout, err)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stdout, "recorded")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// rig is a store in a folder, and its log.
type rig struct {
	*testing.T
	folder string
	store  *bolt.Store
	said   log
	made   int
	repair func() error
}

// log collects what a logger writes. It is safe for use by several goroutines.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// take returns what was written since the last call.
func (l *log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()
	l.text.Reset()
	return text
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return rigIn(t, filepath.Join(t.TempDir(), "operations"))
}

func rigIn(t *testing.T, folder string) *rig {
	t.Helper()
	r := &rig{T: t, folder: folder}
	r.open()
	t.Cleanup(r.close)
	return r
}

func (r *rig) open() {
	r.store = bolt.Open(r.folder, bolt.Options{Logger: slog.New(slog.NewTextHandler(&r.said, nil)), NoSync: true})
}

func (r *rig) close() {
	r.Helper()
	if err := r.store.Close(); err != nil {
		r.Error(err)
	}
}

// reopen closes the store and opens it as the next process would.
func (r *rig) reopen() {
	r.Helper()
	r.close()
	r.open()
}

// crash ends the process of the store without closing it.
func (r *rig) crash() {
	r.Helper()
	database := read(r.T, r.database())
	r.close()
	replace(r.T, r.database(), database)
}

// acceptTrail accepts the trail as it is, for an operator.
func (r *rig) acceptTrail() {
	r.Helper()
	if _, err := r.store.AcceptTrail(r.Context(), operation.TrailOrder{By: "anna", Reason: "ticket 4711"}); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) path(name string) string { return filepath.Join(r.folder, name) }

func (r *rig) database() string { return r.path("operations.db") }

// audit returns the path of the last file of the trail.
func (r *rig) audit() string {
	r.Helper()
	files, err := filepath.Glob(r.path("audit-*.jsonl"))
	if err != nil || len(files) == 0 {
		r.Fatalf("no file of the audit trail: %v", err)
	}
	return files[len(files)-1]
}

func (r *rig) op() operation.Operation {
	r.made++
	id := fmt.Sprintf("op-%06d", r.made)
	return newOp(id)
}

func newOp(id string) operation.Operation {
	return operation.Operation{
		ID: id, Owner: "me", State: operation.Received, Route: "assign", Target: scope.Target{TenantID: "tenant", GroupID: "group"},
		Caller: operation.Caller{Name: "portal"}, Key: "key of " + id, KeyExpires: time.Now().Add(time.Hour),
		Entries: []operation.Entry{{Kind: "number", Given: id, Key: id}}, ReceivedAt: time.Now(),
	}
}

// in returns the next record of the operation, in another state.
func in(state operation.State, op operation.Operation) operation.Operation {
	op.State = state
	op.Version++
	if state.Ended() {
		op.EndedAt = time.Now()
	}
	return op
}

func record(ctx context.Context, s *bolt.Store, op operation.Operation) error {
	return s.Record(ctx, op, eventOf(op))
}

// eventOf returns the event for a record of the operation.
func eventOf(op operation.Operation) operation.Event {
	kind := operation.EventOutcome
	if op.State == operation.Intent {
		kind = operation.EventIntent
	}
	return operation.EventOf(kind, &op, time.Now())
}

// try begins an operation and records its intent.
func (r *rig) try() (operation.Operation, error) {
	op := r.op()
	if err := r.store.Begin(r.Context(), op); err != nil {
		return op, fmt.Errorf("begin: %w", err)
	}
	op = in(operation.Intent, op)
	return op, record(r.Context(), r.store, op)
}

// intend begins an operation and records its intent, which must succeed.
func (r *rig) intend() operation.Operation {
	r.Helper()
	op, err := r.try()
	if err != nil {
		r.Fatal(err)
	}
	return op
}

func (r *rig) record(op operation.Operation) operation.Operation {
	r.Helper()
	if err := record(r.Context(), r.store, op); err != nil {
		r.Fatal(err)
	}
	return op
}

func login(at time.Time) operation.Event {
	return operation.Event{Time: at, Kind: operation.EventLogin, Route: "login"}
}

func (r *rig) append(at time.Time) {
	r.Helper()
	if err := r.store.Append(r.Context(), login(at)); err != nil {
		r.Fatal(err)
	}
}

// refuses checks that no operation can begin, and the cause.
func (r *rig) refuses(why string) {
	r.Helper()
	if err := r.store.Begin(r.Context(), r.op()); err == nil || !strings.Contains(err.Error(), why) {
		r.Fatalf("Begin: %v, want something about %q", err, why)
	}
}

// wantState checks the state of an operation.
func (r *rig) wantState(id string, want operation.State) {
	r.Helper()
	if op, err := r.store.Get(r.Context(), id); err != nil || op.State != want {
		r.Errorf("Get of %s: %s, %v, want %s", id, op.State, err, want)
	}
}

// wantLines verifies the trail and checks its number of lines.
func (r *rig) wantLines(want int64) {
	r.Helper()
	head, err := operation.Verify(bolt.Trail(r.folder))
	if err != nil || head.Sequence != want {
		r.Errorf("the trail: %v, %v, want %d lines", head, err, want)
	}
}

// wantLogged checks what was logged since the last call.
func (r *rig) wantLogged(want ...string) {
	r.Helper()
	said := r.said.take()
	for _, text := range want {
		if !strings.Contains(said, text) {
			r.Errorf("the log has nothing about %q:\n%s", text, said)
		}
	}
	if len(want) == 0 && said != "" {
		r.Errorf("the log has:\n%s", said)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// replace makes a new file with that content.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	must(t, os.RemoveAll(path))
	must(t, os.WriteFile(path, content, 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
