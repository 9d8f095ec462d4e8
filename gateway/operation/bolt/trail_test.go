package bolt_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// These tests specify the files of the audit trail: incomplete lines, files that others change,
// and reading. To add a case to TestTrailReads, add the content of the files and the lines.

// tail is a line that was being written, with its newline, and what precedes it.
func (r *rig) tail() (before, line []byte) {
	r.Helper()
	r.intend()
	before = read(r.T, r.audit())
	r.intend()
	return before, read(r.T, r.audit())[len(before):]
}

func TestTornLineIsCutOff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	before, line := r.tail()
	database := read(t, r.database())
	torn := map[string][]byte{
		"all zeros":              make([]byte, 100),
		"some zeros at its end":  append(bytes.Clone(line[:len(line)/2]), make([]byte, 10)...),
		"longer than many pages": bytes.Repeat([]byte("x"), 100_000),
	}
	for n := range line[1:] {
		torn[string(line[:n+1])] = line[:n+1]
	}
	for _, rest := range torn {
		r.close()
		replace(t, r.audit(), slices.Concat(before, rest))
		replace(t, r.database(), database)
		r.open()
		r.append(time.Now())
		r.wantLines(2)
		if !bytes.HasPrefix(read(t, r.audit()), before) {
			t.Fatalf("after a torn line of %d bytes the lines before it are not as they were", len(rest))
		}
		r.wantLogged("not written to its end")
	}
}

func TestTornLineMayBeTheOnlyOneOfItsFile(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"torn": `{"seq":2,"prev":"`, "empty": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.append(time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC))
			replace(t, r.path("audit-2026-11.jsonl"), []byte(content))
			r.reopen()
			r.append(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
			r.wantLines(2)
		})
	}
}

func TestNoLineIsAddedToABrokenTrail(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(before, line []byte) []byte{
		"changed": func(before, line []byte) []byte {
			return slices.Concat(before, bytes.Replace(line, []byte("portal"), []byte("parrot"), 1))
		},
		"of no use":    func(before, _ []byte) []byte { return slices.Concat(before, []byte("\n")) },
		"not a trail":  func(_, _ []byte) []byte { return []byte("a\nb\n") },
		"without hash": func(before, _ []byte) []byte { return slices.Concat(before, []byte("{}\n")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			before, line := r.tail()
			file := spoil(before, line)
			replace(t, r.audit(), file)
			r.refuses(filepath.Base(r.audit()) + ": the last line")
			if _, err := r.try(); err == nil {
				t.Error("an intent was recorded")
			}
			r.wantState("op-000001", operation.Intent)
			if got := read(t, r.audit()); !bytes.Equal(got, file) {
				t.Errorf("the file is changed:\n%s", got)
			}
			replace(t, r.audit(), slices.Concat(before, line))
			r.intend()
			r.wantLines(3)
		})
	}
}

func TestTrailIsWatched(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string, content []byte){
		"truncated": func(t *testing.T, path string, content []byte) {
			must(t, os.Truncate(path, int64(bytes.IndexByte(content, '\n')+1)))
		},
		"torn":     func(t *testing.T, path string, content []byte) { must(t, os.Truncate(path, int64(len(content)-5))) },
		"emptied":  func(t *testing.T, path string, _ []byte) { must(t, os.Truncate(path, 0)) },
		"removed":  func(t *testing.T, path string, _ []byte) { must(t, os.Remove(path)) },
		"moved on": func(t *testing.T, path string, _ []byte) { must(t, os.Rename(path, path+".1")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			op := r.intend()
			r.append(time.Now()) // the database does not know the line yet, and this process does
			path := r.audit()
			content := read(t, path)
			change(t, path, content)
			r.refuses("lines of the audit trail are missing")
			r.wantLogged("changed by another program")
			r.wantState(op.ID, operation.Intent)
			replace(t, path, content)
			r.record(in(operation.Done, op))
			r.wantLines(3)
		})
	}
	t.Run("replaced by itself", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.intend()
		replace(t, r.audit(), read(t, r.audit()))
		r.intend()
		r.wantLines(2)
		r.wantLogged("changed by another program")
	})
}

func TestTrailReads(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  string // the lines, each with a bar behind it, and the error
		err   error
	}{
		"nothing":                             {nil, "", nil},
		"no other files":                      {map[string]string{"audit-2026.jsonl": "a\n", "audit-2026-11.jsonl.gz": "b\n", "operations.db": "c\n"}, "", nil},
		"files in order":                      {map[string]string{"audit-2026-11.jsonl": "c\nd\n", "audit-2026-02.jsonl": "b\n", "audit-2025-12.jsonl": "a\n"}, "a|b|c|d|", nil},
		"an empty file":                       {map[string]string{"audit-2026-10.jsonl": "", "audit-2026-11.jsonl": "a\n"}, "a|", nil},
		"an empty line":                       {map[string]string{"audit-2026-11.jsonl": "a\n\nb\n"}, "a||b|", nil},
		"a torn last line":                    {map[string]string{"audit-2026-10.jsonl": "a\n", "audit-2026-11.jsonl": "b\nc"}, "a|b|c|", bolt.ErrTorn},
		"a line torn where the trail went on": {map[string]string{"audit-2026-10.jsonl": "a\nb", "audit-2026-11.jsonl": "c\n"}, "a|b|c|", nil},
		"a long line":                         {map[string]string{"audit-2026-11.jsonl": strings.Repeat("x", 200_000) + "\n"}, strings.Repeat("x", 200_000) + "|", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			for file, content := range c.files {
				must(t, os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600))
			}
			var got strings.Builder
			var last error
			for line, err := range bolt.Trail(folder) {
				got.Write(line)
				got.WriteByte('|')
				last = err
			}
			if got.String() != c.want || !errors.Is(last, c.err) {
				t.Errorf("read %q, %v, want %q, %v", got.String(), last, c.want, c.err)
			}
		})
	}
	t.Run("no folder", func(t *testing.T) {
		t.Parallel()
		if _, err := operation.Verify(bolt.Trail(filepath.Join(t.TempDir(), "none"))); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v, want %v", err, fs.ErrNotExist)
		}
	})
	t.Run("up to where it is left", func(t *testing.T) {
		t.Parallel()
		folder := t.TempDir()
		must(t, os.WriteFile(filepath.Join(folder, "audit-2026-10.jsonl"), []byte("a\nb\n"), 0o600))
		must(t, os.WriteFile(filepath.Join(folder, "audit-2026-11.jsonl"), []byte("c"), 0o600))
		for _, last := range []string{"a", "b", "c"} {
			for line, err := range bolt.Trail(folder) {
				if err != nil && !errors.Is(err, bolt.ErrTorn) {
					t.Error(err)
				}
				if string(line) == last {
					break
				}
			}
		}
	})
}
