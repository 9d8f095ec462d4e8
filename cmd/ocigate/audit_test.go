package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ocigate/config"
)

// These tests specify the commands that verify and print the audit trail, and the journal
// of two programs with one folder. To add a use of audit verify, add an entry to the map of
// TestAuditVerify: the arguments, and a part of the error.

// trail is an audit trail that a gateway has written.
type trail struct {
	config string // the file of the configuration
	file   string
	lines  []string
	heads  []string // after each line
}

// newTrail runs a gateway that writes a trail of two logins and a write.
func newTrail(t *testing.T) trail {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "made", "by the gateway")
	g := start(t, newPlatform(t).Addr, func(c *config.Config) { c.Journal.Folder = folder })
	base := "http://" + g.api + "/api/v1"
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/login/", `{"username":"groupadmin","password":"groupadmin-demo"}`, http.StatusOK},
		{"/login/", `{"username":"groupadmin","password":"wrong"}`, http.StatusUnauthorized},
		{itc("ApioSpTest", "ApioGrpTest", "numbers"), `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`, http.StatusCreated},
	} {
		if status, body := ask(t, "POST", base+c.path, c.body); status != c.status {
			t.Fatalf("%s: %d %s", c.path, status, body)
		}
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "audit-*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	made := trail{config: filepath.Join(t.TempDir(), "ocigate.yaml"), file: files[0]}
	yaml := "platform:\n  endpoints:\n    - {name: primary, address: \"127.0.0.1:1\"}\n  user_id: x\n  password: x\njournal:\n  folder: \"" + folder + "\"\n"
	writeFile(t, made.config, yaml)
	hash := regexp.MustCompile(`"hash":"([0-9a-f]{64})"}$`)
	made.lines = strings.Split(strings.TrimSuffix(readFile(t, made.file), "\n"), "\n")
	for i, line := range made.lines {
		found := hash.FindStringSubmatch(line)
		if found == nil {
			t.Fatalf("line %d has no hash: %s", i+1, line)
		}
		made.heads = append(made.heads, fmt.Sprintf("%d:%s", i+1, found[1]))
	}
	if len(made.lines) != 4 {
		t.Fatalf("%d lines, want two of logins and two of a write: %q", len(made.lines), made.lines)
	}
	return made
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAuditVerify(t *testing.T) {
	made := newTrail(t)
	head := "Its head is " + made.heads[3] + "\n"
	whole, rest, empty := "The audit trail is whole. "+head, "The audit trail is whole from line 3 on; lines 1 to 2 are not in these files. "+head, "The audit trail has no lines.\n"
	nothing := filepath.Join(t.TempDir(), "nothing")
	writeFile(t, nothing, "")
	halves := []string{filepath.Join(t.TempDir(), "1"), filepath.Join(t.TempDir(), "2")}
	writeFile(t, halves[0], made.lines[0]+"\n"+made.lines[1]+"\n")
	writeFile(t, halves[1], made.lines[2]+"\n"+made.lines[3]+"\n")
	for name, c := range map[string]struct {
		args []string
		want string // part of the error, "" for none
	}{
		"accepts the configuration's trail": {[]string{"--config", made.config}, ""},
		"accepts a file":                    {[]string{made.file}, ""},
		"accepts several files":             {halves, ""},
		"finds its own head":                {[]string{"--head", made.heads[3], made.file}, ""},
		"finds an earlier head":             {[]string{"--head", made.heads[0], "--config", made.config}, ""},
		"finds several heads":               {[]string{"--head", made.heads[0], "--head", made.heads[2], made.file}, ""},
		"goes on in the journal":            {[]string{"--journal", "--config", made.config, made.file}, "line 5 has number 1"},
		"misses a head that is further on":  {[]string{"--head", "5" + made.heads[3][1:], made.file}, "does not have the line 5:"},
		"misses a head of another hash":     {[]string{"--head", "4" + made.heads[2][1:], made.file}, "does not have the line 4:"},
		"misses a head that is archived":    {[]string{"--from", made.heads[1], "--head", made.heads[0], halves[1]}, "does not have the line 1:"},
		"misses the lines before the files": {[]string{halves[1]}, "with --from"},
		"misses lines behind --from":        {[]string{"--from", made.heads[0], halves[1]}, "has number 3 where 2 is due"},
		"refuses another line for --from":   {[]string{"--from", "2" + made.heads[0][1:], halves[1]}, "does not follow"},
		"refuses --from without files":      {[]string{"--from", made.heads[0], "--config", made.config}, "are for files"},
		"refuses --journal without files":   {[]string{"--journal", "--config", made.config}, "are for files"},
		"refuses a head without a hash":     {[]string{"--head", "4", made.file}, "--head: a head is"},
		"refuses a head without a number":   {[]string{"--head", "x" + made.heads[3], made.file}, "--head: a head is"},
		"refuses --from without a hash":     {[]string{"--from", "4", made.file}, "--from: a head is"},
		"refuses files in another order":    {[]string{halves[1], halves[0]}, "line 1 has number 3"},
		"reports a missing file":            {[]string{made.file + "x"}, "no such file"},
		"reports a missing configuration":   {[]string{"--config", made.config + "x"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := execute(t, "", append([]string{"audit", "verify"}, c.args...)...)
			switch {
			case c.want == "" && (err != nil || out != whole):
				t.Errorf("%v, wrote %q", err, out)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || out != ""):
				t.Errorf("%v, wrote %q, want an error with %q", err, out, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"reports which lines are missing": {[]string{"--from", made.heads[1], halves[1]}, rest},
		"reports that there is no line":   {[]string{nothing}, empty},
	} {
		t.Run(name, func(t *testing.T) {
			if out, _, err := execute(t, "", append([]string{"audit", "verify"}, c.args...)...); err != nil || out != c.want {
				t.Errorf("%v, wrote %q, want %q", err, out, c.want)
			}
		})
	}
	t.Run("reports a missing folder", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ocigate.yaml")
		writeFile(t, path, strings.Replace(readFile(t, made.config), "by the gateway", "by nobody", 1))
		if _, _, err := execute(t, "", "audit", "verify", "--config", path); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("%v", err)
		}
	})
}

// TestAuditVerifyDetectsChanges checks that the first changed line is reported for every kind
// of change. To add a change, add an entry to the map.
func TestAuditVerifyDetectsChanges(t *testing.T) {
	made := newTrail(t)
	edit := func(line int, old, by string) func([]string) []string {
		return func(lines []string) []string {
			if !strings.Contains(lines[line], old) {
				t.Errorf("line %d has no %s: %s", line+1, old, lines[line])
			}
			lines[line] = strings.Replace(lines[line], old, by, 1)
			return lines
		}
	}
	for name, c := range map[string]struct {
		change func([]string) []string
		line   int
	}{
		"another caller":      {edit(2, `"name":"portal"`, `"name":"another"`), 3},
		"another outcome":     {edit(3, `"outcome":"done"`, `"outcome":"not_done"`), 4},
		"a blank":             {edit(0, `"seq":1,`, `"seq": 1,`), 1},
		"another hash":        {edit(1, made.heads[1][2:], made.heads[0][2:]), 2},
		"a line left out":     {func(l []string) []string { return slices.Delete(l, 1, 2) }, 2},
		"a line twice":        {func(l []string) []string { return slices.Insert(l, 1, l[0]) }, 2},
		"two lines exchanged": {func(l []string) []string { l[1], l[2] = l[2], l[1]; return l }, 2},
		"an empty line":       {func(l []string) []string { return slices.Insert(l, 2, "") }, 3},
		"half a line":         {func(l []string) []string { l[3] = l[3][:20]; return l }, 4},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			writeFile(t, path, strings.Join(c.change(slices.Clone(made.lines)), "\n")+"\n")
			_, _, err := execute(t, "", "audit", "verify", path)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d ", c.line)) {
				t.Errorf("%v, want line %d", err, c.line)
			}
		})
	}
	t.Run("but missing lines at the end only with an earlier head", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		writeFile(t, path, strings.Join(made.lines[:3], "\n")+"\n")
		if _, _, err := execute(t, "", "audit", "verify", path); err != nil {
			t.Error(err)
		}
		if _, _, err := execute(t, "", "audit", "verify", "--head", made.heads[3], path); err == nil {
			t.Error("a missing line was not noticed")
		}
	})
}

func TestAuditTail(t *testing.T) {
	made := newTrail(t)
	for name, c := range map[string]struct {
		args  []string
		lines int
	}{
		"two lines":              {[]string{"-n", "2", made.file}, 2},
		"one line":               {[]string{"--lines", "1", "--config", made.config}, 1},
		"no more than there are": {[]string{"-n", "1000", made.file}, 4},
		"ten lines by default":   {[]string{made.file, made.file, made.file}, 10},
	} {
		t.Run("prints "+name, func(t *testing.T) {
			all := slices.Repeat(made.lines, 3)
			want := strings.Join(all[len(all)-c.lines:], "\n") + "\n"
			if out, _, err := execute(t, "", append([]string{"audit", "tail"}, c.args...)...); err != nil || out != want {
				t.Errorf("%v, wrote:\n%s", err, out)
			}
		})
	}
	for name, args := range map[string][]string{
		"no lines":        {"-n", "0", made.file},
		"fewer than none": {"-n", "-1", made.file},
		"a missing file":  {made.file + "x"},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			if out, _, err := execute(t, "", append([]string{"audit", "tail"}, args...)...); err == nil || out != "" {
				t.Errorf("%v, wrote %q", err, out)
			}
		})
	}
}

// TestTwoProgramsOnOneJournal checks that the folder of a journal belongs to one process.
// Another one serves reads, refuses writes, logs the reason, and takes the folder over after
// the first one has ended.
func TestTwoProgramsOnOneJournal(t *testing.T) {
	platform := newPlatform(t)
	folder := filepath.Join(t.TempDir(), "journal")
	share := func(c *config.Config) { c.Journal.Folder = folder }
	first := start(t, platform.Addr, share)
	url := func(g *running) string {
		return "http://" + g.api + "/api/v1" + itc("ApioSpTest", "ApioGrpTest", "numbers")
	}
	const assign, remove = `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`, `{"numbers":[{"minPhoneNumber":"+3226127007"}]}`
	if status, body := ask(t, "POST", url(first), assign); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	second := start(t, platform.Addr, share)
	if status, body := ask(t, "DELETE", url(second), remove); status != http.StatusServiceUnavailable || !strings.Contains(body, "JOURNAL_UNAVAILABLE") {
		t.Errorf("a write to the second: %d %s", status, body)
	}
	if status, body := ask(t, "GET", url(second), ""); status != http.StatusOK {
		t.Errorf("a read from the second: %d %s", status, body)
	}
	if log := second.log.String(); !strings.Contains(log, "another process uses the folder") || !strings.Contains(log, folder) {
		t.Errorf("the log has no reason:\n%s", log)
	}
	first.stop()
	if err := <-first.ended; err != nil {
		t.Error(err)
	}
	if status, body := ask(t, "DELETE", url(second), remove); status != http.StatusOK {
		t.Errorf("a write to the second, which is alone: %d %s", status, body)
	}
	second.stop()
	if err := <-second.ended; err != nil {
		t.Error(err)
	}
	if writes := platform.Writes(); len(writes) != 2 {
		t.Errorf("%d writes reached the platform", len(writes))
	}
}

func TestDemoRemovesItsFiles(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	if out, _, err := execute(t, "", "demo", "--check"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}
