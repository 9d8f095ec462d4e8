package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/gateway/operation/postgres"
)

// These tests specify the commands that archive and accept an audit trail, and what verify
// compares a trail with. They run with and without a gateway that has the journal open.

// oldJournal is a journal whose trail has two lines in each of three past months.
type oldJournal struct {
	t      *testing.T
	config string // the file of the configuration
	folder string
	heads  []string // after each line
}

var oldMonths = []time.Month{time.January, time.February, time.March}

func addOldLines(t *testing.T, store operation.Store) (heads []string) {
	t.Helper()
	for _, month := range oldMonths {
		for day := range 2 {
			at := time.Date(2026, month, day+1, 0, 0, 0, 0, time.UTC)
			if err := store.Append(t.Context(), operation.Event{Time: at, Kind: operation.EventLogin, Route: "login"}); err != nil {
				t.Fatal(err)
			}
			head, err := store.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			heads = append(heads, head.String())
		}
	}
	return heads
}

func newOldJournal(t *testing.T) *oldJournal {
	t.Helper()
	o := &oldJournal{t: t, folder: filepath.Join(t.TempDir(), "journal"), config: filepath.Join(t.TempDir(), "ocigate.yaml")}
	store := bolt.Open(o.folder, bolt.Options{})
	o.heads = addOldLines(t, store)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, o.config, "journal:\n  folder: \""+o.folder+"\"\n")
	return o
}

// run runs an audit command, which must succeed, and returns what it prints.
func (o *oldJournal) run(args ...string) string {
	o.t.Helper()
	out, _, err := o.try(args...)
	if err != nil {
		o.t.Fatalf("audit %v: %v", args, err)
	}
	return out
}

func (o *oldJournal) try(args ...string) (out, log string, err error) {
	o.t.Helper()
	return execute(o.t, "", append([]string{"audit", args[0], "--config", o.config}, args[1:]...)...)
}

// fails runs an audit command, which must fail with an error that has a part of a text.
func (o *oldJournal) fails(want string, args ...string) {
	o.t.Helper()
	if out, _, err := o.try(args...); err == nil || !strings.Contains(err.Error(), want) || out != "" {
		o.t.Errorf("audit %v: wrote %q, %v, want an error with %q", args, out, err, want)
	}
}

func (o *oldJournal) prints(want string, args ...string) {
	o.t.Helper()
	if out := o.run(args...); !strings.Contains(out, want) {
		o.t.Errorf("audit %v wrote %q, want %q", args, out, want)
	}
}

// checkArchive archives the first two months, and verifies both parts.
func (o *oldJournal) checkArchive(archive string) {
	o.t.Helper()
	o.prints("Lines 1 to 4 are in "+archive, "archive", "--before", "2026-03", "--to", archive)
	o.prints("whole from line 5 on; lines 1 to 4 are not in the journal any more", "verify")
	o.prints("The audit trail is whole. Its head is "+o.heads[3], "verify", archive)
	o.prints("The audit trail is whole. ", "verify", "--journal", "--head", o.heads[0], "--head", o.heads[5], archive)
	o.fails("verify it together with the archive", "verify", "--head", o.heads[0])
	o.prints("no lines before 2026-03", "archive", "--before", "2026-03", "--to", archive)
	o.fails("no line that is not archived yet", "archive", "--before", "2026-04", "--to", archive)
	if out := o.run("tail", "-n", "1"); !strings.Contains(out, `"event":"audit_archive"`) || !strings.Contains(out, o.heads[3]) {
		o.t.Errorf("the last line is %s", out)
	}
}

func TestAuditArchive(t *testing.T) {
	t.Run("without a gateway", func(t *testing.T) {
		o := newOldJournal(t)
		folder := t.TempDir()
		o.checkArchive(filepath.Join(folder, "2026-q1.jsonl"))
		o.prints("audit-000000000005-000000000006.jsonl", "archive", "--before", "2026-04", "--to", folder)
		o.prints("lines 1 to 6 are not in the journal any more", "verify")
		o.prints("no lines before 2099-01", "archive", "--before", "2099-01", "--to", filepath.Join(folder, "x")) // never the last file
		o.fails("must be a month", "archive", "--before", "2026", "--to", folder)
	})
	t.Run("with a gateway that runs", func(t *testing.T) {
		o := newOldJournal(t)
		g := start(t, newPlatform(t).Addr, func(c *config.Config) { c.Journal.Folder = o.folder })
		if status, body := ask(t, "POST", "http://"+g.api+"/api/v1/login/", `{"username":"groupadmin","password":"groupadmin-demo"}`); status != 200 {
			t.Fatal(status, body)
		}
		o.checkArchive(filepath.Join(t.TempDir(), "2026-q1.jsonl"))
		g.end(t)
		o.prints("lines 1 to 4 are not in the journal any more", "verify")
	})
	t.Run("after it was interrupted before the lines were removed", func(t *testing.T) {
		o := newOldJournal(t)
		archive := filepath.Join(t.TempDir(), "archive")
		writeFile(t, archive, readFile(t, filepath.Join(o.folder, "audit-2026-01.jsonl"))+readFile(t, filepath.Join(o.folder, "audit-2026-02.jsonl")))
		o.checkArchive(archive)
	})
	t.Run("but not to a file of another content", func(t *testing.T) {
		o := newOldJournal(t)
		archive := filepath.Join(t.TempDir(), "archive")
		writeFile(t, archive, readFile(t, filepath.Join(o.folder, "audit-2026-02.jsonl")))
		o.fails("is not an archive of the next lines", "archive", "--before", "2026-03", "--to", archive)
		o.prints("The audit trail is whole. ", "verify")
	})
	t.Run("but not to the folder of the journal", func(t *testing.T) {
		o := newOldJournal(t)
		link, dangling := filepath.Join(t.TempDir(), "link"), filepath.Join(t.TempDir(), "new")
		for path, target := range map[string]string{link: "audit-2026-01.jsonl", dangling: "audit-2025-01.jsonl"} {
			if err := os.Symlink(filepath.Join(o.folder, target), path); err != nil {
				t.Fatal(err)
			}
		}
		for _, to := range []string{o.folder, filepath.Join(o.folder, "audit-2026-01.jsonl"), filepath.Join(o.folder, "audit-2025-01.jsonl"), link} {
			o.fails("is in the folder of the journal", "archive", "--before", "2026-03", "--to", to)
		}
		o.fails("exists", "archive", "--before", "2026-03", "--to", dangling)
		o.prints("The audit trail is whole. ", "verify")
	})
	t.Run("but not over the archive of another call", func(t *testing.T) {
		to := filepath.Join(t.TempDir(), "archive")
		lines := func(yield func([]byte, error) bool) {
			line, _, err := operation.Seal(operation.Head{}, operation.Event{Kind: operation.EventLogin})
			writeFile(t, to, "of another call") // which has ended meanwhile
			yield(line, err)
		}
		if _, err := writeArchive(lines, operation.Head{}, to); err == nil || !strings.Contains(err.Error(), "exists") {
			t.Error(err)
		}
		if got := readFile(t, to); got != "of another call" {
			t.Errorf("the archive has %q", got)
		}
		if left, err := filepath.Glob(to + ".*"); err != nil || len(left) != 0 {
			t.Error(left, err)
		}
	})
	t.Run("but not of a trail that is broken", func(t *testing.T) {
		o := newOldJournal(t)
		path := filepath.Join(o.folder, "audit-2026-01.jsonl")
		writeFile(t, path, strings.Replace(readFile(t, path), "login", "logon", 1))
		archive := filepath.Join(t.TempDir(), "archive")
		o.fails("it was changed", "archive", "--before", "2026-03", "--to", archive)
		if _, err := os.Stat(archive); err == nil {
			t.Error("there is an archive")
		}
	})
}

func TestAuditArchiveOfADatabase(t *testing.T) {
	server := postgresServer(t)
	database := server.Database(t)
	store, err := postgres.Open(database, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := &oldJournal{t: t, config: filepath.Join(t.TempDir(), "ocigate.yaml"), heads: addOldLines(t, store)}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, o.config, fmt.Sprintf("journal: {store: postgres, postgres_url: %q}\n", database))
	o.checkArchive(filepath.Join(t.TempDir(), "2026-q1.jsonl"))
	o.prints("Lines 5 to 6", "archive", "--before", "2099-01", "--to", filepath.Join(t.TempDir(), "rest"))
	o.prints("lines 1 to 6 are not in the journal any more", "verify")

	last := server.Value(t, database, "SELECT line FROM ocigate_audit ORDER BY seq DESC LIMIT 1")
	server.Exec(t, database, "DELETE FROM ocigate_audit WHERE seq = (SELECT max(seq) FROM ocigate_audit)")
	o.fails("missing at its end", "verify")
	server.Exec(t, database, "DELETE FROM ocigate_audit")
	o.fails("the trail has no lines", "verify")
	o.prints("The audit trail goes on.", "accept", "--reason", "ticket 4711")
	o.prints("The audit trail is whole", "verify")
	head, _, err := operation.HeadOf([]byte(last))
	if err != nil {
		t.Fatal(err)
	}
	if out := o.run("tail", "-n", "1"); !strings.Contains(out, head.String()) {
		t.Errorf("the line of the acceptance does not have the head that was expected: %s", out)
	}
	server.Exec(t, database, "UPDATE ocigate_audit_head SET seq = 3")
	o.fails("does not have the line 3:", "verify")
}

// What was done to the trail while the gateway runs is noticed by the gateway and by verify,
// and the database alone shows it afterwards.
func TestAuditVerifyComparesWithTheJournal(t *testing.T) {
	o := newOldJournal(t)
	g := start(t, newPlatform(t).Addr, func(c *config.Config) { c.Journal.Folder = o.folder })
	base := "http://" + g.api + "/api/v1"
	write := func(number string) int {
		status, _ := ask(t, "POST", base+itc("ApioSpTest", "ApioGrpTest", "numbers"), `{"numbers":[{"minPhoneNumber":"`+number+`"}]}`)
		return status
	}
	if status := write("+3225126999"); status != 201 {
		t.Fatal(status)
	}
	o.prints("The audit trail is whole. ", "verify")
	files, err := filepath.Glob(filepath.Join(o.folder, "audit-*.jsonl"))
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	content := readFile(t, files[3])
	cut := content[:strings.Index(content, "\n")+1]
	writeFile(t, files[3], cut)
	o.fails("lines are missing at its end. Restore what belongs together; if it is lost, run ocigate audit accept", "verify")
	if status := write("+3225127000"); status != 503 {
		t.Errorf("a write got %d", status)
	}
	o.fails("needs a reason", "accept", "--reason", " ")
	writeFile(t, files[3], content)
	if status := write("+3225127000"); status != 201 {
		t.Errorf("a write got %d after the file was restored", status)
	}
	writeFile(t, files[3], cut)
	o.prints("The audit trail goes on. Its head is 8:", "accept", "--reason", "ticket 4711")
	if status, body := ask(t, "DELETE", base+itc("ApioSpTest", "ApioGrpTest", "numbers"), `{"numbers":[{"minPhoneNumber":"+3225127000"}]}`); status != 200 {
		t.Errorf("a write got %d %s after the trail was accepted", status, body)
	}
	out, log, err := o.try("verify")
	if err != nil || !strings.Contains(out, "The audit trail is whole. ") || !strings.Contains(log, "Line 8 says that an operator has accepted") {
		t.Errorf("%q, %q, %v", out, log, err)
	}
	g.end(t)
	// The log has anchors: the one of the end is the head of the trail.
	anchors := regexp.MustCompile(`msg="anchor of the audit trail" head=(\S+)`).FindAllStringSubmatch(g.log.String(), -1)
	if len(anchors) < 2 || !strings.Contains(o.run("verify", "--head", anchors[len(anchors)-1][1]), anchors[len(anchors)-1][1]) {
		t.Errorf("the anchors are %v", anchors)
	}
	writeFile(t, files[3], cut)
	o.fails("missing at its end", "verify")
	o.fails("another hash", "verify", "--head", o.heads[3], "--head", "5:"+strings.Repeat("0", 64))
}

// Lines that are archived while a trail is verified are not missing.
func TestAuditVerifyDuringAnArchive(t *testing.T) {
	o := newOldJournal(t)
	var heads []operation.Head
	for _, text := range o.heads {
		head, err := operation.ParseHead(text)
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, head)
	}
	b := operation.Bounds{Head: heads[5], Known: true}
	source := trailSource{
		bounds: func(context.Context) (operation.Bounds, error) { return b, nil },
		trail: func(yield func([]byte, error) bool) {
			if b.Archived.Sequence == 0 {
				b.Archived = heads[1]
				if err := os.Remove(filepath.Join(o.folder, "audit-2026-01.jsonl")); err != nil {
					t.Error(err)
				}
			}
			settled(bolt.Trail(o.folder))(yield)
		},
	}
	var out strings.Builder
	c := &cobra.Command{}
	c.SetOut(&out)
	c.SetContext(t.Context())
	if err := source.verify(c, nil, operation.Verification{}); err != nil || !strings.Contains(out.String(), "whole from line 3 on; lines 1 to 2 are not in the journal any more") {
		t.Errorf("%v, wrote %q", err, out.String())
	}
}

// An operator moves the oldest file away by hand, as earlier versions recommended.
func TestAuditAcceptOfFilesThatWereMovedAway(t *testing.T) {
	o := newOldJournal(t)
	if err := os.Remove(filepath.Join(o.folder, "audit-2026-01.jsonl")); err != nil {
		t.Fatal(err)
	}
	o.fails("the lines before it are missing. Bring the files with them back; if they are kept elsewhere or lost, run ocigate audit accept", "verify")
	o.prints("The audit trail goes on. ", "accept", "--reason", "moved to another disk")
	o.prints("whole from line 3 on; lines 1 to 2 are not in the journal any more", "verify")
	out, _, err := o.try("archive", "--before", "2026-01", "--to", filepath.Join(t.TempDir(), "x"))
	if want := "The audit trail has no lines before 2026-01 that can be archived. Those up to line 2 are not in the journal any more.\n"; err != nil || out != want {
		t.Errorf("%q, %v", out, err)
	}
}

// A copy of the complete folder agrees with itself, and lacks the anchors since.
func TestAnOlderCopyOfTheFolderLacksTheAnchor(t *testing.T) {
	o := newOldJournal(t)
	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(o.folder)); err != nil {
		t.Fatal(err)
	}
	store := bolt.Open(o.folder, bolt.Options{})
	addOldLines(t, store)
	head, err := store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	o.prints("The audit trail is whole. ", "verify", "--head", head.String())
	writeFile(t, o.config, "journal:\n  folder: \""+backup+"\"\n")
	o.prints("The audit trail is whole. ", "verify")
	o.fails("missing at its end", "verify", "--head", head.String())
}
