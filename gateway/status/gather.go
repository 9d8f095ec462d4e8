package status

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/operation"
	"ocigate/oci"
)

// The names of the sources, as Unanswered has them.
const (
	sourceReady         = "ready"
	sourcePlatform      = "platform"
	sourceJournal       = "journal"
	sourceMetrics       = "metrics"
	sourceReload        = "reload"
	sourceCertificates  = "certificates"
	sourceConnections   = "connections"
	sourceIssuer        = "issuer"
	sourceConfiguration = "configuration"
)

var sources = []string{sourceReady, sourcePlatform, sourceJournal, sourceMetrics, sourceReload, sourceCertificates, sourceConnections, sourceIssuer, sourceConfiguration}

// journalState is what the keeper reports.
type journalState struct {
	since, oldest time.Time
	err           error
	newest        []operation.Unresolved
	count         int
}

// effective is a configuration.
type effective struct {
	yaml  []byte
	since time.Time
}

// ask calls the function of a source in the background, and returns a function that waits
// for its result. That function reports false if there is none before ctx ends. A source
// is called once at a time: while one call hangs, others wait for it. If there is no
// source, it reports true.
func ask[T any](ctx context.Context, calling chan struct{}, source func() T) func() (T, bool) {
	result := make(chan T, 1)
	go func() {
		select {
		case calling <- struct{}{}:
		case <-ctx.Done():
			return
		}
		defer func() {
			<-calling
			// A fault in a source must not end the gateway. The page reports that
			// the source has not answered.
			_ = recover()
		}()
		result <- source()
	}()
	return func() (value T, ok bool) {
		select {
		case value = <-result:
			return value, true
		case <-ctx.Done():
		}
		select { // both may have been ready
		case value = <-result:
			return value, true
		default:
			return value, false
		}
	}
}

// gather asks all sources at the same time, and waits for them for a limited time.
func (p *Page) gather(ctx context.Context, withConfig bool) *Status {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	o := &p.options
	s := &Status{Version: o.Version, Replica: o.Replica, StartedAt: o.StartedAt.UTC().Truncate(time.Second), Problems: []Problem{}, Unanswered: []string{}}
	ready := ask(ctx, p.calling[sourceReady], o.Ready)
	var begun []func() // waits for a source, and adds what it has returned
	add := func(source string, wait func() bool) {
		begun = append(begun, func() {
			if !wait() {
				s.Unanswered = append(s.Unanswered, source)
			}
		})
	}
	add(sourceReady, func() bool {
		reason, ok := ready()
		s.Ready, s.NotReady = ok && reason == "", bounded(reason)
		return ok
	})
	if o.Stats != nil {
		stats := ask(ctx, p.calling[sourcePlatform], o.Stats)
		add(sourcePlatform, func() bool { return received(stats, s.addPlatform) })
	}
	if o.Keeper != nil {
		state := ask(ctx, p.calling[sourceJournal], o.journal)
		add(sourceJournal, func() bool { return received(state, s.addJournal) })
	}
	if o.Metrics != nil {
		totals := ask(ctx, p.calling[sourceMetrics], o.Metrics.Totals)
		add(sourceMetrics, func() bool { return received(totals, func(t *gateway.Totals) { s.addTotals(t, p.history) }) })
	}
	if o.Reload != nil {
		last := ask(ctx, p.calling[sourceReload], o.Reload)
		add(sourceReload, func() bool { return received(last, s.addReload) })
	}
	if o.Certificates != nil {
		list := ask(ctx, p.calling[sourceCertificates], o.Certificates)
		add(sourceCertificates, func() bool { return received(list, s.addCertificates) })
	}
	if o.Connections != nil {
		open := ask(ctx, p.calling[sourceConnections], o.Connections)
		add(sourceConnections, func() bool { return received(open, s.addConnections) })
	}
	if o.Issuer != nil {
		issuer := ask(ctx, p.calling[sourceIssuer], o.Issuer)
		add(sourceIssuer, func() bool { return received(issuer, s.addIssuer) })
	}
	if o.Config != nil && withConfig {
		config := ask(ctx, p.calling[sourceConfiguration], func() effective { yaml, since := o.Config(); return effective{yaml, since} })
		add(sourceConfiguration, func() bool { return received(config, s.addConfiguration) })
	}
	s.At = time.Now().UTC().Truncate(time.Second)
	for _, finish := range begun {
		finish()
	}
	if o.Metrics != nil || o.Stats != nil {
		s.History = p.history.document()
	}
	s.findProblems()
	return s
}

// received waits for the result of a source, and reports whether there is one.
func received[T any](wait func() (T, bool), add func(*T)) bool {
	value, ok := wait()
	if ok {
		add(&value)
	}
	return ok
}

// journal reads the state of writes.
func (o *Options) journal() journalState {
	var s journalState
	s.since, s.err = o.Keeper.JournalState()
	s.oldest = o.Keeper.OldestUnresolved()
	s.newest, s.count = o.Keeper.Unknown(maxUnknown, maxHeld)
	return s
}

func (s *Status) addPlatform(stats *oci.Stats) {
	p := &Platform{SessionsMax: stats.Max, Waiting: stats.Waiting, WaitingMax: stats.MaxWaiting, Endpoints: []Endpoint{}, EndpointCount: len(stats.Endpoints)}
	for i := range stats.Endpoints {
		e := &stats.Endpoints[i]
		p.Sessions += e.Idle + e.Busy
		p.SessionsBusy += e.Busy
		if i >= maxEndpoints {
			continue
		}
		of := Endpoint{
			Name: bounded(e.Name), Address: bounded(e.Address), Preferred: i == 0, State: stateOf(e),
			NewSessionsFail: e.Idle+e.Busy > 0 && e.InBackoff, Slow: e.Slow, Attempts: e.Attempts,
			Idle: e.Idle, Busy: e.Busy, LastTriedAt: inUTC(e.LastTried),
			Release: int(e.Dialect.Release), ReleaseSet: e.Dialect.Set, PlatformVersion: bounded(e.Dialect.Version),
			CertificateNotAfter: inUTC(e.PeerCertificateNotAfter),
		}
		if e.NextTry.After(s.At) {
			of.NextTryAt = inUTC(e.NextTry)
		}
		if e.LastError != nil {
			of.LastError = bounded(e.LastError.Error())
		}
		for _, f := range e.Dialect.Fallbacks {
			of.Fallbacks = append(of.Fallbacks, Fallback{bounded(f.Feature), bounded(f.Use)})
		}
		p.Endpoints = append(p.Endpoints, of)
	}
	s.Platform = p
}

func (s *Status) addJournal(state *journalState) {
	s.Journal = &Journal{Usable: state.err == nil}
	if state.err != nil {
		s.Journal.UnusableSince, s.Journal.Cause = inUTC(state.since), bounded(state.err.Error())
	}
	s.Unknown = &Unknown{Count: state.count, Oldest: inUTC(state.oldest), Newest: []Write{}}
	for i := range state.newest {
		u := &state.newest[i]
		s.Unknown.Newest = append(s.Unknown.Newest, Write{
			ID: bounded(u.ID), Route: bounded(u.Route), Tenant: bounded(u.Target.TenantID), Group: bounded(u.Target.GroupID), User: bounded(u.Target.UserID),
			Since: inUTC(u.UnknownAt), AgeSeconds: int64(max(0, s.At.Sub(u.UnknownAt)) / time.Second),
			PlatformEndpoint: bounded(u.PlatformEndpoint), Why: whyUnknown(&u.Readings, s.At),
			Held: boundedAll(u.Held, maxHeld), HeldCount: u.HeldCount, Blocked: u.Refused, LastBlockedAt: inUTC(u.RefusedAt),
		})
	}
}

// whyUnknown returns why the outcome of a write is not known yet.
func whyUnknown(r *operation.ReadBack, now time.Time) string {
	switch {
	case r.Unrecorded:
		return "its outcome cannot be recorded in the journal"
	case r.Failure != "":
		return bounded("the last reading failed: " + r.Failure)
	case now.Before(r.SettledAt):
		return "the platform may still carry it out until " + clock(r.SettledAt)
	}
	return "readings do not prove its outcome yet"
}

func (s *Status) addTotals(t *gateway.Totals, h *history) {
	s.Requests = &Requests{Total: t.Requests, InFlight: t.InFlight, Errors: []ErrorCount{}}
	s.Requests.Recent, s.Requests.RecentFailed = h.recent(s.At, t)
	before := h.errorsBefore(s.At)
	for _, e := range t.Errors {
		s.Requests.Errors = append(s.Requests.Errors, ErrorCount{
			Name: e.Name, Status: e.Status, Total: e.Count,
			LastHour: since(before[gateway.ErrorTotal{Name: e.Name, Status: e.Status}], e.Count),
		})
	}
	slices.SortStableFunc(s.Requests.Errors, func(a, b ErrorCount) int { return cmp.Compare(b.LastHour, a.LastHour) })
	if over := len(s.Requests.Errors) - maxErrors; over > 0 {
		s.Requests.Errors, s.Requests.ErrorsOmitted = s.Requests.Errors[:maxErrors], over
	}
	for i := range s.Requests.Errors {
		s.Requests.Errors[i].Name = bounded(s.Requests.Errors[i].Name)
	}
	s.Requests.Shed = t.Shed
	for _, u := range t.Sessions[:min(len(t.Sessions), maxSessionUses)] {
		s.Requests.Sessions = append(s.Requests.Sessions, SessionUse{bounded(u.Caller), bounded(u.Client), math.Round(u.Seconds*1000) / 1000})
	}
	s.Logins = &Logins{Throttled: t.Throttled}
	for result, n := range t.Logins {
		if result == gateway.LoginOK {
			s.Logins.OK += n
		} else {
			s.Logins.Failed += n
		}
	}
	s.Log = &Log{Dropped: t.LogLinesDropped, DroppedLastHour: h.dropped()}
}

func (s *Status) addConnections(open *[]gateway.Connections) {
	for _, c := range *open {
		s.Connections = append(s.Connections, Connections{
			Listener: c.Listener, New: c.New, Idle: c.Idle, Receiving: c.Receiving, Active: c.Active, Max: c.Max, ClosedForRoom: c.ClosedForRoom,
		})
	}
}

func (s *Status) addReload(last *gateway.Reload) {
	s.Reload = &Reload{
		Successful: last.Successful, EffectiveSince: inUTC(last.At), TriedAt: inUTC(last.TriedAt),
		Trigger: bounded(last.Trigger), Cause: bounded(last.Cause),
		Changed: boundedAll(last.Changed, maxKeys), NeedRestart: boundedAll(last.NeedRestart, maxKeys),
	}
}

func (s *Status) addCertificates(list *[]gateway.Certificate) {
	sorted := slices.SortedStableFunc(slices.Values(*list), func(a, b gateway.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	for _, c := range sorted[:min(len(sorted), maxCertificates)] {
		s.Certificates = append(s.Certificates, Certificate{bounded(string(c.Use)), bounded(c.PlatformEndpoint), inUTC(c.NotAfter)})
	}
}

func (s *Status) addIssuer(issuer **Issuer) {
	if *issuer == nil {
		return
	}
	of := **issuer
	of.URL, of.LastFetched = bounded(of.URL), inUTC(of.LastFetched)
	s.Issuer = &of
}

func (s *Status) addConfiguration(c *effective) {
	text := c.yaml
	s.Configuration = &Configuration{EffectiveSince: inUTC(c.since), Truncated: len(text) > maxConfig}
	s.Configuration.YAML = strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return visible(r)
	}, string(text[:min(len(text), maxConfig)]))
}

// inUTC returns a time in UTC and whole seconds, and the zero time unchanged.
func inUTC(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Second)
}
