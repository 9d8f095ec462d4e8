package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ocigate/config"
	"ocigate/gateway/openapi/openapitest"
	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// These tests specify a running program: serving, stopping, TLS, and the problems of a
// configuration that are found when it is built. The helpers run a gateway in the process of
// the tests.

// asProgram is an environment variable that makes the test's binary the program, for tests
// that need a separate process.
const asProgram = "TEST_AS_OCIGATE"

func TestMain(m *testing.M) {
	aroundAPI = openapitest.Handler
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	// The descriptions and commands that the tests hold make each collection of garbage long:
	// most of that time is saved with some more memory.
	debug.SetGCPercent(400)
	goleak.VerifyTestMain(openapitest.Main{M: m})
}

// output collects the output of a program from several goroutines.
type output struct {
	mu     sync.Mutex // guards buffer
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// running is a gateway that runs for a test.
type running struct {
	api, admin string // addresses
	stop       context.CancelFunc
	ended      <-chan error
	log        *output
	program    *Program
}

// start runs a gateway in front of the platform at that address, at most until the test
// ends. change may change the configuration.
func start(t testing.TB, platform string, change func(*config.Config)) *running {
	t.Helper()
	c, err := demoConfig(&demo{api: "127.0.0.1:0", admin: "127.0.0.1:0"}, platform, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(c)
	}
	log := &output{}
	return run(t, c, log, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), nil)
}

// startWith runs the gateway of a configuration with its own log. prepare is called before
// it serves.
func startWith(t testing.TB, c *config.Config, prepare func(*Program)) *running {
	t.Helper()
	log := &output{}
	return run(t, c, log, newLogger(c.Log, log), prepare)
}

func run(t testing.TB, c *config.Config, log *output, logger *slog.Logger, prepare func(*Program)) *running {
	t.Helper()
	program, err := NewProgram(c, logger)
	if err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(program)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	ready := make(chan [2]string, 1)
	var run sync.WaitGroup
	run.Go(func() {
		ended <- program.Run(ctx, func(api, admin net.Addr) { ready <- [2]string{api.String(), admin.String()} })
	})
	t.Cleanup(func() { cancel(); run.Wait() }) // before the folder of the journal is removed
	select {
	case at := <-ready:
		return &running{api: at[0], admin: at[1], stop: cancel, ended: ended, log: log, program: program}
	case err := <-ended:
		t.Fatalf("the gateway did not start: %v", err)
		return nil
	}
}

func newPlatform(t testing.TB) *ocisim.Server {
	t.Helper()
	s := ocisim.NewServer(ocisim.DemoSeed())
	t.Cleanup(func() { _ = s.Close() }) // never fails
	return s
}

// ask makes a request as the demonstration's client of level system.
func ask(t testing.TB, method, url, body string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("portal", demoSecret)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, string(read)
}

func TestProgramServesAndStopsInOrder(t *testing.T) {
	platform := newPlatform(t)
	slow, err := platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: "GroupRouteList*AssignListRequest", Delay: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, platform.Addr, nil)
	if status, body := ask(t, "GET", "http://"+g.admin+"/readyz", ""); status != http.StatusOK || body != "ready\n" {
		t.Errorf("readyz: %d %q", status, body)
	}
	if status, body := ask(t, "GET", "http://"+g.admin+"/metrics", ""); status != http.StatusOK || !strings.Contains(body, "ocigate_build_info{") {
		t.Errorf("metrics: %d %.200q", status, body)
	}

	var caller sync.WaitGroup
	caller.Go(func() {
		url := "http://" + g.api + "/api/v1" + itc("ApioSpTest", "ApioGrpTest", "numbers")
		status, body := ask(t, "POST", url, `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`)
		if status != http.StatusCreated {
			t.Errorf("a write under way when the program stops: %d %s", status, body)
		}
	})
	waitFor(t, func() bool { return slow.Hits() == 1 })
	g.stop()
	caller.Wait()
	if err := <-g.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	waitFor(t, func() bool { return len(platform.Connections()) == 0 })
	if conn, err := net.DialTimeout("tcp", g.api, time.Second); err == nil {
		t.Error("the API still listens")
		_ = conn.Close()
	}
	for _, secret := range []string{"gateway-demo", demoSecret + `"`, "$argon2id$"} {
		if strings.Contains(g.log.String(), secret) {
			t.Errorf("the log contains %q", secret)
		}
	}
}

// waitFor polls a condition that has no other notification.
func waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("waited in vain")
		}
	}
}

func TestProgramRefusesLoginsWithItsOwnAccount(t *testing.T) {
	platform := newPlatform(t)
	g := start(t, platform.Addr, nil)
	for _, login := range []struct{ user, password string }{
		{"GateWay", "wrong"},
		{"gateway", "gateway-demo"},
		{"gateway@example.com", "gateway-demo"}, // the platform completes the name
	} {
		status, body := ask(t, "POST", "http://"+g.api+"/api/v1/login/", `{"username":"`+login.user+`","password":"`+login.password+`"}`)
		if status != http.StatusUnauthorized || !strings.Contains(body, "not accepted") {
			t.Errorf("%s: %d %s", login.user, status, body)
		}
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	for _, entry := range platform.Ledger() {
		if entry.Error != 0 && strings.Contains(strings.ToLower(entry.User), "gateway") {
			t.Errorf("the platform refused %s of %s", entry.Command, entry.User)
		}
	}
}

func TestProgramServesWithoutAPlatform(t *testing.T) {
	platform := newPlatform(t)
	_ = platform.Close() // never fails
	g := start(t, platform.Addr, nil)
	if status, _ := ask(t, "GET", "http://"+g.admin+"/readyz", ""); status != http.StatusOK {
		t.Errorf("readyz: %d", status)
	}
	status, body := ask(t, "GET", "http://"+g.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), "")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "PLATFORM_UNAVAILABLE") {
		t.Errorf("numbers: %d %s", status, body)
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestProgramReportsWhichAddressIsInUse(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	c, err := demoConfig(&demo{api: taken.Addr().String(), admin: "127.0.0.1:0"}, "127.0.0.1:1", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	program, err := NewProgram(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	err = program.Run(t.Context(), func(net.Addr, net.Addr) { t.Error("it is ready") })
	if _, ok := errors.AsType[*net.OpError](err); !ok || !strings.HasPrefix(err.Error(), "http.listen: ") {
		t.Errorf("Run: %v", err)
	}
}

// TestProgramOverTLS uses TLS on both sides: with the platform, with an authority from a file,
// and for the API, with a certificate from files.
func TestProgramOverTLS(t *testing.T) {
	platform := ocisim.NewTLSServer(ocisim.DemoSeed())
	t.Cleanup(func() { _ = platform.Close() }) // never fails
	folder := t.TempDir()
	authority := filepath.Join(folder, "ca.pem")
	if err := os.WriteFile(authority, platform.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	useTLS := func(c *config.Config) {
		c.Platform.Endpoints[0].TLS.Enabled = true
		c.Platform.Endpoints[0].TLS.CAFile = authority
	}
	t.Run("logs in with the authority that the file names", func(t *testing.T) {
		g := start(t, platform.Addr, useTLS)
		status, body := ask(t, "GET", "http://"+g.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), "")
		if status != http.StatusOK {
			t.Errorf("numbers: %d %s", status, body)
		}
		status, body = ask(t, "POST", "http://"+g.api+"/api/v1/login/", `{"username":"groupadmin","password":"groupadmin-demo"}`)
		if status != http.StatusOK {
			t.Errorf("login: %d %s", status, body)
		}
		g.stop()
		if err := <-g.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if strings.Contains(g.log.String(), "groupadmin-demo") {
			t.Error("the log contains the caller's password")
		}
	})
	t.Run("trusts no other", func(t *testing.T) {
		g := start(t, platform.Addr, func(c *config.Config) { useTLS(c); c.Platform.Endpoints[0].TLS.CAFile = "" })
		status, body := ask(t, "GET", "http://"+g.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), "")
		if status != http.StatusServiceUnavailable {
			t.Errorf("numbers: %d %s", status, body)
		}
		g.stop()
		if err := <-g.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if !strings.Contains(g.log.String(), "TLS: failed to verify certificate") {
			t.Errorf("the log does not report that TLS failed: %s", g.log)
		}
	})
}

func TestBuildReportsAllProblems(t *testing.T) {
	folder := t.TempDir()
	notPEM := filepath.Join(folder, "not.pem")
	if err := os.WriteFile(notPEM, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	emptyPEM := filepath.Join(folder, "empty.pem")
	if err := os.WriteFile(emptyPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"}), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := demoConfig(&demo{}, "127.0.0.1:1", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP.TLS = config.KeyPair{CertFile: notPEM, KeyFile: notPEM}
	c.Auth.Clients[0].Hash = config.NewSecret("$2y$04$abcdefghijklmnopqrstuuqB1v0wx2y3z4A5B6C7D8E9F0G1H2I3J")
	c.API.PlatformErrors = []config.PlatformError{{Number: 1, Error: "INTERNAL"}, {Number: 2, Error: "NO_SUCH_ERROR"}, {Text: "no such", Error: "NOR_THIS_ONE"}, {Number: 4, Error: "CALLER_LEFT"}}
	endpoint := c.Platform.Endpoints[0]
	for _, tls := range []config.EndpointTLS{
		{Enabled: true, CAFile: filepath.Join(folder, "missing.pem")},
		{Enabled: true, CAFile: notPEM},
		{Enabled: true, CertFile: emptyPEM, KeyFile: emptyPEM},
	} {
		endpoint.TLS = tls
		c.Platform.Endpoints = append(c.Platform.Endpoints, endpoint)
	}
	_, err = build(c)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"http.tls: ",
		"auth: Clients[0]: Hash: the cost must be 10..15, not 4",
		"api.platform_errors[1].error: there is no error of the name NO_SUCH_ERROR",
		"api.platform_errors[2].error: there is no error of the name NOR_THIS_ONE",
		"api.platform_errors[3].error: platform errors cannot be mapped to CALLER_LEFT",
		"platform.endpoints[1].tls: ca_file: ",
		fmt.Sprintf("platform.endpoints[2].tls: ca_file: %s contains no PEM certificate", notPEM),
		"platform.endpoints[3].tls: cert_file and key_file: ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "platform_errors[0]") {
		t.Errorf("a valid name is refused: %v", err)
	}
}

func TestPlatformErrorsAreMappedByNumberAndByText(t *testing.T) {
	table, err := platformErrors(config.API{PlatformErrors: []config.PlatformError{
		{Number: 4998, Error: "PLATFORM_UNAVAILABLE"}, {Text: "is being restarted", Error: "PLATFORM_UNAVAILABLE"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, refusal := range map[string]oci.ErrorReply{
		"by number":   {Number: 4998, Summary: "x"},
		"by text":     {Number: 1, Summary: "The server Is Being Restarted."},
		"by our text": {Number: 1, SummaryEnglish: "Temporarily unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			refusal.Severity = oci.SeverityError
			if !table.Temporary(&refusal) {
				t.Error("it is not")
			}
		})
	}
}
