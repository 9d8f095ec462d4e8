package auth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Times of a failed fetch, and the limit of requests that wait for a fetch.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
	maxWaiters = 1024
)

// UnavailableError is returned if a token cannot be verified at the moment, because
// the keys of its issuer are not available. The token may be valid.
type UnavailableError struct {
	// RetryAfter is how long to wait before another attempt. It is more than 0.
	RetryAfter time.Duration
	reason     string
}

// Error returns the reason and the time to wait.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("the token cannot be verified: %s: retry after %v", e.reason, e.RetryAfter)
}

// Run fetches the keys and keeps them current until ctx ends. It must be called only
// once. Without Run, requests with a token of the issuer get an [*UnavailableError].
func (i *Issuer) Run(ctx context.Context) {
	defer i.stop()
	for ctx.Err() == nil {
		i.refresh(ctx)
		timer := time.NewTimer(i.pause())
		for due := false; !due; {
			select {
			case <-ctx.Done():
				due = true
			case <-timer.C:
				due = true
			case <-i.wake:
				due = i.mayFetch()
			}
		}
		timer.Stop()
	}
}

// stop lets all waiting requests continue, and those that follow.
func (i *Issuer) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopped, i.fetching = true, false
	close(i.round)
}

// pause returns the time until the next fetch that no request asks for. The interval
// after a success varies by a tenth, so that replicas do not ask at the same time.
func (i *Issuer) pause() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.failures > 0 {
		return time.Until(i.earliest)
	}
	return time.Duration((0.9 + 0.1*rand.Float64()) * float64(i.options.Refresh)) //nolint:gosec // no secret depends on it
}

// mayFetch reports whether a fetch may begin. A request may have asked for one that
// has taken place since.
func (i *Issuer) mayFetch() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return !time.Now().Before(i.earliest)
}

// refresh fetches the keys once.
func (i *Issuer) refresh(ctx context.Context) {
	began := i.begin()
	limited, cancel := context.WithTimeout(ctx, i.options.Timeout)
	set, err := i.fetch(limited)
	cancel()
	if err != nil && ctx.Err() != nil {
		return // canceled: the issuer did not fail, and stop lets the requests continue
	}
	if result := i.end(began, set, err); i.options.Fetched != nil {
		i.options.Fetched(result)
	}
}

// begin notes the begin of a fetch. The fetch is also that of the requests that have
// asked for one until now.
func (i *Issuer) begin() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetching = true
	select {
	case <-i.wake:
	default:
	}
	return time.Now()
}

// end stores the result of a fetch, and lets the requests that wait for it continue.
func (i *Issuer) end(began time.Time, set *keySet, err error) Fetch {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.keys.Load()
	result := Fetch{Err: err, Recovered: err == nil && i.failures > 0}
	if err == nil {
		result.Keys, result.Unusable = set.ids(), set.unusable
		result.Changed = before == nil || before.digest != set.digest
		set.asked = began
		i.keys.Store(set.after(before))
		i.failures = 0
		i.earliest = began.Add(i.options.UnknownKeyInterval)
		i.stats.Fetched++
		i.stats.LastFetched, i.stats.Keys = time.Now(), len(set.keys)
	} else {
		result.RetryIn = min(firstRetry<<min(i.failures, 10), lastRetry)
		i.failures++
		i.earliest = time.Now().Add(result.RetryIn)
		i.stats.Failed++
	}
	i.fetching = false
	close(i.round)
	i.round = make(chan struct{})
	return result
}

// keysFor returns the keys that may have signed a token, and the set that has them. If there are none, it asks
// for a fetch and waits for its end, unless the last one is too recent. A token that
// was issued before the last fetch is then not valid; a newer one may be signed by a
// newer key, and gets an [*UnavailableError].
func (i *Issuer) keysFor(ctx context.Context, id, alg string, issued time.Time) (*keySet, []any, error) {
	if set := i.keys.Load(); set.find(id, alg) != nil {
		return set, set.find(id, alg), nil
	}
	if err := i.await(ctx); err != nil {
		return nil, nil, err
	}
	set := i.keys.Load()
	if keys := set.find(id, alg); keys != nil {
		return set, keys, nil
	}
	// iat is in seconds, and may be cut off.
	if set == nil || issued.Add(i.options.Skew+time.Second).After(set.asked) {
		return nil, nil, i.unavailable()
	}
	return nil, nil, errors.New("the issuer has no such key")
}

// unavailable returns the error for a token that cannot be verified before the next
// fetch.
func (i *Issuer) unavailable() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	reason := "the keys of its issuer could not be fetched"
	if i.failures == 0 && i.keys.Load() != nil {
		reason = "its key is newer than the last fetch of its issuer's keys"
	}
	return &UnavailableError{RetryAfter: max(time.Second, time.Until(i.earliest)), reason: reason}
}

// await waits for the end of the fetch in progress, or of a new one if one may begin.
// Otherwise it returns immediately.
func (i *Issuer) await(ctx context.Context) error {
	round, ok := i.ask()
	if !ok {
		return nil
	}
	defer i.waiters.Add(-1)
	if i.waiters.Add(1) > maxWaiters {
		return &UnavailableError{RetryAfter: time.Second, reason: "too many requests wait for the keys of its issuer"}
	}
	// Run ends a fetch in time. The limit is for an Issuer that does not run.
	limit := time.NewTimer(2 * i.options.Timeout)
	defer limit.Stop()
	select {
	case <-round:
		return nil
	case <-limit.C:
		return &UnavailableError{RetryAfter: time.Second, reason: "the keys of its issuer are not being fetched"}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask returns a channel that is closed at the end of the fetch in progress, or of a new
// one, and false if no fetch may begin now.
func (i *Issuer) ask() (round <-chan struct{}, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.fetching {
		if i.stopped || time.Now().Before(i.earliest) {
			return nil, false
		}
		select {
		case i.wake <- struct{}{}:
		default: // another request has asked
		}
	}
	return i.round, true
}
