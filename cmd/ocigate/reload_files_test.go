package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/gateway/auth"
	"ocigate/oci/ocisim"
)

// These tests specify which certificates and secrets are read again while the program runs,
// and what they change.

// metric returns the value of a metric with those labels from the listener for operators, and
// -1 if there is none.
func (g *running) metric(t *testing.T, series string) float64 {
	t.Helper()
	_, body := ask(t, "GET", "http://"+g.admin+"/metrics", "")
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(body)
	if found == nil {
		return -1
	}
	value, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Error(err)
	}
	return value
}

func (g *running) end(t *testing.T) {
	t.Helper()
	g.stop()
	if err := <-g.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// reread reads the files again, which must be valid.
func (g *running) reread(t *testing.T) {
	t.Helper()
	if _, err := g.program.Reread(commandTrigger); err != nil {
		t.Errorf("Reread: %v", err)
	}
}

func writeText(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRereadShowsAnotherCertificateToNewConnections(t *testing.T) {
	pair := pairIn(t.TempDir(), "api")
	before, after := issue(t, "before", -day, 20*day, nil), issue(t, "after", -day, 40*day, nil)
	writePair(t, pair, before)
	g := start(t, newPlatform(t).Addr, func(c *config.Config) { c.HTTP.TLS = pair })
	defer g.end(t)
	const expiry = `ocigate_certificate_not_after_timestamp_seconds{platform_endpoint="",use="api"}`
	if at := g.metric(t, expiry); at != float64(before.certificate.NotAfter.Unix()) {
		t.Errorf("the metric is %v", at)
	}

	old := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: before.pool()}}
	defer old.CloseIdleConnections()
	get := func() (reused bool) {
		t.Helper()
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
		})
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+g.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("portal", demoSecret)
		response, err := (&http.Client{Timeout: time.Minute, Transport: old}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("numbers: %s, %v", response.Status, err)
		}
		return reused
	}
	get()
	writePair(t, pair, after)
	if shown := shownBy(t, g.api); !shown.Equal(before.certificate) {
		t.Errorf("it shows the certificate of %s before the reread", shown.Subject)
	}
	g.reread(t)
	if shown := shownBy(t, g.api); !shown.Equal(after.certificate) {
		t.Errorf("it shows the certificate of %s", shown.Subject)
	}
	if !get() {
		t.Error("the connection from before did not go on")
	}
	if at := g.metric(t, expiry); at != float64(after.certificate.NotAfter.Unix()) {
		t.Errorf("the metric is %v", at)
	}
	if !strings.Contains(g.log.String(), "changed=\"[http.tls.cert_file ("+pair.CertFile+")]\"") {
		t.Errorf("the log does not name the changed files:\n%s", g.log)
	}
}

// TestRereadIsAllOrNothing has a valid file and an invalid one in each case. To add an invalid
// file, add an entry to the map.
func TestRereadIsAllOrNothing(t *testing.T) {
	folder := t.TempDir()
	pair, hash, key, password := pairIn(folder, "api"), filepath.Join(folder, "hash"), filepath.Join(folder, "key"), filepath.Join(folder, "password")
	before := issue(t, "before", -day, 20*day, nil)
	hashOf := func(secret string) string {
		text, err := auth.Hash(secret)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good, other := hashOf(demoSecret), hashOf("another secret")
	restore := func() {
		writePair(t, pair, before)
		writeText(t, hash, good)
		writeText(t, key, strings.Repeat("k", 40))
		writeText(t, password, "gateway-demo\n")
	}
	restore()
	g := start(t, newPlatform(t).Addr, func(c *config.Config) {
		c.HTTP.TLS = pair
		c.Auth.Clients[0].Hash = readSecret(t, hash)
		c.Auth.Tokens.Keys[0].Secret = readSecret(t, key)
		c.Platform.Password = readSecret(t, password)
	})
	defer g.end(t)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: before.pool()},
	}}
	loaded := g.metric(t, "ocigate_reload_timestamp_seconds")
	for name, test := range map[string]struct {
		change func()
		want   []string // in the error and the log
	}{
		"a key that is not the certificate's": {
			func() { writeKey(t, pair.KeyFile, issue(t, "x", -day, day, nil)); writeText(t, hash, other) },
			[]string{"http.tls", pair.KeyFile, "private key does not match"},
		},
		"a certificate that has expired": {
			func() { writePair(t, pair, issue(t, "x", -2*day, -day, nil)); writeText(t, hash, other) },
			[]string{"http.tls.cert_file", pair.CertFile, "expired on"},
		},
		"a certificate that is not valid yet": {
			func() { writePair(t, pair, issue(t, "x", day, 2*day, nil)) },
			[]string{pair.CertFile, "is not valid before"},
		},
		"a hash that is none": {
			func() { writeText(t, hash, "hunter2"); writePair(t, pair, issue(t, "x", -day, day, nil)) },
			[]string{"auth.clients[0].hash", hash, "must be a bcrypt hash"},
		},
		"a hash that costs too little": {
			func() { writeText(t, hash, "$2b$04$abcdefghijklmnopqrstuuqB1v0wx2y3z4A5B6C7D8E9F0G1H2I3J") },
			[]string{"Clients[0]: Hash: the cost must be 10..15", "auth.clients[0].hash (" + hash},
		},
		"a key that is too short": {
			func() { writeText(t, key, "hunter2"); writeText(t, hash, other) },
			[]string{"auth.tokens.keys[0].secret", key, "at least 32 bytes"},
		},
		"an empty password": {
			func() { writeText(t, password, "\n"); writeText(t, hash, other) },
			[]string{"platform.password", password, "empty"},
		},
		"two files that were removed": {
			func() { _ = os.Remove(key); _ = os.Remove(pair.CertFile); writeText(t, hash, other) },
			[]string{key, pair.CertFile},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.change()
			_, err := g.program.Reread(commandTrigger)
			if err == nil {
				t.Fatal("no error")
			}
			lines := strings.Split(strings.TrimSpace(g.log.String()), "\n")
			i := len(lines) - 1
			for i > 0 && !strings.Contains(lines[i], "reload failed") {
				i--
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) || !strings.Contains(lines[i], want) {
					t.Errorf("%q is not in the error:\n%v\nor not in the line:\n%s", want, err, lines[i])
				}
			}
			if !strings.Contains(lines[i], "level=ERROR") || strings.Contains(g.log.String()+err.Error(), "hunter2") {
				t.Errorf("no error, or it contains the secret: %s", lines[i])
			}
			if shown := shownBy(t, g.api); !shown.Equal(before.certificate) {
				t.Errorf("it shows the certificate of %s", shown.Subject)
			}
			if status := statusOverTLS(t, client, g.api); status != http.StatusOK {
				t.Errorf("with the old secret: %d", status)
			}
			if ok, at := g.metric(t, "ocigate_reload_successful"), g.metric(t, "ocigate_reload_timestamp_seconds"); ok != 0 || at != loaded {
				t.Errorf("the metrics are %v at %v", ok, at)
			}
			restore()
			g.reread(t)
			if ok := g.metric(t, "ocigate_reload_successful"); ok != 1 {
				t.Errorf("the metric is %v after all files are valid again", ok)
			}
			loaded = g.metric(t, "ocigate_reload_timestamp_seconds")
		})
	}
}

// TestRereadOfOneFileWithAnotherCertificateExpired has a certificate that expires while the
// gateway runs, in an unchanged file.
func TestRereadOfOneFileWithAnotherCertificateExpired(t *testing.T) {
	folder := t.TempDir()
	pair, key := pairIn(folder, "api"), filepath.Join(folder, "key")
	writePair(t, pair, issue(t, "api", -2*day, -day, nil))
	writeText(t, key, strings.Repeat("k", 40))
	g := start(t, newPlatform(t).Addr, func(c *config.Config) {
		c.HTTP.TLS = pair
		c.Auth.Tokens.Keys[0].Secret = readSecret(t, key)
	})
	defer g.end(t)
	writeText(t, key, strings.Repeat("K", 40))
	g.reread(t)
	log := g.log.String()
	if !strings.Contains(log, `changed="[auth.tokens.keys[0].secret (`+key+`)]"`) || strings.Count(log, "expired on") != 2 {
		t.Errorf("the log does not contain both:\n%s", log)
	}
}

// TestRereadReplacesClientsAndKeys checks callers with old and new secrets.
func TestRereadReplacesClientsAndKeys(t *testing.T) {
	folder := t.TempDir()
	hash, key := filepath.Join(folder, "hash"), filepath.Join(folder, "key")
	setHash := func(secret string) {
		t.Helper()
		text, err := auth.Hash(secret)
		if err != nil {
			t.Fatal(err)
		}
		writeText(t, hash, text+"\n")
	}
	setHash("old secret")
	writeText(t, key, strings.Repeat("k", 40))
	g := start(t, newPlatform(t).Addr, func(c *config.Config) {
		c.Auth.VerifiedFor = time.Minute
		c.Auth.Clients[1].Hash = readSecret(t, hash)
		c.Auth.Tokens.Keys[0].Secret = readSecret(t, key)
	})
	defer g.end(t)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	wantStatus := func(want int, header, value string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set(header, value)
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s, want %d", header, response.Status, want)
		}
	}
	login := func() string {
		t.Helper()
		_, body := ask(t, "POST", "http://"+g.api+"/api/v1/login/", `{"username":"groupadmin","password":"groupadmin-demo"}`)
		found := regexp.MustCompile(`"access_token":"([^"]+)"`).FindStringSubmatch(body)
		if found == nil {
			t.Fatalf("login: %s", body)
		}
		return "Bearer " + found[1]
	}
	token := login()
	wantStatus(http.StatusOK, "X-Api-Key", "tenant.old secret")
	wantStatus(http.StatusOK, "Authorization", token)
	setHash("new secret")
	writeText(t, key, strings.Repeat("K", 40))
	wantStatus(http.StatusOK, "X-Api-Key", "tenant.old secret")
	g.reread(t)
	wantStatus(http.StatusUnauthorized, "X-Api-Key", "tenant.old secret")
	wantStatus(http.StatusOK, "X-Api-Key", "tenant.new secret")
	wantStatus(http.StatusUnauthorized, "Authorization", token)
	wantStatus(http.StatusOK, "Authorization", login())
}

// TestRereadReplacesFilesOfTheEndpoint has a platform that changes its certificate, and then
// the authority whose clients it accepts.
func TestRereadReplacesFilesOfTheEndpoint(t *testing.T) {
	platform, err := ocisim.New(ocisim.DemoSeed())
	if err != nil {
		t.Fatal(err)
	}
	var side atomic.Pointer[tls.Config]
	show := func(server *issued, clients *x509.CertPool) {
		side.Store(&tls.Config{
			Certificates: []tls.Certificate{server.pair()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
			SessionTicketsDisabled: true,
		})
	}
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- platform.Serve(tls.NewListener(plain, &tls.Config{
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return side.Load(), nil },
		}))
	}()
	t.Cleanup(func() {
		_ = platform.Close() // never fails
		if err := <-served; !errors.Is(err, ocisim.ErrClosed) {
			t.Error(err)
		}
	})
	folder := t.TempDir()
	ca, pair := filepath.Join(folder, "ca.pem"), pairIn(folder, "client")
	server, client := issue(t, "server", -day, 20*day, nil), issue(t, "client", -day, 30*day, nil)
	writePEM(t, ca, server)
	writePair(t, pair, client)
	show(server, client.pool())
	g := start(t, plain.Addr().String(), func(c *config.Config) {
		c.Platform.Endpoints[0].TLS = config.EndpointTLS{Enabled: true, CAFile: ca, CertFile: pair.CertFile, KeyFile: pair.KeyFile}
		c.Platform.Backoff.Initial, c.Platform.Backoff.Max = 10*time.Millisecond, 10*time.Millisecond
	})
	defer g.end(t)
	numbers := func() int {
		status, _ := ask(t, "GET", "http://"+g.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), "")
		return status
	}
	tried := func() float64 {
		return g.metric(t, `ocigate_platform_logins_total{platform_endpoint="simulated",result="tls"}`) +
			g.metric(t, `ocigate_platform_logins_total{platform_endpoint="simulated",result="login"}`)
	}
	waitFor(t, func() bool { return numbers() == http.StatusOK })

	for _, step := range []struct {
		name  string
		there func() // the change on the platform
		here  func() // the change of the operator's files
	}{
		{
			"the platform's certificate",
			func() { server = issue(t, "another server", -day, 50*day, nil); show(server, client.pool()) },
			func() { writePEM(t, ca, server) },
		},
		{
			"the client's certificate",
			func() { client = issue(t, "another client", -day, 60*day, nil); show(server, client.pool()) },
			func() { writePair(t, pair, client) },
		},
	} {
		step.there()
		sessions := len(platform.Connections())
		step.here()
		if status := numbers(); status != http.StatusOK || sessions == 0 || len(platform.Connections()) != sessions {
			t.Errorf("%s: %d over the sessions from before, of which there are %d", step.name, status, sessions)
		}
		before := tried()
		platform.Restart()
		waitFor(t, func() bool { return tried() > before })
		if status := numbers(); status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d with the old files", step.name, status)
		}
		g.reread(t)
		waitFor(t, func() bool { return numbers() == http.StatusOK })
		connections := platform.Connections()
		g.reread(t) // with unchanged files
		if status := numbers(); status != http.StatusOK || len(platform.Connections()) != len(connections) {
			t.Errorf("%s: %d after another reading", step.name, status)
		}
	}
	for use, certificate := range map[string]*issued{"platform_ca": server, "platform_server": server, "platform_client": client} {
		at := g.metric(t, `ocigate_certificate_not_after_timestamp_seconds{platform_endpoint="simulated",use="`+use+`"}`)
		if at != float64(certificate.certificate.NotAfter.Unix()) {
			t.Errorf("the metric of %s is %v", use, at)
		}
	}
}

func TestRereadReportsSecretsThatNeedARestart(t *testing.T) {
	folder := t.TempDir()
	url, password := filepath.Join(folder, "url"), filepath.Join(folder, "password")
	writeText(t, url, "postgres://hunter2@127.0.0.1/x")
	writeText(t, password, "gateway-demo")
	g := start(t, newPlatform(t).Addr, func(c *config.Config) {
		c.Journal.PostgresURL = readSecret(t, url) // the embedded store does not use it
		c.Platform.Password = readSecret(t, password)
	})
	defer g.end(t)
	writeText(t, url, "postgres://hunter3@127.0.0.1/x")
	for range 2 {
		g.reread(t)
	}
	log := g.log.String()
	want := `changed=[] changed_but_needs_restart=[journal.postgres_url]`
	if strings.Count(log, want) != 2 || strings.Contains(log, "hunter") {
		t.Errorf("%s is not there exactly twice, or a secret is there:\n%s", want, log)
	}
}

// TestReloadOnSignals sends signals before the program serves, while it does, many at the same
// time, and at its end.
func TestReloadOnSignals(t *testing.T) {
	pair := pairIn(t.TempDir(), "api")
	writePair(t, pair, issue(t, "before", -day, 20*day, nil))
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGHUP
	g := start(t, newPlatform(t).Addr, func(c *config.Config) { c.HTTP.TLS = pair })
	defer g.end(t)
	stop := g.program.ReloadOn(signals)
	count := func() int { return strings.Count(g.log.String(), "configuration reloaded") }
	waitFor(t, func() bool { return count() == 1 })
	after := issue(t, "after", -day, 20*day, nil)
	writePair(t, pair, after)
	for range 50 {
		select {
		case signals <- syscall.SIGHUP:
		default:
		}
	}
	waitFor(t, func() bool { return shownBy(t, g.api).Equal(after.certificate) })
	stop()
	seen := count()
	select {
	case signals <- syscall.SIGHUP:
	default: // one is still there, which nobody reads either
	}
	if count() != seen {
		t.Error("the files are read after the end")
	}
}
