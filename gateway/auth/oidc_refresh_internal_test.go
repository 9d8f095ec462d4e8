package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// These tests specify when the keys of an external issuer are fetched. Time is that of
// synctest, and the fetch is a function.

// fakeIssuer counts its fetches, each of which takes a second and returns no error
// unless it is down.
type fakeIssuer struct {
	*Issuer

	state   sync.Mutex // guards the fields below
	times   []time.Duration
	active  int
	down    bool
	results []Fetch
}

// begun returns when each fetch has begun, since the start.
func (f *fakeIssuer) begun() []time.Duration {
	f.state.Lock()
	defer f.state.Unlock()
	return slices.Clone(f.times)
}

// reported returns the results of the fetches.
func (f *fakeIssuer) reported() []Fetch {
	f.state.Lock()
	defer f.state.Unlock()
	return slices.Clone(f.results)
}

func (f *fakeIssuer) setDown(down bool) {
	f.state.Lock()
	defer f.state.Unlock()
	f.down = down
}

// count adds a fetch that begins, and returns how many are active.
func (f *fakeIssuer) count(at time.Duration) int {
	f.state.Lock()
	defer f.state.Unlock()
	f.times = append(f.times, at)
	f.active++
	return f.active
}

// finish ends a fetch, and reports whether the issuer is down.
func (f *fakeIssuer) finish() bool {
	f.state.Lock()
	defer f.state.Unlock()
	f.active--
	return f.down
}

func (f *fakeIssuer) note(r Fetch) {
	f.state.Lock()
	defer f.state.Unlock()
	f.results = append(f.results, r)
}

// runFake runs an issuer until the function returns.
func runFake(t *testing.T, o IssuerOptions, then func(f *fakeIssuer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := &fakeIssuer{}
		o.URL, o.Audiences = "https://sso.example.com", []string{"ocigate"}
		o.Claims = ClaimMapping{Levels: []LevelValue{{"system", SystemAdmin}}}
		o.Fetched = f.note
		issuer, err := NewIssuer(o)
		if err != nil {
			t.Fatal(err)
		}
		f.Issuer = issuer
		issuer.fetch = func(ctx context.Context) (*keySet, error) {
			if f.count(time.Since(start)) > 1 {
				t.Error("two fetches at a time")
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				f.finish()
				return nil, ctx.Err()
			}
			if f.finish() {
				return nil, errors.New("down")
			}
			return &keySet{keys: []issuerKey{{id: "first"}}}, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		go issuer.Run(ctx)
		then(f)
		cancel()
		synctest.Wait()
	})
}

// askFor asks for a key that the issuer does not have.
func (f *fakeIssuer) askFor(id string, issued time.Time) error {
	_, _, err := f.keysFor(context.Background(), id, "ES256", issued)
	return err
}

func TestKeysAreRefreshed(t *testing.T) {
	t.Parallel()
	runFake(t, IssuerOptions{Refresh: 10 * time.Minute}, func(f *fakeIssuer) {
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(f.begun()) < 6 || len(f.begun()) > 7 {
			t.Errorf("%d fetches in an hour: %v", len(f.begun()), f.begun())
		}
		if !f.reported()[0].Changed || f.reported()[1].Changed || f.reported()[0].Recovered {
			t.Errorf("%+v", f.reported()[:2])
		}
	})
}

func TestUnknownKeysHaveABoundedRate(t *testing.T) {
	t.Parallel()
	runFake(t, IssuerOptions{UnknownKeyInterval: 10 * time.Second, Refresh: time.Hour}, func(f *fakeIssuer) {
		time.Sleep(time.Minute)
		var waited time.Duration
		for n := range 6000 { // ten in a second, for ten minutes
			began := time.Now()
			if err := f.askFor(fmt.Sprint(n), began.Add(-time.Hour)); err == nil {
				t.Fatal("an unknown key was found")
			}
			waited = max(waited, time.Since(began))
			time.Sleep(100 * time.Millisecond)
		}
		// Each fetch takes a second, and 6000 requests take about 11 minutes.
		if len(f.begun()) < 60 || len(f.begun()) > 70 {
			t.Errorf("%d fetches", len(f.begun()))
		}
		for i := 2; i < len(f.begun()); i++ {
			if apart := f.begun()[i] - f.begun()[i-1]; apart < 10*time.Second {
				t.Errorf("two fetches are %v apart", apart)
			}
		}
		if waited > 2*time.Second {
			t.Errorf("a request waited for %v", waited)
		}
	})
}

func TestFailedFetchesAreRepeatedWithABackoff(t *testing.T) {
	t.Parallel()
	runFake(t, IssuerOptions{}, func(f *fakeIssuer) {
		f.setDown(true)
		for range 1200 { // requests do not shorten the backoff
			_ = f.askFor("x", time.Now())
			time.Sleep(250 * time.Millisecond)
		}
		// Each attempt takes a second; the pauses are 1 s, 2 s, 4 s, … 60 s.
		want := []time.Duration{0, 2, 5, 10, 19, 36, 69, 130, 191, 252}
		if len(f.begun()) < len(want) {
			t.Fatalf("attempts at %v", f.begun())
		}
		for i, at := range want {
			if f.begun()[i] != at*time.Second {
				t.Errorf("attempts at %v, want %v", f.begun(), want)
				break
			}
		}
		f.setDown(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if last := f.reported()[len(f.reported())-1]; last.Err != nil || !last.Recovered {
			t.Errorf("the last attempt: %+v", last)
		}
	})
}

func TestRequestsDoNotWaitForFetchesThatMayNotBegin(t *testing.T) {
	t.Parallel()
	runFake(t, IssuerOptions{UnknownKeyInterval: time.Minute}, func(f *fakeIssuer) {
		time.Sleep(2 * time.Second)
		began := time.Now()
		old, recent := f.askFor("x", began.Add(-time.Minute)), f.askFor("x", began)
		if took := time.Since(began); took != 0 {
			t.Errorf("the requests waited for %v", took)
		}
		if _, ok := errors.AsType[*UnavailableError](old); ok || old == nil {
			t.Errorf("a token from before the last fetch: %v", old)
		}
		unavailable, ok := errors.AsType[*UnavailableError](recent)
		if !ok || unavailable.RetryAfter != 58*time.Second {
			t.Errorf("a token from after the last fetch: %v", recent)
		}
		if len(f.begun()) != 1 {
			t.Errorf("%d fetches", len(f.begun()))
		}
	})
}

func TestRequestsStopWaitingWithTheirContext(t *testing.T) {
	t.Parallel()
	runFake(t, IssuerOptions{}, func(f *fakeIssuer) {
		synctest.Wait() // the first fetch has begun
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if _, _, err := f.keysFor(ctx, "x", "ES256", time.Now()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestWaitingRequestsAreLimited(t *testing.T) {
	t.Parallel()
	runFake(t, IssuerOptions{}, func(f *fakeIssuer) {
		synctest.Wait()
		refused := 0
		results := make(chan error, 2*maxWaiters)
		for range 2 * maxWaiters {
			go func() { results <- f.askFor("x", time.Time{}) }()
		}
		for range 2 * maxWaiters {
			if _, ok := errors.AsType[*UnavailableError](<-results); ok {
				refused++
			}
		}
		if refused != maxWaiters {
			t.Errorf("%d requests did not wait, want %d", refused, maxWaiters)
		}
		if n := f.waiters.Load(); n != 0 {
			t.Errorf("%d requests still wait", n)
		}
	})
}

func TestStoppedIssuerLetsRequestsContinue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer, err := NewIssuer(IssuerOptions{
			URL: "https://sso.example.com", Audiences: []string{"ocigate"},
			Claims: ClaimMapping{Levels: []LevelValue{{"system", SystemAdmin}}},
			Fetched: func(f Fetch) {
				t.Errorf("a canceled fetch was reported: %+v", f)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		issuer.fetch = func(ctx context.Context) (*keySet, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go issuer.Run(ctx)
		synctest.Wait()
		result := make(chan error)
		go func() {
			_, _, err := issuer.keysFor(context.Background(), "x", "ES256", time.Now())
			result <- err
		}()
		synctest.Wait()
		began := time.Now()
		cancel()
		if _, ok := errors.AsType[*UnavailableError](<-result); !ok || time.Since(began) != 0 {
			t.Errorf("a waiting request was not released: %v", time.Since(began))
		}
		if err := issuer.await(context.Background()); err != nil || time.Since(began) != 0 {
			t.Errorf("a later request waited: %v", err)
		}
	})
}

func TestIssuerThatDoesNotRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer, err := NewIssuer(IssuerOptions{
			URL: "https://sso.example.com", Audiences: []string{"ocigate"},
			Claims: ClaimMapping{Levels: []LevelValue{{"system", SystemAdmin}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = issuer.keysFor(t.Context(), "x", "ES256", time.Now())
		if _, ok := errors.AsType[*UnavailableError](err); !ok {
			t.Errorf("error %v, want an UnavailableError", err)
		}
	})
}
