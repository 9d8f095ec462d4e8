package main

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"ocigate/config"
	"ocigate/gateway/auth"
)

// These tests specify which secrets the command hash accepts. To add a secret, add an entry
// to the map.

func TestHashHasTheRulesOfSecrets(t *testing.T) {
	for input, wrong := range map[string]string{
		"a secret":                            "",
		"a secret\n":                          "",
		"a secret\r\n":                        "",
		"":                                    "is empty",
		"\n":                                  "is empty",
		"a secret\n\n":                        "ends with more than one line break",
		"a secret\r\n\r\n":                    "ends with more than one line break",
		"a\nsecret\n":                         "contains a line break (U+000A)",
		"a secret \n":                         "ends with a blank",
		"\u00a0a secret\n":                    "begins with a no-break space (U+00A0)",
		"\ufeffa secret\n":                    "begins with a byte order mark; save it as UTF-8 without one",
		"a\x00secret\n":                       "contains a NUL character",
		"a s\xe9cret\n":                       "is not valid UTF-8",
		"\xff\xfea\x00\n\x00":                 "is UTF-16 or UTF-32; save it as UTF-8",
		strings.Repeat("a", maxSecretInput+1): "is longer than " + strconv.Itoa(maxSecretInput) + " bytes",
	} {
		out, errs, err := execute(t, input, "hash")
		switch {
		case errs != "":
			t.Errorf("%.20q: wrote as errors: %q", input, errs)
		case wrong == "" && (err != nil || !hashes(t, out, "a secret")):
			t.Errorf("%.20q: %v, wrote %q", input, err, out)
		case wrong != "" && (err == nil || err.Error() != "the secret "+wrong || out != ""):
			t.Errorf("%.20q: %v, wrote %q, want %q", input, err, out, wrong)
		}
	}
}

// hashes reports whether the output is one line with the hash of a secret.
func hashes(t *testing.T, printed, secret string) bool {
	t.Helper()
	hash, ended := strings.CutSuffix(printed, "\n")
	c := config.Default()
	c.Auth.Clients = []config.Client{{ID: "portal", Hash: config.NewSecret(hash), Level: config.LevelSystem}}
	a, err := auth.New(authOptions(&c, noPlatform{}))
	if err != nil || !ended {
		return false
	}
	signsIn := func(secret string) bool {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.SetBasicAuth("portal", secret)
		_, err := a.Authenticate(r, netip.MustParseAddr("192.0.2.1"))
		return err == nil
	}
	return signsIn(secret) && !signsIn(secret+"x")
}
