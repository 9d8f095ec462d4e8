//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.yaml.in/yaml/v3"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/oci/ocisim"
)

// site is what the pages of cmd/operations describe: a platform with two endpoints,
// gateways in front of it, and the shell of their operator.
type site struct {
	*pageShell
	platform  *ocisim.Platform
	endpoints []*siteEndpoint
	faults    []*ocisim.Injection
	gateways  map[string]*process // by the file of the configuration
	addresses []string            // text of the pages, and the address in its place, in turns
	disk      *disk
	configure string // file that the next block changes
	seenLog   int    // bytes of the log that earlier blocks have shown
}

// siteEndpoint is an endpoint of the platform, which can be out of reach.
type siteEndpoint struct {
	name, address string
	listener      net.Listener
	served        chan struct{} // closed when the listener does not accept any more
}

// siteConfig is the file of the configuration of most pages.
const siteConfig = "ocigate.yaml"

// siteTimes are shorter than the defaults, so that a page does not take minutes.
var siteTimes = []string{
	"OCIGATE_HTTP_DRAIN=0s", "OCIGATE_JOURNAL_SETTLE=1s", "OCIGATE_JOURNAL_UNREADY_AFTER=1s",
	"OCIGATE_PLATFORM_POOL_PROBE_UNUSED=1s", "OCIGATE_PLATFORM_BACKOFF_INITIAL=100ms", "OCIGATE_PLATFORM_BACKOFF_MAX=200ms",
}

// newSite has the configuration of the pages, and the platform.
func newSite(t *testing.T, configuration string) *site {
	t.Helper()
	for _, program := range []string{"jq", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	s := &site{pageShell: newPageShell(t), gateways: map[string]*process{}}
	s.variables = slices.Concat(s.variables, siteTimes, []string{
		"PATH=" + filepath.Join(s.folder, "bin") + ":" + os.Getenv("PATH"), "OCICALL_CLIENT=portal", "OCICALL_SECRET=" + demoSecret,
	})
	s.startPlatform(ocisim.DemoSeed())
	for i, name := range []string{"primary", "secondary"} {
		e := &siteEndpoint{name: name, address: siteAddress(t)}
		s.addresses = append(s.addresses, fmt.Sprintf("ocs%d.example.com:2209", i+1), e.address)
		s.endpoints = append(s.endpoints, e)
		s.open(e)
	}
	for _, shown := range []string{"127.0.0.1:8080", "127.0.0.1:9090", "127.0.0.1:8081", "127.0.0.1:9091"} {
		s.addresses = append(s.addresses, shown, siteAddress(t))
	}
	s.variables = append(s.variables, "OCICALL_URL="+s.places("http://127.0.0.1:8080"))
	s.addresses = append(s.addresses, pagePlaceholder, demoHash(t), "/run/secrets/platform", filepath.Join(s.folder, "platform.secret"))
	writeFile(t, filepath.Join(s.folder, siteConfig), s.places(configuration))
	writeFile(t, filepath.Join(s.folder, "platform.secret"), "gateway-demo\n")
	writeFile(t, filepath.Join(s.folder, "portal.secret"), demoSecret)
	return s
}

// takenAddresses has the addresses that sites of this process have.
var takenAddresses sync.Map

// siteAddress returns an address that no other site has, also while nothing listens there.
func siteAddress(t *testing.T) string {
	t.Helper()
	for {
		address := quietAddress(t)
		if _, taken := takenAddresses.LoadOrStore(address, true); !taken {
			return address
		}
	}
}

// places replaces what pages name by what this site has.
func (s *site) places(text string) string {
	return strings.NewReplacer(s.addresses...).Replace(text)
}

// startPlatform starts a platform in the place of the one before.
func (s *site) startPlatform(seed ocisim.Seed) {
	s.Helper()
	platform, err := ocisim.New(seed)
	if err != nil {
		s.Fatal(err)
	}
	s.platform = platform
	s.Cleanup(func() { _ = platform.Close() }) // never fails
}

// open makes an endpoint reachable.
func (s *site) open(e *siteEndpoint) {
	s.Helper()
	// A process that another test is starting may hold the closed socket for a moment.
	var l net.Listener
	var err error
	if !s.until(func() bool {
		l, err = new(net.ListenConfig).Listen(s.Context(), "tcp", e.address)
		return err == nil
	}) {
		s.Fatal(err)
	}
	served := make(chan struct{})
	e.listener, e.served = l, served
	platform := s.platform
	go func() {
		defer close(served)
		_ = platform.Serve(l) // until the listener is closed
	}()
	s.Cleanup(func() { _ = l.Close(); <-served }) // it may be closed
}

// shut makes an endpoint unreachable, and ends its sessions with those of the others.
func (s *site) shut(e *siteEndpoint) {
	_ = e.listener.Close() // it may be closed
	<-e.served             // its port is free only then
	s.platform.Restart()
}

// directives are the comments of pages, by their first words. Each gets the words after them.
var directives = map[string]func(*site, []string){
	// gateway start [FILE] [VARIABLE=VALUE…]: with the configuration in that file.
	"gateway start": (*site).startGateway,
	"gateway stop":  func(s *site, words []string) { s.endGateway(words, syscall.SIGTERM) },
	"gateway kill":  func(s *site, words []string) { s.endGateway(words, syscall.SIGKILL) },
	// platform down [NAME], platform up [NAME]: all endpoints, or one.
	"platform down": func(s *site, words []string) { s.each(words, s.shut) },
	"platform up":   func(s *site, words []string) { s.each(words, s.open) },
	// platform password TEXT: of the gateway's account. All else is as at the start again.
	"platform password": (*site).changePassword,
	// fault add FAULT: as for ocigate simulate --fault. fault acts: waits until the last one
	// has acted. fault ends: removes all.
	"fault add":  (*site).addFault,
	"fault acts": (*site).faultActs,
	"fault ends": (*site).endFaults,
	// configure [FILE]: the next block is added to that configuration.
	"configure next": func(s *site, words []string) { s.configure = firstWord(words, siteConfig) },
	// disk small: the folder of the journal is on a small disk from now on.
	"disk small": (*site).smallDisk,
	"disk full":  func(s *site, _ []string) { fillDiskOf(s.T, s.disk) },
	"disk free":  func(s *site, _ []string) { s.disk.clear(s.T) },
	// journal newer [FOLDER]: of a version that does not exist yet. journal older: of one before.
	"journal newer": (*site).newerJournal,
	"journal older": (*site).olderJournal,
	// database: there is a PostgreSQL server, whose address is in DATABASE. Without one
	// the rest of the page is skipped.
	"database start": (*site).database,
	// run COMMAND, background COMMAND: a command that the page does not show.
	"run command":        func(s *site, words []string) { s.command(example{command: strings.Join(words, " ")}) },
	"background command": (*site).background,
}

// direct does what a comment says.
func (s *site) direct(text string) {
	s.Helper()
	words := strings.Fields(text)
	if len(words) < 2 || directives[words[0]+" "+words[1]] == nil {
		s.Fatalf("there is no directive %q", text)
	}
	directives[words[0]+" "+words[1]](s, words[2:])
}

func firstWord(words []string, otherwise string) string {
	if len(words) > 0 {
		return words[0]
	}
	return otherwise
}

func (s *site) each(words []string, do func(*siteEndpoint)) {
	for _, e := range s.endpoints {
		if len(words) == 0 || words[0] == e.name {
			do(e)
		}
	}
}

// startGateway starts a gateway as a process, and waits until it serves.
func (s *site) startGateway(words []string) {
	s.Helper()
	file := siteConfig
	if len(words) > 0 && strings.HasSuffix(words[0], ".yaml") {
		file, words = words[0], words[1:]
	}
	out, err := os.OpenFile(s.logFile(file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = out.Close() }() // the process has its own
	// The context of the test ends before the gateway is stopped.
	c := s.shell(context.WithoutCancel(s.Context()), "exec ocigate serve --config "+file)
	c.Env = append(c.Env, words...)
	c.Stdout, c.Stderr = out, out
	p := &process{bound: startBound(s.T, c), api: s.places("127.0.0.1:8080"), admin: s.places("127.0.0.1:9090")}
	if file != siteConfig {
		p.api, p.admin = s.places("127.0.0.1:8081"), s.places("127.0.0.1:9091")
	}
	s.gateways[file] = p
	if !s.until(func() bool {
		select {
		case <-p.ended:
			s.Fatalf("the gateway ends: %v\n%s", p.failure, s.ends())
		default:
		}
		status, _, err := p.probe("/livez")
		return err == nil && status == http.StatusOK
	}) {
		s.Fatalf("the gateway does not start\n%s", s.ends())
	}
}

// endGateway ends a gateway by a signal.
func (s *site) endGateway(words []string, signal syscall.Signal) {
	s.Helper()
	p := s.gateways[firstWord(words, siteConfig)]
	if err := p.command.Process.Signal(signal); err != nil {
		s.Fatal(err)
	}
	<-p.ended
	if signal == syscall.SIGTERM && p.failure != nil {
		s.Errorf("the gateway ends with %v\n%s", p.failure, s.ends())
	}
}

// changePassword has a platform with another password of the gateway's account.
func (s *site) changePassword(words []string) {
	s.Helper()
	seed := ocisim.DemoSeed()
	for i := range seed.Administrators {
		if seed.Administrators[i].ID == "gateway" {
			seed.Administrators[i].Password = ocisim.Password(words[0])
		}
	}
	s.each(nil, s.shut)
	s.startPlatform(seed)
	s.each(nil, s.open)
}

func (s *site) addFault(words []string) {
	s.Helper()
	fault, err := ocisim.ParseFault(strings.Join(words, " "))
	if err != nil {
		s.Fatal(err)
	}
	injected, err := s.platform.Inject(fault)
	if err != nil {
		s.Fatal(err)
	}
	s.faults = append(s.faults, injected)
}

func (s *site) faultActs([]string) {
	s.Helper()
	last := s.faults[len(s.faults)-1]
	if !s.until(func() bool { return last.Hits() > 0 }) {
		s.Fatalf("the fault does not act\n%s", s.ends())
	}
}

func (s *site) endFaults([]string) {
	for _, fault := range s.faults {
		fault.Remove()
	}
	s.faults = nil
}

// merge adds a block to a configuration: maps member by member, all else as a whole.
func (s *site) merge(file string, block pageStep) {
	s.Helper()
	s.configure = ""
	if block.kind != "yaml" {
		s.Fatalf("configure needs a block of YAML, not %v", block)
	}
	name := filepath.Join(s.folder, file)
	base := name
	if _, err := os.Stat(name); err != nil {
		base = filepath.Join(s.folder, siteConfig)
	}
	var c, added map[string]any
	s.unmarshal(readFile(s.T, base), &c)
	s.unmarshal(s.places(block.content), &added)
	mergeMaps(c, added)
	text, err := yaml.Marshal(c)
	if err != nil {
		s.Fatal(err)
	}
	writeFile(s.T, name, string(text))
}

func mergeMaps(into, from map[string]any) {
	for key, value := range maps.All(from) {
		inner, isMap := value.(map[string]any)
		if old, ok := into[key].(map[string]any); ok && isMap {
			mergeMaps(old, inner)
			continue
		}
		into[key] = value
	}
}

// smallDisk has the folder of the journal on a small disk.
func (s *site) smallDisk([]string) {
	s.Helper()
	if s.disk = newDisk(s.T, 8<<20); !s.disk.mounted {
		s.Skip("no file system can be mounted")
	}
	err := os.Mkdir(s.disk.folder("journal"), 0o700)
	if err := errors.Join(err, os.Symlink(s.disk.folder("journal"), filepath.Join(s.folder, "journal"))); err != nil {
		s.Fatal(err)
	}
}

// newerJournal raises the format of a journal beyond what this program supports.
func (s *site) newerJournal(words []string) {
	s.Helper()
	db, err := bbolt.Open(filepath.Join(s.folder, firstWord(words, "journal"), "operations.db"), 0o600, &bbolt.Options{Timeout: time.Minute})
	if err != nil {
		s.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("schema"), strconv.AppendInt(nil, operation.Format+1, 10))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		s.Fatal(err)
	}
}

// olderJournal has the folder of the journal of an earlier version.
func (s *site) olderJournal([]string) {
	s.Helper()
	from := filepath.Join(moduleRoot, "gateway/operation/bolt/testdata/format-1")
	from, err := filepath.Abs(from)
	if err != nil {
		s.Fatal(err)
	}
	s.command(example{command: "mkdir journal && cp " + from + "/* journal/ && gunzip journal/operations.db.gz && chmod -R u+w journal"})
}

func (s *site) database([]string) {
	s.Helper()
	for _, program := range []string{"psql", "pg_dump"} {
		if _, err := exec.LookPath(program); err != nil {
			s.Skip(err)
		}
	}
	server, err := postgrestest.New()
	if errors.Is(err, postgrestest.ErrNotInstalled) {
		s.Skip(err)
	}
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = server.Close() })
	address := server.Database(s.T)
	s.variables = append(s.variables, "DATABASE="+address)
	s.addresses = append(s.addresses, "postgres://gateway@db.example.com/ocigate?sslmode=verify-full", address)
}

// background runs a command until it ends, or the test does.
func (s *site) background(words []string) {
	s.Helper()
	startBound(s.T, s.shell(context.WithoutCancel(s.Context()), s.places(strings.Join(words, " "))))
}

// logFile is where the log of a gateway is.
func (s *site) logFile(file string) string {
	return filepath.Join(s.folder, strings.TrimSuffix(file, ".yaml")+".log")
}

func (s *site) log() string {
	text, err := os.ReadFile(s.logFile(siteConfig))
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

// ends returns the end of the log, for messages of failures.
func (s *site) ends() string {
	text, _ := os.ReadFile(s.logFile(siteConfig)) // it may not exist yet
	return "the log ends with\n" + string(text[max(0, len(text)-3000):])
}

// until reports whether a condition becomes true in time.
func (s *site) until(ready func() bool) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(pagePatience); time.Now().Before(deadline); <-tick.C {
		if ready() {
			return true
		}
	}
	return false
}

// both runs a command, and returns what it prints to both outputs.
func (s *site) both(command string) (string, error) {
	c := s.shell(s.Context(), "exec 2>&1\n"+command)
	out, err := c.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return strings.TrimSpace(strings.ReplaceAll(string(out), "\r\n", "\n")), err
}
