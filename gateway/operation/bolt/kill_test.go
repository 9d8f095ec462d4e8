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

// This test specifies that nothing acknowledged is lost when the process is killed. To add a
// case, have recordForever make the call in question and print what was acknowledged, and
// check it in the test.

// acknowledged is how far an operation was recorded.
type acknowledged struct {
	state operation.State
	step  int
}

// recordForever runs in the process that is killed. Several writers begin operations, and
// record their intents and, for every other one, a second step and the end. Each record that
// was acknowledged is printed to the standard output.
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
	second := operation.Entry{Kind: "number", Given: "second", Key: "second of " + op.ID, Step: 2} // only the plan knows it
	for _, to := range []acknowledged{{operation.Intent, 1}, {operation.Intent, 2}, {operation.Done, 2}} {
		op = in(to.state, op)
		event := operation.Event{}
		op.Entries = slices.Clone(op.Entries)
		switch {
		case to.step == 1:
			op.Entries = append(op.Entries, second)
			op.Entries[0].Step = 1
		case to.state == operation.Intent:
			op.Entries[0].Outcome = operation.Done
		}
		if op.Step = to.step; to.step == 1 || to.state != operation.Intent {
			event = eventOf(op)
		}
		if err := s.Record(context.Background(), op, event); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(os.Stdout, op.ID, op.State, op.Step); err != nil {
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
	records := map[string]acknowledged{}
	var adopted []string
	for round := range 6 {
		r.close()
		killed(t, r.folder, 5+round*round*10, records)
		r.open()
		open := slices.Clone(adopted) // by a store that is gone
		for id, was := range records {
			op, err := r.store.Get(t.Context(), id)
			if err != nil || op.State != was.state && op.State != operation.Done || op.Step < was.step {
				t.Fatalf("%s was acknowledged as %+v and is %s at step %d, %v", id, was, op.State, op.Step, err)
			}
			r.holdsWhatItHas(op)
		}
		adopted = r.adoptAll(fmt.Sprint("round ", round))
		for _, id := range open {
			if !slices.Contains(adopted, id) {
				t.Fatalf("%s is open, but not adopted any more", id)
			}
		}
		r.wantCompleteTrail(records)
	}
	if len(adopted) == 0 {
		t.Error("no operation was open")
	}
}

// killed runs a process until it has acknowledged some records, kills it, and notes the
// acknowledged records.
func killed(t *testing.T, folder string, records int, noted map[string]acknowledged) {
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
		var is acknowledged
		if _, err := fmt.Sscan(line, &id, &is.state, &is.step); err != nil {
			t.Fatalf("the process printed %q: %v", line, err)
		}
		noted[id] = is
	}
	if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != -1 {
		t.Fatalf("the process was not killed: %v", err)
	}
}

// holdsWhatItHas checks that another operation cannot have the entries that an operation
// holds, and can have the others.
func (r *rig) holdsWhatItHas(op operation.Operation) {
	r.Helper()
	for _, e := range op.Entries {
		other := r.op()
		other.Entries = []operation.Entry{e}
		other.Entries[0].Outcome = ""
		err := r.store.Begin(r.Context(), other)
		_, held := errors.AsType[*operation.HeldError](err)
		if want := slices.Contains(op.Holds(), e.Claim()); held != want || err != nil && !held {
			r.Fatalf("%s of %s, which is %s at step %d: %v", e.Key, op.ID, op.State, op.Step, err)
		}
		must(r.T, r.store.Abandon(r.Context(), other))
	}
}

// adoptAll adopts, and checks that these are the operations that have not ended.
func (r *rig) adoptAll(owner string) []string {
	r.Helper()
	ops, err := r.store.Adopt(r.Context(), owner)
	must(r.T, err)
	var adopted, open []string
	for _, op := range ops {
		adopted = append(adopted, op.ID)
	}
	all, _, err := r.store.List(r.Context(), operation.Query{Limit: 1_000_000})
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

// wantCompleteTrail checks that the trail is complete and has a line for every record
// that was acknowledged.
func (r *rig) wantCompleteTrail(records map[string]acknowledged) {
	r.Helper()
	must(r.T, r.store.Append(r.Context(), login(time.Now()))) // which mends the end
	if _, err := operation.Verify(bolt.Trail(r.folder)); err != nil {
		r.Fatal(err)
	}
	found := map[string]bool{}
	for line, err := range bolt.Trail(r.folder) {
		must(r.T, err)
		var e operation.Event
		must(r.T, json.Unmarshal(line, &e))
		found[e.Operation+" "+e.Outcome] = true
	}
	for id, is := range records {
		if !found[id+" intent"] || !found[id+" "+string(is.state)] {
			r.Fatalf("the trail has no line that %s is %s", id, is.state)
		}
	}
}
