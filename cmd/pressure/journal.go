//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ocigate/cmd/internal/measure"
	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/oci/ocisim"
)

// shared is a platform, and two replicas that share a journal in PostgreSQL; or one gateway
// with a journal of its own.
type shared struct {
	*site           // the replica that is killed, and the platform
	other  *gateway // nil without a shared journal
	number int      // of keys so far

	database *postgrestest.Server // nil without a shared journal
}

// A replica is killed while its sessions wait for replies to writes that the platform has
// carried out, and while further writes wait for a session.
const (
	writesSent    = 8 // as many as sessions
	writesWaiting = 4
	keyFree       = 5.0 // seconds until a key is answered
	pollsOfKey    = 5.0 // responses without an outcome to a caller who waits as long as Retry-After says
)

// killedReplica kills a replica with idempotency keys in flight, and measures when its callers
// get their outcomes from the other replica, and from itself after its restart.
func killedReplica(ctx context.Context, r *rig) ([]figure, error) {
	s, err := r.shared(ctx)
	if err != nil {
		return nil, err
	}
	limit := pick(r, 130*time.Second, 30*time.Second)
	writes, err := s.killInFlight(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.repeatAll(ctx, s.other, writes, limit); err != nil {
		return nil, err
	}
	figures := keyFigures("the other replica", writes, pick(r, 1.0, 3.0))
	if r.short {
		return append(figures, s.truthOf(writes)...), nil
	}
	if err := errors.Join(s.start(ctx), s.other.stop()); err != nil {
		return nil, err
	}
	again, err := s.killAndRestart(ctx, limit)
	if err != nil {
		return nil, err
	}
	figures = append(figures, keyFigures("a restarted replica", again, 1)...)
	return append(figures, s.truthOf(append(writes, again...))...), nil
}

// killedAlone kills a gateway with a journal of its own, and measures when its callers get
// their outcomes after its restart.
func killedAlone(ctx context.Context, r *rig) ([]figure, error) {
	one, err := r.site(ctx, plan{})
	if err != nil {
		return nil, err
	}
	s := &shared{site: one}
	writes, err := s.killAndRestart(ctx, 30*time.Second)
	if err != nil {
		return nil, err
	}
	return append(keyFigures("it", writes, pick(r, 1.0, 3.0)), s.truthOf(writes)...), nil
}

// killAndRestart kills the replica with keys in flight, starts it again, and repeats the
// writes there.
func (s *shared) killAndRestart(ctx context.Context, limit time.Duration) ([]*keyed, error) {
	writes, err := s.killInFlight(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return writes, s.repeatAll(ctx, s.gateway, writes, limit)
}

// shared starts the database, the platform and the replicas.
func (r *rig) shared(ctx context.Context) (*shared, error) {
	database, err := postgrestest.New()
	if errors.Is(err, postgrestest.ErrNotInstalled) {
		return nil, &skippedError{"PostgreSQL is not installed"}
	} else if err != nil {
		return nil, err
	}
	r.cleanup = append(r.cleanup, database.Close)
	journal := fmt.Sprintf("journal: {store: postgres, postgres_url: %q}", database.URL(postgrestest.User, postgrestest.Password, "postgres"))
	first, err := r.site(ctx, plan{journal: journal})
	if err != nil {
		return nil, err
	}
	other, err := r.configure(ctx, settings{endpoints: []string{first.platform.Addr}, journal: journal})
	if err != nil {
		return nil, err
	}
	return &shared{site: first, other: other, database: database}, other.start(ctx)
}

// keyed is a write with an idempotency key.
type keyed struct {
	target int
	number string
	key    string
	sent   bool // the platform has carried it out before the replica is killed

	// The fields below are the result.
	after  float64 // seconds until there is an answer
	polls  int     // responses before it
	status int     // 0 without an answer
	said   string  // the outcome
}

// killInFlight kills the replica while it waits for the replies to writes. The platform is
// fast again afterwards.
func (s *shared) killInFlight(ctx context.Context) ([]*keyed, error) {
	slow, err := s.platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: "*AssignListRequest", Delay: patience})
	if err != nil {
		return nil, err
	}
	defer slow.Remove()
	before := s.assigned()
	var writes []*keyed
	var sending sync.WaitGroup
	defer sending.Wait()
	send := func(sent bool) {
		w := &keyed{target: s.number, number: numberName(s.number, 0), key: "key-" + strconv.Itoa(s.number), sent: sent}
		s.number++
		writes = append(writes, w)
		sending.Go(func() {
			// It gets no response, because its replica is killed.
			_, _, _ = s.write(ctx, s.gateway, w)
		})
	}
	for range writesSent {
		send(true)
	}
	err = wait(ctx, patience, func() (bool, error) { return s.assigned() == before+writesSent, nil })
	if err != nil {
		return nil, fmt.Errorf("the platform has received %d writes: %w", s.assigned()-before, err)
	}
	for range writesWaiting {
		send(false)
	}
	err = wait(ctx, patience, func() (bool, error) {
		waiting, err := s.metric(ctx, "ocigate_platform_session_waiters")
		return waiting >= writesWaiting, err
	})
	if err != nil {
		return nil, err
	}
	return writes, s.kill()
}

// assigned returns how many writes the platform has received.
func (s *shared) assigned() int { return len(s.platform.Writes()) }

// write makes the request of a write. It returns how long to wait before the next one if the
// response has no outcome.
func (s *shared) write(ctx context.Context, g *gateway, w *keyed) (answered bool, retryAfter time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	body := fmt.Sprintf(`{"numbers":[{"minPhoneNumber":%q}]}`, w.number)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+g.api+path(w.target), strings.NewReader(body))
	if err != nil {
		return false, 0, err
	}
	request.SetBasicAuth(callerA, secret)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", w.key)
	got, err := g.client.Do(request)
	if err != nil {
		return false, 0, err
	}
	text, err := io.ReadAll(got.Body)
	if err = errors.Join(err, got.Body.Close()); err != nil {
		return false, 0, err
	}
	w.said = got.Header.Get("Operation-Outcome")
	// An unknown outcome is none, and after 503 nothing was done. Callers ask again, too.
	if got.StatusCode == http.StatusConflict || got.StatusCode == http.StatusServiceUnavailable || w.said == outcomeUnknown {
		seconds, err := strconv.Atoi(got.Header.Get("Retry-After"))
		if err != nil {
			return false, 0, fmt.Errorf("there is no Retry-After in %d %.300s", got.StatusCode, text)
		}
		return false, time.Duration(seconds) * time.Second, nil
	}
	w.status = got.StatusCode
	return true, 0, nil
}

// repeatAll repeats all writes at the same time.
func (s *shared) repeatAll(ctx context.Context, g *gateway, writes []*keyed, limit time.Duration) error {
	errs := make([]error, len(writes))
	began := time.Now()
	var repeating sync.WaitGroup
	for i, w := range writes {
		repeating.Go(func() { errs[i] = s.repeat(ctx, g, w, began, limit) })
	}
	repeating.Wait()
	return errors.Join(errs...)
}

// repeat repeats a write until its key is answered, and waits each time as long as the
// gateway says.
func (s *shared) repeat(ctx context.Context, g *gateway, w *keyed, began time.Time, limit time.Duration) error {
	for {
		answered, retryAfter, err := s.write(ctx, g, w)
		w.after = time.Since(began).Seconds()
		if err != nil || answered {
			return err
		}
		w.polls++
		left := limit - time.Since(began)
		if left <= 0 {
			return nil
		}
		if err := measure.Pause(ctx, min(left, retryAfter)); err != nil {
			return err
		}
	}
}

// keyFigures returns the figures of repeated writes. The limits are multiplied by wide.
func keyFigures(who string, writes []*keyed, wide float64) []figure {
	var sent, waiting []*keyed
	for _, w := range writes {
		if w.sent {
			sent = append(sent, w)
		} else {
			waiting = append(waiting, w)
		}
	}
	longest := func(some []*keyed) float64 {
		return slices.MaxFunc(some, func(a, b *keyed) int { return cmp.Compare(a.after, b.after) }).after
	}
	polls := slices.MaxFunc(writes, func(a, b *keyed) int { return cmp.Compare(a.polls, b.polls) }).polls
	return []figure{
		atMost(who+" knows the outcome of writes that were sent after", longest(sent), "s", wide*keyFree),
		atMost(who+" makes writes that were not sent after", longest(waiting), "s", wide*keyFree),
		atMost("responses without an outcome until then, to whoever waits as long as Retry-After says", float64(polls), "", wide*pollsOfKey),
	}
}

// truthOf compares what was reported of the writes with the platform's ledger.
func (s *shared) truthOf(writes []*keyed) []figure {
	received, applied := map[string]int{}, map[string]int{}
	for _, e := range s.platform.Writes() {
		number := strings.ReplaceAll(e.Numbers[0], "-", "")
		received[number]++
		if e.Applied {
			applied[number]++
		}
	}
	var t truth
	for _, w := range writes {
		t.writes += applied[w.number]
		done := applied[w.number] > 0
		switch {
		case received[w.number] > 1:
			t.duplicated++
		case w.status == 0:
			t.unknown++
		case w.said == outcomeDone != done:
			t.misreported++
		}
	}
	return t.figures()
}
