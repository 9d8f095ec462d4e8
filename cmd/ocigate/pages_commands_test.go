//go:build linux

package main

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPageCommands runs the console blocks of all pages, each page in a shell and a
// folder of its own, in which bin/ocigate is this program. What a page shows below a
// command must be what it prints, with "…" for any text. A command that cannot run here
// needs a line in notRun, and a page whose commands need a gateway or a platform a
// function in prepared. A demo, simulate or serve runs until the next one; a curl
// block is run beside a demo that was started again for it.

// notRun has the commands that TestPageCommands does not run, by their beginnings, and
// why. Those with the reason inCI are in .ci/run literally.
var notRun = map[string]string{
	"make build":                            "bin/ocigate is this program",
	"make test":                             inCI,
	"make lint":                             inCI,
	"make demo-check":                       "make test and the commands for a release run its parts",
	".ci/run":                               "it runs this test",
	"make generate":                         "TestGenerated compares what it writes",
	"make campaign":                         "it takes some minutes; a short campaign is among the tests",
	"make attacks":                          "it takes two minutes",
	"make pressure":                         "it takes a quarter of an hour",
	"make bench":                            "it takes some minutes",
	"go run ./cmd/bench":                    "it takes some minutes",
	"go run ./cmd/pressure":                 "it takes a quarter of an hour",
	"go test ./gateway -run TestSimulation": "it is a test itself",
	"go test ./gateway/operation -run TestModel": "it is a test itself",
	"go test ./gateway -run TestEveryRoute":      "it is a test itself",
	"go test ./gateway -run TestQuartets":        "it writes recordings again",
	"go test ./cmd/ocigate -run TestDemoShows":   "it is a test itself",
	"git status --short":                         "it needs a clone",
	"git tag -a --cleanup=whitespace v1.0.0":     "it changes the repository",
	"git push origin main v1.0.0":                "it changes the repository",
	"make dist VERSION=v1.0.0":                   inCI,
	"cat dist/SHA256SUMS":                        "it shows what make dist has written",
	"cd dist":                                    inCI,
	"sha256sum --check SHA256SUMS":               inCI,
	"./ocigate-v1.0.0-linux-amd64 version":       inCI,
	"./ocigate-v1.0.0-linux-amd64 demo --check":  inCI,
	"cat audit-*.jsonl | jq":                     "TestReadmeFindsWritesWithoutAnEnd of package bolt runs it",
	"node testdata/clients/assign.ts":            "TestClientExamples runs it",
	"npx openapi-typescript":                     ".ci/clients runs it",
	"curl -sO":                                   "it writes a file, and .ci/clients has the same one",
	"go run github.com/oapi-codegen":             ".ci/clients runs it",
}

const inCI = ".ci/run runs it"

// prepared has what the commands of some pages need.
var prepared = map[string]func(*pageShell){
	"config/README.md":            (*pageShell).prepareConfiguration,
	"gateway/operation/README.md": (*pageShell).prepareUnknownWrite,
	"cmd/CONTRIBUTING.md":         (*pageShell).prepareUnknownWrite,
	"testdata/clients/README.md":  (*pageShell).prepareClients,
}

// example is a command of a page, and what the page shows below it.
type example struct{ command, printed string }

// consoleBlocks returns the console blocks of a page.
func consoleBlocks(text string) [][]example {
	var found [][]example
	for _, console := range blocks(text, "console") {
		var block []example
		for line := range strings.Lines(console) {
			command, ok := strings.CutPrefix(line, "$ ")
			last := len(block) - 1
			switch {
			case ok:
				block = append(block, example{command: command})
			case strings.Count(block[last].command, "'")%2 != 0:
				block[last].command += line
			default:
				block[last].printed += line
			}
		}
		found = append(found, block)
	}
	return found
}

func TestPageCommands(t *testing.T) {
	t.Parallel() // it waits most of the time
	needsCurl(t)
	examples := "" // all that are run
	unused := maps.Clone(notRun)
	ci := ""
	for _, script := range []string{"run", "packages"} { // the second is a part of the first
		text, err := os.ReadFile(filepath.Join(moduleRoot, ".ci", script))
		if err != nil {
			t.Fatal(err)
		}
		ci += string(text)
	}
	for page, text := range pages(t) {
		if strings.HasPrefix(page, operationsFolder) {
			continue // TestPageOperations runs them
		}
		var run [][]example
		for _, block := range consoleBlocks(text) {
			block = slices.DeleteFunc(block, func(e example) bool {
				for beginning, why := range notRun {
					if strings.HasPrefix(e.command, beginning) {
						checkNotRun(t, page, e.command)
						if why == inCI && !strings.Contains(ci, beginning) {
							t.Errorf("%s: .ci/run does not run %s", page, beginning)
						}
						delete(unused, beginning)
						return true
					}
				}
				return false
			})
			for _, e := range block {
				examples += e.command + e.printed
			}
			if len(block) > 0 {
				run = append(run, block)
			}
		}
		if len(run) > 0 {
			t.Run(page, func(t *testing.T) {
				t.Parallel() // it waits most of the time
				s := newPageShell(t)
				if prepare := prepared[page]; prepare != nil {
					prepare(s)
				}
				for _, block := range run {
					s.paste(block)
				}
			})
		}
	}
	for _, part := range []string{"dry_run=true", `"dry_run":true`, "OUTCOME_UNKNOWN", `"state":"not_done"`, "NOT_AVAILABLE_FOR_ASSIGNMENT", "$TOKEN"} {
		if !strings.Contains(examples, part) {
			t.Errorf("no example that is run has %s", part)
		}
	}
	for beginning := range unused {
		t.Errorf("no page has the command %s, which notRun lists", beginning)
	}
}

// checkNotRun requires that the parts of a command exist that is not run.
func checkNotRun(t *testing.T, page, command string) {
	t.Helper()
	switch words := strings.Fields(command); words[0] {
	case "make":
		checkMakeTarget(t, page, words[1])
	case "go":
		checkGo(t, page, words[1:])
	}
}

// pageShell is the shell of a reader who follows a page.
type pageShell struct {
	*testing.T
	folder      string
	variables   []string // beyond those of the test, as NAME=value
	replace     *strings.Replacer
	id          string // of the operation that the page calls ID
	server      string // the command line of what runs in the background, empty for nothing
	process     *bound
	out         *output
	api, admin  string            // addresses of the gateway, if that is what runs
	beforeCheck func(*pageShell)  // called before the configuration is checked
	seen        map[string]string // what commands have printed
}

func newPageShell(t *testing.T) *pageShell {
	t.Helper()
	s := &pageShell{T: t, folder: t.TempDir(), replace: strings.NewReplacer(), seen: map[string]string{}}
	self, err := os.Executable()
	if err == nil {
		err = os.Mkdir(filepath.Join(s.folder, "bin"), 0o700)
	}
	if err == nil {
		err = os.Symlink(self, filepath.Join(s.folder, "bin", "ocigate"))
	}
	if err != nil {
		t.Fatal(err)
	}
	s.variables = []string{asProgram + "=1", "TMPDIR=" + s.folder, "OCIGATE_HTTP_DRAIN=0s"}
	return s
}

// servers has for each command that runs until it is stopped its flags, how its
// output shows that it is ready, and where: the address of the API or the platform, and
// that of the listener for operators if there is one.
var servers = map[string]struct {
	flags string
	ready *regexp.Regexp
}{
	"demo":     {" --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --platform-listen 127.0.0.1:0", regexp.MustCompile(`(?s)API +http://([0-9.:]+)/.*status page +http://([0-9.:]+)/`)},
	"simulate": {" --listen 127.0.0.1:0", regexp.MustCompile(`listens on ([0-9.:]+)()\.\n`)},
	"serve":    {"", regexp.MustCompile(`"api":"([0-9.:]+)","admin":"([0-9.:]+)"`)},
}

// ending are flags with which a server ends by itself.
var ending = []string{"--help", "--check", "--tour"}

// runsOn reports which of the servers a command starts.
func runsOn(command string) (server string, ok bool) {
	command = strings.TrimSpace(strings.Replace(command, "make demo", "bin/ocigate demo", 1))
	words := strings.Fields(command)
	if len(words) < 2 || words[0] != "bin/ocigate" || slices.ContainsFunc(words, func(word string) bool { return slices.Contains(ending, word) }) {
		return "", false
	}
	_, ok = servers[words[1]]
	return words[1], ok && (len(words) == 2 || strings.HasPrefix(words[2], "-"))
}

// paste runs the commands of a block.
func (s *pageShell) paste(block []example) {
	s.Helper()
	if kind, _ := runsOn(s.server); kind == "demo" && strings.HasPrefix(block[0].command, "curl ") {
		s.start(s.server)
	}
	for _, e := range block {
		if strings.HasPrefix(e.command, "bin/ocigate config check") && s.beforeCheck != nil {
			s.beforeCheck(s)
		}
		if _, ok := runsOn(e.command); ok {
			s.start(strings.Replace(e.command, "make demo", "bin/ocigate demo", 1))
			continue
		}
		s.try(e)
	}
}

var (
	assignment = regexp.MustCompile(`^(?:export )?([A-Z_]+)=`)
	idWord     = regexp.MustCompile(`\bID\b`)
)

// pagePatience is how long a command may take to print what the page shows: what became of
// a write is known after some seconds.
const pagePatience = time.Minute

// try runs a command, again and again if it changes nothing, until it prints what the
// page shows.
func (s *pageShell) try(e example) {
	s.Helper()
	command := s.replace.Replace(strings.TrimSpace(e.command))
	command = strings.ReplaceAll(command, "127.0.0.1:8080", s.api)
	command = strings.ReplaceAll(command, "127.0.0.1:9090", s.admin)
	if strings.HasPrefix(command, "bin/ocigate reload") {
		command += " --admin " + s.admin // its port in the configuration is 0
	}
	if strings.HasPrefix(command, "bin/ocigate demo --tour") {
		command += servers["demo"].flags // others may use the ports
	}
	if _, err := exec.LookPath("jq"); err != nil && strings.Contains(command, "jq ") {
		s.Logf("not run, because jq is not installed: %s", command)
		return
	}
	if s.id != "" {
		command = idWord.ReplaceAllString(command, s.id)
	}
	if name := assignment.FindStringSubmatch(command); name != nil {
		value, err := s.run(command + "\nprintf %s \"$" + name[1] + "\"")
		if err != nil || value == "" {
			s.Errorf("%s: %v, %q", command, err, value)
		}
		s.variables = append(s.variables, name[1]+"="+value)
		return
	}
	want := regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(e.printed)), "…", ".*") + `$`)
	if e.printed == "" {
		want = regexp.MustCompile("")
		if strings.HasPrefix(command, "curl ") {
			want = regexp.MustCompile(`^[{]`)
		}
	}
	got, err := s.run(command)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(pagePatience); (err != nil || !want.MatchString(got)) && !strings.Contains(command, " -X ") && time.Now().Before(deadline); {
		<-tick.C
		got, err = s.run(command)
	}
	if err != nil || !want.MatchString(got) {
		s.Errorf("%s\nprints %s (%v)\nnot    %s", command, got, err, e.printed)
	}
	s.seen[e.command] = got
}

// run runs a command, and returns what it prints without the carriage returns of
// headers.
func (s *pageShell) run(command string) (string, error) {
	c := s.shell(s.Context(), command)
	out, err := c.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = errors.Join(err, errors.New(string(exit.Stderr)))
	}
	return strings.TrimSpace(strings.ReplaceAll(string(out), "\r\n", "\n")), err
}
