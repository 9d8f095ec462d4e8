package main

import (
	"context"
	"crypto/x509"
	"log/slog"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/gateway/auth"
)

// runningIssuer is an external issuer whose keys are kept current.
type runningIssuer struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// stop ends the fetches, and waits for the last one to be canceled.
func (r *runningIssuer) stop() {
	r.cancel()
	<-r.ended
}

// startIssuer makes the Authenticator accept tokens of the external issuer of the
// configuration. It returns nil if there is none. It does not wait for the first keys:
// an issuer that cannot be reached must not prevent a start.
func startIssuer(c config.OIDC, to *auth.Authenticator, metrics *gateway.Metrics, logger *slog.Logger) (*runningIssuer, error) {
	if !c.Enabled() {
		return nil, nil //nolint:nilnil // no issuer is no error
	}
	o := issuerOptions(c)
	o.Fetched = func(f auth.Fetch) { logFetch(logger, c.Issuer, f) }
	issuer, err := auth.NewIssuer(o)
	if err != nil {
		return nil, err
	}
	metrics.WatchIssuer(func() (auth.IssuerStats, bool) { return issuer.Stats(), true })
	to.ReplaceIssuer(issuer)
	ctx, cancel := context.WithCancel(context.Background())
	running := &runningIssuer{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(running.ended)
		issuer.Run(ctx)
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
