package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"ocigate/gateway/operation"
)

// The journal and the log of a rig.

// afterKill returns another process in front of the same platform, on a copy of the
// current journal: as if this process had been killed now. It is for bubbles.
func (r *rig) afterKill(t testing.TB) *rig {
	t.Helper()
	synctest.Wait() // a check of the journal makes a file and removes it
	folder := t.TempDir()
	must(t, os.CopyFS(folder, os.DirFS(r.folder)))
	s := setup{folder: folder, journal: func(o *operation.Options) { o.Owner = "survivor" }}
	return s.connect(t, r.platform)
}

// journalFiles returns the contents of the files of the journal, by name. A file
// that is removed meanwhile is left out: a check of the journal makes one and removes
// it.
func (r *rig) journalFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(r.folder)
	must(t, err)
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(r.folder, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		must(t, err)
		files[entry.Name()] = content
	}
	return files
}

// breakJournal replaces the journal's folder by a file, so that not even root can write
// into it, and returns a function that restores the folder. It is for bubbles.
func (r *rig) breakJournal(t testing.TB) (restore func()) {
	t.Helper()
	synctest.Wait() // for what makes the folder
	aside := r.folder + "-aside"
	must(t, os.Rename(r.folder, aside))
	must(t, os.WriteFile(r.folder, nil, 0o600))
	return func() {
		t.Helper()
		synctest.Wait() // for what would make another
		must(t, os.Remove(r.folder))
		must(t, os.Rename(aside, r.folder))
	}
}

// logBuffer keeps what is logged.
type logBuffer struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logBuffer) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(line)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

// last returns the fields of the last line. The line of a request is written before the
// end of its response, unless the response is large.
func (l *logBuffer) last(t testing.TB) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(l.String()), "\n")
	fields := map[string]any{}
	must(t, json.Unmarshal([]byte(lines[len(lines)-1]), &fields))
	return fields
}
