package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/config"
)

// These tests specify which files are accepted and which problems are reported. To
// add a mistake, add a file to testdata/config/bad whose first line is "# want: "
// and the problem; an accepted file goes to testdata/config/good, and its
// configuration to TestGoodFiles.

func TestBadFilesNameTheirMistake(t *testing.T) {
	for _, path := range files(t, "bad") {
		t.Run(name(path), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			head, _, _ := strings.Cut(string(raw), "\n")
			want, ok := strings.CutPrefix(head, "# want: ")
			if !ok {
				t.Fatal("the first line is not \"# want: …\"")
			}
			c, err := config.Load(path, environ)
			if err == nil || err.Error() != path+": "+want {
				t.Errorf("Load: %v\nwant  %s: %s", err, path, want)
			}
			if c != nil {
				t.Error("Load returned a configuration with the error")
			}
		})
	}
}

func TestGoodFiles(t *testing.T) {
	want := map[string]config.Config{
		"minimal":                   minimalConfig(),
		"empty_sections":            minimalConfig(),
		"full":                      fullConfig(),
		"accounts_of_the_endpoints": accountsConfig(),
	}
	for _, path := range files(t, "good") {
		t.Run("accepts "+name(path), func(t *testing.T) {
			c, err := config.Load(path, environ)
			if err != nil {
				t.Fatal(err)
			}
			expected, ok := want[name(path)]
			if !ok {
				t.Fatal("the test has no expected configuration for this file")
			}
			if diff := cmp.Diff(&expected, c, same); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestAllProblemsAreReported(t *testing.T) {
	const raw = `http:
  Listen: "127.0.0.1:8080"
  read_timeout: 5
  read_timeout: 6s
  trusted_proxies: ["10.0.0.1", +32]
log: loud
auth:
  clients:
    - unlisted
    - {id: 7, level: group, group_id: "g", hash: "x"}
platform:
  endpoints:
    - address: "here"
  user_id: +3225126999
  pool: {min: 9, max: 2000}
`
	want := []string{
		"ocigate.yaml: line 2: http.Listen: is not a key; write listen",
		"ocigate.yaml: line 3: http.read_timeout: must be a duration with a unit, such as 30s, 500ms or 2m, not a number",
		"ocigate.yaml: line 4: http.read_timeout: is given twice, first on line 3",
		`ocigate.yaml: line 5: http.trusted_proxies[0]: must be a CIDR without host bits, such as 10.0.0.0/8, not "10.0.0.1"`,
		"ocigate.yaml: line 5: http.trusted_proxies[1]: must be a CIDR without host bits, such as 10.0.0.0/8, not a number",
		"ocigate.yaml: line 6: log: must be a section of keys, not a string",
		"ocigate.yaml: line 9: auth.clients[0]: must be a section of keys, not a string",
		"ocigate.yaml: line 10: auth.clients[1].id: must be in quotes: YAML reads it as a number",
		"ocigate.yaml: line 10: auth.clients[1].hash: must be a bcrypt hash ($2a$, $2b$ or $2y$) or an argon2id hash ($argon2id$v=19$m=…,t=…,p=…$…$…)",
		"ocigate.yaml: line 10: auth.clients[1].tenant_id: is required for a client of level group",
		"ocigate.yaml: line 13: platform.endpoints[0].name: is required",
		`ocigate.yaml: line 13: platform.endpoints[0].address: must be host:port, both given, not "here"`,
		"ocigate.yaml: line 14: platform.user_id: must be in quotes: YAML reads it as a number",
		"ocigate.yaml: line 15: platform.pool.max: must be from 1 to 1000, not 2000",
		"ocigate.yaml: platform.password: is required, since platform.endpoints[0] has no password",
		"OCIGATE_HTPP_LISTEN: belongs to no key; did you mean OCIGATE_HTTP_LISTEN?",
	}
	got := problems(t, raw, "OCIGATE_HTPP_LISTEN=:80")
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestProblemsHaveTheirPlaces(t *testing.T) {
	_, err := config.Parse([]byte(minimal+"  pool: {max: 0, min: 0}\n"), []string{"OCIGATE_LOG_LEVEL=loud"}, nil)
	list, ok := errors.AsType[*config.Problems](err)
	if !ok {
		t.Fatalf("not problems: %v", err)
	}
	want := []config.Problem{
		{File: "ocigate.yaml", Line: 8, Path: "platform.pool.max", Reason: "must be from 1 to 1000, not 0"},
		{Path: "log.level", Variable: "OCIGATE_LOG_LEVEL", Reason: `must be debug, info, warn or error, not "loud"`},
	}
	if diff := cmp.Diff(want, list.List); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestValuesKeepTheirCaseDotsAndSigns(t *testing.T) {
	raw := strings.NewReplacer(`"ocigate"`, `"Oci.Gate::Admin"`, `"word"`, `"Word.With::Dots"`).Replace(minimal) +
		"auth: {clients: [{id: Portal-A, level: tenant, tenant_id: \"+3225126999\", hash: \"" + hash + "\"}]}\n"
	c := parse(t, raw)
	got := []string{c.Platform.UserID, c.Platform.Password.Reveal(), c.Auth.Clients[0].ID, c.Auth.Clients[0].TenantID}
	if diff := cmp.Diff([]string{"Oci.Gate::Admin", "Word.With::Dots", "Portal-A", "+3225126999"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMessagesDoNotContainSecrets(t *testing.T) {
	const secret = "hunter2hunter2"
	for _, value := range []string{
		"*" + secret, "&" + secret, "!" + secret + " x", "[" + secret + "]", "{" + secret + ": x}", "{env: [" + secret + "]}",
		"%" + secret, "@" + secret, "`" + secret, "'" + secret, `"` + secret, "{" + secret, "|" + secret, "x: " + secret,
	} {
		t.Run(value, func(t *testing.T) {
			for _, line := range problems(t, strings.Replace(minimal, `"word"`, value, 1)) {
				if strings.Contains(line, secret) {
					t.Errorf("the message contains the password: %s", line)
				}
			}
		})
	}
}

func TestEveryProblemIsOneLine(t *testing.T) {
	for _, raw := range []string{
		strings.Replace(minimal, `"word"`, `{file: "no\nfile"}`, 1),
		strings.Replace(minimal, `"word"`, `{env: "NO\nVARIABLE"}`, 1),
		minimal + "\"a\\nkey\": 1\n",
		minimal + "log: {level: \"a\\nlevel\"}\n",
	} {
		if lines := problems(t, raw); len(lines) != 1 {
			t.Errorf("got %q", lines)
		}
	}
}

func TestVariablesAreNotReportedIfTheFileIsNotYAML(t *testing.T) {
	got := problems(t, "password: {env: OCIGATE_SECRET\n", "OCIGATE_SECRET=s")
	if len(got) != 1 || !strings.HasPrefix(got[0], "ocigate.yaml: line 1: is not YAML") {
		t.Errorf("got %q", got)
	}
}

func TestLongBrokenFilesAreRefusedWithoutALine(t *testing.T) {
	got := problems(t, strings.Repeat("[\n", 2000))
	if len(got) != 1 || !strings.HasPrefix(got[0], "ocigate.yaml: is not YAML") {
		t.Errorf("got %q", got)
	}
}

func TestLoadReportsFilesThatCannotBeRead(t *testing.T) {
	t.Run("because they do not exist", func(t *testing.T) {
		_, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), nil)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("because they are too large", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "large.yaml")
		if err := os.WriteFile(path, []byte(strings.Repeat("#\n", 1<<20)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(path, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAccountOfAnEndpoint(t *testing.T) {
	p := config.Platform{UserID: "all", Password: config.NewSecret("word of all")}
	for _, tt := range []struct {
		name           string
		endpoint       config.Endpoint
		user, password string
	}{
		{"the platform's", config.Endpoint{}, "all", "word of all"},
		{"the endpoint's", config.Endpoint{UserID: "one", Password: config.NewSecret("word of one")}, "one", "word of one"},
		{"the endpoint's password", config.Endpoint{Password: config.NewSecret("word of one")}, "all", "word of one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user, password := p.Account(tt.endpoint)
			if user != tt.user || password.Reveal() != tt.password {
				t.Errorf("got %q, %q", user, password.Reveal())
			}
		})
	}
}
