package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/config"
	"ocigate/gateway"
)

// The command wire. To add a case, give it a command line, and compare the commands of the
// documents that it prints.

// wire prints the documents of a call, and returns the commands of each.
func wire(t *testing.T, args ...string) (documents []string, out, errs string, err error) {
	t.Helper()
	out, errs, err = execute(t, "", append([]string{"wire"}, args...)...)
	for text := range strings.SplitSeq(out, "<!-- ") {
		if text == "" {
			continue
		}
		comment, document, _ := strings.Cut(text, " -->\n")
		wantXML(t, document)
		if strings.HasPrefix(comment, "document") {
			var names []string
			for _, found := range commandsIn.FindAllStringSubmatch(document, -1) {
				names = append(names, found[1])
			}
			documents = append(documents, strings.Join(names, " "))
		}
	}
	return documents, out, errs, err
}

var commandsIn = regexp.MustCompile(`<command xsi:type="([^"]+)"`)

// wantXML checks that a document is well-formed and in ASCII.
func wantXML(t *testing.T, document string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(document))
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Errorf("%v: %s", err, document)
			return
		}
	}
	if !strings.HasPrefix(document, `<?xml version="1.0" encoding="`) || strings.ContainsFunc(document, func(r rune) bool { return r >= 0x80 }) {
		t.Errorf("not a document in ASCII: %s", document)
	}
}

const (
	routeList     = "GroupRouteListEnterpriseTrunk"
	groupContext  = "ServiceProviderGetRequest17sp1 GroupServiceGetAuthorizationRequest"
	oldContext    = "ServiceProviderGetRequest17sp1 GroupServiceGetAuthorizationListRequest"
	availableList = "ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest"
)

func TestWirePrintsTheDocumentsOfACall(t *testing.T) {
	inGroup := []string{"--tenant", "A", "--group", "Bé"}
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"a read":            {[]string{"itc_numbers_list"}, []string{groupContext + " " + routeList + "NumberRangeGetSummaryListRequest"}},
		"on an old release": {[]string{"itc_numbers_list", "--release", "21"}, []string{oldContext + " " + routeList + "NumberRangeGetSummaryListRequest"}},
		"a removal": {
			[]string{"itc_numbers_remove", "--body", `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`},
			[]string{groupContext + " " + routeList + "NumberRangeGetSummaryListRequest", routeList + "NumberRangeUnassignListRequest"},
		},
		"a dry run": {
			[]string{"itc_numbers_remove", "--dry-run", "--body", `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`},
			[]string{groupContext + " " + routeList + "NumberRangeGetSummaryListRequest"},
		},
		"a list that is set": {
			[]string{"itc_prefixes_set", "--body", `{"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-02"}]}`, "--before", `{"prefixes":[{"prefix":"+32-02"},{"prefix":"+32-03"}]}`},
			[]string{
				groupContext + " " + routeList + "NumberPrefixGetSummaryListRequest " + availableList,
				routeList + "NumberPrefixUnassignListRequest", routeList + "NumberPrefixAssignListRequest",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, out, errs, err := wire(t, append(test.args, inGroup...)...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !strings.Contains(out, "<groupId>B&#233;</groupId>") || !strings.Contains(errs, "nothing was sent to a platform") || strings.Contains(out, "reply") {
				t.Errorf("%s\n%s", out, errs)
			}
		})
	}
}

// Each route can be printed with the example of its body.
func TestWirePrintsEveryRoute(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a gateway for each route")
	}
	for _, route := range gateway.Table() {
		if !route.Exchanges() {
			continue
		}
		t.Run(route.Name, func(t *testing.T) {
			args := []string{route.Name, "--replies"}
			for _, p := range route.PathParameters() {
				args = append(args, "--"+flagOf(p.Name), p.Example)
			}
			if request := route.Describe().Request; request != nil {
				args = append(args, "--body", string(exampleOf(request)))
			}
			got, out, _, err := wire(t, args...)
			if err != nil || len(got) == 0 {
				t.Fatalf("%v: %s", err, out)
			}
			if last := got[len(got)-1]; (route.Change != nil) == strings.Contains(last, "Get") {
				t.Errorf("the last document is %s", last)
			}
			if n := strings.Count(out, "simulated: not of a real platform"); n != len(got) {
				t.Errorf("%d replies to %d documents", n, len(got))
			}
		})
	}
}

func TestWireRefuses(t *testing.T) {
	inGroup := []string{"--tenant", "A", "--group", "B"}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"an unknown route":     {[]string{"itc_number_list"}, "unknown command"},
		"a route without one":  {[]string{"operations_list"}, "unknown command"},
		"a release":            {append(inGroup, "itc_numbers_list", "--release", "26"), "--release"},
		"an unknown parameter": {append(inGroup, "itc_numbers_list", "--param", "colour=red"), "--param"},
		"no body":              {append(inGroup, "itc_numbers_assign"), "--body is missing"},
		"a body":               {append(inGroup, "itc_numbers_assign", "--body", "{}"), "400 JSON_SCHEMA_VALIDATION: /numbers is missing"},
		"no number":            {append(inGroup, "itc_numbers_assign", "--body", `{"numbers":[{"minPhoneNumber":"x"}]}`), "the gateway responds with 400"},
		"no JSON before":       {append(inGroup, "itc_numbers_set", "--body", `{"numbers":[]}`, "--before", "x"), "--before"},
		"a range twice":        {append(inGroup, "itc_numbers_set", "--body", `{"numbers":[]}`, "--before", `{"numbers":[{"minPhoneNumber":"+1"},{"minPhoneNumber":"+1"}]}`), "--before or --body"},
		"a missing release":    {append(inGroup, "itc_prefixes_list", "--release", "21"), "NOT_AVAILABLE_IN_RELEASE"},
		"an enterprise":        {append(inGroup, "itc_numbers_list", "--enterprise"), "NOT_AVAILABLE_IN_ENTERPRISE_MODE"},
		"a long id":            {[]string{"itc_numbers_list", "--group", "B", "--tenant", strings.Repeat("a", 31)}, "tenant"},
		"no seed":              {append(inGroup, "itc_numbers_list", "--seed", "nowhere.yaml"), "nowhere.yaml"},
		"no configuration":     {append(inGroup, "itc_numbers_list", "-c", "nowhere.yaml"), "nowhere.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			_, out, _, err := wire(t, test.args...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// configFor writes a configuration whose listener for operators is at that address.
func configFor(t *testing.T, admin, more string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	text := fmt.Sprintf("platform:\n  endpoints:\n    - {name: primary, address: \"ocs1.example.com:2209\"}\n  user_id: gateway\n  password: word\n%sadmin:\n  listen: %q\n", more, admin)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWireUsesAConfigurationAndASeed(t *testing.T) {
	file := configFor(t, "127.0.0.1:9090", "  encoding: UTF-8\n  send_echo: false\n  send_tracking_id: false\n  release: 22\napi:\n  wire_trace: false\n  available_from: tenant\n")
	args := []string{"itc_available_prefixes_list", "--tenant", "A", "--group", "B", "-c", file}
	got, out, _, err := wire(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{groupContext + " " + availableList}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(out, `encoding="UTF-8"`) || strings.Contains(out, "echo=") || strings.Contains(out, "trackingId") {
		t.Error(out)
	}
	if got, _, _, err := wire(t, append(args, "--release", "21")...); err == nil {
		t.Errorf("the release of the flag does not count: %v", got)
	}

	seed := filepath.Join(t.TempDir(), "seed.yaml")
	seeds, _, err := execute(t, "", "simulate", "seed")
	if err == nil {
		err = os.WriteFile(seed, []byte(seeds), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, out, _, err = wire(t, "itc_numbers_list", "--tenant", "ApioSpTest", "--group", "ApioGrpTest", "--seed", seed, "--replies")
	if err != nil || !strings.Contains(out, "<col>+3226127000</col>") || strings.Contains(out, "gateway-demo") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestWireTraceTracesATenant(t *testing.T) {
	platform := newPlatform(t)
	g := start(t, platform.Addr, nil)
	file := configFor(t, g.admin, fmt.Sprintf("journal:\n  folder: %q\n", g.program.configOf().Journal.Folder))
	trace := func(args ...string) string {
		t.Helper()
		out, _, err := execute(t, "", append([]string{"wire", "trace", "-c", file}, args...)...)
		if err != nil {
			return err.Error()
		}
		return out
	}
	want := func(want, got string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	list := "http://" + g.api + "/api/v1/tenant/ApioSpTest/group/ApioGrpTest/services/immediate_trunking_connectivity/numbers/"
	want("No tenant is traced.", trace("--list"))
	want("for the tenant ApioSpTest is logged until ", trace("--tenant", "ApioSpTest", "--for", "2m"))
	ask(t, "GET", list, "")
	want("ApioSpTest\tuntil ", trace("--list"))
	want("The trace of the tenant ApioSpTest has ended: ", trace("--tenant", "ApioSpTest", "--stop"))
	want("refused it: the tenant is not traced", trace("--tenant", "ApioSpTest", "--stop"))
	want("tenant_id", trace("--tenant", strings.Repeat("a", 31)))
	want("msg=wire ", g.log.String())
	want(`"wire trace of a tenant has ended`, g.log.String())
	if strings.Contains(g.log.String(), "gateway-demo") {
		t.Error("the log has a secret")
	}
	trail, _, err := execute(t, "", "audit", "tail", "-c", file)
	if err != nil {
		t.Error(err)
	}
	for _, outcome := range []string{"begun", "ended"} {
		if !regexp.MustCompile(`"event":"wire_trace".*"name":"operator".*"tenant_id":"ApioSpTest".*"outcome":"` + outcome + `"`).MatchString(trail) {
			t.Errorf("%s is not in %s", outcome, trail)
		}
	}
	want("--for must be whole minutes, from 1m to 60m, not 1m30s", trace("--tenant", "a", "--for", "90s"))
	want("--for must be", trace("--tenant", "a", "--for", "61m"))
	want("--tenant must not be empty", trace("--tenant", ""))
	want("at least one of the flags in the group", trace())
	want("none of the others can be", trace("--tenant", "a", "--for", "1m", "--stop"))
	g.end(t)
	want("no gateway responds at the listener for operators, "+g.admin, trace("--list"))
}

func TestTheAddressForOperators(t *testing.T) {
	for listen, want := range map[string]string{
		":9090": "127.0.0.1:9090", "0.0.0.0:9090": "127.0.0.1:9090", "[::]:9090": "[::1]:9090",
		"192.0.2.1:9090": "192.0.2.1:9090", "[::1]:9090": "[::1]:9090", "localhost:9090": "localhost:9090",
	} {
		if got, err := reachedAt(listen); got != want || err != nil {
			t.Errorf("%s: %s, %v", listen, got, err)
		}
	}
	for _, listen := range []string{"127.0.0.1:0", "nothing"} {
		if got, err := reachedAt(listen); err == nil {
			t.Errorf("%s: %s", listen, got)
		}
	}
}

func TestTheHeaderOfTracesIsASetting(t *testing.T) {
	if !config.Default().API.WireTrace {
		t.Error("the header is refused by default")
	}
	g := start(t, newPlatform(t).Addr, func(c *config.Config) { c.API.WireTrace = false })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.api+"/api/v1/tenant/ApioSpTest/group/ApioGrpTest/services/immediate_trunking_connectivity/numbers/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("portal", demoSecret)
	request.Header.Set(gateway.HeaderWire, "return")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusForbidden || !strings.Contains(string(body), "api.wire_trace") {
		t.Errorf("%v: %d %s", err, response.StatusCode, body)
	}
}
