package main

import (
	"context"
	"crypto/x509"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"ocigate/config"
	"ocigate/gateway/auth"
)

// runningIssuer is an external issuer whose keys are kept current. A nil one is no
// issuer.
type runningIssuer struct {
	settings config.OIDC
	issuer   *auth.Issuer
	cancel   context.CancelFunc
	fetched  chan struct{} // closed after the first fetch, also a failed one
	ended    chan struct{}
}

// stop ends the fetches, and waits for the last one to be canceled.
func (r *runningIssuer) stop() {
	if r != nil {
		r.cancel()
		<-r.ended
	}
}

// abandon ends the fetches. It does not wait, because the last one may hang while it reads
// its certificate authorities.
func (r *runningIssuer) abandon() {
	if r != nil {
		r.cancel()
	}
}

// external returns the issuer, or nil.
func (r *runningIssuer) external() *auth.Issuer {
	if r == nil {
		return nil
	}
	return r.issuer
}

// stats returns the counts for the metrics. It reports false without an issuer.
func (r *runningIssuer) stats() (auth.IssuerStats, bool) {
	if r == nil {
		return auth.IssuerStats{}, false
	}
	return r.issuer.Stats(), true
}

// issuerOf returns the external issuer of a configuration: that of before if its settings
// are the same, or else a new one, and nil if there is none. A new one does not delay the
// start: an issuer that cannot be reached must not prevent that. During a reload it is
// given the time of one fetch, so that its tokens are accepted from the beginning.
//
// The configuration was checked by [checkIssuer].
func (p *Program) issuerOf(c *config.Config, before *generation) (*runningIssuer, error) {
	settings := c.Auth.OIDC
	if !settings.Enabled() {
		return nil, nil //nolint:nilnil // no issuer is no error
	}
	if before != nil && before.issuer != nil && reflect.DeepEqual(before.issuer.settings, settings) {
		return before.issuer, nil
	}
	started, err := startIssuer(settings, p.logger)
	if err == nil && before != nil {
		select {
		case <-started.fetched:
		case <-time.After(settings.Timeout):
		}
	}
	return started, err
}

// startIssuer returns an external issuer that begins to fetch its keys.
func startIssuer(c config.OIDC, logger *slog.Logger) (*runningIssuer, error) {
	running := &runningIssuer{settings: c, fetched: make(chan struct{}), ended: make(chan struct{})}
	var first sync.Once
	o := issuerOptions(c)
	o.Fetched = func(f auth.Fetch) {
		logFetch(logger, c.Issuer, f)
		first.Do(func() { close(running.fetched) })
	}
	var err error
	if running.issuer, err = auth.NewIssuer(o); err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, running.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(running.ended)
		running.issuer.Run(ctx)
	}()
	return running, nil
}

// logFetch logs what an operator has to know about a fetch: failures, and changes of
// the keys.
func logFetch(logger *slog.Logger, issuer string, f auth.Fetch) {
	switch {
	case f.Err != nil:
		logger.Warn("the keys of the external issuer could not be fetched: the last ones stay in use", "issuer", issuer,
			"retry_seconds", f.RetryIn.Seconds(), "cause", onOneLine(f.Err))
	case f.Changed || f.Recovered:
		logger.Info("the keys of the external issuer were fetched", "issuer", issuer, "keys", f.Keys, "changed", f.Changed, "unusable", f.Unusable)
	}
}

// checkIssuer returns what is wrong with the settings of an external issuer, beyond
// what package config has checked.
func checkIssuer(c config.OIDC) error {
	if !c.Enabled() {
		return nil
	}
	o := issuerOptions(c)
	if _, err := auth.NewIssuer(o); err != nil {
		return &valueError{"auth.oidc", err}
	}
	if o.RootCAs != nil {
		if _, err := o.RootCAs(); err != nil {
			return &valueError{"auth.oidc.ca_file", err}
		}
	}
	return nil
}

// oidcLevels maps the levels of callers with an external token.
var oidcLevels = map[config.OIDCLevelName]auth.Level{
	config.OIDCSystem:     auth.SystemAdmin,
	config.OIDCTenant:     auth.TenantAdmin,
	config.OIDCGroup:      auth.GroupAdmin,
	config.OIDCDepartment: auth.DepartmentAdmin,
	config.OIDCUser:       auth.EndUser,
}

func issuerOptions(c config.OIDC) auth.IssuerOptions {
	o := auth.IssuerOptions{
		URL: c.Issuer, Audiences: c.Audiences, Algorithms: c.Algorithms,
		AccessTokensOnly: c.AccessTokensOnly, Skew: c.ClockSkew,
		Timeout: c.Timeout, Refresh: c.Refresh, UnknownKeyInterval: c.UnknownKeyInterval,
		Claims: auth.ClaimMapping{
			Level: c.Claims.Level, TenantID: c.Claims.TenantID, GroupID: c.Claims.GroupID, UserID: c.Claims.UserID,
		},
	}
	for _, l := range c.Claims.Levels {
		o.Claims.Levels = append(o.Claims.Levels, auth.LevelValue{Value: l.Value, Level: oidcLevels[l.Level]})
	}
	for _, r := range c.Claims.Required {
		o.Claims.Required = append(o.Claims.Required, auth.RequiredClaim{Claim: r.Claim, Value: r.Value})
	}
	if c.CAFile != "" {
		o.RootCAs = func() (*x509.CertPool, error) { return authoritiesOf(c.CAFile) }
	}
	return o
}

// authoritiesOf returns the certificate authorities of a file.
func authoritiesOf(name string) (*x509.CertPool, error) {
	file, err := readAuthorities(name)
	if err != nil {
		return nil, err
	}
	return file.pool(), nil
}
