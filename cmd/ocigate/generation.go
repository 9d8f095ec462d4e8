package main

import (
	"fmt"
	"time"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/gateway/auth"
)

// A generation is what was built from one configuration: at the start, and again at each
// reload. It is immutable. A request finishes in the generation in which it began.
//
// The sessions with the platform, the journal, the listeners and the metrics belong to no
// generation: they exist as long as the program runs, and a reload changes their settings.
type generation struct {
	config   *config.Config
	parts    *parts
	services gateway.Services
	auth     *auth.Authenticator
	gateway  *gateway.Gateway
	issuer   *runningIssuer // nil without an external issuer
	since    time.Time      // when it became effective
}

// generate returns the generation of parts and of services that were made from them.
// before is the effective one, or nil at the start: its failed logins, revoked tokens and
// counts of requests go on.
func (p *Program) generate(parts *parts, services gateway.Services, before *generation) (*generation, error) {
	g := &generation{config: parts.config, parts: parts, services: services, since: time.Now()}
	verifier, err := gateway.NewVerifier(gateway.VerifyBy(g.config.Auth.Verify), p.client, parts.errors)
	if err != nil {
		return nil, fmt.Errorf("auth.verify: %w", err)
	}
	if g.config.Auth.CheckAdmins {
		verifier = gateway.CheckAdministrators(verifier, p.client)
	}
	options := authOptions(g.config, verifier)
	options.Revocations = p.revoked
	options.DefaultDomain = p.client.DefaultDomain
	var replaces *gateway.Gateway
	if before == nil {
		g.auth, err = auth.New(options)
	} else {
		g.auth, err = before.auth.With(options)
		replaces = before.gateway
	}
	if err != nil {
		return nil, err
	}
	if g.auth.EphemeralKey() && (before == nil || !before.auth.EphemeralKey()) {
		p.logger.Warn("auth.tokens.keys is empty: tokens end with this process and other replicas reject them")
	}
	if g.issuer, err = p.issuerOf(g.config, before); err != nil {
		return nil, err
	}
	g.auth.ReplaceIssuer(g.issuer.external())
	g.gateway = gateway.New(gateway.Options{
		Services:       services,
		Writer:         p.client,
		Operations:     p.keeper,
		PlatformErrors: parts.errors,
		Auth:           g.auth,
		Metrics:        p.metrics,
		Logger:         p.logger,
		RequestTimeout: g.config.HTTP.RequestTimeout,
		MaxBodyBytes:   int64(g.config.HTTP.MaxBodyBytes),
		GzipMinBytes:   g.config.HTTP.GzipMinBytes,
		TrustedProxies: g.config.HTTP.TrustedProxies,
		Docs:           docsHandler(g.config, parts.signIn),
		CORS:           corsOptions(g.config.HTTP.CORS),
		CallerLimits:   callerLimits(g.config),
		SessionShares:  sessionShares(g.config),
		Replaces:       replaces,
		NoWire:         !g.config.API.WireTrace,
		WireTraces:     p.wires,
		Tracer:         p.traces,
	})
	return g, nil
}

// configOf returns the effective configuration.
func (p *Program) configOf() *config.Config { return p.current.Load().config }
