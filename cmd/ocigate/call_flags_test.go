package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ocigate/config"
	"ocigate/gateway"
)

// These tests specify the flags and variables of the command call: what is refused before
// anything is sent, and what is printed instead of sending. A new flag that can be wrong
// gets an entry in TestCallRefusesItsFlags.

var inGroup = []string{"--tenant", "T", "--group", "G"}

// nowhere is a URL at which nothing listens: a call of it would end with exit code 7.
const nowhere = "http://127.0.0.1:1"

func TestCallRefusesItsFlags(t *testing.T) {
	folder := t.TempDir()
	empty, blank, good := filepath.Join(folder, "empty"), filepath.Join(folder, "blank"), filepath.Join(folder, "good")
	writeFile(t, empty, "")
	writeFile(t, blank, "secret \n")
	writeFile(t, good, "secret\n")
	list := append([]string{"itc_numbers_list"}, inGroup...)
	set := append([]string{"itc_numbers_set"}, inGroup...)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"an unknown endpoint":                   {[]string{"itc_number_list"}, `^unknown command "itc_number_list" for "ocigate call"; did you mean itc_numbers_list\?$`},
		"an argument":                           {append(list, "x"), `unknown command "x"`},
		"no target":                             {[]string{"itc_numbers_list"}, `"tenant", "group" not set`},
		"an empty id":                           {[]string{"itc_numbers_list", "--tenant", "T", "--group", ""}, `^--group must not be empty$`},
		"a flag of another endpoint":            {append(list, "--dry-run"), `unknown flag: --dry-run`},
		"a mistyped flag":                       {append(set, "--dryrun"), `; did you mean --dry-run\?$`},
		"If-Match where it is not supported":    {append([]string{"itc_numbers_assign"}, append(inGroup, "--if-match", "x")...), `unknown flag: --if-match`},
		"an unknown parameter":                  {[]string{"operations_list", "--param", "stat=done"}, `^--param: operations_list has no parameter stat; did you mean state\?; the parameters are: tenant_id, group_id, state, `},
		"an unknown parameter without a letter": {[]string{"operations_list", "--param", "=1"}, `^--param: operations_list has no parameter ; the parameters are: `},
		"a parameter without a value":           {[]string{"operations_list", "--param", "limit"}, `^--param: limit needs a value: limit=VALUE$`},
		"a parameter twice":                     {[]string{"operations_list", "--param", "limit=1", "--param", "limit=2"}, `^--param: limit must be given only once$`},
		"a parameter that is no choice":         {[]string{"operations_list", "--param", "state=dnoe"}, `^--param: state must be one of done, .*, not dnoe$`},
		"a parameter out of its limits":         {[]string{"operations_list", "--param", "limit=0"}, `^--param: limit must be a number from 1 to 1000, not 0$`},
		"a dry run twice":                       {append(set, "--body", "{}", "--dry-run", "--param", "dry_run=false"), `^--dry-run and --param dry_run must not be given together$`},
		"a write without a body":                {set, `^--body is missing: `},
		"a missing file":                        {append(set, "--body", "@"+empty+"x"), `^--body: open .*no such file`},
		"a password in the command line":        {[]string{"login", "--body", `{"username":"a","password":"b"}`}, `^--body must be @FILE, or - for the standard input: other users can see`},
		"a login with other credentials":        {[]string{"login", "--body", "-", "--client", "portal"}, `^a login has its credentials in the body`},
		"a key and none":                        {append(set, "--body", "{}", "--idempotency-key", "k", "--no-key"), `none of the others can be`},
		"a key with a line break":               {append(set, "--body", "{}", "--idempotency-key", "a\nX: b"), `^--idempotency-key must be visible ASCII characters$`},
		"an ETag with a line break":             {append(set, "--body", "{}", "--if-match", "\"a\"\r\nX: b"), `^--if-match must be visible ASCII characters$`},
		"another form of errors":                {append(list, "--accept", "xml"), `^--accept must be json or problem, not xml$`},
		"a URL without a scheme":                {append(list, "--url", "127.0.0.1:8080"), `^--url is not a URL$`},
		"a URL of another scheme":               {append(list, "--url", "ftp://x"), `^--url must begin with http:// or https:// and a host$`},
		"a URL without a host":                  {append(list, "--url", "http://:80"), `^--url must begin with http:// or https:// and a host$`},
		"a URL with a password":                 {append(list, "--url", "http://a:hunter2@x"), `^--url must not have a user or a password`},
		"a URL with a query":                    {append(list, "--url", "http://x/?a=b"), `^--url must have neither a query nor a fragment$`},
		"a token and a client":                  {append(list, "--client", "a", "--token-file", good), `none of the others can be`},
		"a secret without a client":             {append(list, "--secret-file", good), `^--secret-file needs --client or OCICALL_CLIENT$`},
		"a client that is not one":              {append(list, "--client", "a:b", "--secret-file", good), `^the id of the client must be`},
		"a client without a secret":             {append(list, "--client", "a"), `^the secret of a is missing: set OCICALL_SECRET, or give --secret-file$`},
		"an empty secret":                       {append(list, "--client", "a", "--secret-file", empty), `^the file .*empty is empty$`},
		"a secret with a blank at its end":      {append(list, "--client", "a", "--secret-file", blank), `^the file .*blank ends with a blank$`},
		"a missing secret":                      {append(list, "--client", "a", "--secret-file", empty+"x"), `^the file .*emptyx cannot be read: open`},
		"a missing token":                       {append(list, "--token-file", empty+"x"), `^the file .*emptyx cannot be read: open`},
		"missing authorities":                   {append(list, "--cacert", empty+"x"), `^--cacert: open`},
		"authorities without a certificate":     {append(list, "--cacert", good), `^--cacert: there is no certificate in `},
		"no time":                               {append(list, "--timeout", "0s"), `^--timeout must be more than 0$`},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, err := execute(t, "{}", slices.Concat([]string{"call"}, test.args[:1], []string{"--url", nowhere}, test.args[1:])...)
			if err == nil || !regexp.MustCompile(test.want).MatchString(err.Error()) || exitCode(err) != 1 || out != "" {
				t.Errorf("exit code %d: %v, wrote %q %q", exitCode(err), err, out, errs)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}

// TestCallTakesItsVariables sets the variables; a flag overrides each.
func TestCallTakesItsVariables(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secret, "of the file\n")
	list := append([]string{"call", "itc_numbers_list", "--curl"}, inGroup...)
	for name, test := range map[string]struct {
		variables map[string]string
		args      []string
		want      string // a pattern of the line of curl, or of the error
	}{
		"none":                        {nil, nil, `^curl -sS -H 'Accept: application/json' --max-time 70 http://127\.0\.0\.1:8080/api/v1/tenant/T/`},
		"the URL":                     {map[string]string{variableURL: "https://gw.example/base/"}, nil, ` https://gw\.example/base/api/v1/tenant/T/`},
		"the URL, and the flag":       {map[string]string{variableURL: "https://gw.example"}, []string{"--url", "http://other"}, ` http://other/api/v1/tenant/T/`},
		"a wrong URL":                 {map[string]string{variableURL: "nowhere"}, nil, `^OCICALL_URL must begin with http`},
		"a client":                    {map[string]string{variableClient: "portal", variableSecret: "hunter2"}, nil, `^curl -sS -u portal:"\$OCICALL_SECRET" -H`},
		"a client, and its file":      {map[string]string{variableClient: "portal"}, []string{"--secret-file", secret}, `^curl -sS -u portal:"\$\(tr -d '\\r\\n' < .*/secret\)" -H`},
		"a client, and another":       {map[string]string{variableClient: "portal", variableSecret: "hunter2"}, []string{"--client", "tenant"}, `^curl -sS -u tenant:"\$OCICALL_SECRET" -H`},
		"a token":                     {map[string]string{variableToken: "hunter2"}, nil, `^curl -sS --oauth2-bearer "\$OCICALL_TOKEN" -H`},
		"a token, and a client":       {map[string]string{variableToken: "hunter2", variableClient: "portal"}, nil, `^OCICALL_CLIENT and OCICALL_TOKEN must not both be set$`},
		"a token, and the flag":       {map[string]string{variableToken: "hunter2"}, []string{"--client", "tenant"}, `^curl -sS -u tenant:`},
		"both, and the flag of token": {map[string]string{variableToken: "hunter2", variableClient: "portal"}, []string{"--token-file", secret}, `^curl -sS --oauth2-bearer "\$\(tr `},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{variableURL, variableClient, variableSecret, variableToken} {
				t.Setenv(variable, test.variables[variable])
			}
			out, errs, err := execute(t, "", append(list, test.args...)...)
			if err != nil {
				out = err.Error()
			}
			if !regexp.MustCompile(test.want).MatchString(out) || strings.Contains(out+errs, "hunter2") {
				t.Errorf("got %s %s", out, errs)
			}
		})
	}
}

// A shell with the variables of the command can start a gateway: the loader of the
// configuration refuses unknown variables of its own prefix.
func TestCallVariablesDoNotDisturbAConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	writeFile(t, file, string(config.Example()))
	environ := []string{"PLATFORM_PASSWORD=hunter2"}
	for _, variable := range []string{variableURL, variableClient, variableSecret, variableToken} {
		environ = append(environ, variable+"=x")
	}
	if _, err := config.Load(file, environ); err != nil {
		t.Error(err)
	}
	if _, err := config.Load(file, append(environ, "OCIGATE_TOKEN=x")); err == nil {
		t.Error("the loader accepts unknown variables: these need no other prefix")
	}
}

// TestCallExamplesAreBodies decodes the example of each body as the gateway does.
func TestCallExamplesAreBodies(t *testing.T) {
	found := 0
	for _, route := range gateway.Table() {
		request := route.Describe().Request
		if request == nil {
			continue
		}
		found++
		out, errs, err := execute(t, "", "call", route.Name, "--example")
		if err != nil || errs != "" || !strings.HasSuffix(out, "}\n") {
			t.Errorf("%s: %v, %q, %s", route.Name, err, out, errs)
		}
		if _, err := request.Decode([]byte(out)); err != nil {
			t.Errorf("%s: %v in %s", route.Name, err, out)
		}
		for _, field := range request.Fields {
			if !strings.Contains(out, `"`+field.Key+`":`) {
				t.Errorf("%s: %s is not in %s", route.Name, field.Key, out)
			}
		}
	}
	if found == 0 {
		t.Error("no route has a body")
	}
}

func TestCallHelpDescribesEachEndpoint(t *testing.T) {
	list, _, err := execute(t, "", "call")
	if err != nil || !strings.Contains(list, exitCodesHelp) {
		t.Errorf("%v\n%s", err, list)
	}
	for _, route := range gateway.Table() {
		help, _, err := execute(t, "", "call", route.Name, "--help")
		for _, part := range []string{route.Summary, route.Method + " " + route.FullPath() + "\n", exitCodesHelp} {
			if err != nil || !strings.Contains(help, part) {
				t.Errorf("%s: %v, without %s:\n%s", route.Name, err, part, help)
			}
		}
		described := route.Describe()
		for _, p := range described.Params {
			if !strings.Contains(help, "  "+p.Name) || !strings.Contains(help, p.Doc) {
				t.Errorf("%s: without %s:\n%s", route.Name, p.Name, help)
			}
		}
		for _, p := range route.PathParameters() {
			name := p.Name
			if !strings.Contains(help, "--"+flagOf(name)+" ") {
				t.Errorf("%s: without --%s", route.Name, flagOf(name))
			}
		}
		if !strings.Contains(list, route.Name) {
			t.Errorf("%s is not in the list:\n%s", route.Name, list)
		}
	}
	for _, line := range []string{"Lowest level of the caller: Group Admin\n"} {
		if help, _, _ := execute(t, "", "call", "itc_numbers_list", "--help"); !strings.Contains(help, line) {
			t.Errorf("without %q:\n%s", line, help)
		}
	}
}

// TestCurlWordsSurviveAShell has a shell give the words of lines of curl to a program.
func TestCurlWordsSurviveAShell(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	for _, word := range []string{"", "plain", "a b", "it's", "''", `"`, `\`, `\'`, "$HOME", "`id`", "$(id)", "!x", "*", "~", "#", "a\nb", "a;b", "a&b", "a|b", "<a>", "é", "-n", "{a,b}", "[a]", "a=b", "%2F"} {
		if got := runShell(t, "printf %s. "+shellQuoted(word)); got != word+"." {
			t.Errorf("%q becomes %q", word, got)
		}
	}
	args := append([]string{"call", "itc_numbers_set", "--curl", "--no-key", "--body", `{"numbers":[{"minPhoneNumber":"'$(id)"}]}`, "--tenant", `a'b $(id)`, "--group", ".."}, "--client", "portal")
	line, _, err := execute(t, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	got := runShell(t, `curl() { printf '%s\n' "$@"; }; `+line, variableSecret+`=hunter"2'$x`)
	want := strings.Join([]string{
		"-sS", "-X", "PUT", "-u", `portal:hunter"2'$x`, "-H", "Accept: application/json", "-H", "Content-Type: application/json",
		"--data-raw", `{"numbers":[{"minPhoneNumber":"'$(id)"}]}`, "--max-time", "70", "--path-as-is",
		"http://127.0.0.1:8080/api/v1/tenant/a%27b%20$%28id%29/group/../services/immediate_trunking_connectivity/numbers/", "",
	}, "\n")
	if got != want {
		t.Errorf("%s\ngot  %s\nwant %s", line, got, want)
	}
}
