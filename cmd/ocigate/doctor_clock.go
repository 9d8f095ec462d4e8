package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"time"

	"ocigate/config"
	"ocigate/gateway/auth"
)

// The names of these checks.
const (
	nameIssuer = "issuer"
	nameClock  = "clock"
	nameBudget = "budget"
)

// clockTolerance is the difference of clocks above which the check fails, and clockNote
// that above which there is a note.
const (
	clockTolerance = 30 * time.Second
	clockNote      = 2 * time.Second
)

// comparison compares this machine's clock with another one.
type comparison struct {
	of        string
	ahead     time.Duration // by how much the other one is ahead
	uncertain time.Duration // the greatest error of that
	tolerance time.Duration
}

// checkIssuer fetches the keys of the external issuer, and compares its clock.
func (d *doctor) checkIssuer(ctx context.Context) {
	c := check{Name: nameIssuer, code: exitIssuer}
	oidc := d.config.Auth.OIDC
	if !oidc.Enabled() {
		d.report.skip(c, "no OpenID Connect issuer is configured")
		return
	}
	began := time.Now()
	c.Tried = "fetch the keys of " + oidc.Issuer
	o := issuerOptions(oidc)
	o.Timeout = d.limit(oidc.Timeout)
	fetch, err := fetchOnce(ctx, o)
	switch {
	case err != nil:
		d.report.fail(c, time.Since(began), onOneLine(err), fmt.Sprintf("check %s and auth.oidc.ca_file, and that this machine or container can reach the issuer; until then no token of it is accepted", d.place("auth.oidc.issuer")))
		return
	case len(fetch.Keys) == 0:
		d.report.fail(c, time.Since(began), "the issuer has no usable key: "+strings.Join(fetch.Unusable, "; "), "check "+d.place("auth.oidc.algorithms"))
	case len(fetch.Unusable) > 0:
		d.report.note(c, time.Since(began), fmt.Sprintf("%s; not used: %s", numbered(len(fetch.Keys), "usable key", "usable keys"), strings.Join(fetch.Unusable, "; ")), "nothing, unless tokens are signed with such a key")
	default:
		d.report.ok(c, time.Since(began), numbered(len(fetch.Keys), "usable key", "usable keys"))
	}
	d.compareIssuerClock(ctx, o)
}

// fetchOnce fetches the keys of an issuer.
func fetchOnce(ctx context.Context, o auth.IssuerOptions) (auth.Fetch, error) {
	ctx, cancel := context.WithCancel(ctx)
	fetched := make(chan auth.Fetch, 1)
	o.Fetched = func(f auth.Fetch) {
		select {
		case fetched <- f:
			cancel()
		default:
		}
	}
	defer cancel()
	issuer, err := auth.NewIssuer(o)
	if err != nil {
		return auth.Fetch{}, err
	}
	issuer.Run(ctx) // ends after the first fetch
	select {
	case f := <-fetched:
		return f, f.Err
	default:
		return auth.Fetch{}, context.Cause(ctx)
	}
}

// compareIssuerClock compares the clock with the Date of a response of the issuer, which
// is cut to seconds.
func (d *doctor) compareIssuerClock(ctx context.Context, o auth.IssuerOptions) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	secured := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.RootCAs != nil {
		pool, err := o.RootCAs()
		if err != nil {
			return // the fetch of the keys has reported it
		}
		secured.RootCAs = pool
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, strings.TrimSuffix(o.URL, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: secured}}
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return
	}
	_ = response.Body.Close() // a response to HEAD has none
	took := time.Since(began)
	at, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return
	}
	const half = 500 * time.Millisecond
	tolerance := clockTolerance
	if d.config.Auth.OIDC.ClockSkew > 0 {
		tolerance = min(tolerance, d.config.Auth.OIDC.ClockSkew)
	}
	d.clocks = append(d.clocks, comparison{"the OpenID Connect issuer", at.Add(half).Sub(began.Add(took / 2)), half + took/2, tolerance})
}

// checkClock reports the comparisons of the clock. There is always one with the time at
// which the program was built, if that is known: a clock before it is wrong.
func (d *doctor) checkClock() {
	began := time.Now()
	c := check{Name: nameClock, code: exitClock, Tried: "compare the clock of this machine"}
	const do = "have the clock synchronized, such as by NTP: tokens, keys and the times of writes depend on it"
	if built, err := time.Parse(time.RFC3339, readBuild().time); err == nil && began.Before(built) {
		d.report.fail(c, time.Since(began), fmt.Sprintf("the clock is at %s, before this program was built (%s)", date(began), date(built)), do)
		return
	}
	if len(d.clocks) == 0 {
		d.report.note(c, time.Since(began), d.nothingToCompare()+"; the clock is at "+date(began), "compare it with timedatectl or chronyc tracking")
		return
	}
	worst, off := d.clocks[0], false
	var texts []string
	for _, other := range d.clocks {
		texts = append(texts, other.String())
		off = off || other.least() > other.tolerance
		if other.least() > worst.least() {
			worst = other
		}
	}
	text := strings.Join(texts, "; ")
	switch {
	case off:
		d.report.fail(c, time.Since(began), text, do)
	case worst.least() > clockNote:
		d.report.note(c, time.Since(began), text, do)
	default:
		d.report.ok(c, time.Since(began), text)
	}
}

// nothingToCompare returns why there is no other clock.
func (d *doctor) nothingToCompare() string {
	const nothing = "there was nothing to compare it with: "
	if d.config.Journal.Store == config.StorePostgres || d.config.Auth.OIDC.Enabled() {
		return nothing + "no other server has reported its time"
	}
	return nothing + "neither PostgreSQL nor an OpenID Connect issuer is configured"
}

// least returns the least difference that there is.
func (c comparison) least() time.Duration { return max(0, c.ahead.Abs()-c.uncertain) }

// String returns the comparison in words.
func (c comparison) String() string {
	if c.least() == 0 {
		return fmt.Sprintf("the same as that of %s, within %v", c.of, c.uncertain.Round(time.Millisecond))
	}
	word := "behind"
	if c.ahead < 0 {
		word = "ahead of"
	}
	return fmt.Sprintf("about %v %s that of %s", c.ahead.Abs().Round(time.Second), word, c.of)
}

// checkBudget compares how many sessions all gateways may use with how many the platform
// allows: those of the pool and, in addition, the logins that verify passwords of callers.
func (d *doctor) checkBudget() {
	began := time.Now()
	c := check{Name: nameBudget, code: exitBudget, Tried: "add up the sessions of all gateways"}
	logins := d.config.Auth.Throttle.Concurrent
	each := d.config.Platform.Pool.Max + logins
	all := d.replicas * each
	sum := fmt.Sprintf("%s × (%d of platform.pool.max + %d logins of callers) = %d sessions at most, all at one endpoint if the others are down",
		numbered(d.replicas, "gateway", "gateways"), d.config.Platform.Pool.Max, logins, all)
	allowed := d.platformSessions
	switch {
	case allowed == 0:
		d.report.note(c, time.Since(began), sum+"; how many the platform allows is not public, and it was not given", "ask the platform's operator, and give the number with --platform-sessions")
	case all > allowed && allowed/d.replicas > logins:
		d.report.fail(c, time.Since(began), fmt.Sprintf("%s, and the platform allows %d", sum, allowed), fmt.Sprintf("set platform.pool.max to %d or less, or have the platform allow more", allowed/d.replicas-logins))
	case all > allowed:
		d.report.fail(c, time.Since(began), fmt.Sprintf("%s, and the platform allows %d", sum, allowed), "run fewer gateways, or have the platform allow more")
	case all+each > allowed:
		d.report.note(c, time.Since(began), fmt.Sprintf("%s, and the platform allows %d: one more gateway during a rolling restart does not fit", sum, allowed), "stop the old gateway before the new one starts, or lower platform.pool.max")
	default:
		d.report.ok(c, time.Since(began), fmt.Sprintf("%s, and the platform allows %d", sum, allowed))
	}
}
