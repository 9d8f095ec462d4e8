package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/config"
)

// These tests specify how environment variables override the file, and which
// variables are refused. To add a refused variable, add an entry to the table of
// TestEnvironment: its name, the variable, and the problem.

func TestEnvironment(t *testing.T) {
	t.Run("overrides the file and the defaults", func(t *testing.T) {
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
			// No key accepts this text, except those that accept any.
			_, err := config.Parse([]byte(minimal), []string{s.Variable + "=\x00 "}, nil)
			list, ok := errors.AsType[*config.Problems](err)
			if s.Limits == "" && s.Type != "true or false" && s.Type != "a string, {env: NAME}, {file: NAME} or {credential: NAME}" {
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
	t.Run("overrides a secret of the file, whether that is available or not", func(t *testing.T) {
		raw := strings.Replace(minimal, `"word"`, "{env: OCIGATE_SECRET}", 1)
		for _, environ := range [][]string{{"OCIGATE_PLATFORM_PASSWORD=p"}, {"OCIGATE_PLATFORM_PASSWORD=p", "OCIGATE_SECRET=s"}} {
			if c := parse(t, raw, environ...); c.Platform.Password.Reveal() != "p" {
				t.Errorf("the file overrode %q", environ)
			}
		}
	})
	t.Run("reads numbers as texts for keys of texts", func(t *testing.T) {
		if c := parse(t, minimal, "OCIGATE_PLATFORM_USER_ID=+3225126999"); c.Platform.UserID != "+3225126999" {
			t.Errorf("got %q", c.Platform.UserID)
		}
	})
	t.Run("ignores the variables that Kubernetes adds for a Service", func(t *testing.T) {
		parse(t, minimal, "OCIGATE_SERVICE_HOST=10.0.0.1", "OCIGATE_SERVICE_PORT=80", "OCIGATE_SERVICE_PORT_HTTP_ADMIN=9090", "OCIGATE_PORT=tcp://10.0.0.1:80",
			"OCIGATE_ADMIN_PORT=tcp://10.0.0.1:80", "OCIGATE_PORT_80_TCP=tcp://10.0.0.1:80", "OCIGATE_PORT_80_TCP_ADDR=10.0.0.1")
	})
	t.Run("does not change lists if a variable has no name", func(t *testing.T) {
		c := parse(t, strings.Replace(minimal, "2209\"\n", "2209\"\n      password: {env: SECRET}\n", 1), "SECRET=s", `=C:=C:\dir`)
		if got := c.Platform.Endpoints[0].Password.Reveal(); got != "s" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("may have the secrets that the file refers to", func(t *testing.T) {
		raw := strings.Replace(minimal, `"word"`, "{env: OCIGATE_SECRET}", 1)
		if c := parse(t, raw, "OCIGATE_SECRET=s"); c.Platform.Password.Reveal() != "s" {
			t.Error("the secret is a different one")
		}
	})
	for _, tt := range []struct{ name, entry, want string }{
		{"refuses a variable of no key", "OCIGATE_HTTP_BANDWIDTH=80", "OCIGATE_HTTP_BANDWIDTH: belongs to no key (lists and the keys of their entries have no variables)"},
		{"refuses a variable in small letters", "OCIGATE_log_level=warn", "OCIGATE_log_level: belongs to no key; did you mean OCIGATE_LOG_LEVEL?"},
		{"refuses a variable of a list", "OCIGATE_PLATFORM_ENDPOINTS=a", "OCIGATE_PLATFORM_ENDPOINTS: belongs to no key: platform.endpoints is a list; lists and the keys of their entries have no variables"},
		{"refuses a duration without a unit", "OCIGATE_HTTP_READ_TIMEOUT=0",
			`OCIGATE_HTTP_READ_TIMEOUT: http.read_timeout: must be a duration with a unit, such as 30s, 500ms or 2m, not "0"`},
		{"refuses an empty duration", "OCIGATE_HTTP_READ_TIMEOUT=",
			`OCIGATE_HTTP_READ_TIMEOUT: http.read_timeout: must be a duration with a unit, such as 30s, 500ms or 2m, not ""`},
		{"refuses weak booleans", "OCIGATE_AUTH_COOKIE_SECURE=1", `OCIGATE_AUTH_COOKIE_SECURE: auth.cookie.secure: must be true or false, not "1"`},
		{"refuses an empty text for a required key", "OCIGATE_HTTP_LISTEN=", "OCIGATE_HTTP_LISTEN: http.listen: is required"},
		{"refuses a value out of range", "OCIGATE_PLATFORM_POOL_MAX=1001", "OCIGATE_PLATFORM_POOL_MAX: platform.pool.max: must be from 1 to 1000, not 1001"},
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

func TestBothListenersMayHavePortZero(t *testing.T) {
	c := parse(t, minimal, "OCIGATE_HTTP_LISTEN=127.0.0.1:0", "OCIGATE_ADMIN_LISTEN=127.0.0.1:0")
	if c.HTTP.Listen != c.Admin.Listen {
		t.Errorf("got %q and %q", c.HTTP.Listen, c.Admin.Listen)
	}
}
