//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ocigate/cmd/internal/measure"
)

// load is what callers ask for: requests at a rate, whether the answers keep up or not.
type load struct {
	rate     float64       // requests in a second
	patience time.Duration // after which a caller closes the connection
	writes   float64       // part of the requests that are writes, 0 to 1
	caller   string        // empty for callerA
}

// answer is what became of a request. It does not change after its end.
type answer struct {
	id     string
	entry  *entry // nil for a read
	target int
	due    time.Time     // when it was to be sent
	sent   time.Time     // a little later
	took   time.Duration // since due
	err    error         // there was no response
	status int
	header http.Header
}

func (a *answer) ended() time.Time { return a.due.Add(a.took) }

func (a *answer) good() bool { return a.err == nil && a.status < 300 }

// commands is how many slow commands of the platform the request takes.
func (a *answer) commands() float64 {
	if a.entry != nil {
		return commandsOfWrite
	}
	return commandsOfRead
}

// The outcomes of a write.
const (
	outcomeDone    = "done"
	outcomeNotDone = "not_done"
	outcomeUnknown = "unknown"
)

// outcome returns what the response says of a write.
func (a *answer) outcome() string {
	said := a.header.Get("Operation-Outcome")
	switch {
	case a.err != nil:
		return outcomeUnknown
	case said != "":
		return said
	case a.status < 300:
		return outcomeDone
	case a.status < 500 || a.status == http.StatusServiceUnavailable:
		return outcomeNotDone
	}
	return outcomeUnknown
}

// traffic is a load that runs.
type traffic struct {
	site    *site
	load    load
	cancel  context.CancelFunc
	running sync.WaitGroup
	number  atomic.Int64

	mu      sync.Mutex // guards the fields below
	answers []*answer  // in the order of their end
	late    time.Duration
	noEntry bool
}

// everyRequest numbers all requests of this process, so that ids are unique and neighbours
// have different targets.
var everyRequest atomic.Int64

// begin starts the load, which goes on until stop.
func (s *site) begin(ctx context.Context, l load) *traffic {
	sending, cancel := context.WithCancel(ctx)
	t := &traffic{site: s, load: l, cancel: cancel}
	t.running.Go(func() { t.send(sending, ctx) })
	return t
}

// run runs the load for that time and returns all answers, in the order of their end.
func (s *site) run(ctx context.Context, l load, d time.Duration) ([]*answer, error) {
	t := s.begin(ctx, l)
	err := measure.Pause(ctx, d)
	answers, failed := t.stop()
	if err == nil {
		err = failed
	}
	return answers, err
}

// stop sends no more requests, waits for the answers, and returns all of them in the order
// of their end.
func (t *traffic) stop() ([]*answer, error) {
	t.cancel()
	t.running.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.noEntry {
		return nil, errors.New("the platform has not enough numbers for so many writes")
	}
	if t.late > tooLate {
		return nil, fmt.Errorf("a request was sent %s late: %w", t.late.Round(time.Millisecond), errTooSlow)
	}
	return slices.Clone(t.answers), nil
}

// tooLate is how late a request may be sent before a measurement is worth nothing.
const tooLate = 3 * time.Second

var errTooSlow = errors.New("this machine is too slow for the load")

// soFar returns the answers until now.
func (t *traffic) soFar() []*answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.answers)
}

// repeat has that many callers ask again as soon as they have their answer, and returns all
// answers.
func (s *site) repeat(ctx context.Context, l load, callers int, d time.Duration) ([]*answer, error) {
	t := &traffic{site: s, load: l}
	until := time.Now().Add(d)
	for range callers {
		t.running.Go(func() {
			for time.Now().Before(until) && ctx.Err() == nil && t.ask(ctx, time.Now()) {
			}
		})
	}
	t.cancel = func() {}
	answers, err := t.stop()
	return answers, errors.Join(err, ctx.Err())
}

// send sends requests at random times, as independent callers do, until sending ends. A
// request that was begun ends with ctx only.
func (t *traffic) send(sending, ctx context.Context) {
	due := time.Now()
	for {
		due = due.Add(time.Duration(rand.ExpFloat64() / t.load.rate * float64(time.Second))) //nolint:gosec // no secret
		if left := time.Until(due); left > 0 {
			if measure.Pause(sending, left) != nil {
				return
			}
		} else if sending.Err() != nil {
			return
		}
		a := t.next(due)
		if a == nil {
			return
		}
		t.running.Go(func() { t.carryOut(ctx, a) })
	}
}

// ask makes the next request and waits for its answer. It reports false if the platform has no
// numbers left.
func (t *traffic) ask(ctx context.Context, due time.Time) bool {
	a := t.next(due)
	if a != nil {
		t.carryOut(ctx, a)
	}
	return a != nil
}

// next returns the next request, or nil if the platform has no numbers left.
func (t *traffic) next(due time.Time) *answer {
	number := int(everyRequest.Add(1))
	a := &answer{id: "pressure-" + strconv.Itoa(number), target: number % targets, due: due}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isWrite() {
		if a.entry = t.site.entries.take(); a.entry == nil {
			t.noEntry = true
			return nil
		}
		a.target = a.entry.target
	}
	t.late = max(t.late, time.Since(due))
	return a
}

// carryOut makes a request and adds its answer.
func (t *traffic) carryOut(ctx context.Context, a *answer) {
	t.site.call(ctx, a, t.load)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers = append(t.answers, a)
}

// isWrite distributes the writes evenly over the requests.
func (t *traffic) isWrite() bool {
	n := float64(t.number.Add(1))
	return int(n*t.load.writes) > int((n-1)*t.load.writes)
}

// call makes a request and stores its answer. The time begins when the request was due, so
// that a slow machine does not hide a wait.
func (s *site) call(ctx context.Context, a *answer, l load) {
	a.sent = time.Now()
	ctx, cancel := context.WithDeadline(ctx, a.due.Add(l.patience))
	defer cancel()
	defer func() {
		a.took = time.Since(a.due)
		if a.entry != nil {
			s.entries.end(a)
		}
	}()
	method, body := http.MethodGet, ""
	if a.entry != nil {
		method, body = http.MethodPost, fmt.Sprintf(`{"numbers":[{"minPhoneNumber":%q}]}`, a.entry.number)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.api+path(a.target), strings.NewReader(body))
	if err != nil {
		a.err = err
		return
	}
	caller := callerA
	if l.caller != "" {
		caller = l.caller
	}
	request.SetBasicAuth(caller, secret)
	request.Header.Set("X-Request-Id", a.id)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	got, err := s.client.Do(request)
	if err != nil {
		a.err = err
		return
	}
	a.status, a.header = got.StatusCode, got.Header
	_, a.err = io.Copy(io.Discard, got.Body)
	_ = got.Body.Close() // it was only read
}

// between returns the answers that ended in a period.
func between(answers []*answer, from, to time.Time) []*answer {
	var some []*answer
	for _, a := range answers {
		if at := a.ended(); at.After(from) && !at.After(to) {
			some = append(some, a)
		}
	}
	return some
}

// dueBetween returns the answers of the requests that were due in a period.
func dueBetween(answers []*answer, from, to time.Time) []*answer {
	var some []*answer
	for _, a := range answers {
		if a.due.After(from) && !a.due.After(to) {
			some = append(some, a)
		}
	}
	return some
}

// share returns which part of the answers is good, in percent, and 0 without answers.
func share(answers []*answer) float64 {
	good := 0
	for _, a := range answers {
		if a.good() {
			good++
		}
	}
	return 100 * float64(good) / float64(max(1, len(answers)))
}

// quantile returns a quantile of the times of the answers that are chosen, in seconds.
func quantile(answers []*answer, q float64, chosen func(*answer) bool) float64 {
	var times []float64
	for _, a := range answers {
		if chosen(a) {
			times = append(times, a.took.Seconds())
		}
	}
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(len(times)-1, int(q*float64(len(times))))]
}

// medianSinceSent returns the median time from the sending of requests to their answers, in
// seconds, without the time by which this process was late.
func medianSinceSent(answers []*answer) float64 {
	var times []float64
	for _, a := range answers {
		times = append(times, a.ended().Sub(a.sent).Seconds())
	}
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// firstGood waits for the first good answer of a request that was due after from, and returns
// how long that took in seconds: the limit if there was none in time.
func (t *traffic) firstGood(ctx context.Context, from time.Time, limit time.Duration) (float64, error) {
	var first *answer
	err := wait(ctx, limit, func() (bool, error) {
		for _, a := range t.soFar() {
			if a.good() && a.due.After(from) {
				first = a
				return true, nil
			}
		}
		return false, nil
	})
	switch {
	case first != nil:
		return first.ended().Sub(from).Seconds(), nil
	case errors.Is(err, errTooLong):
		return limit.Seconds(), nil
	}
	return 0, err
}
