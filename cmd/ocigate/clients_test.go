package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/oci/ocisim"
)

// These tests run the examples of testdata/clients, each against a gateway and a platform
// of its own, with faults of the platform and of a proxy in between. They check what the
// examples print and send, and what the platform has afterwards. A new example needs a
// line in clientExamples, and a new situation a line in clientCases.
//
// An example whose programs are not installed is skipped, unless CLIENTS_REQUIRED is set.
// .ci/clients sets it, and has TypeScript compiled, for a Node.js that cannot run it
// itself.

const clientFolder = "../../testdata/clients"

// compiledFolder is the environment variable with the folder of the compiled programs.
const compiledFolder = "CLIENTS_COMPILED"

// clientExamples lists the examples, with the programs that each needs.
var clientExamples = []struct {
	name  string
	needs []string
	line  func() ([]string, error) // the command line without arguments
}{
	{"curl", []string{"sh", "curl", "jq"}, func() ([]string, error) { return []string{"sh", filepath.Join(clientFolder, "assign.sh")}, nil }},
	{"python", []string{"python3"}, func() ([]string, error) { return []string{"python3", filepath.Join(clientFolder, "assign.py")}, nil }},
	{"typescript", []string{"node"}, typeScriptLine},
}

// typeScriptLine returns the command line of the example in TypeScript.
func typeScriptLine() ([]string, error) {
	if folder := os.Getenv(compiledFolder); folder != "" {
		program := filepath.Join(folder, "assign.js")
		_, err := os.Stat(program)
		return []string{"node", program}, err
	}
	if err := exec.Command("node", "-e", "process.exit(process.features.typescript ? 0 : 1)").Run(); err != nil {
		return nil, errors.New("this Node.js does not run TypeScript, and " + compiledFolder + " is not set")
	}
	return []string{"node", filepath.Join(clientFolder, "assign.ts")}, nil
}

// The commands of an assignment: the check, which is also a part of each reading back, and
// the write.
const (
	freeRanges  = "command=ServiceProvider*NumberRangeGetAvailableListRequest"
	assignRange = "command=GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest"
)

// The ranges of the demonstration's platform: one that is free, and one of another group.
const (
	freeRange  = "+3225126999"
	otherGroup = "+3225129000"
)

// A clientCase is a situation of the examples.
type clientCase struct {
	name     string
	faults   []string      // of the platform
	proxied  []disturbance // of the writes by a proxy, in the order of the writes
	held     bool          // whether a write of another caller holds the range at first
	password string        // the right one if empty
	number   string        // start of the range, freeRange if empty
	status   int           // exit status
	prints   []string      // parts of the output, in their order
	writes   int           // the requests to assign that the example makes, or more if the range is held
	commands int           // those that the platform gets
	holder   string        // the group that has the range at the end
}

var clientCases = []clientCase{
	{
		name:   "an assignment",
		prints: []string{"+3226127000 +3226127002 ApioUserTest@sip.netaxis.be\n+3226127007 +3226127009 free\nkey ", "\noutcome done\n"},
		writes: 1, commands: 1, holder: "ApioGrpTest",
	},
	{
		name:   "an error",
		number: otherGroup, status: 1,
		prints: []string{"error 19 NOT_AVAILABLE_FOR_ASSIGNMENT: ", "  /numbers/0/minPhoneNumber is assigned to another group\n", "outcome not_done\n"},
		writes: 1, holder: "ApioGrpOther",
	},
	{
		name:     "a wrong password",
		password: "wrong", status: 1,
		prints: []string{"error 1000 UNAUTHENTICATED: "},
	},
	{
		name:   "the platform refuses",
		faults: []string{"error-before-apply number=4999 summary=\"Not today\" " + assignRange},
		status: 1,
		prints: []string{"error 1010 PLATFORM_REFUSED: ", "  platform: [Error 4999] Not today\n", "outcome not_done\n"},
		writes: 1, commands: 1,
	},
	{
		name:   "unknown, then done",
		faults: []string{"drop-after-apply times=1 " + assignRange, "error-before-apply skip=1 times=2 " + freeRanges},
		prints: []string{"key ", "error 1015 OUTCOME_UNKNOWN: ", "outcome done\n"},
		writes: 1, commands: 1, holder: "ApioGrpTest",
	},
	{
		name:   "unknown, then not done",
		faults: []string{"drop-before-apply times=1 " + assignRange},
		status: 1,
		prints: []string{"key ", "error 1015 OUTCOME_UNKNOWN: ", "outcome not_done\n"},
		writes: 1, commands: 1,
	},
	{
		name:   "not done because of a temporary failure",
		faults: []string{"error-before-apply times=1 " + freeRanges},
		prints: []string{"outcome done\n"},
		writes: 2, commands: 1, holder: "ApioGrpTest",
	},
	{
		name:    "the response is lost",
		proxied: []disturbance{loseResponse},
		prints:  []string{"outcome done\n"},
		writes:  2, commands: 1, holder: "ApioGrpTest",
	},
	{
		name:    "the response is lost, and the next one is about the repetition only",
		proxied: []disturbance{loseResponse, respondWith(http.StatusForbidden, nil)},
		status:  2,
		prints:  []string{"error: status 403\n", "outcome unknown\n"},
		writes:  2, commands: 1, holder: "ApioGrpTest",
	},
	{
		name:    "a proxy loses its connection, and the next response is about the repetition only",
		proxied: []disturbance{loseConnection, respondWith(http.StatusForbidden, nil)},
		status:  2,
		prints:  []string{"error: status 403\n", "outcome unknown\n"},
		writes:  2, commands: 1, holder: "ApioGrpTest",
	},
	{
		name:    "a proxy limits the rate, and cannot reach the gateway",
		proxied: []disturbance{respondWith(http.StatusTooManyRequests, http.Header{"Retry-After": {"2"}}), respondWith(http.StatusBadGateway, nil)},
		prints:  []string{"outcome done\n"},
		writes:  3, commands: 1, holder: "ApioGrpTest",
	},
	{
		name:    "a proxy redirects",
		proxied: []disturbance{respondWith(http.StatusMovedPermanently, http.Header{"Location": {"/api/v1" + demoNumbers}})},
		status:  2,
		prints:  []string{"error: status 301\n", "outcome unknown\n"},
		writes:  1,
	},
	{
		name: "another write holds the range", held: true,
		faults: []string{"drop-after-apply times=1 " + assignRange, "error-before-apply skip=1 " + freeRanges},
		status: 1,
		prints: []string{"error 19 NOT_AVAILABLE_FOR_ASSIGNMENT: ", "  /numbers/0/minPhoneNumber is already assigned to this group\n", "outcome not_done\n"},
		writes: 2, commands: 1, holder: "ApioGrpTest",
	},
}

func TestClientExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes several seconds")
	}
	t.Parallel() // it waits most of the time
	for _, example := range clientExamples {
		t.Run(example.name, func(t *testing.T) {
			t.Parallel()
			for _, program := range example.needs {
				if _, err := exec.LookPath(program); err != nil {
					skipClient(t, err)
				}
			}
			line, err := example.line()
			if err != nil {
				skipClient(t, err)
			}
			for _, c := range clientCases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.check(t, line)
				})
			}
		})
	}
}

// skipClient skips a test of a client that cannot be run, unless it is required.
func skipClient(t *testing.T, why error) {
	t.Helper()
	if os.Getenv("CLIENTS_REQUIRED") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// check runs an example, and compares what it printed and sent and what the platform has.
func (c clientCase) check(t *testing.T, line []string) {
	rig := newClientRig(t, c)
	number, password := cmp.Or(c.number, freeRange), cmp.Or(c.password, "tenantadmin-demo")
	if c.held {
		rig.hold(t, number)
	}
	out, status := rig.run(t, line, password, number)
	if status != c.status {
		t.Errorf("exit status %d, want %d", status, c.status)
	}
	rest := out
	for _, part := range c.prints {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			t.Errorf("without %q, or not in this order", part)
		}
		rest = after
	}
	key := ""
	if printed := printedKey.FindStringSubmatch(out); printed != nil {
		key = printed[1]
	}
	if made := rig.proxy.check(t, key); made < c.writes || made > c.writes && !c.held {
		t.Errorf("made %d requests to assign, want %d", made, c.writes)
	}
	rig.checkPlatform(t, number, c.commands, c.holder)
	if key != "" && status != 1 {
		// The outcome is done, or not known to the example: a repetition with the key shows it.
		repeated, status := rig.run(t, line, password, number, key)
		if c.holder == "" && c.commands == 0 {
			c.holder, c.commands = "ApioGrpTest", 1 // nothing was sent before
		}
		if status != 0 || !strings.Contains(repeated, "key "+key+"\n") || !strings.HasSuffix(repeated, "outcome done\n") {
			t.Errorf("the repetition has exit status %d:\n%s", status, repeated)
		}
		rig.checkPlatform(t, number, c.commands, c.holder)
	}
	if t.Failed() {
		t.Logf("output:\n%s", out)
	}
}

var printedKey = regexp.MustCompile(`(?m)^key (\S+)$`)

// A clientRig is what an example calls.
type clientRig struct {
	platform *ocisim.Server
	faults   []*ocisim.Injection
	proxy    *clientProxy
}

// newClientRig starts a platform, a gateway and a proxy for a case.
func newClientRig(t *testing.T, c clientCase) *clientRig {
	t.Helper()
	rig := &clientRig{platform: newPlatform(t)}
	for _, text := range c.faults {
		fault, err := ocisim.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		injected, err := rig.platform.Inject(fault)
		if err != nil {
			t.Fatal(err)
		}
		rig.faults = append(rig.faults, injected)
	}
	g := start(t, rig.platform.Addr, func(c *config.Config) { c.Journal.Settle = time.Second })
	t.Cleanup(func() {
		g.stop()
		if err := <-g.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	rig.proxy = newClientProxy(t, "http://"+g.api, c.proxied)
	return rig
}

// hold assigns a range as another caller. The outcome stays unknown until the first
// assignment of the example has been refused.
func (r *clientRig) hold(t *testing.T, number string) {
	t.Helper()
	if status, body := ask(t, "POST", r.proxy.target+"/api/v1"+demoNumbers, `{"numbers":[{"minPhoneNumber":"`+number+`"}]}`); status != http.StatusGatewayTimeout {
		t.Fatalf("the other caller: %d %s", status, body)
	}
	r.proxy.disturbWith(func(forward http.Handler, w http.ResponseWriter, request *http.Request) {
		forward.ServeHTTP(w, request)
		r.faults[1].Remove()
	})
}

// run runs an example, and returns its output and its exit status.
func (r *clientRig) run(t *testing.T, line []string, password string, arguments ...string) (out string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, line[0], slices.Concat(line[1:], []string{"ApioSpTest", "ApioGrpTest"}, arguments)...)
	c.Env = append(os.Environ(), "GATEWAY_URL="+r.proxy.url, "GATEWAY_USERNAME=tenantadmin", "GATEWAY_PASSWORD="+password)
	c.WaitDelay = time.Second
	printed, err := c.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("%v\n%s", err, printed)
	}
	return string(printed), c.ProcessState.ExitCode()
}

// checkPlatform requires that the platform has received a number of assignments, and that
// a group has the range, "" for none.
func (r *clientRig) checkPlatform(t *testing.T, number string, commands int, holder string) {
	t.Helper()
	if got := r.platform.Writes(); len(got) != commands {
		t.Errorf("the platform has received %d assignments, want %d: %+v", len(got), commands, got)
	}
	for _, held := range r.platform.Ranges("ApioSpTest") {
		if held.Start == number && held.Group != holder {
			t.Errorf("the group %q has %s, want %q", held.Group, number, holder)
		}
	}
}
