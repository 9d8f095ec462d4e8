package operation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// The entries e0 to e11 belong to three lists, of four each.
const (
	lists  = 3
	inList = 4
)

func entryName(list, n int) string { return fmt.Sprint("e", list*inList+n) }

// request is the request of a client: to give the group some entries, to take some from it,
// or to replace its entries of a list.
type request struct {
	operation.Operation
	to   string // the group that is to have the entries
	list int    // of a request that replaces a list, otherwise -1
}

// client sends writes, one after the other.
func (w *world) client(name string, random *rand.Rand) {
	for n := 0; w.inTrouble(); n++ {
		time.Sleep(upTo(6*time.Second, random))
		request := w.request(random)
		request.Target = scope.Target{TenantID: "T", GroupID: "G"}
		request.Fingerprint, request.Caller = fmt.Sprint(n), operation.Caller{Name: name, RequestID: fmt.Sprint(n)}
		tries := 1
		if random.Float64() < 0.7 {
			request.Key = fmt.Sprint(name, "-", n)
			tries = 1 + random.IntN(10)
		}
		for try := range tries {
			if r := w.pick(random); r != nil {
				request.ID = fmt.Sprintf("%s-%d-%d", name, n, try)
				if w.attempt(r, request, random) {
					break
				}
			}
			time.Sleep(upTo(5*time.Second, random))
		}
	}
}

// request returns a random request.
func (w *world) request(random *rand.Rand) request {
	r := request{list: -1, to: "G"}
	add := func(name string) {
		r.Entries = append(r.Entries, operation.Entry{Kind: "range", Given: name, Key: name})
	}
	if random.Float64() < 0.6 {
		r.Route, r.list = "replace", random.IntN(lists)
		r.Claims = []operation.Claim{{Kind: "list", Key: fmt.Sprint(r.list)}}
		exchange := random.Float64() < 0.7 // only entries that the group does not have
		for _, n := range random.Perm(inList)[:random.IntN(inList+1)] {
			if name := entryName(r.list, n); !exchange || w.platform.place(name) == "" {
				add(name)
			}
		}
		return r
	}
	for _, n := range random.Perm(lists * inList)[:1+random.IntN(3)] {
		add(entryName(0, n))
	}
	r.Route = "assign"
	if w.platform.place(r.Entries[0].Key) == "G" {
		r.Route, r.to = "unassign", ""
	}
	return r
}

// placeValue returns the value of an entry that a group has.
func placeValue(group string) json.RawMessage {
	value, _ := json.Marshal(group) // a string has one
	return value
}

// placeOf returns the group of a value.
func placeOf(value json.RawMessage) string {
	var group string
	_ = json.Unmarshal(value, &group) // it is of placeValue
	return group
}

// plan returns the planned entries of a request, nil if it is refused. A list is replaced in
// up to three steps: the entries to remove, and those to add in one step or two.
func (w *world) plan(r request, random *rand.Rand) []operation.Entry {
	var planned []operation.Entry
	add := func(name, from, to string, step int) {
		planned = append(planned, operation.Entry{
			Kind: "range", Given: name, Key: name, Before: placeValue(from), After: placeValue(to), Step: step,
		})
	}
	if r.list < 0 {
		for _, e := range r.Entries {
			from := w.platform.place(e.Key)
			if from == r.to {
				return nil
			}
			add(e.Key, from, r.to, 1)
		}
		return planned
	}
	wanted := r.Keys()
	step := 1
	for n := range inList {
		name := entryName(r.list, n)
		if w.platform.place(name) == "G" && !slices.Contains(wanted, operation.Claim{Kind: "range", Key: name}) {
			add(name, "G", "", 1)
			step = 2
		}
	}
	split := random.Float64() < 0.5
	come := 0
	for _, e := range r.Entries {
		switch w.platform.place(e.Key) {
		case "G":
			add(e.Key, "G", "G", 0)
		default:
			if come++; come == 2 && split {
				step++
			}
			add(e.Key, "", "G", step)
		}
	}
	return planned
}

// stepsOf returns the number of steps of a plan.
func stepsOf(planned []operation.Entry) int {
	most := 0
	for _, e := range planned {
		most = max(most, e.Step)
	}
	return most
}

// attempt makes one request. It reports whether the client got a response after which it
// does not try again.
func (w *world) attempt(r *replica, request request, random *rand.Rand) bool {
	op := request.Operation
	w.mu.Lock()
	w.begun = append(w.begun, op.ID)
	w.mu.Unlock()
	patience := 3*time.Second + upTo(15*time.Second, random)
	if request.list >= 0 {
		patience += 2 * lease
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	write, err := r.Begin(ctx, op)
	if used, ok := errors.AsType[*operation.KeyUsedError](err); ok {
		return w.replay(ctx, r, used.Operation)
	}
	if _, held := errors.AsType[*operation.HeldError](err); held {
		w.tally.count("held")
	}
	if err != nil {
		return false
	}
	defer write.Close()
	planned := w.plan(request, random)
	if planned == nil && request.list < 0 {
		return true // refused before any intent
	}
	time.Sleep(upTo(time.Second, random))
	if stepsOf(planned) == 0 {
		if !w.platform.has(planned) {
			w.t.Errorf("entries that %s holds have changed", op.ID)
		}
		w.platform.noteUnchanged(op.ID)
		done, err := write.Unchanged(planned)
		if err != nil {
			return false
		}
		w.tally.count("unchanged")
		w.claim(r, op.ID, done.State)
		return random.Float64() < 0.5
	}
	write.Plan(planned)
	op.Entries = planned
	return w.sendAll(ctx, r, write, op, random)
}

// sendAll sends the steps of a write.
func (w *world) sendAll(ctx context.Context, r *replica, write *operation.Write, op operation.Operation, random *rand.Rand) bool {
	last := stepsOf(op.Entries)
	for step := 1; ; step++ {
		if !w.intend(ctx, r, write, op, step, random) {
			return false
		}
		reply, received := w.platform.send(r, op, step, random)
		if !received {
			return false // Close finds it sent
		}
		// Sometimes there is no session for the next step.
		if reply == operation.Succeeded && step < last && random.Float64() > 0.05 {
			pause := 2 * time.Second
			if random.Float64() < 0.4 {
				pause = 2 * lease // like a process that is suspended
			}
			time.Sleep(upTo(pause, random))
			if r.hasCrashed() {
				w.tally.count("crashed between steps")
			}
			continue
		}
		w.claim(r, op.ID, write.Settle(ctx, reply, nil).State)
		return random.Float64() < 0.5 // the response may be lost on its way to the client
	}
}

// intend records the intent of a step, and reports whether the step may be sent. If not, the
// write has ended.
func (w *world) intend(ctx context.Context, r *replica, write *operation.Write, op operation.Operation, step int, random *rand.Rand) bool {
	unsent := func() bool {
		if step == 1 {
			w.claim(r, op.ID, operation.NotDone)
		} else {
			w.tally.count("a later step not sent")
			w.claim(r, op.ID, write.State())
		}
		return false
	}
	sessions := 1 + random.IntN(2)*random.IntN(2) // sometimes one is lost before anything left
	for range sessions {
		err := write.Intend(ctx, step, "n0")
		if _, held := errors.AsType[*operation.HeldError](err); held {
			w.tally.count("held at intent")
		}
		if errors.Is(err, operation.ErrConflict) && step > 1 && !r.hasCrashed() {
			w.tally.count("taken over between steps")
		}
		if err != nil {
			write.Close()
			return unsent()
		}
	}
	if step == 1 && !w.platform.has(op.Entries) {
		w.t.Errorf("after %v %s may be sent, and its plan is out of date", time.Since(w.start), op.ID)
	}
	if random.Float64() < 0.05 {
		write.Unsent(step)
		return unsent()
	}
	return true
}

// replay handles a request whose key belongs to another operation.
func (w *world) replay(ctx context.Context, r *replica, op operation.Operation) bool {
	w.tally.count("replayed")
	if op.State == operation.Unknown {
		if op = r.Resolve(ctx, op); op.State.Ended() {
			w.tally.count("resolved by a request")
		}
	}
	w.claim(r, op.ID, op.State)
	return op.State.Ended()
}
