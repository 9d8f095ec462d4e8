//go:build linux

package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ocigate/config"
)

// These helpers start the issuer of testdata/oidc, get tokens from it, and make calls with
// them. The issuer is skipped where it is not installed, unless OIDC_REQUIRED is set;
// .ci/oidc installs it, and sets both variables.

// oidcFolder is the environment variable with the folder of the installed issuer.
const oidcFolder = "OIDC_PROVIDER"

// What the callers of the issuer ask a token for; see provider.mjs.
const (
	ocigateResource = "https://ocigate.example.com/"
	voiceResource   = "https://voice.example.com/"
)

// oidcProvider is the issuer, in a separate process.
type oidcProvider struct {
	program, address, keys string
	process                *bound
	issued                 []string // tokens
}

// startOIDCProvider starts the issuer with these signing keys.
func startOIDCProvider(t *testing.T, keys ...string) *oidcProvider {
	t.Helper()
	folder := os.Getenv(oidcFolder)
	var err error
	if folder == "" {
		err = errors.New(".ci/oidc installs the issuer, and sets " + oidcFolder)
	} else if _, err = exec.LookPath("node"); err == nil {
		_, err = os.Stat(filepath.Join(folder, "node_modules", "oidc-provider"))
	}
	if err != nil && os.Getenv("OIDC_REQUIRED") != "" {
		t.Fatal(err)
	} else if err != nil {
		t.Skip(err)
	}
	from := &oidcProvider{program: filepath.Join(folder, "provider.mjs"), address: quietAddress(t), keys: t.TempDir()}
	from.restart(t, keys...)
	return from
}

// restart starts the issuer with these signing keys. If it runs, it is stopped before.
func (o *oidcProvider) restart(t *testing.T, keys ...string) {
	t.Helper()
	if o.process != nil {
		o.process.kill()
	}
	command := exec.Command("node", append([]string{o.program, o.address, o.keys}, keys...)...)
	out, errs := &output{}, &output{}
	command.Stdout, command.Stderr = out, errs
	o.process = startBound(t, command)
	waitFor(t, func() bool {
		select {
		case <-o.process.ended:
			t.Fatalf("the issuer does not start: %v\n%s", o.process.failure, errs)
		default:
		}
		return out.String() == o.url()+"\n"
	})
}

// url returns the identifier of the issuer.
func (o *oidcProvider) url() string { return "http://" + o.address }

func (o *oidcProvider) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := o.process.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// trusted changes a configuration so that it accepts the tokens of the issuer.
func (o *oidcProvider) trusted(c *config.Config) {
	c.Auth.OIDC.Issuer, c.Auth.OIDC.Audiences = o.url(), []string{"ocigate", "voice"}
	c.Auth.OIDC.AccessTokensOnly = true
	c.Auth.OIDC.ClockSkew = 0
	c.Auth.OIDC.UnknownKeyInterval = time.Second
	c.Auth.OIDC.Claims = config.OIDCClaims{
		Level: "realm_access.roles",
		Levels: []config.OIDCLevel{
			{Value: "ocigate-system", Level: config.OIDCSystem},
			{Value: "ocigate-tenant", Level: config.OIDCTenant},
			{Value: "ocigate-group", Level: config.OIDCGroup},
		},
		TenantID: "/https:~1~1claims.example.com~1tenant",
		GroupID:  "organization.group",
	}
}

// do makes a request to the issuer, and reads its response.
func (o *oidcProvider) do(t *testing.T, request *http.Request, to any) {
	t.Helper()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(body, to)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v: %s", request.URL, response.StatusCode, err, body)
	}
}

// get reads a document of the issuer.
func (o *oidcProvider) get(t *testing.T, path string, to any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.url()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.do(t, request, to)
}

// token returns a new access token of a caller for a resource. Without a resource, it is
// opaque.
func (o *oidcProvider) token(t *testing.T, caller, resource string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	if resource != "" {
		form.Set("resource", resource)
		form.Set("scope", "ocigate.tenant")
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.url()+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(caller, caller+"-demo")
	var answer struct {
		Token string `json:"access_token"`
	}
	o.do(t, request, &answer)
	o.issued = append(o.issued, answer.Token)
	return answer.Token
}

// keyID returns the id of the key that has signed a token.
func keyID(t *testing.T, token string) string {
	t.Helper()
	part, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(part)
	var header struct{ Kid string }
	if err == nil {
		err = json.Unmarshal(text, &header)
	}
	if err != nil {
		t.Fatal(err)
	}
	return header.Kid
}

// tokenResponse is a response of the gateway.
type tokenResponse struct {
	status     int
	retryAfter int // seconds; 0 if the header is missing
	body       string
}

// callWith makes a call with a Bearer token.
func callWith(t *testing.T, g *running, method, path, token, body string) tokenResponse {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+g.api+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // 0 if there is none
	return tokenResponse{response.StatusCode, seconds, string(read)}
}

// patientCall makes a call, and repeats it as the gateway asks to.
func patientCall(t *testing.T, g *running, token string) tokenResponse {
	t.Helper()
	for range 30 {
		got := callWith(t, g, http.MethodGet, writePath, token, "")
		if got.status != http.StatusServiceUnavailable || got.retryAfter == 0 {
			return got
		}
		time.Sleep(time.Duration(got.retryAfter) * time.Second)
	}
	t.Fatal("the gateway asks to repeat the call again and again")
	return tokenResponse{}
}
