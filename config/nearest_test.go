package config_test

import (
	"strings"
	"testing"

	"ocigate/config"
)

// These tests specify which word is suggested for a mistyped one. To add a case, add an
// entry to the table of TestNearest.

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"level", "level", 0},
		{"levl", "level", 1},
		{"levvel", "level", 1},
		{"labels", "levels", 2},
		{"degub", "debug", 2},
		{"debgu", "debug", 1},
		{"ab", "ba", 1},
		{"ca", "abc", 3}, // 2 if a place could be changed twice
		{"kitten", "sitting", 3},
		{"größe", "grosse", 3},
	} {
		for _, pair := range [][2]string{{tt.a, tt.b}, {tt.b, tt.a}} {
			if got := config.Distance(pair[0], pair[1]); got != tt.want {
				t.Errorf("from %q to %q: %d, want %d", pair[0], pair[1], got, tt.want)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"max_age", "max_waiting", "min", "max", "wait", "21"}
	for typed, want := range map[string]string{
		"MAX": "max", "max-age": "max_age", "mxa": "max", "maxwaiting": "max_waiting", "max_watiing": "max_waiting", "wiat": "wait",
		"": "", "m": "", "timeout": "", "20": "", "something_else": "",
	} {
		if got := config.Nearest(typed, known); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

// TestMistypedKeysAreRecognized checks that every key with a missing or an
// additional letter, and every variable with a missing letter, gets a suggestion.
func TestMistypedKeysAreRecognized(t *testing.T) {
	for _, s := range config.Reference() {
		if s.Variable == "" {
			continue
		}
		key := s.Path[strings.LastIndex(s.Path, ".")+1:]
		section := strings.TrimSuffix(s.Path, key)
		if len(key) < 4 {
			continue
		}
		middle := len(key) / 2
		for _, typed := range []string{key[:middle] + key[middle+1:], key[:middle] + "x" + key[middle:]} {
			raw := "x: 1\n"
			if section != "" {
				parts := strings.Split(strings.TrimSuffix(section, "."), ".")
				raw = strings.Join(parts, ": {") + ": {" + typed + ": 1" + strings.Repeat("}", len(parts)) + "\n"
			}
			if got := strings.Join(problems(t, raw), "\n"); !strings.Contains(got, section+typed+": is not a key; did you mean ") {
				t.Errorf("%s%s: got %s", section, typed, got)
			}
		}
		variable := s.Variable[:len(s.Variable)-2] + s.Variable[len(s.Variable)-1:]
		if got := strings.Join(problems(t, minimal, variable+"=1"), "\n"); !strings.HasPrefix(got, variable+": belongs to no key; did you mean OCIGATE_") {
			t.Errorf("%s: got %s", variable, got)
		}
	}
}

// TestAMistypedKeyIsReportedOnce checks that a mistyped key is not also reported as
// missing, and that the correct key is validated if it is given, too.
func TestAMistypedKeyIsReportedOnce(t *testing.T) {
	got := problems(t, strings.Replace(minimal, "address:", "adddress:", 1))
	if len(got) != 1 || got[0] != "ocigate.yaml: line 5: platform.endpoints[0].adddress: is not a key; did you mean address?" {
		t.Errorf("got %q", got)
	}
	got = problems(t, strings.Replace(minimal, "address: ", "address: x\n      adddress: ", 1))
	if len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

func TestPlacesOfValues(t *testing.T) {
	c := parse(t, minimal+"log: {level: info}\n", "OCIGATE_HTTP_LISTEN=:80")
	for path, want := range map[string]string{
		"platform.endpoints[0].tls.ca_file": "ocigate.yaml: line 4",
		"log.level":                         "ocigate.yaml: line 8",
		"http.listen":                       "OCIGATE_HTTP_LISTEN",
		"admin.listen":                      "ocigate.yaml",
		"":                                  "ocigate.yaml",
	} {
		if got := c.Place(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	made := config.Default()
	if got := made.Place("log.level"); got != "" {
		t.Errorf("got %q", got)
	}
}
