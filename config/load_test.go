package config_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ocigate/config"
)

// hash is a bcrypt hash of nobody's password.
const hash = "$2a$04$P9sREaXklukeNkoMVyPsj.YrNSHs7hTk3F2xJJ0t88ojkQaMOq6eK"

// environ is what the files in testdata refer to.
var environ = []string{
	"TOKEN_KEY=a key for the tests that is long enough",
	"PLATFORM_PASSWORD=word of the platform",
	"PORTAL_HASH=" + hash,
	"EMPTY=",
}

// minimal is the least that a gateway needs.
const minimal = `
platform:
  endpoints:
    - name: primary
      address: "ocs1.example.com:2209"
  user_id: "ocigate"
  password: "word"
`

// same compares configurations, secrets included.
var same = cmp.Options{
	cmp.Comparer(func(a, b config.Secret) bool { return a.Reveal() == b.Reveal() }),
	cmpopts.EquateComparable(netip.Prefix{}),
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreUnexported(config.Config{}), // where the values come from
}

func files(t *testing.T, kind string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "testdata", "config", kind, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in testdata/config/%s: %v", kind, err)
	}
	return paths
}

func name(path string) string { return strings.TrimSuffix(filepath.Base(path), ".yaml") }

// parse reads a configuration that must be right.
func parse(t *testing.T, raw string, environ ...string) *config.Config {
	t.Helper()
	c, err := config.Parse([]byte(raw), environ, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems reads a configuration that must be wrong.
func problems(t *testing.T, raw string, environ ...string) []string {
	t.Helper()
	c, err := config.Parse([]byte(raw), environ, os.ReadFile)
	list, ok := errors.AsType[*config.Problems](err)
	if !ok || c != nil {
		t.Fatalf("Parse: %v, %v; want problems", c, err)
	}
	return strings.Split(list.Error(), "\n")
}

func minimalConfig() config.Config {
	e := config.DefaultEndpoint()
	e.Name, e.Address = "primary", "ocs1.example.com:2209"
	c := config.Default()
	c.Platform.Endpoints = []config.Endpoint{e}
	c.Platform.UserID = "ocigate"
	c.Platform.Password = config.NewSecret("word")
	return c
}

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
				t.Fatal("the first line does not say what is wanted")
			}
			c, err := config.Load(path, environ)
			if err == nil || err.Error() != path+": "+want {
				t.Errorf("Load: %v\nwant  %s: %s", err, path, want)
			}
			if c != nil {
				t.Error("a configuration came with the error")
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
				t.Fatal("the test does not know what to expect")
			}
			if diff := cmp.Diff(&expected, c, same); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func accountsConfig() config.Config {
	c := config.Default()
	for _, e := range []struct{ name, address, account string }{
		{"primary", "ocs1.example.com:2209", "a"}, {"secondary", "ocs2.example.com:2209", "b"},
	} {
		c.Platform.Endpoints = append(c.Platform.Endpoints, config.Endpoint{
			Name: e.name, Address: e.address, TLS: config.EndpointTLS{Enabled: true},
			UserID: e.account, Password: config.NewSecret("word of " + e.account),
		})
	}
	return c
}

func fullConfig() config.Config {
	return config.Config{
		HTTP: config.HTTP{
			Listen:            ":8443",
			TLS:               config.KeyPair{CertFile: "/etc/ocigate/tls.crt", KeyFile: "/etc/ocigate/tls.key"},
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       30 * time.Second,
			WriteTimeout:      time.Minute,
			IdleTimeout:       2 * time.Minute,
			RequestTimeout:    30 * time.Second,
			Drain:             15 * time.Second,
			ShutdownTimeout:   time.Minute,
			MaxBodyBytes:      1048576,
			GzipMinBytes:      1400,
			TrustedProxies:    []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
		},
		Admin: config.Admin{Listen: "[::1]:9090"},
		Log:   config.Log{Level: config.LogDebug, Format: config.LogText},
		API: config.API{
			AvailableFrom: config.AvailableFromTenant,
			PlatformErrors: []config.PlatformError{
				{Number: 4999, Error: "NOT_AVAILABLE_FOR_ASSIGNMENT"}, {Text: "Service is being restarted", Error: "PLATFORM_UNAVAILABLE"},
			},
		},
		Auth: config.Auth{
			Tokens: config.Tokens{TTL: time.Hour, Keys: []config.TokenKey{
				{ID: "2026-11", Secret: config.NewSecret("a key for the tests that is long enough")},
				{ID: "2026-10", Secret: config.NewSecret("the key of the month before, and it is long")},
			}},
			Cookie: config.Cookie{SameSite: config.SameSiteLax},
			Verify: config.VerifyLogin,
			Clients: []config.Client{
				{ID: "Portal-A", Hash: config.NewSecret(hash), Level: config.LevelSystem},
				{
					ID:    "portal-b",
					Hash:  config.NewSecret("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b1dWRWJTmaQPEO1eaLQFd1hu14"),
					Level: config.LevelTenant, TenantID: "ApioSpTest",
				},
				{ID: "portal_c", Hash: config.NewSecret(hash), Level: config.LevelGroup, TenantID: "ApioSpTest", GroupID: "+3225126999"},
			},
			Throttle: config.Throttle{FreeAttempts: 3, BaseDelay: 500 * time.Millisecond, MaxDelay: time.Minute, Remembered: 100},
		},
		Journal: config.Journal{
			Store: config.StorePostgres, PostgresURL: config.NewSecret("postgres://ocigate:word@db.example.com/ocigate"),
			Settle: time.Minute, Recheck: time.Hour, Keep: 48 * time.Hour, KeepKeys: 48 * time.Hour, UnreadyAfter: time.Minute,
		},
		Platform: config.Platform{
			Endpoints: []config.Endpoint{
				{
					Name: "primary", Address: "ocs1.example.com:2209",
					TLS: config.EndpointTLS{
						Enabled: true, CAFile: "/etc/ocigate/ca.crt",
						CertFile: "/etc/ocigate/client.crt", KeyFile: "/etc/ocigate/client.key", ServerName: "ocs",
					},
				},
				{
					Name: "secondary", Address: "[2001:db8::1]:2208",
					UserID: "ocigate2", Password: config.NewSecret("word of the platform"),
				},
			},
			UserID:        "ocigate",
			Password:      config.NewSecret("pass: word # not a comment"),
			Login:         config.LoginSigned,
			Release:       config.Release22,
			Encoding:      config.EncodingUTF8,
			MaxReplyBytes: 1048576,
			Timeouts:      config.Timeouts{Connect: time.Second, Login: 2 * time.Second, Command: 3 * time.Second},
			Backoff:       config.Backoff{Initial: 10 * time.Millisecond, Max: time.Second, Refused: time.Minute, RefusedMax: 2 * time.Minute},
			Pool: config.Pool{
				Max: 1, MaxWaiting: 1, Wait: time.Second, IdleTimeout: time.Minute, MaxAge: 2 * time.Minute, ProbeInterval: 30 * time.Second, ProbeUnused: 2 * time.Minute,
			},
		},
	}
}

func TestProblemsAreToldAllAtOnce(t *testing.T) {
	const raw = `http:
  Listen: "127.0.0.1:8080"
  read_timeout: 5
  read_timeout: 6s
  trusted_proxies: ["10.0.0.1", +32]
log: loud
auth:
  clients:
    - nobody
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
		"ocigate.yaml: platform.password: is required, since platform.endpoints[0] has no password of its own",
		"OCIGATE_HTPP_LISTEN: belongs to no key; did you mean OCIGATE_HTTP_LISTEN?",
	}
	got := problems(t, raw, "OCIGATE_HTPP_LISTEN=:80")
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestProblemsCanBeAskedForTheirPlace(t *testing.T) {
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

func TestEnvironment(t *testing.T) {
	t.Run("wins over the file and over defaults", func(t *testing.T) {
		c := parse(t, minimal+"  pool: {max: 5}\n",
			"OCIGATE_PLATFORM_POOL_MAX=7", "OCIGATE_PLATFORM_USER_ID=Other.User", "OCIGATE_HTTP_READ_TIMEOUT=7s",
			"OCIGATE_AUTH_COOKIE_SECURE=false", "OCIGATE_PLATFORM_POOL_JITTER=0.25", "OCIGATE_LOG_LEVEL=warn",
			"PATH=/bin", "UNRELATED")
		want := minimalConfig()
		want.Platform.Pool.Max, want.Platform.UserID, want.HTTP.ReadTimeout = 7, "Other.User", 7*time.Second
		want.Auth.Cookie.Secure, want.Platform.Pool.Jitter, want.Log.Level = false, 0.25, config.LogWarn
		if diff := cmp.Diff(&want, c, same); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	t.Run("sets keys that are neither in the file nor among the defaults", func(t *testing.T) {
		const endpoint = "platform: {endpoints: [{name: a, address: 'h:1'}]}"
		c := parse(t, endpoint, "OCIGATE_PLATFORM_USER_ID=u", "OCIGATE_PLATFORM_PASSWORD=p", "OCIGATE_HTTP_TLS_CERT_FILE=c", "OCIGATE_HTTP_TLS_KEY_FILE=k")
		if c.Platform.UserID != "u" || c.Platform.Password.Reveal() != "p" || c.HTTP.TLS != (config.KeyPair{CertFile: "c", KeyFile: "k"}) {
			t.Errorf("got %+v, %q", c.HTTP.TLS, c.Platform.UserID)
		}
	})
	t.Run("sets every key that has a variable", func(t *testing.T) {
		for _, s := range config.Reference() {
			if s.Variable == "" {
				continue
			}
			// A text that no key takes, except those that take any.
			_, err := config.Parse([]byte(minimal), []string{s.Variable + "=\x00 "}, nil)
			list, ok := errors.AsType[*config.Problems](err)
			if s.Limits == "" && s.Type != "true or false" && s.Type != "a string, {env: NAME} or {file: NAME}" {
				if ok && list.List[0].Path == s.Path {
					t.Errorf("%s: %v", s.Variable, err)
				}
				continue
			}
			if !ok || list.List[0].Path != s.Path || list.List[0].Variable != s.Variable {
				t.Errorf("%s does not reach %s: %v", s.Variable, s.Path, err)
			}
		}
	})
	t.Run("takes a secret instead of the file's, be that there or not", func(t *testing.T) {
		raw := strings.Replace(minimal, `"word"`, "{env: OCIGATE_SECRET}", 1)
		for _, environ := range [][]string{{"OCIGATE_PLATFORM_PASSWORD=p"}, {"OCIGATE_PLATFORM_PASSWORD=p", "OCIGATE_SECRET=s"}} {
			if c := parse(t, raw, environ...); c.Platform.Password.Reveal() != "p" {
				t.Errorf("the file won over %q", environ)
			}
		}
	})
	t.Run("reads numbers as texts where texts are wanted", func(t *testing.T) {
		if c := parse(t, minimal, "OCIGATE_PLATFORM_USER_ID=+3225126999"); c.Platform.UserID != "+3225126999" {
			t.Errorf("got %q", c.Platform.UserID)
		}
	})
	t.Run("leaves alone what Kubernetes adds for a Service", func(t *testing.T) {
		parse(t, minimal, "OCIGATE_SERVICE_HOST=10.0.0.1", "OCIGATE_SERVICE_PORT=80", "OCIGATE_SERVICE_PORT_HTTP_ADMIN=9090", "OCIGATE_PORT=tcp://10.0.0.1:80",
			"OCIGATE_ADMIN_PORT=tcp://10.0.0.1:80", "OCIGATE_PORT_80_TCP=tcp://10.0.0.1:80", "OCIGATE_PORT_80_TCP_ADDR=10.0.0.1")
	})
	t.Run("leaves lists alone when a variable has no name", func(t *testing.T) {
		c := parse(t, strings.Replace(minimal, "2209\"\n", "2209\"\n      password: {env: SECRET}\n", 1), "SECRET=s", `=C:=C:\dir`)
		if got := c.Platform.Endpoints[0].Password.Reveal(); got != "s" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("may hold the secrets that the file refers to", func(t *testing.T) {
		raw := strings.Replace(minimal, `"word"`, "{env: OCIGATE_SECRET}", 1)
		if c := parse(t, raw, "OCIGATE_SECRET=s"); c.Platform.Password.Reveal() != "s" {
			t.Error("the secret is another")
		}
	})
	for _, tt := range []struct{ name, entry, want string }{
		{"refuses a variable of no key", "OCIGATE_HTTP_PORT=80", "OCIGATE_HTTP_PORT: belongs to no key (lists, and what is in them, have no variables)"},
		{"refuses a variable in small letters", "OCIGATE_log_level=warn", "OCIGATE_log_level: belongs to no key; did you mean OCIGATE_LOG_LEVEL?"},
		{"refuses a variable of a list", "OCIGATE_PLATFORM_ENDPOINTS=a", "OCIGATE_PLATFORM_ENDPOINTS: belongs to no key: platform.endpoints is a list; lists, and what is in them, have no variables"},
		{"refuses a duration without a unit", "OCIGATE_HTTP_READ_TIMEOUT=0",
			`OCIGATE_HTTP_READ_TIMEOUT: http.read_timeout: must be a duration with a unit, such as 30s, 500ms or 2m, not "0"`},
		{"refuses an empty duration", "OCIGATE_HTTP_READ_TIMEOUT=",
			`OCIGATE_HTTP_READ_TIMEOUT: http.read_timeout: must be a duration with a unit, such as 30s, 500ms or 2m, not ""`},
		{"refuses weak booleans", "OCIGATE_AUTH_COOKIE_SECURE=1", `OCIGATE_AUTH_COOKIE_SECURE: auth.cookie.secure: must be true or false, not "1"`},
		{"refuses an empty text where one is required", "OCIGATE_HTTP_LISTEN=", "OCIGATE_HTTP_LISTEN: http.listen: is required"},
		{"refuses what is out of range", "OCIGATE_PLATFORM_POOL_MAX=1001", "OCIGATE_PLATFORM_POOL_MAX: platform.pool.max: must be from 1 to 1000, not 1001"},
		{"refuses a text that is not UTF-8", "OCIGATE_PLATFORM_USER_ID=\xff", `OCIGATE_PLATFORM_USER_ID: platform.user_id: must be a string, not "\xff"`},
		{"names the variable in a contradiction", "OCIGATE_PLATFORM_POOL_MIN=9",
			"OCIGATE_PLATFORM_POOL_MIN: platform.pool.min: must not be more than platform.pool.max, which is 8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff([]string{tt.want}, problems(t, minimal, tt.entry)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestListenersMayBothLeaveThePortToTheSystem(t *testing.T) {
	c := parse(t, minimal, "OCIGATE_HTTP_LISTEN=127.0.0.1:0", "OCIGATE_ADMIN_LISTEN=127.0.0.1:0")
	if c.HTTP.Listen != c.Admin.Listen {
		t.Errorf("got %q and %q", c.HTTP.Listen, c.Admin.Listen)
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

func TestMessagesDoNotTellSecrets(t *testing.T) {
	const secret = "hunter2hunter2"
	for _, value := range []string{
		"*" + secret, "&" + secret, "!" + secret + " x", "[" + secret + "]", "{" + secret + ": x}", "{env: [" + secret + "]}",
		"%" + secret, "@" + secret, "`" + secret, "'" + secret, `"` + secret, "{" + secret, "|" + secret, "x: " + secret,
	} {
		t.Run(value, func(t *testing.T) {
			for _, line := range problems(t, strings.Replace(minimal, `"word"`, value, 1)) {
				if strings.Contains(line, secret) {
					t.Errorf("the message holds the password: %s", line)
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

func TestVariablesAreNotBlamedForAFileThatIsNotYAML(t *testing.T) {
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

func TestLoadTellsFilesItCannotRead(t *testing.T) {
	t.Run("because they are not there", func(t *testing.T) {
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

func TestAccountPrefersTheEndpointsOwn(t *testing.T) {
	p := config.Platform{UserID: "all", Password: config.NewSecret("word of all")}
	for _, tt := range []struct {
		name           string
		endpoint       config.Endpoint
		user, password string
	}{
		{"none of its own", config.Endpoint{}, "all", "word of all"},
		{"both of its own", config.Endpoint{UserID: "one", Password: config.NewSecret("word of one")}, "one", "word of one"},
		{"a password of its own", config.Endpoint{Password: config.NewSecret("word of one")}, "all", "word of one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user, password := p.Account(tt.endpoint)
			if user != tt.user || password.Reveal() != tt.password {
				t.Errorf("got %q, %q", user, password.Reveal())
			}
		})
	}
}

// FuzzLoad holds that any file is either accepted, and then as good as what it
// prints, or refused with problems.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"good", "bad"} {
		paths, err := filepath.Glob(filepath.Join("..", "testdata", "config", pattern, "*.yaml"))
		if err != nil || len(paths) == 0 {
			f.Fatalf("no seeds: %v", err)
		}
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	f.Add(config.Example())
	f.Add([]byte("---\n"))
	f.Add([]byte("? [a, b]\n: c\n<<: {http: {}}\n"))
	noFiles := func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := config.Parse(raw, environ, noFiles)
		if err != nil {
			if list, ok := errors.AsType[*config.Problems](err); !ok || len(list.List) == 0 || c != nil {
				t.Fatalf("not a list of problems: %v", err)
			} else if lines := strings.Count(err.Error(), "\n") + 1; lines != len(list.List) {
				t.Fatalf("%d problems on %d lines: %v", len(list.List), lines, err)
			}
			return
		}
		checkPrinted(t, c)
	})
}
