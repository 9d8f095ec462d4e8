//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ocigate/cmd/internal/measure"
)

// remembered is a little longer than a client's credential is accepted without being hashed
// again.
const remembered = 11 * time.Second

// attempts is what became of many attempts.
type attempts struct {
	mu       sync.Mutex // guards the fields
	statuses map[int]int
	refused  []time.Duration // the times of the responses with 429
	first    error
}

func (a *attempts) add(got response, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case err != nil && a.first == nil:
		a.first = err
	case err == nil:
		a.statuses[got.status]++
		if got.status == http.StatusTooManyRequests {
			a.refused = append(a.refused, got.took)
		}
	}
}

// slow returns the time that 99 of 100 refusals did not exceed, in seconds.
func (a *attempts) slow() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.refused) == 0 {
		return 0
	}
	slices.Sort(a.refused)
	return a.refused[len(a.refused)*99/100].Seconds()
}

// attacker makes attempts until its context ends. Each attempt has the number n.
type attacker struct {
	workers int           // attempts at the same time
	every   time.Duration // between two attempts, 0 for none
	attempt func(ctx context.Context, n int) (response, error)
}

// begin starts an attacker. The returned function ends it and returns what became of its
// attempts.
func (a attacker) begin(ctx context.Context) func() (*attempts, error) {
	ctx, cancel := context.WithCancel(ctx)
	made := &attempts{statuses: map[int]int{}}
	var wg sync.WaitGroup
	var next atomic.Int64
	one := func() { made.add(a.attempt(ctx, int(next.Add(1)))) }
	if a.every > 0 {
		wg.Go(func() {
			for measure.Pause(ctx, a.every) == nil {
				wg.Go(one)
			}
		})
	}
	for range a.workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				one()
			}
		})
	}
	return func() (*attempts, error) {
		cancel()
		wg.Wait()
		return made, made.first
	}
}

func floodFrom20(ctx context.Context, r *rig) ([]figure, error) {
	return flood(ctx, r, attacker{workers: 64, attempt: func(ctx context.Context, n int) (response, error) {
		return r.asClient(ctx, fmt.Sprintf("203.0.113.%d", n%20+1), fmt.Sprintf("unknown-%d", n%1000), "guess")
	}})
}

func floodFromMany(ctx context.Context, r *rig) ([]figure, error) {
	return flood(ctx, r, attacker{every: 10 * time.Millisecond, attempt: func(ctx context.Context, n int) (response, error) {
		return r.asClient(ctx, newAddress(n), fmt.Sprintf("unknown-%d", n), "guess")
	}})
}

// newAddress returns a different address for each number, each in a network of its own.
func newAddress(n int) string { return fmt.Sprintf("10.%d.%d.9", n>>8&255, n&255) }

// flood attacks with unknown clients for some time. Then the listed clients, which have been
// authenticated before and have been quiet since, make one request each.
func flood(ctx context.Context, r *rig, a attacker) ([]figure, error) {
	for i := range quietClients {
		if got, err := r.asClient(ctx, "198.51.100.7", quietClient(i), clientSecret); err != nil || got.status != http.StatusOK {
			return nil, fmt.Errorf("a listed client gets %d: %w", got.status, err)
		}
	}
	before, err := r.cpu()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	end := a.begin(ctx)
	if err := measure.Pause(ctx, remembered); err != nil {
		return nil, err
	}
	served, longest := 0, time.Duration(0)
	for i := range quietClients {
		got, err := r.asClient(ctx, "198.51.100.7", quietClient(i), clientSecret)
		if err != nil {
			return nil, err
		}
		if got.status == http.StatusOK {
			served++
		}
		longest = max(longest, got.took)
	}
	made, err := end()
	if err != nil {
		return nil, err
	}
	took := time.Since(began).Seconds()
	after, err := r.cpu()
	if err != nil {
		return nil, err
	}
	peak, err := r.peak()
	if err != nil {
		return nil, err
	}
	other := 0
	for status, n := range made.statuses {
		if status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
			other += n
		}
	}
	return []figure{
		{what: "quiet clients that were served", value: float64(100 * served / quietClients), unit: "%", limit: 100, atLeast: true},
		{what: "longest time that they waited", value: longest.Seconds(), unit: "s", limit: 1},
		{what: "CPU time in a second of the attack", value: (after - before) / took, unit: "s", limit: 0.75 * float64(runtime.NumCPU())},
		{what: "largest resident memory", value: peak, unit: "MB", limit: 150},
		{what: "time until an attempt is refused with 429 (99 %)", value: made.slow(), unit: "s", limit: 1.5},
		{what: "responses other than 401 and 429", value: float64(other), limit: 0},
	}, nil
}

// guesses is how long one user's password is guessed at.
const guesses = 10 * time.Second

// freeGuesses is a bound of the guesses at one account that reach the platform in that time.
const freeGuesses = 12

// guessing guesses at users of the seed in several ways, while they log in.
func guessing(ctx context.Context, r *rig) ([]figure, error) {
	one := func(int) string { return "203.0.113.1" }
	var figures []figure
	for _, c := range []struct {
		how, user string
		workers   int
		every     time.Duration
		from      func(n int) string
		new       bool // the user comes from an address from where they never logged in
	}{
		{"5 a second from one address", "groupadmin", 0, time.Second / 5, one, false},
		{"as fast as possible from one address", "tenantadmin", 8, 0, one, false},
		{"5 a second from many addresses", "departmentadmin", 0, time.Second / 5, newAddress, false},
		{"as fast as possible from many addresses", "sysadmin", 8, 0, newAddress, false},
		{"as fast as possible from one address, the user from a new one", "provisioning", 8, 0, one, true},
	} {
		home := "198.51.100.7"
		if !c.new {
			if got, err := r.login(ctx, home, c.user, c.user+"-demo"); err != nil || got.status != http.StatusOK {
				return nil, fmt.Errorf("%s gets %d: %w", c.user, got.status, err)
			}
		}
		end := attacker{workers: c.workers, every: c.every, attempt: func(ctx context.Context, n int) (response, error) {
			return r.login(ctx, c.from(n), c.user, "guess")
		}}.begin(ctx)
		in, tried := 0, 0
		for began := time.Now(); time.Since(began) < guesses; tried++ {
			if err := measure.Pause(ctx, time.Second/2); err != nil {
				return nil, err
			}
			got, err := r.login(ctx, home, c.user, c.user+"-demo")
			if err != nil {
				return nil, err
			}
			if got.status == http.StatusOK && got.took < time.Second {
				in++
			}
		}
		made, err := end()
		if err != nil {
			return nil, err
		}
		figures = append(figures,
			figure{what: c.how + ": the user gets in within a second", value: float64(100 * in / tried), unit: "%", limit: 95, atLeast: true},
			figure{what: c.how + ": guesses that reach the platform", value: float64(made.statuses[http.StatusUnauthorized]), limit: freeGuesses})
	}
	return figures, nil
}

// oneAddress logs users in at the same time.
func oneAddress(ctx context.Context, r *rig) ([]figure, error) {
	users := []string{"groupadmin", "tenantadmin", "departmentadmin", "sysadmin", "provisioning"}
	made := &attempts{statuses: map[int]int{}}
	var wg sync.WaitGroup
	const logins = 60
	for i := range logins {
		wg.Go(func() {
			user := users[i%len(users)]
			made.add(r.login(ctx, "198.51.100.7", user, user+"-demo"))
		})
	}
	wg.Wait()
	return []figure{
		{what: "logins that are refused", value: float64(logins - made.statuses[http.StatusOK]), limit: 0},
	}, made.first
}

// eviction makes the failures of a victim count, and tries to make the gateway forget them.
func eviction(ctx context.Context, r *rig) ([]figure, error) {
	const free = 5
	guess := func() (reached int, err error) {
		for range free {
			got, err := r.login(ctx, "203.0.113.1", "sysadmin", "guess")
			if err != nil {
				return reached, err
			}
			if got.status == http.StatusUnauthorized {
				reached++
			}
		}
		return reached, nil
	}
	if _, err := guess(); err != nil {
		return nil, err
	}
	const failures = 10_000
	var next atomic.Int64
	var wg sync.WaitGroup
	made := &attempts{statuses: map[int]int{}}
	for range 16 {
		wg.Go(func() {
			for n := next.Add(1); n <= failures && ctx.Err() == nil; n = next.Add(1) {
				made.add(r.login(ctx, fmt.Sprintf("2001:db8:%x:%x::1", n%4, n%200), fmt.Sprintf("random-%d", n), "guess"))
			}
		})
	}
	wg.Wait()
	if made.first != nil {
		return nil, made.first
	}
	reached, err := guess()
	peak, unread := r.peak()
	return []figure{
		{what: "further guesses at a user whose free attempts are used up", value: float64(reached), limit: 1},
		{what: "largest resident memory", value: peak, unit: "MB", limit: 150},
	}, errors.Join(err, unread)
}

// endlessLogins logs one user in without a pause.
func endlessLogins(ctx context.Context, r *rig) ([]figure, error) {
	const takes = 5 * time.Second
	end := attacker{workers: 16, attempt: func(ctx context.Context, _ int) (response, error) {
		return r.login(ctx, "203.0.113.1", "ApioUserTest@sip.netaxis.be", "user-demo")
	}}.begin(ctx)
	if err := measure.Pause(ctx, takes); err != nil {
		return nil, err
	}
	made, err := end()
	size, unread := r.trail()
	const burst, rate, line = 60, 1, 1500
	most := burst + rate*takes.Seconds() + 5
	return []figure{
		{what: "logins that reach the platform", value: float64(made.statuses[http.StatusOK]), limit: most},
		{what: "audit trail", value: size, unit: "bytes", limit: most * line},
	}, errors.Join(err, unread)
}
