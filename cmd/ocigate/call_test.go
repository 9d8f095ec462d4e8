package main

import (
	"context"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ocigate/gateway"
	"ocigate/oci/ocisim"
)

// These tests specify that the command call makes every documented call, and that the line
// that --curl prints makes the same one. A new route is covered by its recorded cases in
// testdata/api. One that the platform does not serve, of a session or the journal, needs a
// call in TestCallReadsTheJournalAndSessions.

func newTestClient(t *testing.T) *http.Client {
	t.Helper()
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
}

// TestCallMakesEveryDocumentedCall makes one recorded request of each status of each route,
// by the command and by its line of curl. Requests that need another state of the platform,
// or change it, have their own platform.
func TestCallMakesEveryDocumentedCall(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes several seconds")
	}
	t.Parallel() // it waits for platforms
	_, noCurl := exec.LookPath("curl")
	if noCurl != nil {
		t.Logf("the lines of curl are not run: %v", noCurl)
	}
	shared, _ := startFor(t, ocisim.DemoSeed(), nil)
	for _, route := range gateway.Table() {
		if route.Query == nil && route.Change == nil {
			continue
		}
		cases := recordedCases(t, route)
		if len(cases) < 2 || cases[0].status != route.Status {
			t.Errorf("%s: there is no recorded success, or no recorded error: %d cases", route.Name, len(cases))
		}
		for _, recorded := range cases {
			t.Run(route.Name+"/"+recorded.name, func(t *testing.T) {
				api := func() string {
					if recorded.changesNothing() {
						return shared.api
					}
					g, _ := startFor(t, recorded.seed(t), nil)
					return g.api
				}
				recorded.compareCommand(t, api())
				if noCurl == nil && recorded.status != http.StatusGatewayTimeout {
					recorded.compareCurl(t, api())
				}
			})
		}
	}
}

// compareCommand requires that the command gets the recorded response, and ends with the
// documented exit code.
func (r recordedCase) compareCommand(t *testing.T, api string) {
	t.Helper()
	out, errs, err := execute(t, "", r.args(t, api)...)
	if got, want := exitCode(err), r.wantedExit(t); got != want {
		t.Errorf("exit code %d, want %d: %v\n%s", got, want, err, errs)
	}
	id := ""
	if found := operationID.FindStringSubmatch(errs); found != nil {
		id = found[1]
	}
	r.wantBody(t, "the command", out, id)
}

// compareCurl requires that the line of curl gets the recorded response.
func (r recordedCase) compareCurl(t *testing.T, api string) {
	t.Helper()
	line, errs, err := execute(t, "", append(r.args(t, api), "--curl")...)
	if err != nil || !strings.HasPrefix(line, "curl ") {
		t.Fatalf("%v %s\n%s", err, errs, line)
	}
	headers := filepath.Join(t.TempDir(), "headers")
	body := runShell(t, strings.TrimSuffix(line, "\n")+" -D "+headers)
	sent, id := readFile(t, headers), ""
	for h := range strings.Lines(sent) {
		if name, value, _ := strings.Cut(h, ": "); strings.EqualFold(name, gateway.HeaderOperationID) {
			id = strings.TrimSpace(value)
		}
	}
	if !strings.HasPrefix(sent, "HTTP/1.1 "+strconv.Itoa(r.status)+" ") {
		t.Errorf("%s: %s", line, sent)
	}
	r.wantBody(t, line, body, id)
}

// runShell runs a line in a shell, and returns what it prints.
func runShell(t *testing.T, line string, variables ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-c", line)
	c.Env = forShell(variables...)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return string(out)
}

// TestCallReadsTheJournalAndSessions makes the calls of the routes without recorded cases,
// the ones after the others, by the command and by curl.
func TestCallReadsTheJournalAndSessions(t *testing.T) {
	t.Parallel() // it waits for platforms
	_, noCurl := exec.LookPath("curl")
	g, _ := startFor(t, ocisim.DemoSeed(), nil)
	folder := t.TempDir()
	inURL := []string{"--url", "http://" + g.api}
	body := filepath.Join(folder, "login.json")
	writeFile(t, body, expectationsOf(t, "login").Request)
	token := filepath.Join(folder, "token")

	made := map[string]bool{}
	call := func(name, want string, args ...string) (out, errs string) {
		t.Helper()
		made[name] = true
		args = append(append([]string{"call", name}, inURL...), args...)
		out, errs, err := execute(t, "", args...)
		if err != nil || !strings.Contains(out, want) {
			t.Fatalf("%s: %v\n%s%s", name, err, out, errs)
		}
		if noCurl == nil && name != "logout" {
			line, _, err := execute(t, "", append(args, "--curl")...)
			if err != nil {
				t.Fatal(err)
			}
			if got := runShell(t, line); !strings.Contains(got, want) {
				t.Errorf("%s: %s", line, got)
			}
		}
		return out, errs
	}
	session, _ := call("login", `"access_token":"`, "--body", "@"+body)
	writeFile(t, token, valueOf(t, session, "access_token")+"\n")
	_, errs, err := execute(t, "", append([]string{
		"call", "itc_numbers_assign", "--tenant", "ApioSpTest", "--group", "ApioGrpTest", "--verbose",
		"--body", `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`,
	}, append(inURL, asClient(t, "tenant")...)...)...)
	if err != nil || operationID.FindStringSubmatch(errs) == nil {
		t.Fatalf("%v: %s", err, errs)
	}
	id := operationID.FindStringSubmatch(errs)[1]
	call("operation_get", `"state":"done"`, "--operation-id", id, "--token-file", token)
	call("operations_list", `{"operations":[{"id":"`+id+`"`, "--param", "limit=1", "--param", "state=done", "--token-file", token)
	call("api_index", `"route":"itc_numbers_list"`, "--token-file", token)
	call("logout", "{}", "--token-file", token)
	if _, errs, err := execute(t, "", append([]string{"call", "operations_list", "--token-file", token}, inURL...)...); exitCode(err) != 4 || !strings.Contains(err.Error(), "UNAUTHENTICATED") {
		t.Errorf("the token still works: %v, %s", err, errs)
	}
	for _, route := range gateway.Table() {
		if route.Query == nil && route.Change == nil && !made[route.Name] {
			t.Errorf("%s is not called", route.Name)
		}
	}
}

// TestCallRunsInTheDemonstration runs the line that the demonstration prints.
func TestCallRunsInTheDemonstration(t *testing.T) {
	d := demo{api: "127.0.0.1:0", admin: "127.0.0.1:0", platform: "127.0.0.1:0"}
	var log output
	err := runDemo(t.Context(), &d, &log, func(_ context.Context, api, _, _ net.Addr) error {
		line := demoCallLine("http://" + api.String())
		words := strings.Fields(line)
		if words[0] != "OCICALL_SECRET="+demoSecret || words[1] != "bin/ocigate" {
			t.Fatalf("the line is %s", line)
		}
		file := asClient(t, "group")[3]
		out, errs, err := execute(t, "", append(words[2:], "--secret-file", file)...)
		if err != nil {
			t.Errorf("%v: %s", err, errs)
		}
		return sameJSON(documentedNumbers, []byte(out))
	})
	if err != nil {
		t.Errorf("%v\n%s", err, &log)
	}
}
