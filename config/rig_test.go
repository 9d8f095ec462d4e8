package config_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ocigate/config"
)

// Configurations and helpers that the tests of this package share.

// hash is a bcrypt hash of a random password.
const hash = "$2a$04$P9sREaXklukeNkoMVyPsj.YrNSHs7hTk3F2xJJ0t88ojkQaMOq6eK"

// environ has the variables that the files in testdata refer to.
var environ = []string{
	"TOKEN_KEY=a key for the tests that is long enough",
	"PLATFORM_PASSWORD=word of the platform",
	"PORTAL_HASH=" + hash,
	"EMPTY=",
}

// minimal is the smallest valid configuration.
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
	cmpopts.IgnoreUnexported(config.Config{}), // the places of the values
}

// files returns the paths of the files in a folder of testdata/config.
func files(t *testing.T, kind string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "testdata", "config", kind, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in testdata/config/%s: %v", kind, err)
	}
	return paths
}

func name(path string) string { return strings.TrimSuffix(filepath.Base(path), ".yaml") }

// parse returns a configuration that must be valid.
func parse(t *testing.T, raw string, environ ...string) *config.Config {
	t.Helper()
	c, err := config.Parse([]byte(raw), environ, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems returns the lines of the error of a configuration that must not be valid.
func problems(t *testing.T, raw string, environ ...string) []string {
	t.Helper()
	c, err := config.Parse([]byte(raw), environ, os.ReadFile)
	list, ok := errors.AsType[*config.Problems](err)
	if !ok || c != nil {
		t.Fatalf("Parse: %v, %v; want problems", c, err)
	}
	return strings.Split(list.Error(), "\n")
}

// minimalConfig is the configuration of minimal.
func minimalConfig() config.Config {
	e := config.DefaultEndpoint()
	e.Name, e.Address = "primary", "ocs1.example.com:2209"
	c := config.Default()
	c.Platform.Endpoints = []config.Endpoint{e}
	c.Platform.UserID = "ocigate"
	c.Platform.Password = config.NewSecret("word")
	return c
}

// accountsConfig is the configuration of the file accounts_of_the_endpoints.
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

// fullConfig is the configuration of the file full, which sets every key.
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
			MaxConnections:    500,
			MaxBodyBytes:      1048576,
			GzipMinBytes:      1400,
			TrustedProxies:    []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
			TrustAllProxies:   true,
			CORS: config.CORS{
				Origins: []config.Origin{"https://portal.example.com", "https://portal.example.com:8443", "http://localhost:3000"}, Credentials: true, MaxAge: time.Hour,
			},
			CallerLimit: config.CallerLimit{PerSecond: 10, Burst: 50},
		},
		Admin:   config.Admin{Listen: "[::1]:9090", Commands: config.CommandsAny},
		Tracing: config.Tracing{Enabled: true},
		Reload:  config.Reload{Watch: true},
		Log:     config.Log{Level: config.LogDebug, Format: config.LogText},
		API: config.API{
			AvailableFrom: config.AvailableFromTenant,
			MaxEntries:    2500,
			PlatformErrors: []config.PlatformError{
				{Number: 4999, Error: "NOT_AVAILABLE_FOR_ASSIGNMENT"}, {Text: "Service is being restarted", Error: "PLATFORM_UNAVAILABLE"},
			},
		},
		Auth: config.Auth{
			Tokens: config.Tokens{TTL: time.Hour, Audience: "staging", Keys: []config.TokenKey{
				{ID: "2026-11", Secret: config.NewSecret("a key for the tests that is long enough")},
				{ID: "2026-10", Secret: config.NewSecret("the key of the month before, and it is long")},
			}},
			Cookie: config.Cookie{SameSite: config.SameSiteLax},
			Verify: config.VerifyLogin,
			Clients: []config.Client{
				{ID: "Portal-A", Hash: config.NewSecret(hash), Level: config.LevelSystem, Limit: config.CallerLimit{PerSecond: 0.5, Burst: 1000}, Weight: 3, Sessions: 1},
				{
					ID:       "portal-b",
					Hash:     config.NewSecret("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b1dWRWJTmaQPEO1eaLQFd1hu14"),
					NextHash: config.NewSecret(hash),
					Level:    config.LevelTenant, TenantID: "ApioSpTest",
				},
				{ID: "portal_c", Hash: config.NewSecret(hash), Level: config.LevelGroup, TenantID: "ApioSpTest", GroupID: "+3225126999"},
			},
			OIDC: config.OIDC{
				Issuer: "https://sso.example.com/realms/operator", Audiences: []string{"ocigate", "urn:ocigate"}, Algorithms: []string{"ES384", "EdDSA"},
				AccessTokensOnly: true, ClockSkew: time.Minute, CAFile: "/etc/ocigate/sso.crt",
				Timeout: 2 * time.Second, Refresh: time.Hour, UnknownKeyInterval: time.Minute,
				Claims: config.OIDCClaims{
					Level:    "realm_access.roles",
					Levels:   []config.OIDCLevel{{Value: "ocigate-system", Level: config.OIDCSystem}, {Value: "ocigate-user", Level: config.OIDCUser}},
					TenantID: "/https:~1~1example.com~1tenant", GroupID: "ocigate.group", UserID: "preferred_username",
					Required: []config.OIDCClaim{{Claim: "azp", Value: "portal"}},
				},
			},
			Throttle: config.Throttle{FreeAttempts: 3, BaseDelay: 500 * time.Millisecond, MaxDelay: time.Minute, Remembered: 100, AccountLogins: config.LoginLimit{PerSecond: 0.5, Burst: 10}, AddressLogins: config.LoginLimit{PerSecond: 2, Burst: 30}, Concurrent: 4},
		},
		Journal: config.Journal{
			Store: config.StorePostgres, PostgresURL: config.NewSecret("postgres://ocigate:word@db.example.com/ocigate?sslmode=verify-full"),
			Schema: "journal", Owner: "dba",
			Settle: time.Minute, Recheck: time.Hour, Keep: 48 * time.Hour, KeepKeys: 48 * time.Hour, UnreadyAfter: time.Minute,
			Audit: config.Audit{Anchor: time.Hour, MaxFileBytes: 1 << 20},
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
			AllowMixedTLS: true,
			UserID:        "ocigate",
			Password:      config.NewSecret("pass: word # not a comment"),
			Login:         config.LoginSigned,
			Release:       config.Release22,
			Encoding:      config.EncodingUTF8,
			MaxReplyBytes: 1048576,
			Timeouts:      config.Timeouts{Connect: time.Second, Login: 2 * time.Second, Command: 3 * time.Second, Probe: time.Second, DeadPeer: 6 * time.Second},
			Backoff:       config.Backoff{Initial: 10 * time.Millisecond, Max: time.Second, Refused: time.Minute, RefusedMax: 2 * time.Minute},
			Pool: config.Pool{
				Max: 1, MaxWaiting: 1, UserSessions: 1, Wait: time.Second, OutageWait: 7 * time.Second, IdleTimeout: time.Minute, MaxAge: 2 * time.Minute, ProbeInterval: 30 * time.Second, ProbeUnused: 2 * time.Minute,
				ParallelLogins: 2, NextEndpointAfter: 2 * time.Second, ReturnOver: 3 * time.Minute, SlowFactor: 2.5, SlowAfter: time.Second,
			},
		},
	}
}
