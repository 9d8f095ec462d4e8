//go:build unix

package postgrestest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNotInstalled means that there is no PostgreSQL server in PATH or under
// /usr/lib/postgresql.
var ErrNotInstalled = errors.New("postgrestest: PostgreSQL is not installed")

// The role that owns everything. The server requires its password.
const (
	User     = "ocigate"
	Password = "s3cret/of the:database@test"
)

const (
	startTime = time.Minute // until it is ready, also on a loaded machine
	callTime  = 30 * time.Second
)

// Server is a PostgreSQL server.
type Server struct {
	programs string
	folder   string
	account  *syscall.Credential // of the server, nil for that of this process

	// mu guards the fields below. It is held while the server starts and stops.
	mu        sync.Mutex
	process   *process // nil while it is stopped
	databases int
}

// New creates a server and starts it. The error is [ErrNotInstalled] if there is no
// PostgreSQL. Close the server after use.
func New() (*Server, error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "pg") // short: a socket's path has room for 100 bytes
	if err != nil {
		return nil, err
	}
	s := &Server{programs: programs, folder: folder}
	if err := s.create(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return s, nil
}

// findPrograms returns the folder with initdb and postgres: from PATH or, if that has
// none, of the newest version that is installed.
func findPrograms() (string, error) {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well-formed
	version := func(folder string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder))) // 0 for another name
		return n
	}
	slices.SortFunc(folders, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), folders...) {
		_, noInit := exec.LookPath(filepath.Join(folder, "initdb"))
		_, noServer := exec.LookPath(filepath.Join(folder, "postgres"))
		if noInit == nil && noServer == nil {
			return filepath.Abs(folder)
		}
	}
	return "", ErrNotInstalled
}

// create creates the files of the server.
func (s *Server) create() error {
	if os.Geteuid() == 0 { // the programs refuse to run as root
		if err := s.chooseAccount(); err != nil {
			return err
		}
	}
	secret := filepath.Join(s.folder, "password")
	if err := os.WriteFile(secret, []byte(Password), 0o600); err != nil {
		return err
	}
	if s.account != nil {
		if err := os.Chown(secret, int(s.account.Uid), int(s.account.Gid)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	initdb := s.command(ctx, filepath.Join(s.programs, "initdb"), "--pgdata", s.data(), "--username", User,
		"--pwfile", secret, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("postgrestest: initdb: %w: %s", err, output)
	}
	return nil
}

// chooseAccount makes the server run as another user than root.
func (s *Server) chooseAccount() error {
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return err
	}
	s.account = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.folder, int(uid), int(gid))
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// command returns a command that runs as the user of the server.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, args...) //nolint:gosec // a program of PostgreSQL, or the shell that watches over it
	command.Dir = s.folder
	command.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.account}
	return command
}

// process is the running server.
type process struct {
	command *exec.Cmd
	orders  io.WriteCloser
	log     *log
	read    sync.WaitGroup // the log, to its end
}

// guard is a shell script that runs a server until it reads the name of a signal, which it
// sends to the server. It reads the end of the file when this process has ended, and then
// removes the files, too.
const guard = `"$@" </dev/null & server=$!; exec >&- 2>&-
read -r order; kill -s "${order:-QUIT}" "$server"; wait "$server"
[ -n "$order" ] || rm -rf "$PWD"`

// Start starts a server that was stopped. It returns once the server can be used.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return errors.New("postgrestest: the server is running")
	}
	p := &process{log: newLog()}
	p.command = s.command(context.Background(), "/bin/sh", "-c", guard, "sh", filepath.Join(s.programs, "postgres"),
		"-D", s.data(), "-k", s.folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200",
		// Commits that do not wait stay in the server's memory for long.
		"-c", "wal_writer_delay=10s")
	orders, err := p.command.StdinPipe()
	if err != nil {
		return err
	}
	output, input, err := os.Pipe()
	if err != nil {
		return err
	}
	p.orders = orders
	p.command.Stdout, p.command.Stderr = input, input
	err = p.command.Start()
	_ = input.Close() // the server has its own copy
	if err != nil {
		_ = output.Close()
		return err
	}
	p.read.Go(func() {
		p.log.follow(output)
		_ = output.Close()
	})
	s.process = p
	timeout := time.NewTimer(startTime)
	defer timeout.Stop()
	select {
	case <-p.log.ready:
		return nil
	case <-p.log.ended:
	case <-timeout.C:
	}
	return fmt.Errorf("postgrestest: the server does not start: %w\n%s", s.endLocked("QUIT"), p.log.text())
}

// Stop stops the server in good order, without waiting for its clients. It does nothing if
// the server is stopped.
func (s *Server) Stop() error { return s.stop("INT") }

// Crash stops the server as if it had been killed: it loses what it has not written to its
// log. It does nothing if the server is stopped.
func (s *Server) Crash() error { return s.stop("QUIT") }

// stop sends a signal to the server and waits for its end.
func (s *Server) stop(signal string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	return s.endLocked(signal)
}

// endLocked ends the process and waits for it. The caller holds mu.
func (s *Server) endLocked(signal string) error {
	p := s.process
	s.process = nil
	_, err := io.WriteString(p.orders, signal+"\n")
	p.read.Wait() // all of the server's processes have ended
	// The result is in the server's log: a crash is no failure.
	_ = p.command.Wait()
	return err
}

// Close stops the server and removes its files.
func (s *Server) Close() error { return errors.Join(s.Stop(), os.RemoveAll(s.folder)) }

// URL returns the address of a database for a user. The database need not exist.
func (s *Server) URL(name, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(name, password), Path: "/" + database}
	u.RawQuery = url.Values{"host": {s.folder}}.Encode()
	return u.String()
}

// Database creates an empty database and returns its URL. It exists as long as the server.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	s.databases++
	name := fmt.Sprintf("test%d", s.databases)
	s.mu.Unlock()
	s.Exec(t, s.URL(User, Password, "postgres"), "CREATE DATABASE "+name)
	return s.URL(User, Password, name)
}

// Exec runs SQL in a database.
func (s *Server) Exec(t testing.TB, database, sql string, args ...any) {
	t.Helper()
	s.with(t, database, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql, args...)
		return err
	})
}

// Value queries one value of a database, as text.
func (s *Server) Value(t testing.TB, database, sql string, args ...any) string {
	t.Helper()
	var value string
	s.with(t, database, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, sql, args...).Scan(&value)
	})
	return value
}

// with connects to a database and calls do.
func (s *Server) with(t testing.TB, database string, do func(context.Context, *pgx.Conn) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(do(ctx, conn), conn.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}

// logLines is how much of the server's log is kept.
const logLines = 50

// log has the last lines of the server's log.
type log struct {
	ready, ended chan struct{} // closed when the server is ready, and when its log ends

	mu    sync.Mutex // guards lines
	lines []string
}

func newLog() *log { return &log{ready: make(chan struct{}), ended: make(chan struct{})} }

// follow reads the log to its end.
func (l *log) follow(r io.Reader) {
	defer close(l.ended)
	ready := sync.OnceFunc(func() { close(l.ready) })
	for scanner := bufio.NewScanner(r); scanner.Scan(); {
		line := scanner.Text()
		l.mu.Lock()
		l.lines = append(l.lines[max(0, len(l.lines)-logLines+1):], line)
		l.mu.Unlock()
		if strings.Contains(line, "database system is ready to accept connections") {
			ready()
		}
	}
	_, _ = io.Copy(io.Discard, r) // the rest after a line that is too long
}

// text returns the last lines.
func (l *log) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
