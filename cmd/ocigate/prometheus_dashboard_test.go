//go:build linux

package main

import (
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/gateway/auth"
	"ocigate/gateway/auth/issuertest"
	"ocigate/oci/ocisim"
)

// Every query of the dashboard is run by the real Prometheus, which scrapes two replicas with
// traffic and faults.

// withoutSeries has the parts of queries that find nothing here, with the reason.
var withoutSeries = map[string]string{
	"ocigate_journal_lock_held": "it exists with PostgreSQL only",
}

// chosen replaces the variables of the dashboard, and Grafana's own. The interval is longer
// than the test.
var chosen = strings.NewReplacer("$__rate_interval", "30m", "$job", "ocigate", "$instance", ".*", "$platform_endpoint", ".*")

func TestPrometheusDashboard(t *testing.T) {
	program := findProgram(t, "prometheus")
	platform := ocisim.NewTLSServer(ocisim.DemoSeed())
	t.Cleanup(func() { _ = platform.Close() }) // never fails
	replicas := []*running{startShown(t, platform), startShown(t, platform)}

	rules := filepath.Join(t.TempDir(), "rules.yaml")
	writeText(t, rules, "groups: [{name: test, rules: [{alert: OcigateTest, expr: vector(1), labels: {severity: warning}}]}]\n")
	options := prometheusOptions{program: program, targets: []string{replicas[0].admin, replicas[1].admin}, rules: []string{rules}, features: []string{"exemplar-storage"}}
	classic := startPrometheus(t, options)
	options.features = append(options.features, "native-histograms")
	native := startPrometheus(t, options)
	for _, p := range []*prometheusServer{classic, native} {
		p.waitScraped(t, len(replicas), 1) // an increase needs a value before it
	}
	for _, g := range replicas {
		makeTraffic(t, platform, g)
	}

	queries := dashboardQueries(t)
	for name, p := range map[string]*prometheusServer{"with buckets": classic, "with native histograms": native} {
		t.Run(name, func(t *testing.T) {
			if buckets := p.query(t, "count(ocigate_http_request_duration_seconds_bucket)"); (len(buckets) > 0) != (p == classic) {
				t.Errorf("there are buckets: %v", buckets)
			}
			wantSeries(t, p, queries)
			for _, q := range queries {
				if q.of == "panel Time of requests" && strings.Contains(q.expr, "0.99") {
					wantExemplar(t, p, chosen.Replace(q.expr))
				}
			}
		})
	}
}

// startShown runs a gateway with all that the dashboard shows, apart from PostgreSQL: TLS with
// the platform, a client with two hashes, and an external issuer.
func startShown(t *testing.T, platform *ocisim.Server) *running {
	t.Helper()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	writeText(t, authority, string(platform.CertPEM()))
	next, err := auth.Hash("next")
	if err != nil {
		t.Fatal(err)
	}
	issuer := issuertest.New(t)
	g := start(t, platform.Addr, func(c *config.Config) {
		c.Platform.Endpoints[0].TLS.Enabled, c.Platform.Endpoints[0].TLS.CAFile = true, authority
		c.Auth.Clients[0].NextHash = config.NewSecret(next)
		c.Auth.OIDC.Issuer, c.Auth.OIDC.CAFile, c.Auth.OIDC.Audiences = issuer.URL, issuer.CAFile(), []string{"ocigate"}
		c.Auth.OIDC.Claims.TenantID, c.Auth.OIDC.Claims.Levels = "tenant", []config.OIDCLevel{{Value: "t", Level: "tenant"}}
	})
	g.program.metrics.WatchLog(idleLog{}) // as serve does for the standard error output
	return g
}

// makeTraffic makes requests with a success and with errors, a write whose reply is lost, and
// a read whose reply is refused.
func makeTraffic(t *testing.T, platform *ocisim.Server, g *running) {
	t.Helper()
	api := "http://" + g.api + "/api/v1"
	numbers := api + itc("ApioSpTest", "ApioGrpTest", "numbers")
	want := func(method, url, body string, statuses ...int) {
		t.Helper()
		if status, answer := ask(t, method, url, body); !slices.Contains(statuses, status) {
			t.Errorf("%s %s: %d %s", method, url, status, answer)
		}
	}
	inject := func(f ocisim.Fault) {
		t.Helper()
		f.Times = 1
		if _, err := platform.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		askTraced(t, numbers)
	}
	want("GET", api+"/nothing/", "", http.StatusNotFound)
	want("POST", api+"/login/", `{"username":"groupadmin","password":"groupadmin-demo"}`, http.StatusOK)
	want("POST", api+"/login/", `{"username":"groupadmin","password":"wrong"}`, http.StatusUnauthorized)
	inject(ocisim.Fault{Kind: ocisim.DropAfterApply, Command: "GroupRouteList*AssignListRequest"})
	want("POST", numbers, `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`, http.StatusCreated, http.StatusGatewayTimeout, http.StatusBadGateway, http.StatusBadRequest)
	inject(ocisim.Fault{Kind: ocisim.Garbage, Command: "*NumberRangeGetSummaryListRequest*"})
	want("GET", numbers, "", http.StatusOK, http.StatusBadGateway)
}

// wantSeries runs queries until each has found a series.
func wantSeries(t *testing.T, p *prometheusServer, queries []shownQuery) {
	t.Helper()
	pending := slices.Clone(queries)
	exceptions := map[string]bool{}
	run := func(q shownQuery) bool { // reports whether it is done
		found, err := p.tryQuery(t, chosen.Replace(q.expr))
		if err != nil {
			t.Errorf("%s: %v: %s", q.of, err, q.expr)
			return true
		}
		for part := range withoutSeries {
			if strings.Contains(q.expr, part) {
				exceptions[part] = true
				return true
			}
		}
		wantDistinct(t, q, found)
		return len(found) > 0
	}
	end := time.Now().Add(prometheusPatience / 2)
	p.poll(t, "queries have been run", func() bool {
		pending = slices.DeleteFunc(pending, run)
		return len(pending) == 0 || time.Now().After(end)
	})
	for _, q := range pending {
		t.Errorf("%s finds nothing: %s", q.of, chosen.Replace(q.expr))
	}
	if len(exceptions) != len(withoutSeries) {
		t.Errorf("of the exceptions, only %v are in a query", exceptions)
	}
	t.Logf("%d queries, of which %d find nothing because of an exception", len(queries), len(exceptions))
}

// placeholderIn matches a label in a legend.
var placeholderIn = regexp.MustCompile(`\{\{(\w+)\}\}`)

// wantDistinct checks that the series of a panel are distinct, also those of several
// replicas: a number has one, and others have different legends.
func wantDistinct(t *testing.T, q shownQuery, found []prometheusSample) {
	t.Helper()
	if q.kind == "" || q.kind == "table" { // a table has the labels as columns
		return
	}
	seen := map[string]bool{}
	for _, s := range found {
		legend := placeholderIn.ReplaceAllStringFunc(q.legend, func(placeholder string) string {
			return s.Metric[strings.Trim(placeholder, "{}")]
		})
		if seen[legend] {
			t.Errorf("%s has two series with the legend %q: %s", q.of, legend, q.expr)
		}
		seen[legend] = true
	}
}
