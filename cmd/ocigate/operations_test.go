package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/oci/ocisim"
)

// These tests specify the commands list, show and release of operations, with a running
// gateway and without one. To add a refusal, add an entry to the map of
// TestOperationsRefuse: the arguments, and a part of the error.

// longSettle is longer than a request and its read back take on any machine.
const longSettle = 5 * time.Second

// stuck is a gateway with a write whose outcome is unknown, because the platform refuses the
// lists.
type stuck struct {
	*running
	platform *ocisim.Server
	folder   string // of the journal
	config   string // a file with the journal's section, and secrets that do not exist
	id       string
	blind    *ocisim.Injection // the fault that refuses the lists
}

func newStuck(t *testing.T) *stuck {
	t.Helper()
	// This path is too long for a socket.
	folder := filepath.Join(t.TempDir(), strings.Repeat("long/", 25)+"journal")
	s := &stuck{platform: newPlatform(t), folder: folder, config: filepath.Join(t.TempDir(), "ocigate.yaml")}
	writeFile(t, s.config, fmt.Sprintf("platform:\n  password: {env: NOT_HERE}\nauth:\n  tokens: {keys: [{id: a, secret: {file: /not/here}}]}\njournal:\n  folder: %q\n  settle: %v\n", folder, longSettle))
	s.start(t)
	s.inject(t, ocisim.Fault{Kind: ocisim.DropBeforeApply, Command: "GroupRouteList*NumberRangeAssignListRequest", Times: 1})
	status, body := s.assign(t)
	if status != http.StatusGatewayTimeout {
		t.Fatalf("%d %s", status, body)
	}
	s.blind = s.inject(t, ocisim.Fault{Kind: ocisim.ErrorBeforeApply, Command: "*NumberRangeGet*"})
	_, body = ask(t, "GET", "http://"+s.api+"/api/v1/operations/?state=unknown", "")
	var list struct{ Operations []struct{ ID string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Operations) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	s.id = list.Operations[0].ID
	return s
}

func (s *stuck) start(t *testing.T) {
	t.Helper()
	s.running = start(t, s.platform.Addr, func(c *config.Config) { c.Journal.Folder, c.Journal.Settle = s.folder, longSettle })
}

func (s *stuck) end(t *testing.T) {
	t.Helper()
	s.stop()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
}

func (s *stuck) inject(t *testing.T, f ocisim.Fault) *ocisim.Injection {
	t.Helper()
	injected, err := s.platform.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	return injected
}

func (s *stuck) assign(t *testing.T) (status int, body string) {
	t.Helper()
	return ask(t, "POST", "http://"+s.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`)
}

// operations runs a command, which must succeed.
func (s *stuck) operations(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, err := execute(t, "", append([]string{"operations", "-c", s.config}, args...)...)
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, out, errs)
	}
	return out
}

func (s *stuck) wantSocket(t *testing.T) {
	t.Helper()
	waitFor(t, func() bool {
		info, err := os.Stat(filepath.Join(s.folder, controlSocket))
		if err == nil && info.Mode() != os.ModeSocket|0o600 {
			t.Errorf("the socket has the mode %v", info.Mode())
		}
		return err == nil
	})
}

func wantParts(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

func TestOperationsOfARunningGateway(t *testing.T) {
	s := newStuck(t)
	s.wantSocket(t)
	waitFor(t, func() bool { return strings.Contains(s.operations(t, "list"), "the last reading failed") })
	wantParts(t, s.operations(t, "list"), s.id, "unknown", "ApioSpTest", "ApioGrpTest", "+3225126999", "itc_numbers_assign")
	wantParts(t, s.operations(t, "list", "--tenant", "ApioSpTest", "--group", "ApioGrpTest"), s.id)
	wantParts(t, s.operations(t, "list", "--tenant", "ApioSpTest", "--group", "another"), "There are no such writes.")
	wantParts(t, s.operations(t, "list", "--state", "done"), "There are no such writes.")
	wantParts(t, s.operations(t, "show", s.id), s.id, "state", "it failed", "can prove absence", `+3225126999: held (numbers from {"groupId":null} to {"groupId":"ApioGrpTest"}, step 1)`, "portal")

	var listed []operationStatus
	if err := json.Unmarshal([]byte(s.operations(t, "list", "--json")), &listed); err != nil || len(listed) != 1 {
		t.Fatalf("%v: %+v", err, listed)
	}
	if got := listed[0]; got.ID != s.id || len(got.Held) != 1 || got.Readings == nil || got.Readings.Failure == "" || got.PlatformEndpoint == "" {
		t.Errorf("listed as %+v", got)
	}

	// A release is refused as long as the platform may carry out the write.
	waitFor(t, func() bool {
		out, _, err := execute(t, "", "operations", "-c", s.config, "release", s.id, "--reason", "the platform does not have it")
		if err != nil && !strings.Contains(err.Error(), "may still carry the operation out") {
			t.Fatal(err)
		}
		if err == nil {
			wantParts(t, out, "+3225126999", "nothing any more")
		}
		return err == nil
	})
	if since := time.Since(listed[0].UnknownAt); since < longSettle {
		t.Errorf("it is released after %v", since)
	}
	wantParts(t, s.operations(t, "list"), "There are no such writes.")
	wantParts(t, s.operations(t, "list", "--all"), s.id, "released by", "the platform does not have it")
	wantParts(t, s.operations(t, "show", s.id), "released, unknown", "the platform does not have it")
	if _, _, err := execute(t, "", "operations", "-c", s.config, "release", s.id, "--reason", "again"); err == nil || !strings.Contains(err.Error(), "holds nothing any more") {
		t.Errorf("a second release: %v", err)
	}
	_, body := ask(t, "GET", "http://"+s.api+"/api/v1/operations/"+s.id+"/", "")
	wantParts(t, body, `"state":"unknown"`, `"outcome":"unknown"`, `"released_at"`, `"released":true`)
	wantParts(t, s.auditOf(t), `"event":"release"`, `"reason":"the platform does not have it"`, `"method":"command line"`)

	s.blind.Remove()
	if status, body := s.assign(t); status != http.StatusCreated {
		t.Errorf("a write of the released entry: %d %s", status, body)
	}
	s.end(t)
	if left, _ := filepath.Glob(filepath.Join(s.folder, "*control*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(s.folder, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// auditOf reads the trail by the commands, which also need no secret of the file.
func (s *stuck) auditOf(t *testing.T) string {
	t.Helper()
	if out, _, err := execute(t, "", "audit", "verify", "-c", s.config); err != nil || !strings.Contains(out, "is whole") {
		t.Errorf("%v: %s", err, out)
	}
	out, _, err := execute(t, "", "audit", "tail", "-n", "100", "-c", s.config)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOperationsWithoutAGateway(t *testing.T) {
	s := newStuck(t)
	s.end(t)
	out := s.operations(t, "list")
	wantParts(t, out, s.id, "unknown", "is read back by")
	waitFor(t, func() bool {
		_, _, err := execute(t, "", "operations", "-c", s.config, "release", s.id, "--reason", "no gateway runs", "--entry", "+3225126999")
		if err != nil && !strings.Contains(err.Error(), "may still carry the operation out") {
			t.Fatal(err)
		}
		return err == nil
	})
	wantParts(t, s.operations(t, "list"), "There are no such writes.")
	wantParts(t, s.auditOf(t), `"reason":"no gateway runs"`)
	s.start(t)
	s.wantSocket(t)
	wantParts(t, s.operations(t, "list"), "There are no such writes.")
	s.end(t)
}

// TestControlSocketFollowsTheFolder checks that the socket belongs to the process that has
// the folder open.
func TestControlSocketFollowsTheFolder(t *testing.T) {
	s := newStuck(t)
	s.wantSocket(t)
	first := s.running
	socket := filepath.Join(s.folder, controlSocket)
	if err := os.Remove(socket); err != nil { // as by an operator who cleans up
		t.Fatal(err)
	}
	s.wantSocket(t)
	wantParts(t, s.operations(t, "list"), s.id)
	s.start(t) // a second gateway, which does not get the folder
	waitFor(t, func() bool { return strings.Contains(s.log.String(), "another process uses the folder") })
	wantParts(t, s.operations(t, "list"), s.id)
	first.stop()
	if err := <-first.ended; err != nil {
		t.Error(err)
	}
	waitFor(t, func() bool {
		out, _, _ := execute(t, "", "operations", "-c", s.config, "list")
		return strings.Contains(out, s.id)
	})
	s.wantSocket(t)
	s.end(t)
	// The socket of a killed process remains.
	writeFile(t, socket, "")
	if err := os.Mkdir(filepath.Join(s.folder, privatePrefix+"1"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantParts(t, s.operations(t, "list"), s.id)
	s.start(t)
	waitFor(t, func() bool { info, err := os.Stat(socket); return err == nil && info.Mode()&os.ModeSocket != 0 })
	s.end(t)
	if left, err := os.ReadDir(s.folder); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOperationsRefuse(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "none")
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	writeFile(t, file, fmt.Sprintf("journal: {folder: %q}\n", folder))
	id := operation.NewID()
	for line, want := range map[string]string{
		"list":                          "there is no journal",
		"show " + id:                    "there is no journal",
		"release " + id + " --reason x": "there is no journal",
		"release " + id:                 "reason",
		"release":                       "arg",
		"show nonsense":                 "there is no journal",
		"list --all --state done":       "all",
		"list now":                      "unknown command",
	} {
		_, _, err := execute(t, "", append([]string{"operations", "-c", file}, strings.Fields(line)...)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("a folder was made")
	}
	store := bolt.Open(folder, bolt.Options{})
	if _, err := store.Adopt(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	// Another process has the folder open and does not answer.
	if _, _, err := execute(t, "", "operations", "-c", file, "list"); err == nil || !strings.Contains(err.Error(), "another process uses the folder") {
		t.Errorf("a folder in use: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"list --state nonsense":                   "--state must be",
		"list --limit 0":                          "--limit",
		"list --group g":                          "--group needs --tenant",
		"list --tenant t --user u":                "--user needs --group",
		"show nonsense":                           "not the id",
		"release nonsense --reason x":             "not the id",
		"show " + id:                              "no such operation",
		"release " + id + " --reason x":           "no such operation",
		"release " + id + " --reason x --entry y": "no such operation",
	} {
		_, _, err := execute(t, "", append([]string{"operations", "-c", file}, strings.Fields(line)...)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	if _, _, err := execute(t, "", "operations", "-c", file, "release", id, "--reason", ""); err == nil || !strings.Contains(err.Error(), "needs a reason") {
		t.Errorf("without a reason: %v", err)
	}
}

func TestTimesInTheFutureAreNotNegative(t *testing.T) {
	now := time.Now()
	if got := ago(now.Add(time.Minute), now); got != "0s" { // doubted_at after a takeover
		t.Errorf("%q", got)
	}
}

func TestCellsAreSafeForATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"+3225126999": "+3225126999",
		"Zoë \"x\"":   "Zoë \"x\"",
		"\x1b[2Jgone": `"\x1b[2Jgone"`,
		"two\nlines":  `"two\nlines"`,
		"\xff":        `"\xff"`,
		"a\u202eb":    `"a\u202eb"`,
	} {
		if got := cell(text); got != want {
			t.Errorf("%q becomes %s, want %s", text, got, want)
		}
	}
	if got := cell(strings.Repeat("é", 300)); len([]rune(got)) != 201 {
		t.Errorf("%d characters", len([]rune(got)))
	}
}
