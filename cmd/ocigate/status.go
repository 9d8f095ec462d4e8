package main

import (
	"bytes"
	"context"
	"os"
	"slices"
	"time"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/gateway/status"
	"ocigate/oci"
)

// runningStatus is the status page with its samples.
type runningStatus struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// stop ends the samples.
func (r *runningStatus) stop() {
	r.cancel()
	<-r.ended
}

// startStatus adds the status page to the listener for operators, and the informative
// checks to readyz. It must be called when all other parts are there.
func (p *Program) startStatus() *runningStatus {
	p.health.Inform("platform", func() string { return platformFailure(p.client.Stats()) })
	p.health.Inform("reload", func() string { return reloadFailure(p.lastReload.get()) })
	host, _ := os.Hostname() // the page can do without
	started := time.Now()
	o := status.Options{
		Version: versionText(), Replica: host, StartedAt: started,
		Ready: p.health.Unready,
		Stats: p.client.Stats, Keeper: p.keeper, Metrics: p.metrics,
		Certificates: p.certificatesInUse,
		Connections:  p.connections,
		Reload:       p.lastReload.get,
		Config: func() ([]byte, time.Time) {
			g := p.current.Load()
			return printedConfig(g.config), g.since
		},
		Issuer: p.issuerStatus,
	}
	page := status.New(o)
	page.Mount(p.health)
	ctx, cancel := context.WithCancel(context.Background())
	running := &runningStatus{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(running.ended)
		page.Run(ctx)
	}()
	return running
}

// printedConfig returns a configuration without its secrets.
func printedConfig(c *config.Config) []byte {
	var b bytes.Buffer
	_ = c.Print(&b) // to memory
	return b.Bytes()
}

// issuerStatus returns the external issuer, or nil.
func (p *Program) issuerStatus() *status.Issuer {
	g := p.current.Load()
	s, ok := g.issuer.stats()
	if !ok {
		return nil
	}
	url := g.config.Auth.OIDC.Issuer
	return &status.Issuer{URL: url, Keys: s.Keys, LastFetched: s.LastFetched, Fetched: s.Fetched, Failed: s.Failed}
}

// platformFailure returns why the platform cannot be used, or "". The reason is that of
// the last attempt: those of other endpoints may have been superseded, such as after the
// account was refused, when no endpoint is tried.
func platformFailure(stats oci.Stats) string {
	if slices.ContainsFunc(stats.Endpoints, isUp) {
		return ""
	}
	var last oci.EndpointStats
	for _, e := range stats.Endpoints {
		if e.LastError != nil && (last.LastError == nil || e.LastTried.After(last.LastTried)) {
			last = e
		}
	}
	if last.LastError == nil {
		return "no endpoint was reached yet"
	}
	return "no endpoint can be used: " + last.LastError.Error()
}

// isUp reports whether an endpoint of the platform can be used, as far as is known.
func isUp(e oci.EndpointStats) bool { return e.Up || e.Idle+e.Busy > 0 }

// reloadFailure returns why the last reload failed, or "".
func reloadFailure(last gateway.Reload) string {
	switch {
	case last.Successful:
		return ""
	case last.Cause != "":
		return last.Cause
	}
	return "the log has the cause"
}
