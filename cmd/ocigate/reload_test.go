//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/oci/ocisim"
	"ocigate/translate/errcode"
)

// These tests specify a reload of the configuration's file: what it changes, what it keeps,
// and how it is requested.

// reloadRig is a gateway whose configuration is in a file.
type reloadRig struct {
	*running
	file     string
	settings map[string]string // YAML of each section, as the file has it
}

// newReloadRig starts a gateway in front of a platform. change may change the sections before
// that; a section of the file is the YAML in settings.
func newReloadRig(t *testing.T, platform string, change func(settings map[string]string)) *reloadRig {
	t.Helper()
	folder := t.TempDir()
	r := &reloadRig{file: filepath.Join(folder, "ocigate.yaml"), settings: map[string]string{
		"http":     `{listen: "127.0.0.1:0", drain: 0s}`,
		"admin":    `{listen: "127.0.0.1:0"}`,
		"auth":     fmt.Sprintf(`{clients: [{id: portal, hash: %q, level: system}]}`, campaignHash()),
		"log":      `{format: text}`,
		"journal":  fmt.Sprintf(`{folder: %q}`, filepath.Join(folder, "journal")),
		"platform": platformSection(platform, "pool: {min: 1, max: 2}"),
	}}
	if change != nil {
		change(r.settings)
	}
	r.write(t)
	loaded, err := config.Load(r.file, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.running = startWith(t, loaded, func(p *Program) { p.readFrom(r.file) })
	return r
}

// platformSection returns the platform's section of a file, with further keys.
func platformSection(address, more string) string {
	return fmt.Sprintf(`{user_id: gateway, password: gateway-demo, endpoints: [{name: simulated, address: %q, tls: {enabled: false}}], %s}`, address, more)
}

// write writes the file.
func (r *reloadRig) write(t *testing.T) {
	t.Helper()
	var text strings.Builder
	for section, value := range r.settings {
		fmt.Fprintf(&text, "%s: %s\n", section, value)
	}
	writeText(t, r.file, text.String())
}

// reload replaces a section and reloads the file, which must be valid.
func (r *reloadRig) reload(t *testing.T, section, value string) reloaded {
	t.Helper()
	r.settings[section] = value
	r.write(t)
	did, err := r.program.Reload(commandTrigger)
	if err != nil {
		t.Fatalf("Reload: %v", err)
	}
	return did
}

// get returns the status of a list of numbers for a client.
func (r *reloadRig) get(t *testing.T, id string) (int, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(id, campaignSecret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // it is not read
	return response.StatusCode, response.Header
}

// wantStatus makes a request as the client portal.
func (r *reloadRig) wantStatus(t *testing.T, want int) {
	t.Helper()
	if status, _ := r.get(t, "portal"); status != want {
		t.Errorf("status %d, want %d", status, want)
	}
}

func TestReloadChangesEverySection(t *testing.T) {
	platform := newPlatform(t)
	r := newReloadRig(t, platform.Addr, nil)
	defer r.end(t)
	r.wantStatus(t, http.StatusOK)

	// Clients.
	r.reload(t, "auth", fmt.Sprintf(`{clients: [{id: other, hash: %q, level: system}]}`, campaignHash()))
	r.wantStatus(t, http.StatusUnauthorized)
	if status, _ := r.get(t, "other"); status != http.StatusOK {
		t.Errorf("a new client: %d", status)
	}
	did := r.reload(t, "auth", fmt.Sprintf(`{clients: [{id: portal, hash: %q, level: system}]}`, campaignHash()))
	if len(did.changed) == 0 || !strings.HasPrefix(did.changed[0], "auth.clients") {
		t.Errorf("changed: %v", did.changed)
	}

	// Limits, whose counts go on.
	r.reload(t, "http", `{listen: "127.0.0.1:0", drain: 0s, caller_limit: {per_second: 0.01, burst: 2}}`)
	r.wantStatus(t, http.StatusOK)
	r.reload(t, "http", `{listen: "127.0.0.1:0", drain: 0s, caller_limit: {per_second: 0.01, burst: 2}, docs: false}`)
	r.wantStatus(t, http.StatusOK)
	r.wantStatus(t, http.StatusTooManyRequests)
	if status, _ := ask(t, "GET", "http://"+r.api+"/openapi.json", ""); status != http.StatusNotFound && status != http.StatusUnauthorized {
		t.Errorf("the description after docs: false: %d", status)
	}
	r.reload(t, "http", `{listen: "127.0.0.1:0", drain: 0s, cors: {origins: ["https://portal.example.com"]}}`)
	if _, header := r.get(t, "portal"); !strings.Contains(strings.Join(header.Values("Vary"), " "), "Origin") {
		t.Errorf("headers after a change of http.cors: %v", header)
	}

	// The log.
	r.reload(t, "log", `{format: json, level: error}`)
	before := r.log.String()
	r.wantStatus(t, http.StatusOK)
	if added := strings.TrimPrefix(r.log.String(), before); added != "" {
		t.Errorf("lines below the level: %s", added)
	}
	r.reload(t, "log", `{format: json}`)
	r.wantStatus(t, http.StatusOK)
	if !strings.Contains(r.log.String(), `"msg":"request"`) {
		t.Error("there is no line as JSON")
	}

	// Errors of the platform, and the limit of entries.
	r.reload(t, "api", `{platform_errors: [{number: 4999, error: NOT_AVAILABLE_FOR_ASSIGNMENT}]}`)
	if _, err := platform.Inject(ocisim.Fault{Kind: ocisim.ErrorBeforeApply, Command: writeCommands, Number: 4999, Times: 1}); err != nil {
		t.Fatal(err)
	}
	if status, body := r.post(t, writeBody); !strings.Contains(body, fmt.Sprint(errcode.NotAvailableForAssignment.Number)) {
		t.Errorf("the response to an error that is mapped since a reload: %d %s", status, body)
	}
	for most, want := range map[string]string{"1": "so many entries", "2": errcode.NotAvailableForAssignment.Name} {
		r.reload(t, "api", "{max_entries: "+most+"}")
		if status, body := r.post(t, `{"numbers":[{"minPhoneNumber":"+321"},{"minPhoneNumber":"+322"}]}`); !strings.Contains(body, want) {
			t.Errorf("two entries with api.max_entries %s: %d %s", most, status, body)
		}
	}
}

// post assigns the ranges of a body and returns the response.
func (r *reloadRig) post(t *testing.T, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("portal", campaignSecret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, textOf(t, response)
}

// textOf reads the body of a response and closes it.
func textOf(t *testing.T, response *http.Response) string {
	t.Helper()
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}

func TestReloadMovesToAnotherPlatform(t *testing.T) {
	first, second := newPlatform(t), newPlatform(t)
	r := newReloadRig(t, first.Addr, nil)
	defer r.end(t)
	waitFor(t, func() bool { return len(first.Connections()) == 1 })
	slow, err := first.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: writeCommands, Delay: time.Second, Times: 1})
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan int, 1)
	go func() {
		status, _ := r.post(t, writeBody)
		written <- status
	}()
	waitFor(t, func() bool { return slow.Hits() == 1 })
	did := r.reload(t, "platform", platformSection(second.Addr, "pool: {min: 1, max: 2}"))
	if len(did.changed) != 1 || did.changed[0] != "platform.endpoints[0].address" {
		t.Errorf("changed: %v", did.changed)
	}
	r.wantStatus(t, http.StatusOK)
	if len(second.Connections()) == 0 {
		t.Error("the second platform has no session")
	}
	if status := <-written; status != http.StatusCreated {
		t.Errorf("the write in flight: %d", status)
	}
	waitFor(t, func() bool { return len(first.Connections()) == 0 })
	if len(first.Writes()) != 1 || len(second.Writes()) != 0 {
		t.Errorf("%d and %d writes", len(first.Writes()), len(second.Writes()))
	}
}

func TestReloadTurnsTLSOnAndOff(t *testing.T) {
	pair := pairIn(t.TempDir(), "api")
	leaf := issue(t, "api", -day, 20*day, nil)
	writePair(t, pair, leaf)
	r := newReloadRig(t, newPlatform(t).Addr, nil)
	defer r.end(t)
	plain := `{listen: "127.0.0.1:0", drain: 0s}`
	r.reload(t, "http", fmt.Sprintf(`{listen: "127.0.0.1:0", drain: 0s, tls: {cert_file: %q, key_file: %q}}`, pair.CertFile, pair.KeyFile))
	if shown := shownBy(t, r.api); !shown.Equal(leaf.certificate) {
		t.Error("another certificate is shown")
	}
	r.reload(t, "http", plain)
	r.wantStatus(t, http.StatusOK)
}

func TestReloadChangesTimeoutsOfConnections(t *testing.T) {
	r := newReloadRig(t, newPlatform(t).Addr, nil)
	defer r.end(t)
	before, err := net.Dial("tcp", r.api)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = before.Close() }()
	r.reload(t, "http", `{listen: "127.0.0.1:0", drain: 0s, read_header_timeout: 100ms}`)
	after, err := net.Dial("tcp", r.api)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = after.Close() }()
	_ = after.SetReadDeadline(time.Now().Add(wellAgain))
	if _, err := after.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("a connection of the new timeout is not closed: %v", err)
	}
	_ = before.SetDeadline(time.Now().Add(wellAgain))
	fmt.Fprint(before, "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if n, err := before.Read(make([]byte, 100)); n == 0 {
		t.Errorf("a connection from before the reload was closed: %v", err)
	}
}

func TestReloadOfABadFileChangesNothing(t *testing.T) {
	platform := newPlatform(t)
	r := newReloadRig(t, platform.Addr, nil)
	defer r.end(t)
	r.wantStatus(t, http.StatusOK)
	since := r.metric(t, "ocigate_reload_timestamp_seconds")
	good := r.settings["http"]
	for name, test := range map[string]struct{ section, value, want string }{
		"a key that does not exist": {"http", `{listn: x}`, "http.listn"},
		"a value of another type":   {"log", `{level: loud}`, "log.level"},
		"a certificate without key": {"http", `{listen: "127.0.0.1:0", tls: {cert_file: /none, key_file: /none}}`, "http.tls"},
		"a hash that costs little":  {"auth", `{clients: [{id: portal, hash: "$2b$04$abcdefghijklmnopqrstuuqB1v0wx2y3z4A5B6C7D8E9F0G1H2I3J", level: system}]}`, "cost"},
		"an error without name":     {"api", `{platform_errors: [{number: 4999, error: NO_SUCH_ERROR}]}`, "NO_SUCH_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			before, had := r.settings[test.section]
			// A valid change in the same file must not be made.
			pool := r.settings["platform"]
			r.settings["platform"] = platformSection(platform.Addr, "pool: {min: 2, max: 2}")
			r.settings[test.section] = test.value
			r.write(t)
			_, err := r.program.Reload(signalTrigger)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(r.log.String(), "reload failed: the effective configuration is unchanged") {
				t.Errorf("the error is %v", err)
			}
			r.wantStatus(t, http.StatusOK)
			if stats := r.program.client.Stats(); stats.Endpoints[0].Idle+stats.Endpoints[0].Busy > 1 {
				t.Error("the pool has changed")
			}
			if ok, at := r.metric(t, "ocigate_reload_successful"), r.metric(t, "ocigate_reload_timestamp_seconds"); ok != 0 || at != since {
				t.Errorf("the metrics are %v at %v", ok, at)
			}
			r.settings["platform"] = pool
			if had {
				r.settings[test.section] = before
			} else {
				delete(r.settings, test.section)
			}
			r.reload(t, "http", good)
			since = r.metric(t, "ocigate_reload_timestamp_seconds")
			if ok := r.metric(t, "ocigate_reload_successful"); ok != 1 {
				t.Errorf("the metric is %v after a valid file", ok)
			}
		})
	}
}

func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	r := newReloadRig(t, newPlatform(t).Addr, nil)
	defer r.end(t)
	for range 2 {
		did := r.reload(t, "http", `{listen: "127.0.0.1:1", drain: 1s}`)
		if fmt.Sprint(did.needRestart) != "[http.listen]" {
			t.Errorf("%v need a restart", did.needRestart)
		}
		r.wantStatus(t, http.StatusOK)
	}
	if !strings.Contains(r.log.String(), "changed=[http.drain] changed_but_needs_restart=[http.listen]") {
		t.Errorf("the log does not have both keys:\n%s", r.log)
	}
}

func TestReloadCommand(t *testing.T) {
	r := newReloadRig(t, newPlatform(t).Addr, nil)
	defer r.end(t)
	at := []string{"reload", "--admin", r.admin}
	r.settings["http"] = `{listen: "127.0.0.1:0", drain: 1s}`
	r.write(t)
	out, _, err := execute(t, "", at...)
	if err != nil || out != "The configuration was reloaded.\nChanged:\n  http.drain\n" {
		t.Errorf("%v: %s", err, out)
	}
	if out, _, err = execute(t, "", at...); err != nil || !strings.Contains(out, "Nothing has changed.\n") {
		t.Errorf("%v: %s", err, out)
	}
	if status, body := ask(t, "POST", "http://"+r.admin+reloadPath, ""); status != http.StatusOK || body != `{"successful":true,"changed":[],"changed_but_needs_restart":[]}`+"\n" {
		t.Errorf("status %d: %s", status, body)
	}
	r.settings["http"] = `{listen: "127.0.0.1:1", drain: 1s}`
	r.write(t)
	if out, _, err = execute(t, "", at...); err != nil || strings.Contains(out, "Nothing has changed") || !strings.Contains(out, "after a restart:\n  http.listen\n") {
		t.Errorf("%v: %s", err, out)
	}
	r.settings["http"] = `{drain: soon}`
	r.write(t)
	if _, _, err = execute(t, "", at...); err == nil || !strings.Contains(err.Error(), "nothing was reloaded:\n") || !strings.Contains(err.Error(), "http.drain") {
		t.Errorf("a bad file: %v", err)
	}
	if _, _, err = execute(t, "", "reload", "--admin", quietPort(t)); err == nil || !strings.Contains(err.Error(), "no gateway responds") {
		t.Errorf("without a gateway: %v", err)
	}
	if _, _, err = execute(t, "", "reload", "--admin", "nowhere"); err == nil || !strings.Contains(err.Error(), "host:port") {
		t.Errorf("a bad address: %v", err)
	}
}

// quietPort returns an address on loopback at which nothing listens.
func quietPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestCommandsAreRefused(t *testing.T) {
	r := newReloadRig(t, newPlatform(t).Addr, nil)
	defer r.end(t)
	for name, test := range map[string]struct {
		commands string
		header   [2]string
		host     string
		want     int
	}{
		"none of a browser":                      {"loopback", [2]string{"Origin", "http://" + r.admin}, "", http.StatusForbidden},
		"none of a page of another site":         {"any", [2]string{"Sec-Fetch-Site", "cross-site"}, "", http.StatusForbidden},
		"none for a name that may be anybody's":  {"loopback", [2]string{}, "evil.example", http.StatusForbidden},
		"one for localhost":                      {"loopback", [2]string{}, "localhost:9090", http.StatusOK},
		"one for any name if any client may":     {"any", [2]string{}, "gateway.example", http.StatusOK},
		"none if they are turned off":            {"none", [2]string{}, "", http.StatusForbidden},
		"one of a client of the machine":         {"loopback", [2]string{}, "", http.StatusOK},
		"one for an IPv6 address without a port": {"loopback", [2]string{}, "[::1]", http.StatusOK},
		"none through a proxy of the machine":    {"loopback", [2]string{"X-Forwarded-For", "127.0.0.1"}, "", http.StatusForbidden},
		"one through a proxy if any client may":  {"any", [2]string{"X-Forwarded-For", "10.0.0.1"}, "", http.StatusOK},
		"none with a name that looks like local": {"loopback", [2]string{}, "localhost.example", http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			r.reload(t, "admin", fmt.Sprintf(`{listen: "127.0.0.1:0", commands: %s}`, test.commands))
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.admin+reloadPath, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if test.header[0] != "" {
				request.Header.Set(test.header[0], test.header[1])
			}
			request.Host = test.host
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body := textOf(t, response)
			var report map[string]any
			if response.StatusCode != test.want || json.Unmarshal([]byte(body), &report) != nil {
				t.Errorf("status %d, %s", response.StatusCode, body)
			}
		})
	}
	if status, _ := ask(t, "GET", "http://"+r.admin+reloadPath, ""); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", status)
	}
}

func TestAdminAddress(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	for listen, want := range map[string]string{
		"10.0.0.1:9090": "10.0.0.1:9090", ":9090": "127.0.0.1:9090", "0.0.0.0:9090": "127.0.0.1:9090", "[::]:9090": "[::1]:9090", "host:9090": "host:9090",
	} {
		writeText(t, file, fmt.Sprintf("admin: {listen: %q}\nhttp: {drain: bad}\n", listen))
		if got, err := adminAddress("", file); got != want || err != nil {
			t.Errorf("%s: %s, %v", listen, got, err)
		}
	}
}

func TestWatchPicksFilesUp(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	mounted := func(version string) string { return filepath.Join(folder, version) }
	hash := filepath.Join(folder, "hash")
	link := filepath.Join(folder, "..data")
	for version, text := range map[string]string{"v1": campaignHash(), "v2": campaignHash()[:len(campaignHash())-2] + "AA"} {
		if err := os.Mkdir(mounted(version), 0o700); err != nil {
			t.Fatal(err)
		}
		writeText(t, filepath.Join(mounted(version), "hash"), text)
	}
	if err := os.Symlink("v1", link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..data", "hash"), hash); err != nil {
		t.Fatal(err)
	}
	r := newReloadRig(t, newPlatform(t).Addr, func(settings map[string]string) {
		settings["auth"] = fmt.Sprintf(`{clients: [{id: portal, hash: {file: %q}, level: system}]}`, hash)
	})
	defer r.end(t)
	defer r.program.WatchFiles()()
	r.wantStatus(t, http.StatusOK)

	// As Kubernetes does it.
	if err := os.Symlink("v2", link+"_tmp"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+"_tmp", link); err != nil {
		t.Fatal(err)
	}
	status := func() int { status, _ := r.get(t, "portal"); return status }
	waitFor(t, func() bool { return status() == http.StatusUnauthorized })
	if !strings.Contains(r.log.String(), "trigger=\"changed file\" changed=\"[auth.clients[0].hash ("+hash+")]\"") {
		t.Errorf("the log does not have the file:\n%s", r.log)
	}
	// In place.
	writeText(t, filepath.Join(mounted("v2"), "hash"), campaignHash())
	waitFor(t, func() bool { return status() == http.StatusOK })

	// The configuration's file, only if it is to be watched.
	r.settings["http"] = `{listen: "127.0.0.1:0", drain: 1s}`
	r.settings["reload"] = `{watch: true}`
	r.write(t)
	writeText(t, filepath.Join(mounted("v2"), "hash"), campaignHash()+"\n")
	reloads := strings.Count(r.log.String(), "configuration reloaded")
	writeText(t, filepath.Join(mounted("v2"), "hash"), "bad")
	waitFor(t, func() bool { return strings.Contains(r.log.String(), "reload failed") })
	if r.program.configOf().HTTP.Drain != 0 {
		t.Error("the file was read although it is not watched")
	}
	writeText(t, filepath.Join(mounted("v2"), "hash"), campaignHash())
	waitFor(t, func() bool { return strings.Count(r.log.String(), "configuration reloaded") > reloads })
	if _, err := r.program.Reload(commandTrigger); err != nil {
		t.Fatal(err)
	}
	r.settings["http"] = `{listen: "127.0.0.1:0", drain: 2s}`
	temporary := r.file + "~"
	before := r.file
	r.file = temporary
	r.write(t)
	r.file = before
	if err := os.Rename(temporary, r.file); err != nil { // as editors do it
		t.Fatal(err)
	}
	waitFor(t, func() bool { return r.program.configOf().HTTP.Drain == 2*time.Second })
}
