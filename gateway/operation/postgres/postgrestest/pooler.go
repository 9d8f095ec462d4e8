//go:build unix

package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Pooler is a PgBouncer in transaction mode in front of a [Server]: each
// transaction of a client may be on another connection to the server.
type Pooler struct {
	folder string
}

// socketName is the name of the socket for PostgreSQL's default port, which URLs without a
// port mean.
const socketName = ".s.PGSQL.5432"

// findPooler returns the path of PgBouncer, from PATH or where Debian installs it.
func findPooler() (program string, err error) {
	if program, err = exec.LookPath("pgbouncer"); err == nil {
		return program, nil
	}
	return exec.LookPath("/usr/sbin/pgbouncer")
}

// Pooler starts a PgBouncer that has that many connections to each database of the server.
// settings are further lines of its configuration. The test is skipped if PgBouncer is not
// installed, or too old for one of the settings. The pooler ends with the test.
func (s *Server) Pooler(t testing.TB, connections int, settings ...string) *Pooler {
	t.Helper()
	program, err := findPooler()
	if err != nil {
		t.Skip("PgBouncer is not installed")
	}
	version := poolerVersion(t, program)
	for _, line := range settings {
		if strings.HasPrefix(line, "max_prepared_statements") && version < 1_21 {
			t.Skipf("PgBouncer is too old for %s", line)
		}
	}
	folder, err := os.MkdirTemp("", "pgb") // short: a socket's path has room for 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	p := &Pooler{folder}
	if err := p.configure(s, connections, settings); err != nil {
		t.Fatal(err)
	}
	p.start(t, s, program)
	return p
}

// poolerVersion returns the version, such as 1_18 for PgBouncer 1.18.0.
func poolerVersion(t testing.TB, program string) int {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), program, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`PgBouncer (\d+)\.(\d+)`).FindSubmatch(output)
	if found == nil {
		t.Fatalf("PgBouncer's version is not in %q", output)
	}
	major, _ := strconv.Atoi(string(found[1]))
	minor, _ := strconv.Atoi(string(found[2]))
	return major*100 + minor
}

func (p *Pooler) path(name string) string { return filepath.Join(p.folder, name) }

// configure writes the configuration.
func (p *Pooler) configure(s *Server, connections int, settings []string) error {
	lines := append([]string{
		"[databases]",
		"* = host=" + s.folder,
		"[pgbouncer]",
		"pool_mode = transaction",
		fmt.Sprintf("default_pool_size = %d", connections),
		"max_client_conn = 500",
		"listen_addr =",
		"listen_port = 5432",
		"unix_socket_dir = " + p.folder,
		"auth_type = scram-sha-256",
		"auth_file = " + p.path("users.txt"),
	}, settings...)
	passwords := fmt.Sprintf("%q %q\n", User, Password)
	err := errors.Join(
		os.WriteFile(p.path("pgbouncer.ini"), []byte(strings.Join(lines, "\n")+"\n"), 0o600),
		os.WriteFile(p.path("users.txt"), []byte(passwords), 0o600),
	)
	if err != nil || s.account == nil {
		return err
	}
	for _, path := range []string{p.folder, p.path("pgbouncer.ini"), p.path("users.txt")} {
		err = errors.Join(err, os.Chown(path, int(s.account.Uid), int(s.account.Gid)))
	}
	return err
}

// start starts the pooler and waits until it accepts connections.
func (p *Pooler) start(t testing.TB, s *Server, program string) {
	t.Helper()
	log, err := os.Create(p.path("output"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the pooler has its own copy
	command := s.command(context.Background(), "/bin/sh", "-c", guard, "sh", program, "-q", p.path("pgbouncer.ini"))
	command.Dir = p.folder
	command.Stdout, command.Stderr = log, log
	orders, err := command.StdinPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = io.WriteString(orders, "KILL\n")
		_ = command.Wait() // it was killed
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(startTime); ; <-tick.C {
		conn, err := new(net.Dialer).DialContext(t.Context(), "unix", p.path(socketName))
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			output, _ := os.ReadFile(p.path("output"))
			t.Fatalf("postgrestest: PgBouncer does not start: %v\n%s", err, output)
		}
	}
}

// URL returns the address of a database of the server through the pooler.
func (p *Pooler) URL(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("host", p.folder)
	u.RawQuery = query.Encode()
	return u.String()
}
