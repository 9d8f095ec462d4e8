//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ocigate/oci/ocisim"
)

// The rig of the tests of the command doctor: a configuration of an otherwise healthy
// gateway, which a test changes, and the command with its output.

// canary is the password of the account in these tests, canaryURL that of a database. No
// output may have one of them.
const (
	canary    = "canary-of-the-platform"
	canaryURL = "canary-of-the-database"
)

// doctorRig is the configuration and the machine of one run.
type doctorRig struct {
	t *testing.T

	endpoints []string // lines of YAML
	user      string
	password  string
	platform  []string // further lines of the section
	sections  []string // further sections, and lines of those below
	http      string   // the content of the section
	admin     string
	journal   string // likewise
	folder    string
	args      []string
	machine   machine
}

// newDoctorRig returns the configuration of a healthy gateway in front of a platform at
// that address.
func newDoctorRig(t *testing.T, platform string) *doctorRig {
	t.Helper()
	r := &doctorRig{t: t, user: "gateway", password: canary, folder: t.TempDir()}
	r.http, r.admin = `listen: "127.0.0.1:0"`, `listen: "127.0.0.2:0"`
	r.journal = fmt.Sprintf("folder: %q", filepath.Join(r.folder, "journal"))
	r.machine = machine{
		space: func(string) (diskSpace, error) { return diskSpace{free: 20 << 30, total: 100 << 30}, nil },
		sync:  func(*os.File) error { return nil },
		wait:  100 * time.Millisecond,
	}
	if platform != "" {
		r.plain("main", platform)
	}
	return r
}

// plain adds an endpoint without TLS.
func (r *doctorRig) plain(name, address string) {
	r.endpoints = append(r.endpoints, fmt.Sprintf("{name: %s, address: %q, tls: {enabled: false}}", name, address))
}

// secured adds an endpoint with TLS and further keys of that.
func (r *doctorRig) secured(name, address, keys string) {
	r.endpoints = append(r.endpoints, fmt.Sprintf("{name: %s, address: %q, tls: {%s}}", name, address, keys))
}

// timeouts limits the steps that a test waits for.
func (r *doctorRig) timeouts(keys string) {
	r.platform = append(r.platform, "timeouts: {"+keys+"}")
}

// file writes the configuration and returns its name.
func (r *doctorRig) file() string {
	r.t.Helper()
	var b strings.Builder
	b.WriteString("platform:\n  endpoints:\n")
	for _, e := range r.endpoints {
		fmt.Fprintf(&b, "    - %s\n", e)
	}
	fmt.Fprintf(&b, "  user_id: %s\n  password: %q\n", r.user, r.password)
	for _, line := range r.platform {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	fmt.Fprintf(&b, "http: {%s}\nadmin: {%s}\njournal: {%s}\n", r.http, r.admin, r.journal)
	for _, s := range r.sections {
		b.WriteString(s + "\n")
	}
	name := filepath.Join(r.folder, "ocigate.yaml")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return name
}

// run runs the command with further arguments. The output must not have a secret.
func (r *doctorRig) run(args ...string) (stdout string, err error) {
	r.t.Helper()
	var out bytes.Buffer
	c := (&doctor{machine: r.machine}).command()
	c.SetOut(&out)
	c.SetErr(&out)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(append(append([]string{"--config", r.file()}, r.args...), args...))
	err = c.ExecuteContext(context.WithoutCancel(r.t.Context()))
	for _, secret := range []string{canary, canaryURL} {
		if strings.Contains(out.String(), secret) || err != nil && strings.Contains(err.Error(), secret) {
			r.t.Errorf("a secret was printed: %v\n%s", err, out.String())
		}
	}
	return out.String(), err
}

// result runs the command with --json and returns what it prints.
func (r *doctorRig) result() (result doctorResult, err error) {
	r.t.Helper()
	out, err := r.run("--json")
	decoder := json.NewDecoder(strings.NewReader(out))
	decoder.DisallowUnknownFields()
	if bad := decoder.Decode(&result); bad != nil {
		r.t.Fatalf("not the JSON of the command: %v\n%s", bad, out)
	}
	return result, err
}

// varying finds what differs between runs in the output of the command.
var varying = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(127\.0\.0\.\d|0\.0\.0\.0|localhost|\[::1\]):\d+`), "$1:PORT"},
	{regexp.MustCompile(`(?m) \([\d.]+ m?s\)$`), " (TIME)"},
	{regexp.MustCompile(`fsync takes [\d.]+ m?s`), "fsync takes TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "DATE"},
	{regexp.MustCompile(`\.doctor-\w+`), ".doctor-RANDOM"},
	{regexp.MustCompile(`of the user with id \d+`), "of the user with id UID"},
	{regexp.MustCompile(`(RANDOM: )(no such file or directory|permission denied)`), "${1}CAUSE"}, // for root, and for others
	{regexp.MustCompile(`about \S+ (ahead|behind)`), "about TIME $1"},
}

// normal returns an output without what differs between runs.
func (r *doctorRig) normal(text string) string {
	text = strings.ReplaceAll(text, r.folder, "DIR")
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.instead)
	}
	return text
}

// doctorSeed returns the platform's data, with the canary as the password of every
// account. change may change them.
func doctorSeed(change func(*ocisim.Seed)) ocisim.Seed {
	seed := ocisim.DemoSeed()
	for i := range seed.Administrators {
		seed.Administrators[i].Password = canary
	}
	if change != nil {
		change(&seed)
	}
	return seed
}

// simulated starts a platform.
func simulated(t *testing.T, change func(*ocisim.Seed)) *ocisim.Server {
	t.Helper()
	s := ocisim.NewServer(doctorSeed(change))
	t.Cleanup(func() { _ = s.Close() }) // never fails
	return s
}

// simulatedTLS starts a platform with TLS and returns its address.
func simulatedTLS(t *testing.T, config *tls.Config) string {
	t.Helper()
	platform, err := ocisim.New(doctorSeed(nil))
	if err != nil {
		t.Fatal(err)
	}
	l := listenLocal(t)
	var serving sync.WaitGroup
	serving.Go(func() { _ = platform.Serve(tls.NewListener(l, config)) }) // ends with Close
	t.Cleanup(func() { _ = platform.Close(); serving.Wait() })
	return l.Addr().String()
}

// serverTLS returns the configuration of a server with a certificate.
func serverTLS(of *issued) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{of.pair()}}
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // it may be closed already
	return l
}

// peer starts a server that treats each connection with a function, and returns its
// address.
func peer(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l := listenLocal(t)
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				serve(conn)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); work.Wait() })
	return l.Addr().String()
}

// nameServer starts a DNS server, and returns a resolver that asks it. It replies to every
// question that there is no such name, or not at all.
func nameServer(t *testing.T, replies bool) *net.Resolver {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		question := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			if !replies || n < 12 {
				continue
			}
			const response, recursion, nameError = 0x80, 0x80, 3
			reply := bytes.Clone(question[:n])
			reply[2] |= response
			reply[3] = recursion | nameError
			_, _ = conn.WriteTo(reply, from)
		}
	})
	t.Cleanup(func() { _ = conn.Close(); serving.Wait() })
	address := conn.LocalAddr().String()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", address)
	}}
}

// find returns the check of a result with that name and object, and false without one.
func find(result doctorResult, name, of string) (check, bool) {
	for _, c := range result.Checks {
		if c.Name == name && c.Of == of {
			return c, true
		}
	}
	return check{}, false
}

// lineOf returns the line of a check in an output, with the indented one below it.
func lineOf(output string, c check) string {
	prefix := fmt.Sprintf("%-*s", indent, c.State.word()) + strings.TrimPrefix(c.Of+": ", ": ") + c.title() + ": "
	lines := strings.SplitAfter(output, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, prefix) {
			if i+1 < len(lines) && strings.HasPrefix(lines[i+1], strings.Repeat(" ", indent)) {
				line += lines[i+1]
			}
			return line
		}
	}
	return ""
}

// stateOf returns the state of a fault's check.
func stateOf(s checkState) checkState { return cmp.Or(s, checkFailed) }
