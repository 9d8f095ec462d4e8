package bolt_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// recordForever is the life of a process that is killed: several writers begin
// operations, record their intents and, of every other one, their ends. What
// was acknowledged is told on the standard output.
func recordForever(folder string) error {
	s := bolt.Open(folder, bolt.Options{})
	owner := fmt.Sprint("process ", os.Getpid())
	failed := make(chan error)
	for writer := range 4 {
		go func() {
			for i := 0; ; i++ {
				op := newOp(fmt.Sprintf("op-%d-%d-%06d", os.Getpid(), writer, i))
				op.Owner = owner
				if err := liveThrough(s, op, i%2 == 0); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

func liveThrough(s *bolt.Store, op operation.Operation, toTheEnd bool) error {
	if err := s.Begin(context.Background(), op); err != nil {
		return err
	}
	for _, state := range []operation.State{operation.Intent, operation.Done} {
		op = in(state, op)
		if err := record(context.Background(), s, op); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(os.Stdout, op.ID, op.State); err != nil {
			return err
		}
		if !toTheEnd {
			break
		}
	}
	return nil
}

func TestNothingAcknowledgedIsLostByAKill(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	acknowledged := map[string]operation.State{}
	var adopted []string
	for round := range 6 {
		r.close()
		killed(t, r.folder, 5+round*round*10, acknowledged)
		r.open()
		open := slices.Clone(adopted) // by a store that is gone
		for id, state := range acknowledged {
			op, err := r.store.Get(t.Context(), id)
			if err != nil || op.State != state && op.State != operation.Done {
				t.Fatalf("%s was acknowledged as %s and is %s, %v", id, state, op.State, err)
			}
		}
		adopted = r.adoptAll(fmt.Sprint("round ", round))
		for _, id := range open {
			if !slices.Contains(adopted, id) {
				t.Fatalf("%s is open, but not adopted any more", id)
			}
		}
		r.wantWholeTrail(acknowledged)
	}
	if len(adopted) == 0 {
		t.Error("no operation was open")
	}
}

// killed runs a process until it has acknowledged some records, kills it, and
// notes all that it acknowledged.
func killed(t *testing.T, folder string, records int, acknowledged map[string]operation.State) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childFolder+"="+folder)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	lines := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == records {
			must(t, child.Process.Kill())
		}
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		var id string
		var state operation.State
		if _, err := fmt.Sscan(line, &id, &state); err != nil {
			t.Fatalf("the process says %q: %v", line, err)
		}
		acknowledged[id] = state
	}
	if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != -1 {
		t.Fatalf("the process was not killed: %v", err)
	}
}

// adoptAll adopts, and makes sure that it is what has not ended.
func (r *rig) adoptAll(owner string) []string {
	r.Helper()
	ops, err := r.store.Adopt(r.Context(), owner)
	must(r.T, err)
	var adopted, open []string
	for _, op := range ops {
		adopted = append(adopted, op.ID)
	}
	all, err := r.store.List(r.Context(), operation.Query{Limit: 1_000_000})
	must(r.T, err)
	for _, op := range slices.Backward(all) {
		if op.Open() {
			open = append(open, op.ID)
		}
	}
	if !slices.Equal(adopted, open) {
		r.Fatalf("adopted are %v, open are %v", adopted, open)
	}
	return adopted
}

// wantWholeTrail says that the trail is whole and has a line for every record
// that was acknowledged.
func (r *rig) wantWholeTrail(acknowledged map[string]operation.State) {
	r.Helper()
	must(r.T, r.store.Append(r.Context(), login(time.Now()))) // which mends the end
	if _, err := operation.Verify(bolt.Trail(r.folder)); err != nil {
		r.Fatal(err)
	}
	told := map[string]bool{}
	for line, err := range bolt.Trail(r.folder) {
		must(r.T, err)
		var e operation.Event
		must(r.T, json.Unmarshal(line, &e))
		told[e.Operation+" "+e.Outcome] = true
	}
	for id, state := range acknowledged {
		if !told[id+" intent"] || !told[id+" "+string(state)] {
			r.Fatalf("the trail does not tell that %s is %s", id, state)
		}
	}
}
