//go:build linux

package main

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/auth/issuertest"
	"ocigate/oci/ocisim"
)

// This test puts a distinct text into every secret: those of a configuration, in each way in
// which they can be given, and the credentials of callers. It drives a gateway and all
// commands, and specifies that no output has one of them. Package config has the same for the
// errors of its files. To add an output, call [canaryRig.output] with it.

// canaryRig is a gateway with a distinct text in each secret, and its outputs.
type canaryRig struct {
	*running
	t        *testing.T
	folder   string
	file     string // the configuration
	issuer   *issuertest.Issuer
	platform *ocisim.Server
	secrets  map[string]string // what no output may have, by what it is
	outputs  map[string]string // by where it is from
}

// secret returns a text for a secret of that name, and searches for it, and for what it can
// be computed from at once, in all outputs.
func (r *canaryRig) secret(name string) string {
	text := "CANARY-" + strings.ReplaceAll(name, " ", "-") + "-long-enough-for-a-key"
	r.hide(name, text)
	return text
}

// hide adds a text that no output may have.
func (r *canaryRig) hide(name, text string) {
	r.secrets[name] = text
	r.secrets[name+" in Base64"] = strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(text)), "=")
	digest := sha1.Sum([]byte(text))
	r.secrets[name+" as SHA-1"] = hex.EncodeToString(digest[:])
}

// output adds an output.
func (r *canaryRig) output(from string, texts ...any) {
	r.outputs[from] += fmt.Sprintln(texts...)
}

// hash returns the hash of a client's secret.
func (r *canaryRig) hash(name string) string {
	r.t.Helper()
	hash, err := auth.Hash(r.secret(name))
	if err != nil {
		r.t.Fatal(err)
	}
	r.hide("hash of "+name, hash)
	return hash
}

// The names of the secrets that the calls use.
const (
	canaryClient   = "secret of the client"
	canaryNext     = "next secret of the client"
	canaryEndpoint = "password at the endpoint"
	canaryUser     = "password of a user"
)

// newCanaryRig writes a configuration that has every kind of secret, except that of a
// database, and starts its gateway.
func newCanaryRig(t *testing.T) *canaryRig {
	t.Helper()
	r := &canaryRig{t: t, folder: t.TempDir(), issuer: issuertest.New(t), secrets: map[string]string{}, outputs: map[string]string{}}
	r.file = filepath.Join(r.folder, "ocigate.yaml")
	inFile := func(text string) string {
		name := filepath.Join(r.folder, fmt.Sprintf("secret-%d", len(r.secrets)))
		writeText(t, name, text+"\n")
		return fmt.Sprintf("{file: %q}", name)
	}
	hash := r.hash(canaryClient)
	next := r.hash(canaryNext)
	t.Setenv("CANARY_KEY", r.secret("key from a variable"))
	t.Setenv("CANARY_ENDPOINT", r.secret(canaryEndpoint))
	user := r.secret(canaryUser)
	r.platform = ocisim.NewServer(doctorSeed(func(seed *ocisim.Seed) {
		for i := range seed.Administrators {
			seed.Administrators[i].Password = ocisim.Password(user)
			if seed.Administrators[i].ID == "gateway" {
				seed.Administrators[i].Password = ocisim.Password(r.secrets[canaryEndpoint])
			}
		}
	}))
	t.Cleanup(func() { _ = r.platform.Close() }) // never fails
	writeText(t, r.file, fmt.Sprintf(`http: {listen: "127.0.0.1:0", drain: 0s}
admin: {listen: "127.0.0.1:0"}
log: {level: debug}
auth:
  tokens:
    keys:
      - {id: "2", secret: {env: CANARY_KEY}}
      - {id: "1", secret: %q}
  clients:
    - {id: portal, hash: %s, next_hash: %q, level: system}
  oidc: {issuer: %q, audiences: [ocigate], ca_file: %q, claims: {level: roles, tenant_id: tenant, levels: [{value: ocigate-tenant, level: tenant}]}}
journal: {folder: %q}
platform:
  endpoints:
    - {name: main, address: %q, tls: {enabled: false}, password: {env: CANARY_ENDPOINT}}
    - {name: down, address: "127.0.0.1:1", tls: {enabled: false}, user_id: other, password: %q}
  user_id: gateway
  password: %s
  pool: {min: 1}
`, r.secret("key"), inFile(hash), next, r.issuer.URL, r.issuer.CAFile(), filepath.Join(r.folder, "journal"), r.platform.Addr,
		r.secret("password at the other endpoint"), inFile(r.secret("password of the platform"))))
	r.running = startWith(t, r.load(), func(p *Program) { p.readFrom(r.file) })
	return r
}

// load loads the configuration.
func (r *canaryRig) load() *config.Config {
	r.t.Helper()
	c, err := config.Load(r.file, os.Environ())
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// call makes a request, and adds the response without the credentials that it has to
// have. It returns the body.
func (r *canaryRig) call(name, method, url, body string, header map[string]string) string {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for key, value := range header {
		request.Header.Set(key, value)
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var issued struct {
		Token string `json:"access_token"`
	}
	printed := fmt.Sprint(response.Status, response.Header, string(text))
	if json.Unmarshal(text, &issued) == nil && issued.Token != "" {
		printed = strings.ReplaceAll(printed, issued.Token, "")
	}
	r.output(name, printed)
	return string(text)
}

// command runs a command, whose error is an output, too.
func (r *canaryRig) command(words ...string) {
	r.t.Helper()
	stdout, stderr, err := execute(r.t, "", words...)
	r.output("the command "+words[0], stdout, stderr, err)
}

// api returns the URL of a path of the API.
func (r *canaryRig) api(path string) string { return "http://" + r.running.api + "/api/v1" + path }

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// logins makes good and bad logins, and returns the token of a good one.
func (r *canaryRig) logins() (token string) {
	r.t.Helper()
	wrong := r.secret("wrong password of a user")
	login := func(name, body, media string) string {
		return r.call("login "+name, http.MethodPost, r.api("/login/"), body, map[string]string{"Content-Type": media})
	}
	const media = "application/json"
	good := func() string {
		body := login("good", fmt.Sprintf(`{"username":"tenantadmin","password":%q}`, r.secrets[canaryUser]), media)
		return valueOf(r.t, body, "access_token")
	}
	token = good()
	if token == "" {
		r.t.Fatalf("no login is possible: %s", r.outputs["login good"])
	}
	r.hide("token", token)
	r.hide("token without its signature", token[:strings.LastIndex(token, ".")])
	for name, body := range map[string]string{
		"with a wrong password":      fmt.Sprintf(`{"username":"groupadmin","password":%q}`, wrong),
		"of an unknown user":         fmt.Sprintf(`{"username":"nobody","password":%q}`, wrong),
		"of the gateway's account":   fmt.Sprintf(`{"username":"gateway","password":%q}`, r.secrets[canaryEndpoint]),
		"with a long password":       fmt.Sprintf(`{"username":"reseller","password":%q}`, strings.Repeat(wrong, 30)),
		"with a control character":   fmt.Sprintf(`{"username":"sysadmin","password":"\u0001%s"}`, wrong),
		"with a misspelled key":      fmt.Sprintf(`{"username":"groupadmin","pasword":%q}`, wrong),
		"with another type":          fmt.Sprintf(`{"username":"groupadmin","password":[%q]}`, wrong),
		"with a password twice":      fmt.Sprintf(`{"username":"groupadmin","password":%[1]q,"password":%[1]q}`, wrong),
		"that is not JSON":           fmt.Sprintf(`{"username":"groupadmin","password":%s}`, wrong),
		"that ends too early":        fmt.Sprintf(`{"username":"groupadmin","password":"%s`, wrong),
		"with an escape that is bad": fmt.Sprintf(`{"username":"groupadmin","password":"\q%s"}`, wrong),
		"that is a text":             fmt.Sprintf(`%q`, wrong),
	} {
		login(name, body, media)
	}
	login("as a form", "username=groupadmin&password="+wrong, "application/x-www-form-urlencoded")
	r.call("login in a query", http.MethodPost, r.api("/login/?password="+wrong), "{}", nil)
	r.call("login by GET", http.MethodGet, r.api("/login/?username=groupadmin&password="+wrong), "", nil)
	return token
}

// requests makes requests with good and bad credentials of each kind.
func (r *canaryRig) requests(token string) {
	r.t.Helper()
	list := itc("ApioSpTest", "ApioGrpTest", "numbers")
	client, wrong := r.secrets[canaryClient], r.secret("wrong secret")
	external := r.issuer.Token(nil)
	other := issuertest.NewKey(r.t, "other", "RS256")
	for name, token := range map[string]string{
		"token of the issuer": external, "expired token": r.issuer.Token(map[string]any{"exp": -time.Hour}),
		"token of another key": r.issuer.Sign(other, nil, r.issuer.Claims(nil)), "token without a level": r.issuer.Token(map[string]any{"roles": nil}),
	} {
		r.hide(name, token)
		r.call("request with a "+name, http.MethodGet, r.api(list), "", map[string]string{"Authorization": "Bearer " + token})
	}
	r.hide("wrong Basic", strings.TrimPrefix(basic("portal", wrong), "Basic "))
	r.hide("Basic", strings.TrimPrefix(basic("portal", client), "Basic "))
	for name, header := range map[string]map[string]string{
		"with a token":             {"Authorization": "Bearer " + token},
		"with a forged token":      {"Authorization": "Bearer " + token + wrong},
		"with a text":              {"Authorization": wrong},
		"with another scheme":      {"Authorization": "Digest " + wrong},
		"with a cookie":            {"Cookie": "sessionid=" + token},
		"with a forged cookie":     {"Cookie": "sessionid=" + wrong},
		"with Basic":               {"Authorization": basic("portal", client)},
		"with the next secret":     {"Authorization": basic("portal", r.secrets[canaryNext])},
		"with wrong Basic":         {"Authorization": basic("portal", wrong)},
		"with an unknown client":   {"Authorization": basic("nobody", wrong)},
		"with Basic that is none":  {"Authorization": "Basic " + wrong},
		"with a key":               {"X-Api-Key": "portal." + client},
		"with a wrong key":         {"X-Api-Key": "portal." + wrong},
		"with a key without a dot": {"X-Api-Key": wrong},
		"with a returned trace":    {"Authorization": basic("portal", client), "Ocigate-Wire": "return"},
		"with a logged trace":      {"X-Api-Key": "portal." + client, "Ocigate-Wire": "log"},
	} {
		r.call("request "+name, http.MethodGet, r.api(list), "", header)
	}
	const numbers = `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`
	header := map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json", "Idempotency-Key": "order-1"}
	for range 2 {
		r.call("write", http.MethodPost, r.api(list), numbers, header)
	}
	r.call("operations", http.MethodGet, r.api("/operations/"), "", header)
	r.call("logout", http.MethodPost, r.api("/logout/"), "", map[string]string{"Authorization": "Bearer " + token})
	r.call("request after the logout", http.MethodGet, r.api(list), "", map[string]string{"Authorization": "Bearer " + token})
	for _, path := range []string{"/openapi.json", "/openapi.yaml", "/docs/", "/nothing"} {
		r.call("page "+path, http.MethodGet, "http://"+r.running.api+path, "", map[string]string{"X-Api-Key": "portal." + client})
	}
}

// operators uses everything that operators have.
func (r *canaryRig) operators() {
	r.t.Helper()
	admin := "http://" + r.admin
	for _, path := range []string{"/", "/status", "/status.json", "/metrics", "/livez", "/readyz?verbose", "/livez/nothing", "/wire-trace"} {
		r.call("page "+path, http.MethodGet, admin+path, "", nil)
	}
	r.command("config", "check", "--config", r.file)
	r.command("config", "print", "--config", r.file)
	r.command("config", "init")
	r.command("doctor", "--config", r.file, "--tenant", "ApioSpTest", "--group", "ApioGrpTest", "--timeout", "10s")
	r.command("doctor", "--config", r.file, "--json", "--timeout", "10s")
	r.command("audit", "tail", "--config", r.file)
	r.command("audit", "verify", "--config", r.file)
	r.command("operations", "list", "--all", "--json", "--config", r.file)
	r.command("reload", "--config", r.file, "--admin", r.admin)
	secret := filepath.Join(r.folder, "of-a-caller")
	for _, text := range []string{r.secrets[canaryClient], r.secrets["wrong secret"], r.secrets["wrong secret"] + "\n\n"} {
		writeText(r.t, secret, text)
		r.command("call", "itc_numbers_list", "--url", "http://"+r.running.api, "--client", "portal", "--secret-file", secret, "--tenant", "ApioSpTest", "--group", "ApioGrpTest")
	}
	r.command("call", "itc_numbers_list", "--client", "portal", "--secret", r.secrets["wrong secret"])
}

// mistakes makes reloads that fail, and starts that fail.
func (r *canaryRig) mistakes() {
	r.t.Helper()
	text, err := os.ReadFile(r.file)
	if err != nil {
		r.t.Fatal(err)
	}
	refused := r.secret("password that the platform refuses")
	for name, change := range map[string]*strings.Replacer{
		"a secret without quotes": strings.NewReplacer(`password: "CANARY`, `password: x,CANARY`),
		"no YAML":                 strings.NewReplacer(`password: "CANARY`, `password: "CANARY" "CANARY`),
		"a short key":             strings.NewReplacer(`-long-enough-for-a-key`, ""),
		"no hash":                 strings.NewReplacer("$argon2id$", "$CANARY$"),
		"a database":              strings.NewReplacer("journal: {folder", `journal: {store: postgres, postgres_url: "postgres://u:x@`+refused+`@h/d", folder`),
		"another kind of URL":     strings.NewReplacer("journal: {folder", `journal: {store: postgres, postgres_url: "`+refused+`", folder`),
	} {
		file := filepath.Join(r.folder, "bad.yaml")
		writeText(r.t, file, change.Replace(string(text)))
		for _, words := range [][]string{{"config", "check"}, {"config", "print"}, {"doctor"}, {"audit", "verify"}, {"operations", "list"}} {
			r.command(append(words, "--config", file)...)
		}
		if _, _, err := execute(r.t, "", "config", "check", "--config", file); err == nil {
			r.t.Errorf("%s is accepted", name)
			continue
		}
		r.command("serve", "--config", file)
		_, err := r.program.reload(signalTrigger, func() (*config.Config, error) {
			c, err := config.Load(file, os.Environ())
			if err == nil {
				_, err = build(c)
			}
			return c, err
		})
		r.output("a reload with "+name, err)
	}
	_, err = r.program.reload(signalTrigger, func() (*config.Config, error) {
		c := r.load()
		panic(fmt.Sprintf("%v %+v %#v", c, c, *c))
	})
	r.output("a reload that panics", err)
	r.t.Setenv("CANARY_ENDPOINT", refused)
	if _, err := r.program.Reload(commandTrigger); err != nil {
		r.t.Fatal(err)
	}
	r.platform.Restart() // for a new session
	waitFor(r.t, func() bool { return strings.Contains(r.log.String(), "refuses the credentials") })
	r.command("doctor", "--config", r.file, "--timeout", "10s")
}

// database starts a gateway whose journal is in a database that refuses the login, and uses
// the commands that need it.
func (r *canaryRig) database() {
	r.t.Helper()
	word := r.secret("password of the database")
	at := peer(r.t, databaseServer)
	for name, address := range map[string]string{"that refuses": at + "/d?sslmode=disable", "without TLS": exposed(r.t, at) + "/d?sslpassword=" + word, "with a weak mode": exposed(r.t, at) + "/d?sslmode=prefer"} {
		text, err := os.ReadFile(r.file)
		if err != nil {
			r.t.Fatal(err)
		}
		file := filepath.Join(r.folder, "database.yaml")
		writeText(r.t, file, strings.Replace(string(text), "journal: {folder", "journal: {store: postgres, folder", 1))
		r.t.Setenv("OCIGATE_JOURNAL_POSTGRES_URL", "postgres://user:"+word+"@"+address)
		for _, words := range [][]string{{"config", "check"}, {"config", "print"}, {"doctor"}, {"audit", "verify"}, {"operations", "list"}} {
			r.command(append(words, "--config", file)...)
		}
		c, err := config.Load(file, os.Environ())
		if err != nil {
			r.t.Fatal(err)
		}
		r.output("a configuration with a database", fmt.Sprintf("%v %+v %#v", c, c, *c))
		g := startWith(r.t, c, nil)
		waitFor(r.t, func() bool { return strings.Contains(g.log.String(), "the journal of writes failed") })
		g.stop()
		r.output("the log with a database "+name, <-g.ended, g.log)
	}
}

// files adds all files of the journal.
func (r *canaryRig) files() {
	r.t.Helper()
	err := filepath.WalkDir(filepath.Join(r.folder, "journal"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		r.output("the file "+entry.Name(), string(content))
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestNoOutputHasASecret(t *testing.T) {
	r := newCanaryRig(t)
	wantEverySecret(t, r.load())
	if status := r.call("trace of a tenant", http.MethodPost, "http://"+r.admin+gateway.WireTracePath+"?tenant_id=ApioSpTest&minutes=5", "", nil); !strings.Contains(status, "ApioSpTest") {
		t.Error(status)
	}
	r.requests(r.logins())
	r.operators()
	p := r.program.current.Load().parts
	o := authOptions(p.config, noPlatform{})
	r.output("values in messages", fmt.Sprintf("%v %+v %#v %v %+v %#v", p.platform, p.platform, p.platform, o, o, o))
	r.mistakes()
	r.files()
	r.stop()
	r.output("the log", <-r.ended, r.log)
	r.database()

	for _, from := range slices.Sorted(maps.Keys(r.outputs)) {
		for name, secret := range r.secrets {
			if at := strings.Index(r.outputs[from], secret); at >= 0 {
				t.Errorf("%s has the %s: …%s…", from, name, r.outputs[from][max(0, at-200):min(len(r.outputs[from]), at+len(secret)+50)])
			}
		}
		if strings.Contains(r.outputs[from], "CANARY-") && !t.Failed() {
			t.Errorf("%s has a part of a secret:\n%s", from, r.outputs[from])
		}
	}
	for from, want := range map[string]string{
		"the log": `"endpoint":"login"`, "the log with a database without TLS": "sets no sslmode", "the log with a database with a weak mode": "permits connections without TLS", "page /metrics": "ocigate_build_info", "page /status": "main",
		"the command doctor": "main: login", "the command audit": "groupadmin", "the command operations": "itc_numbers_assign", "the command call": "minPhoneNumber",
		"request with a returned trace": "GroupRouteList", "write": "201 Created", "the file " + operationsDatabase: "itc_numbers_assign", "a reload that panics": "[redacted]",
	} {
		if !strings.Contains(r.outputs[from], want) || r.outputs[from] == "" {
			t.Errorf("%s does not have %q: the test does not test anything:\n%.2000s", from, want, r.outputs[from])
		}
	}
}

// wantEverySecret requires that each kind of secret of a configuration is set in it, except
// that of a database, which it has not.
func wantEverySecret(t *testing.T, c *config.Config) {
	t.Helper()
	set := map[string]bool{}
	var visit func(path string, v reflect.Value)
	visit = func(path string, v reflect.Value) {
		switch s, ok := reflect.TypeAssert[config.Secret](v); {
		case ok:
			set[path] = set[path] || s.IsSet()
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() {
					visit(path+"."+f.Name, v.Field(i))
				}
			}
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				visit(path, v.Index(i))
			}
		}
	}
	visit("", reflect.ValueOf(*c))
	delete(set, ".Journal.PostgresURL")
	for path, is := range set {
		if !is {
			t.Errorf("%s is not set: add it to the configuration of this test", path)
		}
	}
	if len(set) < 5 {
		t.Errorf("only %v are secrets", set)
	}
}
