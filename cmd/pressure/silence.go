//go:build linux

package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"ocigate/cmd/internal/measure"
	"ocigate/oci/ocisim"
)

// silent is a platform behind a link that can be cut, with three gateways in front of it. Their
// second endpoint is the same platform, which the cut does not affect.
type silent struct {
	link     *link
	platform *ocisim.Server
	// busy has requests in flight when the link is cut. idle and asked have none; asked gets
	// requests afterwards, one at a time. So does frozen, but its connections end at a proxy
	// that keeps them and forwards nothing more.
	busy, idle, asked, frozen *site
	proxy                     *proxy
}

// What answers slowly but is alive must not be taken for
// dead: it answers later than a dead connection is to be found.
const (
	busyFound  = 5.0  // seconds until dead connections with requests in flight are found
	idleFound  = 30.0 // seconds until other dead connections are found
	nextServed = 3.0  // seconds that a caller may wait once another one has found the endpoint dead
	rescued    = 12 * time.Second
)

// cutLink measures after which time connections are found dead that were cut without FIN and
// RST.
func cutLink(ctx context.Context, r *rig) ([]figure, error) {
	s, err := r.silent(ctx)
	if err != nil {
		return nil, err
	}
	alive, err := s.slowButAlive(ctx, pick(r, rescued, 7*time.Second))
	if err != nil {
		return nil, err
	}
	traffic := s.busy.begin(ctx, load{rate: 12, patience: time.Minute, writes: pick(r, 0.2, 0)})
	if err := measure.Pause(ctx, 2*time.Second); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := s.link.cut(ctx); err != nil {
		return nil, err
	}
	s.proxy.freeze()
	var waits sync.WaitGroup
	var busyAfter, idleAfter, later, laterFrozen float64
	var errs [4]error
	waits.Go(func() { busyAfter, errs[0] = s.busy.withoutFirst(ctx, pick(r, time.Minute, 15*time.Second)) })
	waits.Go(func() { later, errs[1] = s.asked.oneAfterTheOther(ctx, pick(r, 100*time.Second, 15*time.Second)) })
	if !r.short {
		waits.Go(func() { idleAfter, errs[2] = s.idle.withoutFirst(ctx, 100*time.Second) })
		waits.Go(func() { laterFrozen, errs[3] = s.frozen.oneAfterTheOther(ctx, 100*time.Second) })
	}
	waits.Wait()
	answers, err := traffic.stop()
	if err := errors.Join(err, errors.Join(errs[:]...)); err != nil {
		return nil, err
	}
	figures := []figure{
		alive,
		atMost("busy sessions are found dead after", busyAfter, "s", pick(r, busyFound, 12)),
		noted("until the last caller that waits longer than 3 s is served", lastInTrouble(answers, began), "s"),
		atMost("idle sessions, asked for one after the other: the longest wait after the first one", later, "s", pick(r, nextServed, 10)),
	}
	if r.short {
		return figures, nil
	}
	t, err := s.busy.settled(ctx, 2*time.Minute)
	figures = append(figures,
		atMost("the same behind a proxy that keeps the connections", laterFrozen, "s", nextServed),
		atMost("idle sessions are found dead after", idleAfter, "s", idleFound))
	return append(figures, t.figures()...), err
}

// silent starts the platform and the gateways, and waits until all sessions are there.
func (r *rig) silent(ctx context.Context) (*silent, error) {
	l, err := newLink(ctx)
	if err != nil {
		return nil, err
	}
	r.cleanup = append(r.cleanup, l.close)
	s := &silent{link: l, platform: ocisim.NewServer(platformSeed())}
	r.cleanup = append(r.cleanup, s.platform.Close)
	listener, err := l.listen(ctx, "2208")
	if err != nil {
		return nil, err
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.platform.Serve(listener) }) // ends with the platform
	r.cleanup = append(r.cleanup, func() error {
		err := s.platform.Close()
		serving.Wait()
		return err
	})
	if _, err := s.platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: "*NumberRange*", Delay: 300 * time.Millisecond}); err != nil {
		return nil, err
	}
	if s.proxy, err = newProxy(ctx, s.platform.Addr); err != nil {
		return nil, err
	}
	r.cleanup = append(r.cleanup, s.proxy.close)
	for _, one := range []struct {
		site            **site
		first, sessions string
	}{
		{&s.busy, listener.Addr().String(), "{min: 8, max: 8}"},
		{&s.idle, listener.Addr().String(), "{min: 8, max: 8}"},
		{&s.asked, listener.Addr().String(), "{min: 4, max: 8}"},
		{&s.frozen, s.proxy.address, "{min: 4, max: 8}"},
	} {
		g, err := r.configure(ctx, settings{
			endpoints: []string{one.first, s.platform.Addr},
			platform:  "  pool: " + one.sessions + "\n",
		})
		if err != nil {
			return nil, err
		}
		*one.site = &site{gateway: g, platform: s.platform, entries: newEntries()}
		if err := g.start(ctx); err != nil {
			return nil, err
		}
	}
	const sessions = 8 + 8 + 4 + 4
	return s, s.busy.full(ctx, sessions, patience)
}

// slowButAlive makes a request that the platform answers after that time.
func (s *silent) slowButAlive(ctx context.Context, after time.Duration) (figure, error) {
	slow, err := s.platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: "*NumberPrefix*", Delay: after})
	if err != nil {
		return figure{}, err
	}
	defer slow.Remove()
	status, _, err := s.busy.fetch(ctx, "http://"+s.busy.api+prefixes(0), time.Minute)
	served := 0.0
	if status == http.StatusOK {
		served = 100
	}
	return atLeast("requests that are served by a platform that takes "+after.String(), served, "%", 100), err
}

// prefixes returns the path of the prefixes of a group.
func prefixes(target int) string { return strings.Replace(path(target), "/numbers/", "/prefixes/", 1) }

// withoutFirst returns the time until the gateway has no session with its first endpoint, in
// seconds.
func (s *site) withoutFirst(ctx context.Context, limit time.Duration) (float64, error) {
	var failed error
	took, err := since(ctx, limit, func() bool {
		sessions, err := s.metric(ctx, `ocigate_platform_sessions{platform_endpoint="`+endpointName(0)+`"`)
		failed = err
		return err != nil || sessions == 0
	})
	return took, errors.Join(err, failed)
}

// oneAfterTheOther makes requests in turn, and returns the longest time that one of them took
// except for the first, in seconds: the limit if the first one took longer.
func (s *site) oneAfterTheOther(ctx context.Context, limit time.Duration) (float64, error) {
	const callers = 6
	end := time.Now().Add(limit)
	longest := 0.0
	for i := range callers {
		began := time.Now()
		left := end.Sub(began)
		if left <= 0 {
			break
		}
		_, _, err := s.fetch(ctx, "http://"+s.api+path(i), left)
		if timeout, ok := errors.AsType[net.Error](err); err != nil && (!ok || !timeout.Timeout()) {
			return 0, err
		}
		switch took := time.Since(began).Seconds(); {
		case i > 0:
			longest = max(longest, took)
		case err != nil:
			longest = limit.Seconds()
		}
	}
	return longest, nil
}

// lastInTrouble returns the end of the last request that waited long or failed, in seconds
// after from.
func lastInTrouble(answers []*answer, from time.Time) float64 {
	last := 0.0
	for _, a := range answers {
		if after := a.ended().Sub(from).Seconds(); after > 0 && (!a.good() || a.took > 3*time.Second) {
			last = max(last, after)
		}
	}
	return last
}
