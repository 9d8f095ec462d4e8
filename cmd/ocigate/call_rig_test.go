package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/oci/ocisim"
)

// The recorded cases of testdata/api as calls of the command line.

var apiCases = filepath.Join(moduleRoot, "testdata", "api")

// recordedCase is a request of testdata/api with its response.
type recordedCase struct {
	route gateway.Route
	name  string

	Client          string
	Path            string
	Headers         map[string]string
	Body            json.RawMessage
	Assumed, Dashes bool
	Faults          []string
	status          int
	outcome         string
	wantedBody      string
}

// recordedCases returns, for a route, one recorded case of each status, those that need
// the least of the platform.
func recordedCases(t *testing.T, route gateway.Route) []recordedCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(apiCases, route.Name, "*", "request.json"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	best := map[int]recordedCase{}
	for _, file := range files {
		r := recordedCase{route: route, name: filepath.Base(filepath.Dir(file))}
		var response struct {
			Status  int
			Headers map[string]string
			Body    json.RawMessage
		}
		unmarshalFile(t, file, &r)
		unmarshalFile(t, filepath.Join(filepath.Dir(file), "response.json"), &response)
		r.status, r.outcome, r.wantedBody = response.Status, response.Headers[gateway.HeaderOperationOutcome], string(response.Body)
		if known, ok := best[r.status]; !ok || r.needs() < known.needs() {
			best[r.status] = r
		}
	}
	var cases []recordedCase
	for _, status := range slices.Sorted(maps.Keys(best)) {
		cases = append(cases, best[status])
	}
	return cases
}

// needs orders cases by what they need of the platform.
func (r recordedCase) needs() int {
	n := len(r.Faults) * 4
	if r.Assumed || strings.HasPrefix(r.name, "dry_run") {
		n++
	}
	if r.Dashes {
		n += 2
	}
	return n
}

// changesNothing reports whether the case leaves the demonstration's platform as it is.
func (r recordedCase) changesNothing() bool {
	return r.needs() == 0 && (r.route.Query != nil || r.status >= 400)
}

func unmarshalFile(t *testing.T, file string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(readFile(t, file)), into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// seed returns the state of the platform that the case needs.
func (r recordedCase) seed(t *testing.T) ocisim.Seed {
	t.Helper()
	seed := ocisim.DemoSeed()
	seed.Platform.Dashes = r.Dashes
	for _, text := range r.Faults {
		fault, err := ocisim.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		seed.Faults = append(seed.Faults, fault)
	}
	if r.Assumed {
		i := slices.IndexFunc(seed.Tenants, func(tenant ocisim.Tenant) bool { return tenant.ID == "ApioSpTest" })
		assumeFor(t, r.route.Name, &seed.Tenants[i])
		seed.Tenants = seed.Tenants[i : i+1]
		seed.Administrators = slices.DeleteFunc(seed.Administrators, func(a ocisim.Administrator) bool { return a.ID != "gateway" })
	}
	return seed
}

// routeExpectations is what these tests need of an expectations.yaml.
type routeExpectations struct {
	AliasOf string    `yaml:"alias_of"`
	Request string    `yaml:"request"`
	Assumed yaml.Node `yaml:"assumed"`
}

func expectationsOf(t *testing.T, route string) routeExpectations {
	t.Helper()
	var of routeExpectations
	if err := yaml.Unmarshal([]byte(readFile(t, filepath.Join(apiCases, route, "expectations.yaml"))), &of); err != nil {
		t.Fatal(err)
	}
	if of.AliasOf != "" {
		return expectationsOf(t, of.AliasOf)
	}
	return of
}

// assumeFor puts a tenant into the state that the documents' example assumes.
func assumeFor(t *testing.T, route string, tenant *ocisim.Tenant) {
	t.Helper()
	of := expectationsOf(t, route)
	if of.Assumed.IsZero() {
		return
	}
	text, err := yaml.Marshal(&of.Assumed)
	if err == nil {
		err = yaml.Unmarshal(text, tenant)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// args returns the arguments of the command call for the request.
func (r recordedCase) args(t *testing.T, api string) []string {
	t.Helper()
	path, query, _ := strings.Cut(r.Path, "?")
	pattern := regexp.MustCompile(`\\\{([a-z_]+)\\\}`).ReplaceAllString(regexp.QuoteMeta(r.route.FullPath()), "(?P<$1>[^/]+)")
	found := regexp.MustCompile("^" + pattern + "$")
	values := found.FindStringSubmatch(path)
	if values == nil {
		t.Fatalf("%s is not of %s", path, r.route.FullPath())
	}
	args := []string{"call", r.route.Name, "--verbose", "--url", "http://" + api}
	for i, name := range found.SubexpNames() {
		if i == 0 {
			continue
		}
		value, err := url.PathUnescape(values[i])
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, "--"+flagOf(name), value)
	}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		plain, err := url.QueryUnescape(pair)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, "--param", plain)
	}
	for name, value := range r.Headers {
		switch {
		case name == "Content-Type":
		case value == "{etag}":
			args = append(args, "--if-match", tagAt(t, api, r.Path))
		default:
			args = append(args, "--"+strings.ToLower(name), value)
		}
	}
	if r.Body != nil {
		args = append(args, "--body", string(r.Body))
	}
	return append(args, asClient(t, strings.Replace(r.Client, "system", "portal", 1))...)
}

// valueOf returns the text of a key of a JSON object.
func valueOf(t *testing.T, object, key string) string {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal([]byte(object), &values); err != nil {
		t.Fatal(err)
	}
	text, _ := values[key].(string)
	return text
}

// asClient returns the flags of a client of the demonstration.
func asClient(t *testing.T, client string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "the client's secret")
	writeFile(t, file, demoSecret+"\n")
	return []string{"--client", client, "--secret-file", file}
}

// tagAt returns the ETag of a list.
func tagAt(t *testing.T, api, path string) string {
	t.Helper()
	tag, err := (&demoCheck{demoSender: demoClient{newTestClient(t), "http://" + api}}).tagOf(t.Context(), demoCall{user: "portal", path: strings.TrimPrefix(path, "/api/v1")})
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// startFor runs a gateway in front of a platform in a state, until the test ends.
func startFor(t *testing.T, seed ocisim.Seed, change func(*config.Config)) (*running, *ocisim.Server) {
	t.Helper()
	platform := ocisim.NewServer(seed)
	g := start(t, platform.Addr, change)
	t.Cleanup(func() {
		g.stop()
		if err := <-g.ended; err != nil {
			t.Error(err)
		}
		_ = platform.Close() // never fails
	})
	return g, platform
}

var operationID = regexp.MustCompile(`(?m)^Operation-Id: (\S+)$`)

// wantBody requires that a body is the recorded one. The id of the operation differs.
func (r recordedCase) wantBody(t *testing.T, from, body, id string) {
	t.Helper()
	if id != "" {
		body = strings.ReplaceAll(body, id, "OPERATION")
	}
	var want, got bytes.Buffer
	if err := json.Compact(&want, []byte(r.wantedBody)); err != nil {
		t.Fatal(err)
	}
	if err := json.Compact(&got, []byte(body)); err != nil || want.String() != got.String() {
		t.Errorf("%s: %v\ngot  %s\nwant %s", from, err, body, &want)
	}
}

// wantedExit returns the documented exit code for the recorded response.
func (r recordedCase) wantedExit(t *testing.T) int {
	t.Helper()
	isWrite := r.route.Change != nil && !strings.Contains(r.Path, "dry_run=true")
	switch {
	case isWrite && (r.outcome == "unknown" || r.status == 504):
		return 6
	case r.status == 207:
		return 2
	case r.status < 300:
		return 0
	case r.status < 500:
		return 4
	}
	return 5
}

// forShell returns an environment with no variables of the command.
func forShell(extra ...string) []string {
	kept := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "OCICALL_") })
	return append(kept, extra...)
}
