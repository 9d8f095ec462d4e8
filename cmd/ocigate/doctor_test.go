//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/oci/ocisim"
)

// These tests specify the command doctor for a healthy gateway, alone and while it runs, and
// what the command does to the platform and to the journal. Its faults are in
// TestDoctorNamesFaults.

// states returns the checks of a result with their states, in their order.
func states(result doctorResult) []string {
	var list []string
	for _, c := range result.Checks {
		list = append(list, strings.TrimSpace(c.Of+" "+c.Name)+": "+string(c.State))
	}
	return list
}

func wantStates(t *testing.T, result doctorResult, want ...string) {
	t.Helper()
	if got := states(result); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
		for _, c := range result.Checks {
			t.Log(c)
		}
	}
}

func TestDoctorOfAHealthyGateway(t *testing.T) {
	t.Parallel()
	s := simulated(t, nil)
	server := issue(t, "platform", -day, 400*day, nil)
	r := newDoctorRig(t, s.Addr)
	file := filepath.Join(r.folder, "ca.pem")
	writePEM(t, file, server)
	r.secured("second", simulatedTLS(t, serverTLS(server)), fmt.Sprintf("ca_file: %q", file))
	r.args = []string{"--tenant", "ApioSpTest", "--group", "ApioGrpTest", "--replicas", "2", "--platform-sessions", "100"}
	result, err := r.result()
	if err != nil || result.Failed != 0 || result.Notes != 1 {
		t.Errorf("%v, %d failed, %d notes", err, result.Failed, result.Notes)
	}
	wantStates(t, result, "configuration: ok",
		"main dns: skipped", "main tcp: ok", "main tls: skipped", "main login: ok", "main rights: ok", "main release: ok", "main read: ok", "main read: ok",
		"second dns: skipped", "second tcp: ok", "second tls: ok", "second login: ok", "second rights: ok", "second release: ok", "second read: ok", "second read: ok",
		"journal_folder: ok", "journal_disk: ok", "journal_space: ok", "journal_format: skipped",
		"admin.listen listener: ok", "http.listen listener: ok", "http.tls certificate: skipped", "issuer: skipped", "clock: note", "budget: ok", "descriptors: ok")
	if entries, err := os.ReadDir(r.folder); err != nil || len(entries) != 2 {
		t.Errorf("the command has left files: %v, %v", entries, err)
	}
	waitFor(t, func() bool { return len(s.Connections()) == 0 })
	var commands []string
	for _, e := range s.Ledger() {
		if commands = append(commands, e.Command); e.Write {
			t.Errorf("a write: %s", e.Command)
		}
	}
	want := []string{"AuthenticationRequest", "LoginRequest14sp4", "SystemSoftwareVersionGetRequest", "ServiceProviderGetRequest17sp1", "GroupServiceGetAuthorizationRequest", "SystemAdminGetRequest", "LogoutRequest"}
	if !slices.Equal(commands, want) {
		t.Errorf("sent %q", commands)
	}
}

func TestDoctorWhileTheGatewayRuns(t *testing.T) {
	t.Parallel()
	s := simulated(t, nil)
	r := newDoctorRig(t, "")
	g := start(t, s.Addr, func(c *config.Config) {
		c.Journal.Folder = filepath.Join(r.folder, "journal")
		c.Platform.Password = config.NewSecret(canary)
	})
	r.plain("main", s.Addr)
	r.http, r.admin = fmt.Sprintf("listen: %q", g.api), fmt.Sprintf("listen: %q", g.admin)
	waitFor(t, func() bool { _, err := os.Stat(filepath.Join(r.folder, "journal", controlSocket)); return err == nil })
	result, err := r.result()
	if err != nil {
		t.Error(err)
	}
	for of, part := range map[string]string{
		"admin.listen": "ocigate " + versionText() + " runs and is ready", "http.listen": "runs and is ready", "": "has it open and can use it; format 3, 0 writes are unknown",
	} {
		name := "listener"
		if of == "" {
			name = nameFormat
		}
		if c, ok := find(result, name, of); !ok || c.State != checkOK || !strings.Contains(c.Found, part) {
			t.Errorf("no %q in %v", part, c)
		}
	}
	// A gateway with another listener for operators is another gateway.
	r.admin = `listen: "127.0.0.1:0"`
	if result, err = r.result(); exitCode(err) != exitListener {
		t.Error(err)
	}
	if c, _ := find(result, "listener", "http.listen"); c.State != checkFailed || !strings.Contains(c.Cause, "it has another configuration") {
		t.Error(c)
	}
}

func TestDoctorReportsAJournalThatAGatewayCannotUse(t *testing.T) {
	t.Parallel()
	s := simulated(t, nil)
	r := newDoctorRig(t, s.Addr)
	folder := filepath.Join(r.folder, "journal")
	start(t, s.Addr, func(c *config.Config) { c.Journal.Folder = folder; c.Platform.Password = config.NewSecret(canary) })
	r.machine.wait = askTime
	waitFor(t, func() bool { _, err := os.Stat(filepath.Join(folder, controlSocket)); return err == nil })
	// The gateway's probe of the disk cannot write its file.
	waitFor(t, func() bool { return os.Mkdir(filepath.Join(folder, "probe"), 0o700) == nil }) // unless one is being made
	waitFor(t, func() bool {
		state, err := askJournal(t.Context(), folder, askTime)
		return err == nil && !state.Usable
	})
	result, err := r.result()
	if c, _ := find(result, nameFormat, ""); exitCode(err) != exitJournal || c.State != checkFailed || !strings.Contains(c.Cause, "cannot use it since") {
		t.Error(err, c)
	}
}

// TestDoctorLogsInOnce checks that an account that is refused is tried once, although three
// endpoints have it, and that another account is tried, too.
func TestDoctorLogsInOnce(t *testing.T) {
	t.Parallel()
	s := simulated(t, func(seed *ocisim.Seed) { seed.Administrators[0].Password = "another" })
	r := newDoctorRig(t, s.Addr)
	r.plain("second", s.Addr)
	r.endpoints = append(r.endpoints, fmt.Sprintf("{name: other, address: %q, tls: {enabled: false}, user_id: sysadmin}", s.Addr))
	r.plain("third", s.Addr)
	result, err := r.result()
	if exitCode(err) != exitLogin {
		t.Error(err)
	}
	for of, want := range map[string]checkState{"main": checkFailed, "second": checkSkipped, "other": checkOK, "third": checkSkipped} {
		if c, _ := find(result, nameLogin, of); c.State != want {
			t.Error(c)
		}
		if c, _ := find(result, nameTCP, of); c.State != checkOK {
			t.Error(c)
		}
	}
	logins := 0
	for _, e := range s.Ledger() {
		if strings.HasPrefix(e.Command, "LoginRequest") {
			logins++
		}
	}
	if logins != 2 {
		t.Errorf("%d logins", logins)
	}
}

func TestDoctorRefusesFlags(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"--group g", "--replicas 0", "--platform-sessions -1", "--platform-sessions 0", "--timeout -1s", "--timeout 0", "--tenant " + strings.Repeat("x", 31), "now"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			r := newDoctorRig(t, "127.0.0.1:1")
			if out, err := r.run(strings.Fields(line)...); exitCode(err) != 1 || strings.Contains(out, "TCP") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestDoctorSkipsTheRestWithoutAConfiguration(t *testing.T) {
	t.Parallel()
	r := newDoctorRig(t, "")
	result, err := r.result() // without an endpoint
	if exitCode(err) != exitConfiguration {
		t.Error(err)
	}
	wantStates(t, result, "configuration: failed", "platform: skipped", "journal: skipped", "listeners: skipped", "clock: skipped", "budget: skipped", "descriptors: skipped")
}

// brokenWriter refuses everything.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestDoctorFailsWithoutAnOutput(t *testing.T) {
	t.Parallel()
	r := newDoctorRig(t, simulated(t, nil).Addr)
	for _, args := range [][]string{nil, {"--json"}} {
		c := (&doctor{machine: r.machine}).command()
		c.SetOut(brokenWriter{})
		c.SetErr(&bytes.Buffer{})
		c.SetArgs(append([]string{"--config", r.file()}, args...))
		if err := c.ExecuteContext(t.Context()); exitCode(err) != 1 {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestDoctorOfADatabase checks a journal in PostgreSQL: without tables, with those of this
// version, with those of another one, and without privileges.
func TestDoctorOfADatabase(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a PostgreSQL server")
	}
	t.Parallel()
	server := postgresServer(t)
	database := server.Database(t)
	name := server.Value(t, database, "SELECT current_database()")
	s := simulated(t, nil)
	r := newDoctorRig(t, s.Addr)
	r.journal = fmt.Sprintf("store: postgres, postgres_url: %q", database)
	wantChecks := func(code int, want ...string) doctorResult {
		t.Helper()
		result, err := r.result()
		if exitCode(err) != code {
			t.Error(err)
		}
		for _, w := range want {
			if !slices.Contains(states(result), w) {
				t.Errorf("no %s in %q", w, states(result))
			}
		}
		return result
	}
	wantChecks(0, "journal_database: ok", "journal_tables: ok", "journal_commit: skipped", "clock: ok")
	if made := server.Value(t, database, "SELECT count(*)::text FROM pg_tables WHERE tablename LIKE 'ocigate_%'"); made != "0" {
		t.Errorf("the command has made %s tables", made)
	}
	g := start(t, s.Addr, func(c *config.Config) {
		c.Platform.Password = config.NewSecret(canary)
		c.Journal.Store, c.Journal.PostgresURL = config.StorePostgres, config.NewSecret(database)
	})
	waitFor(t, func() bool {
		return server.Value(t, database, "SELECT (to_regclass('ocigate_schema') IS NOT NULL)::text") == "true"
	})
	result := wantChecks(0, "journal_database: ok", "journal_tables: ok", "clock: ok")
	if c, _ := find(result, nameLock, ""); c.State != checkOK {
		t.Errorf("the lock: %+v", c)
	}
	if c, _ := find(result, nameCommit, ""); c.State != checkOK && (c.State != checkNote || !strings.Contains(c.Cause, "it is slow")) {
		t.Error(c) // how long it takes is up to the machine
	}
	g.end(t)

	server.Exec(t, database, "CREATE ROLE weak LOGIN PASSWORD '"+canaryURL+"'")
	r.journal = fmt.Sprintf("store: postgres, postgres_url: %q", server.URL("weak", canaryURL, name))
	wantChecks(exitJournal, "journal_database: ok", "journal_tables: failed", "journal_commit: skipped")
	server.Exec(t, database, "GRANT USAGE ON SCHEMA ocigate TO weak; GRANT SELECT ON ocigate.ocigate_schema TO weak")
	result = wantChecks(exitJournal, "journal_tables: failed")
	if c, _ := find(result, nameTables, ""); !strings.Contains(c.Cause, "INSERT on ocigate_audit;") {
		t.Error(c)
	}
	r.journal = fmt.Sprintf("store: postgres, postgres_url: %q", database)
	server.Exec(t, database, "ALTER TABLE ocigate.ocigate_keys OWNER TO weak")
	result = wantChecks(exitJournal, "journal_tables: failed", "journal_commit: skipped")
	if c, _ := find(result, nameTables, ""); !strings.Contains(c.Cause, "ocigate.ocigate_keys belongs to the role weak, which is not trusted") {
		t.Error(c)
	}
	r.journal += ", postgres_owner: weak"
	wantChecks(0, "journal_tables: ok")
	server.Exec(t, database, "UPDATE ocigate_audit_head SET seq = 9")
	result = wantChecks(exitJournal, "journal_tables: failed", "journal_commit: skipped")
	if c, _ := find(result, nameTables, ""); !strings.Contains(c.Cause, "do not agree") {
		t.Error(c)
	}
	server.Exec(t, database, "UPDATE ocigate_schema SET version = 1")
	wantChecks(0, "journal_tables: note", "journal_commit: skipped")
	server.Exec(t, database, "UPDATE public.ocigate_schema SET version = 2; GRANT SELECT ON public.ocigate_schema TO weak; ALTER SCHEMA ocigate RENAME TO kept")
	wantChecks(0, "journal_tables: note")
	r.journal = fmt.Sprintf("store: postgres, postgres_url: %q", server.URL("weak", canaryURL, name))
	result = wantChecks(exitJournal, "journal_tables: failed")
	if c, _ := find(result, nameTables, ""); !strings.Contains(c.Cause, "may not move them there from the schema public") {
		t.Error(c)
	}
	r.journal = fmt.Sprintf("store: postgres, postgres_url: %q, postgres_owner: weak", database)
	server.Exec(t, database, "ALTER SCHEMA kept RENAME TO ocigate")
	server.Exec(t, database, "UPDATE ocigate.ocigate_schema SET version = 99")
	wantChecks(exitJournal, "journal_tables: failed", "journal_commit: skipped")
	server.Exec(t, database, "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
	wantChecks(exitJournal, "journal_database: failed")
}

func postgresServer(t *testing.T) *postgrestest.Server {
	t.Helper()
	server, err := postgrestest.New()
	if errors.Is(err, postgrestest.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func TestTextsOfTheDoctorAreSafe(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := &report{to: &out}
	r.fail(check{Name: "login", Of: "main", Tried: "log in", code: exitLogin}, 1500*time.Millisecond, "it says \x1b[31m\nok\u202e"+strings.Repeat("x", 1000), "")
	if text := out.String(); strings.ContainsAny(text, "\x1b\u202e") || strings.Count(text, "\n") != 2 || len(text) > 700 || !strings.HasPrefix(text, "FAILED   main: login: log in (1.5 s)\n") {
		t.Errorf("%q", text)
	}
	if err := r.end(); exitCode(err) != exitLogin || !strings.HasPrefix(err.Error(), "1 check has failed; the first is main login: it says ") {
		t.Error(err)
	}
}

// TestPageOfTheDoctor compares the exit codes in the page with those in the help.
func TestPageOfTheDoctor(t *testing.T) {
	t.Parallel()
	page := pages(t)["cmd/README.md"]
	lines := strings.Split(strings.TrimSpace(doctorCodesHelp), "\n")[1:]
	for _, line := range lines {
		code, meaning, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if row := fmt.Sprintf("| %s | %s |\n", code, meaning); !strings.Contains(page, row) {
			t.Errorf("the page has no row %s", row)
		}
	}
	if want := exitBudget - exitConfiguration + 3; len(lines) != want { // and 0 and 1
		t.Errorf("the help has %d codes, want %d", len(lines), want)
	}
}
