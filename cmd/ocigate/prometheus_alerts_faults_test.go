//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/gateway/auth/issuertest"
	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/oci/ocisim"
)

// Faults of the process, the journal, callers and the configuration, which provoke alerts.

func processFaults() []alertFault {
	return []alertFault{downFault(), restartsFault(), descriptorsFault(), droppedLinesFault()}
}

// at sets the addresses and the journal of a gateway that is started several times.
func at(api, admin, folder string) func(*config.Config) {
	return func(c *config.Config) { c.HTTP.Listen, c.Admin.Listen, c.Journal.Folder = api, admin, folder }
}

// downFault is a gateway that is stopped and started again.
func downFault() alertFault {
	var platform *ocisim.Server
	var setting func(*config.Config)
	return alertFault{
		name: "a replica stops", alerts: []string{"OcigateDown"},
		begin: func(f *faultRun) string {
			platform, setting = newPlatform(f.T), at(quietAddress(f.T), quietAddress(f.T), f.TempDir())
			return f.begin(platform.Addr, setting)
		},
		provoke: func(f *faultRun) func() {
			f.gateway.end(f.T)
			return func() { f.begin(platform.Addr, setting) }
		},
	}
}

// restartsFault is a process that is killed again and again.
func restartsFault() alertFault {
	var p *process
	return alertFault{
		name: "a replica is killed again and again", alerts: []string{"OcigateRestarts"},
		begin: func(f *faultRun) string {
			p = startProcess(f.T, newPlatform(f.T).Addr, processSettings{}, unread(f.T))
			return p.admin
		},
		provoke: func(f *faultRun) func() {
			started := func() float64 {
				found := f.watch.query(f.T, fmt.Sprintf("process_start_time_seconds{instance=%q}", p.admin))
				if len(found) != 1 {
					return 0
				}
				return found[0].Value
			}
			fired := alertSeen{"OcigateRestarts", p.admin}
			began := time.Now()
			for f.watch.allFired()[fired].State == "" {
				if time.Since(began) > alertPatience {
					f.Fatal("the restarts do not fire the alert")
				}
				before := started()
				p.kill()
				again := exec.Command(p.command.Path, p.command.Args[1:]...)
				again.Env = p.command.Env
				p.bound = startBound(f.T, again)
				f.watch.poll(f.T, "the start of the process is scraped", func() bool { return started() > before })
			}
			return func() {}
		},
	}
}

// descriptorsFault is a process whose limit of open files is lowered while it has many.
func descriptorsFault() alertFault {
	var p *process
	limit := func(f *faultRun, soft int) {
		f.Helper()
		command := exec.Command("prlimit", "--pid", strconv.Itoa(p.command.Process.Pid), fmt.Sprintf("--nofile=%d:", soft))
		if out, err := command.CombinedOutput(); err != nil {
			f.Fatalf("%v: %s", err, out)
		}
	}
	return alertFault{
		name: "a replica has many files open", alerts: []string{"OcigateDescriptorsNearLimit"},
		begin: func(f *faultRun) string {
			p = startProcess(f.T, newPlatform(f.T).Addr, processSettings{descriptors: 1024, http: "read_header_timeout: 5m, read_timeout: 5m"}, unread(f.T))
			return p.admin
		},
		provoke: func(f *faultRun) func() {
			flood(f.T, p.api, 150, func(net.Conn) {})
			open := 0
			f.watch.poll(f.T, "the connections are open", func() bool {
				_, metrics, err := p.probe("/metrics")
				found := regexp.MustCompile(`(?m)^process_open_fds (\d+)$`).FindStringSubmatch(metrics)
				if err != nil || found == nil {
					return false
				}
				open, err = strconv.Atoi(found[1])
				return err == nil && open > 150
			})
			limit(f, open+8)
			return func() { limit(f, 1024) }
		},
	}
}

// droppedLinesFault is a log whose reader is absent.
func droppedLinesFault() alertFault {
	var p *process
	var read *os.File
	return alertFault{
		name: "nobody reads the log", alerts: []string{"OcigateLogLinesDropped"},
		begin: func(f *faultRun) string {
			var write *os.File
			read, write = logPipe(f.T)
			p = startProcess(f.T, newPlatform(f.T).Addr, processSettings{}, write)
			_ = write.Close() // the process has its own copy
			return p.admin
		},
		provoke: func(f *faultRun) func() {
			p.fillLog(f.T, keepsAlive(f.T))
			return func() { go func() { _, _ = io.Copy(io.Discard, read) }() } // until the process ends
		},
	}
}

func writeFaults() []alertFault {
	return []alertFault{unresolvedFault(), correctedFault(), undoneFault(), databaseFault(), trailFault()}
}

// unresolvedFault is a write whose connection breaks, on a platform that cannot be reached
// afterwards.
func unresolvedFault() alertFault {
	var platform *ocisim.Server
	return alertFault{
		name: "a write stays unknown", alerts: []string{"OcigateWriteUnknown", "OcigateWriteUnresolved", "OcigateWriteUnresolvedLong"},
		begin: func(f *faultRun) string {
			platform = newPlatform(f.T)
			return f.begin(platform.Addr, func(c *config.Config) { c.Journal.Settle = time.Second })
		},
		provoke: func(f *faultRun) func() {
			f.call(http.MethodGet, lists[0], "") // there is a session now
			f.inject(platform, "drop-after-apply command="+writeCommands+" times=1")
			refuse := f.inject(platform, "refuse")
			f.call(http.MethodPost, writePath, writeBody)
			return refuse.Remove
		},
	}
}

// correctedFault is a platform that carries out a write long after its reply was due, and
// after the lists have shown that it was not done.
func correctedFault() alertFault {
	var platform *ocisim.Server
	return alertFault{
		name: "a write is carried out late", alerts: []string{"OcigateWriteCorrected"},
		begin: func(f *faultRun) string {
			platform = newPlatform(f.T)
			return f.begin(platform.Addr, settlesSoon)
		},
		provoke: func(f *faultRun) func() {
			// On a busy machine the lists may be read too late: then the write was done
			// when they were, there is nothing to correct, and the next one may be.
			late := f.inject(platform, "apply-late command="+writeCommands+" delay=10s")
			stop := f.repeat(30*time.Second, func() {
				f.call(http.MethodPost, writePath, writeBody)
			})
			return func() { late.Remove(); stop() }
		},
	}
}

// settlesSoon has writes that are late found out within seconds.
func settlesSoon(c *config.Config) {
	c.Platform.Timeouts.Command = time.Second
	c.Journal.Settle, c.Journal.Recheck = time.Second, 12*time.Second
}

// undoneFault is a platform that carries out an assignment after the same numbers were assigned
// by another write and removed again.
func undoneFault() alertFault {
	var platform *ocisim.Server
	return alertFault{
		name: "a write is carried out after later ones", alerts: []string{"OcigateWriteUndone"},
		begin: func(f *faultRun) string {
			platform = newPlatform(f.T)
			return f.begin(platform.Addr, settlesSoon)
		},
		provoke: func(f *faultRun) func() {
			fault := ocisim.Fault{Kind: ocisim.ApplyLate, Command: writeCommands, Delay: 10 * time.Second, Times: 1}
			// On a busy machine it may be too late for the later writes, as in correctedFault.
			return f.repeat(30*time.Second, func() {
				f.call(http.MethodDelete, writePath, writeBody)
				if _, err := platform.Inject(fault); err != nil {
					return // the alert does not fire
				}
				f.call(http.MethodPost, writePath, writeBody)
				tick := time.NewTicker(100 * time.Millisecond)
				defer tick.Stop()
				for end := time.Now().Add(8 * time.Second); time.Now().Before(end); <-tick.C {
					if f.call(http.MethodPost, writePath, writeBody) == http.StatusCreated {
						break
					}
				}
				f.call(http.MethodDelete, writePath, writeBody)
			})
		},
	}
}

// databaseFault is a PostgreSQL that stops while a write is carried out.
func databaseFault() alertFault {
	var server *postgrestest.Server
	var platform *ocisim.Server
	return alertFault{
		name: "PostgreSQL stops", alerts: []string{"OcigateJournalUnusable", "OcigateJournalFailures", "OcigateJournalLockLost"},
		needs: func() string {
			created, err := postgrestest.New()
			if err != nil { // usually it is not installed
				return err.Error()
			}
			server = created
			return ""
		},
		begin: func(f *faultRun) string {
			f.Cleanup(func() { _ = server.Close() }) // it may be stopped
			platform = newPlatform(f.T)
			return f.begin(platform.Addr, func(c *config.Config) {
				c.Journal.Store, c.Journal.PostgresURL = config.StorePostgres, config.NewSecret(server.Database(f.T))
			})
		},
		provoke: func(f *faultRun) func() {
			slow := f.inject(platform, "slow command="+writeCommands+" delay=2s times=1")
			written := make(chan struct{})
			go func() { defer close(written); f.call(http.MethodPost, writePath, writeBody) }()
			waitFor(f.T, func() bool { return slow.Hits() == 1 })
			if err := server.Stop(); err != nil {
				f.Fatal(err)
			}
			return func() {
				if err := server.Start(); err != nil {
					f.Error(err)
				}
				<-written
			}
		},
	}
}

// trailFault is a journal that is restored from a backup which lacks the latest writes.
func trailFault() alertFault {
	var platform *ocisim.Server
	var api, admin, folder, backup string
	begin := func(f *faultRun, journal string) { f.begin(platform.Addr, at(api, admin, journal)) }
	return alertFault{
		name: "an older journal is restored", alerts: []string{"OcigateAuditTrailShorter"},
		begin: func(f *faultRun) string {
			platform, api, admin = newPlatform(f.T), quietAddress(f.T), quietAddress(f.T)
			folder, backup = filepath.Join(f.TempDir(), "journal"), filepath.Join(f.TempDir(), "backup")
			begin(f, folder)
			f.call(http.MethodPost, writePath, writeBody)
			f.gateway.end(f.T)
			if err := os.CopyFS(backup, os.DirFS(folder)); err != nil {
				f.Fatal(err)
			}
			begin(f, folder)
			f.call(http.MethodDelete, writePath, writeBody)
			f.gateway.end(f.T)
			begin(f, folder) // it reads the end of the trail
			return admin
		},
		provoke: func(f *faultRun) func() {
			f.gateway.end(f.T)
			// The owner and the mode of the copy are those that a restored backup must have.
			if err := errors.Join(os.Chmod(backup, 0o700), filepath.WalkDir(backup, private)); err != nil {
				f.Fatal(err)
			}
			begin(f, backup)
			return func() {}
		},
	}
}

// private makes a file readable for its owner only.
func private(path string, entry os.DirEntry, err error) error {
	if err != nil || entry.IsDir() {
		return err
	}
	return os.Chmod(path, 0o600)
}

func callerFaults() []alertFault {
	return []alertFault{internalFault(), callersFault(), connectionsFault(), issuerFault(), wireTraceFault()}
}

// internalFault is an error of the platform that the operator maps to INTERNAL.
func internalFault() alertFault {
	var platform *ocisim.Server
	return alertFault{
		name: "a request fails with an internal error", alerts: []string{"OcigateInternalErrors"},
		begin: func(f *faultRun) string {
			platform = newPlatform(f.T)
			return f.begin(platform.Addr, func(c *config.Config) {
				c.API.PlatformErrors = []config.PlatformError{{Number: 4999, Error: "INTERNAL"}}
			})
		},
		provoke: func(f *faultRun) func() {
			refuse := f.inject(platform, "error-before-apply number=4999 command="+numbersCommand+" times=1")
			f.call(http.MethodGet, lists[0], "")
			return refuse.Remove
		},
	}
}

// callersFault is a proxy whose header is not valid, a guesser, and a client beyond its limit.
func callersFault() alertFault {
	return alertFault{
		name:   "callers guess, send too much, and come through a faulty proxy",
		alerts: []string{"OcigateLoginsThrottled", "OcigateRequestsLimited", "OcigateForwardedForUnparsed"},
		begin: func(f *faultRun) string {
			return f.begin(newPlatform(f.T).Addr, func(c *config.Config) {
				c.HTTP.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				c.HTTP.CallerLimit = config.CallerLimit{PerSecond: 0.1, Burst: 1}
			})
		},
		provoke: func(f *faultRun) func() {
			f.call(http.MethodGet, lists[0], "", "X-Forwarded-For", "somebody")
			guess := f.repeat(100*time.Millisecond, func() {
				f.call(http.MethodPost, loginPath, `{"username":"groupadmin","password":"wrong"}`)
			})
			flood := f.repeat(100*time.Millisecond, func() { f.call(http.MethodGet, lists[0], "") })
			return func() { guess(); flood() }
		},
	}
}

// connectionsFault is a caller that opens connections and sends nothing.
func connectionsFault() alertFault {
	return alertFault{
		name: "a caller opens many connections", alerts: []string{"OcigateConnectionsNearLimit", "OcigateConnectionsClosedForRoom"},
		begin: func(f *faultRun) string {
			return f.begin(newPlatform(f.T).Addr, func(c *config.Config) {
				c.HTTP.MaxConnections = 16
				c.HTTP.ReadHeaderTimeout, c.HTTP.ReadTimeout = 5*time.Minute, 5*time.Minute
			})
		},
		provoke: func(f *faultRun) func() {
			var open []net.Conn
			for range 40 {
				conn, err := net.DialTimeout("tcp", f.gateway.api, wellAgain)
				if err != nil {
					f.Fatal(err)
				}
				open = append(open, conn)
			}
			return func() {
				for _, conn := range open {
					_ = conn.Close() // the gateway may have closed it
				}
			}
		},
	}
}

// issuerFault is an external issuer that does not answer.
func issuerFault() alertFault {
	var issuer *issuertest.Issuer
	return alertFault{
		name: "the issuer does not answer", alerts: []string{"OcigateIssuerKeysStale", "OcigateIssuerUnavailable"},
		begin: func(f *faultRun) string {
			issuer = issuertest.New(f.T)
			issuer.SetDown(true)
			return f.begin(newPlatform(f.T).Addr, trusting(issuer))
		},
		provoke: func(f *faultRun) func() {
			f.call(http.MethodGet, lists[0], "", "Authorization", "Bearer "+issuer.Token(nil))
			return func() { issuer.SetDown(false) }
		},
	}
}

// wireTraceFault is a trace that is forgotten.
func wireTraceFault() alertFault {
	trace := func(f *faultRun, method, parameters string) {
		f.Helper()
		if status, body := ask(f.T, method, "http://"+f.gateway.admin+"/wire-trace?tenant_id=ApioSpTest"+parameters, ""); status >= http.StatusBadRequest {
			f.Fatalf("%s: %d %s", method, status, body)
		}
	}
	return alertFault{
		name: "a trace is forgotten", alerts: []string{"OcigateWireTraceActive"},
		begin: func(f *faultRun) string { return f.begin(newPlatform(f.T).Addr, nil) },
		provoke: func(f *faultRun) func() {
			trace(f, http.MethodPost, "&minutes=60")
			return func() { trace(f, http.MethodDelete, "") }
		},
	}
}

func settingFaults() []alertFault {
	return []alertFault{
		certificateFault("OcigateCertificateExpires", 10*day), certificateFault("OcigateCertificateExpiresSoon", day),
		certificateFault("OcigateCertificateExpired", -time.Hour), reloadFault(),
	}
}

// certificateFault is a certificate of the API that expires after that time, until it is
// renewed.
func certificateFault(alert string, expires time.Duration) alertFault {
	var files config.KeyPair
	return alertFault{
		name: "a certificate expires", alerts: []string{alert},
		begin: func(f *faultRun) string {
			files = pairIn(f.TempDir(), "api")
			writePair(f.T, files, issue(f.T, "api", -30*day, expires, nil))
			return f.begin(newPlatform(f.T).Addr, func(c *config.Config) { c.HTTP.TLS = files })
		},
		provoke: func(f *faultRun) func() {
			return func() {
				writePair(f.T, files, issue(f.T, "api", -day, 90*day, nil))
				f.gateway.reread(f.T)
			}
		},
	}
}

// reloadFault is a certificate that is replaced without its key.
func reloadFault() alertFault {
	var files config.KeyPair
	return alertFault{
		name: "a reload fails", alerts: []string{"OcigateReloadFailed"},
		begin: func(f *faultRun) string {
			files = pairIn(f.TempDir(), "api")
			writePair(f.T, files, issue(f.T, "api", -day, 90*day, nil))
			return f.begin(newPlatform(f.T).Addr, func(c *config.Config) { c.HTTP.TLS = files })
		},
		provoke: func(f *faultRun) func() {
			next := issue(f.T, "next", -day, 90*day, nil)
			writePEM(f.T, files.CertFile, next)
			if _, err := f.gateway.program.Reread(commandTrigger); err == nil {
				f.Error("a certificate without its key is accepted")
			}
			return func() {
				writeKey(f.T, files.KeyFile, next)
				f.gateway.reread(f.T)
			}
		},
	}
}

// TestPrometheusAlertsOfAllReplicas provokes the alerts that no single replica has, in a
// Prometheus of their own: a replica of another version, and none at all.
func TestPrometheusAlertsOfAllReplicas(t *testing.T) {
	platform := newPlatform(t)
	w := watchAlerts(t)
	setting := at(quietAddress(t), quietAddress(t), t.TempDir())
	first := start(t, platform.Addr, setting)
	t.Cleanup(func(before string) func() { return func() { version = before } }(version))
	version = "v0.0.1"
	second := start(t, platform.Addr, nil)
	w.scrape(t, first.admin, second.admin)

	differ, absent := alertSeen{"OcigateVersionsDiffer", ""}, alertSeen{"OcigateAbsent", ""}
	w.awaitFired(t, differ)
	second.end(t)
	w.awaitResolved(t, differ, absent)
	w.forget(absent) // it fired before the replicas were scraped
	first.end(t)
	w.awaitFired(t, absent)
	start(t, platform.Addr, setting)
	w.awaitResolved(t, absent)
	for _, a := range []alertSeen{differ, absent} {
		checkAlertTexts(t, w.allFired()[a])
	}
}
