//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"ocigate/gateway/auth/issuertest"
	"ocigate/gateway/operation/bolt"
	"ocigate/oci/ocisim"
)

// The faults of the journal, the listeners and the rest: see TestDoctorNamesFaults.

// withJournalFolder makes a rig whose folder of the journal a function has made.
func withJournalFolder(prepare func(r *doctorRig, folder string)) func(*testing.T) *doctorRig {
	return withPlatform(nil, func(r *doctorRig, _ *ocisim.Server) { prepare(r, filepath.Join(r.folder, "journal")) })
}

// mustWrite writes a file, and the folder that it is in.
func (r *doctorRig) mustWrite(name, content string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// mustMake makes a folder.
func (r *doctorRig) mustMake(folder string) {
	r.t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		r.t.Fatal(err)
	}
}

// openJournal opens a journal, at most until the test ends.
func (r *doctorRig) openJournal(folder string) *bolt.Store {
	r.t.Helper()
	store := bolt.Open(folder, bolt.Options{})
	r.t.Cleanup(func() { _ = store.Close() }) // never fails
	if err := store.Check(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return store
}

// oldTrail makes a journal with an audit trail of three files, each with two lines, and
// returns their paths.
func (r *doctorRig) oldTrail(folder string) []string {
	r.t.Helper()
	store := r.openJournal(folder)
	addOldLines(r.t, store)
	_ = store.Close() // never fails
	files, err := filepath.Glob(filepath.Join(folder, "audit-*.jsonl"))
	if err != nil || len(files) != 3 {
		r.t.Fatal(files, err)
	}
	return files
}

// setFormat makes a journal with that format.
func (r *doctorRig) setFormat(folder, format string) {
	r.t.Helper()
	_ = r.openJournal(folder).Close()
	db, err := bbolt.Open(filepath.Join(folder, operationsDatabase), 0o600, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte(format)) })
	if err != nil {
		r.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// databaseServer is a PostgreSQL server that refuses each login, or TLS.
func databaseServer(c net.Conn) {
	for {
		var size [4]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(size[:])-4)
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		const sslRequest = 80877103
		if binary.BigEndian.Uint32(body) == sslRequest {
			_, _ = io.WriteString(c, "N")
			continue
		}
		text := "SFATAL\x00VFATAL\x00C28P01\x00Mpassword authentication failed for user \"ocigate\"\x00\x00"
		_, _ = c.Write(append([]byte{'E'}, append(binary.BigEndian.AppendUint32(nil, uint32(len(text)+4)), text...)...))
		return
	}
}

// withDatabase makes a rig with a journal in a database at an address.
func withDatabase(at func(t *testing.T) string, parameters string) func(*testing.T) *doctorRig {
	return withPlatform(nil, func(r *doctorRig, _ *ocisim.Server) {
		r.journal = fmt.Sprintf("store: postgres, postgres_url: %q", "postgres://ocigate:"+canaryURL+"@"+at(r.t)+"/ocigate?"+parameters)
	})
}

var journalFaults = []doctorFault{
	{name: "a journal in a file", check: "journal_folder", code: exitJournal, says: []string{"is not a folder"},
		make: withJournalFolder(func(r *doctorRig, folder string) { r.mustWrite(folder, "") })},
	{name: "a journal below a file", check: "journal_folder", code: exitJournal, says: []string{"cannot be created"},
		make: withJournalFolder(func(r *doctorRig, folder string) {
			r.mustWrite(folder, "")
			r.journal = fmt.Sprintf("folder: %q", filepath.Join(folder, "below"))
		})},
	{name: "a journal where no folder can be made", check: "journal_folder", code: exitJournal, says: []string{"cannot be created in /proc"},
		make: withJournalFolder(func(r *doctorRig, _ string) { r.journal = `folder: "/proc/ocigate/journal"` })},
	{name: "a journal that other users may change", check: "journal_folder", code: exitJournal, says: []string{"writable for every user", "chmod o-w"},
		make: withJournalFolder(func(r *doctorRig, folder string) {
			r.mustMake(folder)
			if err := os.Chmod(folder, 0o777); err != nil {
				r.t.Fatal(err)
			}
		})},
	{name: "a journal with a planted link", check: "journal_format", code: exitJournal, says: []string{"is a symbolic link", "move it away"},
		make: withJournalFolder(func(r *doctorRig, folder string) {
			r.mustMake(folder)
			if err := os.Symlink(filepath.Join(r.folder, "elsewhere"), filepath.Join(folder, operationsDatabase)); err != nil {
				r.t.Fatal(err)
			}
		})},
	{name: "a disk that cannot be written", check: "journal_disk", code: exitJournal, says: []string{"input/output error"},
		make: withJournalFolder(func(r *doctorRig, folder string) {
			r.mustMake(folder)
			r.machine.sync = func(*os.File) error { return fmt.Errorf("sync: input/output error") }
		})},
	{name: "a slow disk", check: "journal_disk", state: checkNote, says: []string{"which is slow"},
		make: withJournalFolder(func(r *doctorRig, folder string) {
			r.mustMake(folder)
			r.machine.sync = func(*os.File) error { time.Sleep(slowSync + time.Millisecond); return nil }
		})},
	{name: "a full disk", check: "journal_space", code: exitJournal, says: []string{"only 1.0 KiB are free"},
		make: withJournalFolder(func(r *doctorRig, _ string) {
			r.machine.space = func(string) (diskSpace, error) { return diskSpace{free: 1 << 10, total: 1 << 30}, nil }
		})},
	{name: "little space", check: "journal_space", state: checkNote, says: []string{"which is little"},
		make: withJournalFolder(func(r *doctorRig, _ string) {
			r.machine.space = func(string) (diskSpace, error) { return diskSpace{free: 1 << 20, total: 1 << 30}, nil }
		})},
	{name: "a journal in the layer of a container", check: "journal_space", state: checkNote, says: []string{"mount a volume"},
		make: withJournalFolder(func(r *doctorRig, _ string) {
			r.machine.space = func(string) (diskSpace, error) {
				return diskSpace{free: 20 << 30, total: 100 << 30, lost: "it is in the writable layer of a container (overlay), so a new container begins without the journal"}, nil
			}
		})},
	{name: "a journal of a later version", check: "journal_format", code: exitJournal, says: []string{"format 99"},
		make: withJournalFolder(func(r *doctorRig, folder string) { r.setFormat(folder, "99") })},
	{name: "a journal of an earlier version", check: "journal_format", state: checkNote, says: []string{"format 1", "migrates"},
		make: withJournalFolder(func(r *doctorRig, folder string) { r.setFormat(folder, "1") })},
	{name: "a corrupt database", check: "journal_format", code: exitJournal, says: []string{"cannot be used"},
		make: withJournalFolder(func(r *doctorRig, folder string) {
			r.mustWrite(filepath.Join(folder, operationsDatabase), strings.Repeat("garbage ", 4096))
		})},
	{name: "an audit trail that was cut off", check: "journal_format", code: exitJournal, says: []string{"do not agree", "it ends with line 5"},
		make: withJournalFolder(func(r *doctorRig, folder string) {
			last := r.oldTrail(folder)[2]
			content := readFile(r.t, last)
			writeFile(r.t, last, content[:strings.IndexByte(content, '\n')+1])
		})},
	{name: "an audit trail without its first file", check: "journal_format", state: checkNote, says: []string{"begins behind line 2"},
		make: withJournalFolder(func(r *doctorRig, folder string) {
			if err := os.Remove(r.oldTrail(folder)[0]); err != nil {
				r.t.Fatal(err)
			}
		})},
	{name: "a link in place of a file of the audit trail", check: "journal_format", code: exitJournal, says: []string{"the gateway does not use the audit trail", "is a symbolic link", "move it away"},
		make: withJournalFolder(func(r *doctorRig, folder string) {
			last := r.oldTrail(folder)[2]
			if err := errors.Join(os.Rename(last, last+".moved"), os.Symlink(last+".moved", last)); err != nil {
				r.t.Fatal(err)
			}
		})},
	{name: "a folder that another process uses", check: "journal_format", code: exitJournal, says: []string{"another process has the database open"},
		make: withJournalFolder(func(r *doctorRig, folder string) { r.openJournal(folder) })},
	{name: "a database server that does not run", check: "journal_database", code: exitJournal, says: []string{"TCP: ", "journal.postgres_url (DIR/ocigate.yaml: line 8)"},
		make: withDatabase(func(t *testing.T) string {
			l := listenLocal(t)
			_ = l.Close()
			return l.Addr().String()
		}, "sslmode=disable")},
	{name: "a database that refuses the login", check: "journal_database", code: exitJournal, says: []string{"refuses the login", "pg_hba.conf"},
		make: withDatabase(func(t *testing.T) string { return peer(t, databaseServer) }, "sslmode=disable")},
	{name: "a database without TLS", check: "journal_database", code: exitJournal, says: []string{"TLS: ", "sslmode"},
		make: withDatabase(func(t *testing.T) string { return peer(t, databaseServer) }, "sslmode=verify-full")},
	{name: "a database without TLS on another machine", check: "journal_database", code: exitJournal, says: []string{"TLS: ", "the URL sets no sslmode"},
		make: withDatabase(func(t *testing.T) string { return exposed(t, peer(t, databaseServer)) }, "")},
	{name: "a database that is reached without TLS", check: nameSecurity, of: postgresKey, code: exitJournal, state: checkNote, says: []string{"permits connections without TLS"},
		make: withDatabase(func(t *testing.T) string { return exposed(t, peer(t, databaseServer)) }, "sslmode=disable")},
}

// withServer makes a rig with an HTTP server at the address of a listener, "http" or
// "admin".
func withServer(section string, handler http.HandlerFunc) func(*testing.T) *doctorRig {
	return withPlatform(nil, func(r *doctorRig, _ *ocisim.Server) {
		l := listenLocal(r.t)
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = server.Serve(l) }()
		r.t.Cleanup(func() { _ = server.Close(); <-ended })
		listen := fmt.Sprintf("listen: %q", l.Addr())
		if section == "http" {
			r.http = listen
		} else {
			r.admin = listen
		}
	})
}

func pageOfAnother(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

var listenerFaults = []doctorFault{
	{name: "another program at the address of the API", check: "listener", of: "http.listen", code: exitListener, says: []string{"another program listens"},
		make: withServer("http", pageOfAnother)},
	{name: "another program at the address for operators", check: "listener", of: "admin.listen", code: exitListener, says: []string{"another program listens"},
		make: withServer("admin", pageOfAnother)},
	{name: "a program that looks alive", check: "listener", of: "admin.listen", code: exitListener, says: []string{"metrics are not those of a gateway"},
		make: withServer("admin", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive\n") })},
	{name: "a program that does not use HTTP", check: "listener", of: "http.listen", code: exitListener,
		make: withPlatform(nil, func(r *doctorRig, _ *ocisim.Server) {
			r.http = fmt.Sprintf("listen: %q", peer(r.t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n") }))
		})},
	{name: "an address of another machine", check: "listener", of: "http.listen", code: exitListener, says: []string{"does not have the address 192.0.2.1"},
		make: withPlatform(nil, func(r *doctorRig, _ *ocisim.Server) { r.http = `listen: "192.0.2.1:8080"` })},
	{name: "a certificate of the API that expires soon", check: "certificate", of: "http.tls", state: checkNote, says: []string{"expires in 4 days"},
		make: withServerCertificate(5*day - time.Hour)},
	{name: "an expired certificate of the API", check: "configuration", code: exitConfiguration, says: []string{"expired"}, make: withServerCertificate(-time.Hour)},
}

func withServerCertificate(until time.Duration) func(*testing.T) *doctorRig {
	return func(t *testing.T) *doctorRig {
		t.Helper()
		r := newDoctorRig(t, simulated(t, nil).Addr)
		pair := pairIn(r.folder, "api")
		writePair(t, pair, issue(t, "api", -day, until, nil))
		r.http += fmt.Sprintf(", tls: {cert_file: %q, key_file: %q}", pair.CertFile, pair.KeyFile)
		return r
	}
}

// withIssuer makes a rig with an issuer that a function has changed.
func withIssuer(change func(*issuertest.Issuer)) func(*testing.T) *doctorRig {
	return func(t *testing.T) *doctorRig {
		t.Helper()
		issuer := issuertest.New(t)
		r := newDoctorRig(t, simulated(t, nil).Addr)
		r.sections = append(r.sections, fmt.Sprintf("auth: {oidc: {issuer: %q, audiences: [ocigate], ca_file: %q, claims: {tenant_id: tenant, levels: [{value: t, level: tenant}]}}}", issuer.URL, issuer.CAFile()))
		if change != nil {
			change(issuer)
		}
		return r
	}
}

// late changes the Date of an issuer's responses.
func late(by time.Duration) func(*issuertest.Issuer) {
	return func(i *issuertest.Issuer) {
		i.Handle(issuertest.DiscoveryPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
			issuertest.WriteJSON(w, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + issuertest.KeysPath})
		})
	}
}

var otherFaults = []doctorFault{
	{name: "a platform that is reached without TLS", check: nameSecurity, of: "platform.endpoints[0].tls.enabled", state: checkNote, says: []string{"is not a loopback address"},
		make: withPlatform(nil, func(r *doctorRig, s *ocisim.Server) {
			r.endpoints = nil
			r.plain("main", exposed(r.t, s.Addr))
		})},
	{name: "an issuer that does not answer", check: "issuer", code: exitIssuer, says: []string{"no token of it is accepted"}, make: withIssuer(func(i *issuertest.Issuer) { i.SetDown(true) })},
	{name: "an issuer of another name", check: "issuer", code: exitIssuer, says: []string{"the document is of issuer"},
		make: withIssuer(func(i *issuertest.Issuer) {
			i.Handle(issuertest.DiscoveryPath, func(w http.ResponseWriter, _ *http.Request) {
				issuertest.WriteJSON(w, map[string]any{"issuer": "https://sso.example.com", "jwks_uri": i.URL + issuertest.KeysPath})
			})
		})},
	{name: "a clock that is an hour behind", check: "clock", code: exitClock, says: []string{"behind that of the OpenID Connect issuer"}, make: withIssuer(late(time.Hour))},
	{name: "a clock that is ten seconds ahead", check: "clock", state: checkNote, says: []string{"ahead of that of the OpenID Connect issuer"}, make: withIssuer(late(-10 * time.Second))},
	{name: "more sessions than the platform allows", check: "budget", code: exitBudget, says: []string{"48 sessions", "platform.pool.max to 7 or less"},
		make: withPlatform(nil, func(r *doctorRig, _ *ocisim.Server) {
			r.args = []string{"--replicas", "3", "--platform-sessions", "45"}
		})},
	{name: "no room for a rolling restart", check: "budget", state: checkNote, says: []string{"rolling restart does not fit"},
		make: withPlatform(nil, func(r *doctorRig, _ *ocisim.Server) {
			r.args = []string{"--replicas", "2", "--platform-sessions", "40"}
		})},
}
