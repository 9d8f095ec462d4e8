package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// These tests specify what LoadJournal reads and refuses. To add a refused file, add an
// entry to the map of TestLoadJournalRefuses: the file, and a part of the problem.

const journalFile = `
platform:
  endpoints:
    - {name: primary, address: "not an address"}
  password: {env: PLATFORM_PASSWORD}
auth:
  tokens: {keys: [{id: "1", secret: {file: /run/secrets/token}}]}
  clients: "is not a list"
http: &anchor
journal:
  store: postgres
  postgres_url: {file: url}
  settle: 45s
`

func readURL(name string) ([]byte, error) {
	if name == "url" {
		return []byte("postgres://u:p@h/d\n"), nil
	}
	return nil, fs.ErrNotExist
}

func TestLoadJournalNeedsNoOtherSection(t *testing.T) {
	if _, err := parse("c.yaml", []byte(journalFile), nil, readURL); err == nil {
		t.Fatal("the complete file is accepted")
	}
	j, err := parseJournal("c.yaml", []byte(journalFile), []string{
		"OCIGATE_JOURNAL_KEEP=48h", "OCIGATE_PLATFORM_POOL_MAX=nonsense", "OCIGATE_STRAY=1", "OTHER=2",
	}, readURL)
	if err != nil {
		t.Fatal(err)
	}
	if j.Store != StorePostgres || j.PostgresURL.Reveal() != "postgres://u:p@h/d" || j.Settle != 45*time.Second || j.Keep != 48*time.Hour || j.KeepKeys != 24*time.Hour {
		t.Errorf("it is %+v", j)
	}
}

func TestLoadJournalReadsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("journal: {folder: /var/lib/ocigate}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := LoadJournal(path, []string{"OCIGATE_JOURNAL_SETTLE=7s"})
	if err != nil || j.Folder != "/var/lib/ocigate" || j.Settle != 7*time.Second || j.Store != StoreEmbedded {
		t.Errorf("%+v, %v", j, err)
	}
	if _, err := LoadJournal(path+".none", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}

func TestLoadJournalRefuses(t *testing.T) {
	for file, want := range map[string]string{
		"journal: {fodler: x}":                                 "journal.fodler",
		"jurnal: {folder: x}":                                  "jurnal",
		"journal: {store: embedded, folder: ''}":               "journal.folder",
		"journal: {store: postgres}":                           "journal.postgres_url",
		"journal: {store: postgres, postgres_url: {file: no}}": "journal.postgres_url",
		"journal: {settle: 5}":                                 "journal.settle",
		"journal: {keep: 1h, keep_keys: 2h}":                   "journal.keep",
		"journal: {keep: 1h}\njournal: {keep: 2h}":             "journal",
		"[1, 2]":                "section",
		"journal: {folder: x":   "YAML",
		"journal: {folder: *x}": "",
	} {
		_, err := parseJournal("c.yaml", []byte(file), nil, readURL)
		if _, ok := errors.AsType[*Problems](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a problem with %q", file, err, want)
		}
	}
	_, err := parseJournal("c.yaml", nil, []string{"OCIGATE_JOURNAL_SETTLE=never"}, readURL)
	if err == nil || !strings.Contains(err.Error(), "OCIGATE_JOURNAL_SETTLE") {
		t.Errorf("with a bad variable: %v", err)
	}
}
