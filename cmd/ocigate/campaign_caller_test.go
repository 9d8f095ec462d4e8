//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The kinds of entries, as operations name them in their paths and bodies.
const (
	rangeKind  = "numbers"
	prefixKind = "prefixes"
)

// lane is a set of entries that are always assigned and removed together. It
// belongs to one caller.
type lane struct {
	tenant, group, kind string
	entries             []string // the starts of ranges, or prefixes
	assigned            bool     // as far as its caller was told
}

// write is something that a caller wants done, until they know what became of
// it.
type write struct {
	name     string // which the ids of its requests begin with
	lane     *lane
	assign   bool
	method   string
	path     string
	body     string
	client   string
	key      string // the idempotency key, empty for none
	attempts []attempt
	set      *set // nil where it does not replace a list
	rival    bool // somebody else wants the opposite at the same time, and that is this one
	verdict  verdict
	learnt   string // how the verdict was reached
	// complaint is what the caller did not expect, empty for nothing.
	complaint string
}

// verdict is what a caller knows in the end.
type verdict string

// The verdicts. A write that was refused before it was recorded has no
// operation.
const (
	wasDone    verdict = "done"
	wasNotDone verdict = "not_done"
	wasPartly  verdict = "partly_done"
	wasRefused verdict = "refused"
	noVerdict  verdict = ""
)

// attempt is one request of a write, and what it was answered.
type attempt struct {
	requestID string
	began     time.Time
	ended     time.Time
	early     bool  // the caller had little patience
	err       error // there was no answer
	status    int
	name      string // of the error
	operation string
	outcome   string
	replayed  bool
	wait      time.Duration // Retry-After
	report    []entryReport // of each entry, where it replaces a list
}

// entryReport is what an answer says of an entry.
type entryReport struct{ name, status string }

func (a attempt) String() string {
	if a.err != nil {
		return fmt.Sprintf("%s no answer: %v", a.requestID, a.err)
	}
	return fmt.Sprintf("%s %d %s operation=%s outcome=%s replayed=%t", a.requestID, a.status, a.name, a.operation, a.outcome, a.replayed)
}

// caller writes to entries of their own, one write at a time.
type caller struct {
	arena  *arena
	number int
	random *rand.Rand
	lanes  []*lane
	lists  []*ownList // that are replaced as a whole
	writes []*write
}

const lanesPerCaller = 4

func newCaller(a *arena, number int) *caller {
	c := &caller{arena: a, number: number, random: a.random(fmt.Sprintf("caller %d", number))}
	for i := range lanesPerCaller {
		l := &lane{tenant: tenantName(number), group: groupName(number/arenaTenants + i), kind: rangeKind}
		if i%2 == 1 {
			l.kind = prefixKind
		}
		for e := range 1 + c.random.IntN(3) {
			id := (number*lanesPerCaller+i)*4 + e
			if l.kind == prefixKind {
				l.entries = append(l.entries, fmt.Sprintf("+327%05d", id))
			} else {
				l.entries = append(l.entries, fmt.Sprintf("+322%05d0", id))
			}
		}
		c.lanes = append(c.lanes, l)
	}
	return c
}

// run writes for as long as writes are wanted. Each of them is taken to its
// end.
func (c *caller) run() {
	for !c.arena.enough.Load() && c.arena.t.Context().Err() == nil {
		w := c.next(c.lanes[c.random.IntN(len(c.lanes))])
		if c.random.IntN(10) == 0 {
			c.takeWithRival(w)
		} else {
			c.take(w)
		}
		if w.verdict != wasRefused {
			c.arena.verdicts.Add(1)
		}
	}
}

// takeWithRival takes a write to its end while somebody else wants the opposite.
// That one can have it only after this one was done.
func (c *caller) takeWithRival(w *write) {
	r := c.next(w.lane)
	r.assign = !w.assign
	r.aim(0)
	r.key, r.rival = "", true
	var other sync.WaitGroup
	other.Go(func() {
		for len(r.attempts) < 20 && r.verdict == noVerdict && c.arena.t.Context().Err() == nil {
			a := c.send(r, r.nextRequest(0), patience)
			r.attempts = append(r.attempts, a)
			c.weighPlain(r, a)
		}
		if r.verdict == noVerdict {
			r.conclude(wasRefused, "gave up, refused every time")
		}
	})
	c.take(w)
	other.Wait()
	if r.verdict == wasDone {
		w.lane.assigned = r.assign
	}
}

// bow is the last thing that a caller does, when all is well again: one write
// to each of their lanes, which must be done.
func (c *caller) bow() {
	for _, l := range c.lanes {
		w := c.next(l)
		c.take(w)
		if w.verdict != wasDone || len(w.attempts) != 1 {
			w.complaint = "with nothing in its way, the last write on these entries was not done at once"
		}
	}
}

// next is the next write on a lane: the opposite of what was done last.
func (c *caller) next(l *lane) *write {
	w := &write{
		name: fmt.Sprintf("c%02d-w%04d", c.number, len(c.writes)), lane: l, assign: !l.assigned,
		client: l.tenant,
	}
	w.aim(c.random.IntN(2))
	if c.random.IntN(8) == 0 {
		w.client = systemClient
	}
	if c.random.IntN(5) < 3 {
		w.key = fmt.Sprintf("%d-%s", c.arena.seed, w.name)
	}
	w.body = bodyOf(l.kind, l.entries)
	c.writes = append(c.writes, w)
	return w
}

// bodyOf is the body of a write.
func bodyOf(kind string, entries []string) string {
	field := map[string]string{rangeKind: "minPhoneNumber", prefixKind: "prefix"}[kind]
	var listed []string
	for _, e := range entries {
		listed = append(listed, fmt.Sprintf(`{%q:%q}`, field, e))
	}
	return fmt.Sprintf(`{%q:[%s]}`, kind, strings.Join(listed, ","))
}

// aim chooses the endpoint: one of two for a removal.
func (w *write) aim(choice int) {
	w.method, w.path = http.MethodPost, "/api/v1"+itc(w.lane.tenant, w.lane.group, w.lane.kind)
	switch {
	case w.assign:
	case choice == 0:
		w.method = http.MethodDelete
	default:
		w.path += "remove/"
	}
}

// take takes a write to its end, whatever it needs.
func (c *caller) take(w *write) {
	for w.verdict == noVerdict && c.arena.t.Context().Err() == nil {
		if w.key == "" {
			a := c.attempt(w, w.nextRequest(0))
			w.attempts = append(w.attempts, a)
			c.weighPlain(w, a)
			continue
		}
		attempts := c.attemptKeyed(w)
		w.attempts = append(w.attempts, attempts...)
		c.weighKeyed(w, attempts[0])
	}
	if w.verdict == wasDone {
		w.lane.assigned = w.assign
	}
}

// nextRequest is the id of the next request, or of one of those after it.
func (w *write) nextRequest(skip int) string {
	return fmt.Sprintf("%s-a%d", w.name, len(w.attempts)+skip)
}

// attemptKeyed sends a request that has a key: mostly once, but some people
// click twice. The first attempt that it returns is the one that tells more.
func (c *caller) attemptKeyed(w *write) []attempt {
	if c.random.IntN(15) > 0 || c.arena.enough.Load() {
		return []attempt{c.attempt(w, w.nextRequest(0))}
	}
	twins := make([]attempt, 2)
	var clicks sync.WaitGroup
	for i := range twins {
		clicks.Go(func() { twins[i] = c.send(w, w.nextRequest(i), patience) })
	}
	clicks.Wait()
	if a := twins[0]; a.err != nil || a.status == http.StatusServiceUnavailable {
		slices.Reverse(twins)
	}
	return twins
}

// weighKeyed is the policy of a caller whose request has a key: whatever
// happens that is no verdict, they send it again.
func (c *caller) weighKeyed(w *write, a attempt) {
	switch {
	case a.err != nil:
		c.pause(50 * time.Millisecond)
	case a.name == "REQUEST_RUNNING" || a.name == "ENTRIES_HELD" || a.status == http.StatusGatewayTimeout ||
		a.status == http.StatusMultiStatus && a.outcome == "unknown" ||
		a.status == http.StatusBadGateway && a.name != "PARTLY_DONE":
		c.pause(a.wait)
	case a.status == http.StatusServiceUnavailable:
		if !w.leftOpen() && c.random.IntN(4) == 0 {
			w.conclude(wasRefused, "gave up after 503")
			return
		}
		c.pause(a.wait)
	default:
		w.answered(a)
	}
}

// weighPlain is the policy of a caller without a key: they send again what was
// not done for sure, and ask for the operation otherwise.
func (c *caller) weighPlain(w *write, a attempt) {
	switch {
	case a.err != nil:
		c.search(w, a)
	case a.name == "ENTRIES_HELD" || a.status == http.StatusServiceUnavailable:
		c.pause(a.wait)
	case w.rival && a.name == "NOT_AVAILABLE_FOR_ASSIGNMENT":
		c.pause(30 * time.Millisecond) // it is too early
	case a.status >= http.StatusInternalServerError || a.status == http.StatusMultiStatus && a.outcome == "unknown":
		c.follow(w, a.operation)
	default:
		w.answered(a)
	}
}

// leftOpen tells that an earlier request may have been done: it had no answer,
// or none that tells. That a later one was not says nothing about it.
func (w *write) leftOpen() bool {
	return slices.ContainsFunc(w.attempts, func(a attempt) bool {
		return a.err != nil || a.outcome == "unknown"
	})
}

// answered takes an answer for a verdict.
func (w *write) answered(a attempt) {
	how := "answer"
	if a.replayed {
		how = "replay"
	}
	switch {
	case a.status == http.StatusMultiStatus:
		w.conclude(wasPartly, how)
		w.set.learn(a)
	case w.set != nil && w.set.stale && a.name == "PRECONDITION_FAILED":
		w.conclude(wasRefused, "failed condition")
	case a.status < 300:
		w.conclude(wasDone, how)
	case a.name == "PARTLY_DONE":
		w.conclude(wasPartly, how)
	case a.name == "PLATFORM_REFUSED" || a.name == "OPERATION_NOT_DONE":
		w.conclude(wasNotDone, how)
	default:
		w.conclude(wasRefused, how)
		w.complaint = "the caller did not deserve this answer: " + a.String()
	}
}

func (w *write) conclude(v verdict, how string) { w.verdict, w.learnt = v, how }

// search finds the operation of a request that had no answer, by its request
// id. Where there is none although the gateway has had the time for the
// request, nothing was done.
func (c *caller) search(w *write, a attempt) {
	for c.arena.t.Context().Err() == nil {
		asked := time.Now()
		op, found, err := c.find(w, a)
		switch {
		case err != nil:
			c.pause(100 * time.Millisecond)
		case found:
			c.follow(w, op.ID)
			return
		case asked.Sub(a.ended) > requestTimeout+2*commandTimeout:
			w.conclude(wasRefused, "no operation")
			return
		default:
			c.pause(200 * time.Millisecond)
		}
	}
}

// told is an operation as the API tells it.
type told struct {
	ID          string    `json:"id"`
	State       verdict   `json:"state"`
	Outcome     string    `json:"outcome"`
	KnownBy     string    `json:"known_by"`
	Endpoint    string    `json:"endpoint"`
	TenantID    string    `json:"tenant_id"`
	GroupID     string    `json:"group_id"`
	RequestedBy string    `json:"requested_by"`
	RequestID   string    `json:"request_id"`
	ReceivedAt  time.Time `json:"received_at"`
	IntendedAt  time.Time `json:"intended_at"`
	SentAt      time.Time `json:"sent_at"`
	DoubtedAt   time.Time `json:"doubted_at"`
	EndedAt     time.Time `json:"ended_at"`
	Entries     []struct {
		Entry   string  `json:"entry"`
		Outcome verdict `json:"outcome"`
	} `json:"entries"`
	Corrections []json.RawMessage `json:"corrections"`
}

type toldPage struct {
	Operations []told `json:"operations"`
	Next       string `json:"next"`
}

// find looks through the operations of the caller's scope, the last ones
// first, as far back as the request's beginning.
func (c *caller) find(w *write, a attempt) (told, bool, error) {
	query := "limit=200&tenant_id=" + w.lane.tenant
	for before := ""; ; {
		var page toldPage
		if err := c.get(w.client, "/api/v1/operations/?"+query+before, &page); err != nil {
			return told{}, false, err
		}
		for _, op := range page.Operations {
			if op.RequestID == a.requestID {
				return op, true, nil
			}
			if op.ReceivedAt.Before(a.began) {
				return told{}, false, nil
			}
		}
		if page.Next == "" {
			return told{}, false, nil
		}
		before = "&before=" + page.Next
	}
}

// follow asks for an operation until it has ended.
func (c *caller) follow(w *write, id string) {
	for c.arena.t.Context().Err() == nil {
		var op told
		err := c.get(w.client, "/api/v1/operations/"+id+"/", &op)
		if status, ok := err.(statusError); ok && status == http.StatusNotFound { //nolint:errorlint // get makes it and nobody wraps it
			// It was received and no more when it was seen, or its gateway
			// was killed: there is no intent, so nothing was sent.
			w.conclude(wasRefused, "operation gone")
			return
		}
		if err == nil && (op.State == wasDone || op.State == wasNotDone || op.State == wasPartly) {
			w.conclude(op.State, "operation")
			if w.set != nil {
				w.set.learnFrom(&op)
			}
			return
		}
		c.pause(200 * time.Millisecond)
	}
}

// statusError is an answer other than 200.
type statusError int

func (e statusError) Error() string { return "status " + strconv.Itoa(int(e)) }

func (c *caller) get(client, path string, into any) error {
	return c.arena.get(c.arena.t.Context(), client, path, into)
}

// get reads JSON from the gateway.
func (a *arena) get(ctx context.Context, client, path string, into any) error {
	_, err := a.read(ctx, client, path, into)
	return err
}

// read reads JSON from the gateway, and returns the header of the answer.
func (a *arena) read(ctx context.Context, client, path string, into any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.gateway.api+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth(client, arenaSecret)
	response, err := a.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response.StatusCode)
	}
	return response.Header, json.Unmarshal(body, into)
}

// patience is how long a caller waits for an answer as a rule: longer than the
// gateway takes.
const patience = requestTimeout + 4*commandTimeout

// attempt sends the request of a write once. Some callers give up early.
func (c *caller) attempt(w *write, requestID string) attempt {
	if c.random.IntN(20) > 0 || c.arena.enough.Load() {
		return c.send(w, requestID, patience)
	}
	return c.send(w, requestID, time.Duration(1+c.random.IntN(300))*time.Millisecond)
}

// send sends the request of a write, and waits for its answer no longer than
// that.
func (c *caller) send(w *write, requestID string, wait time.Duration) attempt {
	a := attempt{requestID: requestID, began: time.Now(), early: wait < patience}
	ctx, cancel := context.WithTimeout(c.arena.t.Context(), wait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, w.method, "http://"+c.arena.gateway.api+w.path, strings.NewReader(w.body))
	if err != nil {
		a.err = err
		return a
	}
	request.SetBasicAuth(w.client, arenaSecret)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Request-Id", a.requestID)
	if w.key != "" {
		request.Header.Set("Idempotency-Key", w.key)
	}
	if w.set != nil && w.set.condition != "" {
		request.Header.Set("If-Match", w.set.condition)
	}
	response, err := c.arena.transport.RoundTrip(request)
	if err == nil {
		err = a.read(response)
	}
	a.err, a.ended = err, time.Now()
	if a.name == "JOURNAL_UNAVAILABLE" {
		c.arena.unrecorded.Add(1)
	}
	return a
}

// read takes what matters from an answer.
func (a *attempt) read(response *http.Response) error {
	defer func() { _ = response.Body.Close() }() // it was only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var told struct {
		Errors []struct {
			Name string `json:"name"`
		} `json:"errors"`
		Result []struct{ MinPhoneNumber, Prefix, Status string } `json:"result"`
	}
	if response.Header.Get("Content-Type") == "application/json" { // and not a proxy's own words
		if err := json.Unmarshal(body, &told); err != nil {
			return fmt.Errorf("status %d: %w", response.StatusCode, err)
		}
	}
	if len(told.Errors) > 0 {
		a.name = told.Errors[0].Name
	}
	for _, r := range told.Result {
		a.report = append(a.report, entryReport{plainName(r.MinPhoneNumber + r.Prefix), r.Status})
	}
	a.status = response.StatusCode
	a.operation, a.outcome = response.Header.Get("Operation-Id"), response.Header.Get("Operation-Outcome")
	a.replayed = response.Header.Get("Idempotency-Replayed") == "true"
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		a.wait = time.Duration(seconds) * time.Second / hurry
	}
	return nil
}

// hurry is by how much callers are in more of a hurry than they are asked to
// be.
const hurry = 5

// pause waits before the next request.
func (c *caller) pause(d time.Duration) {
	select {
	case <-time.After(max(d, 10*time.Millisecond)):
	case <-c.arena.t.Context().Done():
	}
}
