package gateway_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"

	"ocigate/oci"
	"ocigate/oci/ocisim"
	"ocigate/translate/errcode"
)

// The recorded cases of testdata/api. To add one, write its request.json and its
// expectations, run with -update, and review what was recorded.

var update = flag.Bool("update", false, "write command.xml, reply.xml and response.json of testdata/api anew; read them before they are kept")

// A folder testdata/api/ENDPOINT/CASE holds one request and all that came of
// it:
//
//	request.json   the request, and what is special about the platform
//	command.xml    the documents that the gateway sent for it, one a line
//	reply.xml      what the platform answered, likewise
//	response.json  the response
const apiFolder = "../testdata/api"

// quartetRequest is a request.json.
type quartetRequest struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Client string `json:"client"` // of the listed clients
	// Headers may have presentTag, a placeholder for the entity tag of a GET of the
	// same path, before the same platform.
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
	// Assumed has the platform in the state of the documents' example, else
	// it is in that of the demonstration.
	Assumed bool `json:"assumed,omitempty"`
	// Dashes has the platform print numbers with a dash after the country
	// code.
	Dashes bool     `json:"dashes,omitempty"`
	Faults []string `json:"faults,omitempty"`
}

const presentTag = "{etag}"

// requestFile is the file of a case that is written by hand.
const requestFile = "request.json"

// parseRequest reads a request.json strictly.
func parseRequest(text []byte) (quartetRequest, error) {
	var request quartetRequest
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&request)
	return request, err
}

// quartetResponse is a response.json.
type quartetResponse struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// headersOfInterest are the headers in a response.json.
var headersOfInterest = []string{"Content-Type", "Cache-Control", "Allow", "Retry-After", "Www-Authenticate", "Operation-Id", "Operation-Outcome", "X-Total-Count", "Link"}

// quartet is one case. Its expectations are in the route's [factsFile].
type quartet struct{ route, name string }

func (q quartet) file(name string) string { return filepath.Join(apiFolder, q.route, q.name, name) }

func quartets(t testing.TB) []quartet {
	t.Helper()
	var all []quartet
	files := os.DirFS(apiFolder)
	for _, route := range foldersIn(files, ".") {
		for _, name := range foldersIn(files, route) {
			all = append(all, quartet{route, name})
		}
	}
	return all
}

func (q quartet) request(t testing.TB) quartetRequest {
	t.Helper()
	request, err := parseRequest([]byte(readFile(t, q.file(requestFile))))
	must(t, err)
	return request
}

func (q quartet) response(t testing.TB) quartetResponse {
	t.Helper()
	var response quartetResponse
	must(t, json.Unmarshal([]byte(readFile(t, q.file("response.json"))), &response))
	return response
}

// play makes the request of a case in a bubble, and returns what was recorded.
func (q quartet) play(t testing.TB) (r *rig, got response, recorded *tape) {
	t.Helper()
	recorded = &tape{}
	r, got = q.playOn(t, setup{platform: func(o *oci.Options) {
		o.MaxSessions = 1
		recorded.over(o)
	}})
	return r, got, recorded
}

// playOn makes the request of a case in a bubble, on a rig with the settings of the case
// and of the setup.
func (q quartet) playOn(t testing.TB, s setup) (r *rig, got response) {
	t.Helper()
	asked := q.request(t)
	another := s.seed
	s.seed = func(seed *ocisim.Seed) {
		seed.Platform.Dashes = asked.Dashes
		if asked.Assumed {
			exampleSeed(t, q.route, ownTenant, ownGroup)(seed)
		}
		change(another, seed)
	}
	header := http.Header{}
	for name, value := range asked.Headers {
		if strings.Contains(value, presentTag) {
			// Of another gateway, so that it leaves no trace in this one.
			got := startInBubble(t, setup{seed: s.seed}).call(t, call{path: asked.Path, client: asked.Client})
			tag := got.header.Get("ETag")
			if tag == "" { // the release does not have the list
				tag = `"none"`
			}
			value = strings.ReplaceAll(value, presentTag, tag)
		}
		header.Set(name, value)
	}
	s.faults = asked.Faults
	r = startInBubble(t, s)
	body := string(asked.Body)
	got = r.call(t, call{method: asked.Method, path: asked.Path, client: asked.Client, body: body, header: header})
	return r, got
}

// text returns a response.json. The id of an operation has a placeholder.
func (r response) text(t testing.TB) []byte {
	t.Helper()
	response := quartetResponse{Status: r.status, Headers: map[string]string{}, Body: json.RawMessage(r.body)}
	for _, name := range headersOfInterest {
		if value := r.header.Values(name); len(value) > 0 {
			response.Headers[name] = strings.Join(value, "; ")
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	must(t, encoder.Encode(response))
	if id := r.header.Get("Operation-Id"); id != "" {
		return bytes.ReplaceAll(text.Bytes(), []byte(id), []byte("OPERATION"))
	}
	return text.Bytes()
}

func TestQuartets(t *testing.T) {
	for _, q := range underRaceSixth(t, quartets(t)) {
		t.Run(q.route+"/"+q.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, got, recorded := q.play(t)
				commands, replies := recorded.documents()
				for name, content := range map[string][]byte{"command.xml": commands, "reply.xml": replies, "response.json": got.text(t)} {
					q.compare(t, name, content)
				}
				want, ok := factsOf(t, q.route).Cases[q.name]
				if !ok {
					t.Fatalf("%s has no case %s", displayed(apiFolder, q.route, factsFile), q.name)
				}
				want.check(t, q, got, r.platform)
			})
		})
	}
}

func (q quartet) compare(t testing.TB, name string, got []byte) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(q.file(name), got, 0o600))
		return
	}
	if diff := cmp.Diff(readFile(t, q.file(name)), string(got)); diff != "" {
		t.Errorf("%s (-file +run):\n%s", name, diff)
	}
}

// expectation is the expected result of a case. It is written by hand in the route's
// [factsFile], independently of the recordings. If Error is empty, the response is
// good.
type expectation struct {
	// Status and Body are those of the response. A good response has those of the
	// documents' example if they are not given, and no other Status without a
	// Body.
	Status int    `yaml:"status"`
	Body   string `yaml:"body"`
	Error  string `yaml:"error"`
	// Entries are those that the error names. Places are the places at fault in
	// the request, in any order; if they have reasons, Reasons are "place
	// reason", in the order of the request.
	Entries []string `yaml:"entries"`
	Places  []string `yaml:"places"`
	Reasons []string `yaml:"reasons"`
	Words   string   `yaml:"words"` // of the platform, as portals read them
	// Since is the first release of the platform that has what the case needs,
	// if that is not the route's own. The releases before refuse it.
	Since int `yaml:"since"`
	// On has the bodies of good responses on older releases, which have fewer fields.
	On map[int]string `yaml:"on"`
	// Sent is how many commands that change something reached the platform,
	// and Applied how many of them did.
	Sent    int `yaml:"sent"`
	Applied int `yaml:"applied"`
}

// problems returns what is wrong with the expectation at a key.
func (e expectation) problems(key string) []string {
	var problems []string
	unless := func(good bool, problem string) {
		if !good {
			problems = append(problems, key+": "+problem)
		}
	}
	ofError := e.Entries != nil || e.Places != nil || e.Reasons != nil || e.Words != ""
	if e.Error == "" {
		unless(!ofError, "entries, places, reasons and words are those of an error")
		unless((e.Status == 0) == (e.Body == ""), "status and body must be given together")
		unless(e.On == nil || e.Body != "", "on needs body")
	} else {
		_, known := errcode.ByName(e.Error)
		unless(known, "there is no error "+e.Error)
		unless(e.Status >= http.StatusBadRequest, "an error needs its status")
		unless(e.Body == "" && e.On == nil, "the body of an error is checked by its parts")
		unless(e.Places == nil || e.Reasons == nil, "places and reasons cannot be given together")
	}
	unless(0 <= e.Applied && e.Applied <= e.Sent, "more is applied than sent")
	return problems
}

func (e expectation) check(t *testing.T, q quartet, got response, platform *ocisim.Platform) {
	t.Helper()
	if e.Error == "" {
		e.checkGood(t, q, got)
	} else {
		e.checkError(t, q, got)
	}
	e.checkWrites(t, platform)
}

func (e expectation) checkGood(t *testing.T, q quartet, got response) {
	t.Helper()
	status, body := e.Status, e.Body
	if body == "" {
		printed := exampleOf(t, q.route)
		status, body = printed.status, printed.body
	}
	got.wantStatus(t, status)
	if diff := cmp.Diff(compact(t, body), compact(t, got.body)); diff != "" {
		t.Errorf("body (-documented +got):\n%s", diff)
	}
}

func (e expectation) checkError(t *testing.T, q quartet, got response) {
	t.Helper()
	failure := got.wantError(t, e.Status, e.Error)
	if code, _ := errcode.ByName(e.Error); failure.Code != code.Number {
		t.Errorf("code %d, want %d", failure.Code, code.Number)
	}
	if factsOf(t, q.route).Documented != "" {
		if documented, ok := exampleOf(t, q.route).errors[failure.Code]; ok {
			if got := (documentedError{failure.Name, failure.Message}); got != documented {
				t.Errorf("got %q, documented is %q", got, documented)
			}
		} else if slices.Contains([]int{19, 42, 46}, failure.Code) {
			t.Errorf("code %d is not documented", failure.Code)
		}
	}
	if diff := cmp.Diff(e.Entries, failure.Details.Entries); diff != "" {
		t.Errorf("details.entries (-want +got):\n%s", diff)
	}
	if e.Reasons != nil {
		e.wantReasons(t, got)
	} else {
		e.wantPlaces(t, failure)
	}
	if words := failure.Details.Errors["0"].Summary; words != e.Words {
		t.Errorf("details.errors[\"0\"].summary is %q, want %q", words, e.Words)
	}
}

// wantPlaces checks that everything that is wrong with the request is named, in
// any order.
func (e expectation) wantPlaces(t *testing.T, failure apiError) {
	t.Helper()
	var places []string
	for _, p := range failure.Details.Problems {
		place := p.Parameter
		if p.Pointer != nil {
			place = *p.Pointer
		}
		places = append(places, place)
	}
	sorted := cmp.Transformer("sorted", func(s []string) []string { return slices.Sorted(slices.Values(s)) })
	if diff := cmp.Diff(e.Places, places, sorted); diff != "" {
		t.Errorf("details.problems (-want +got):\n%s", diff)
	}
}

// checkWrites checks that so many writes were sent, and so many of them carried
// out.
func (e expectation) checkWrites(t *testing.T, platform *ocisim.Platform) {
	t.Helper()
	writes := platform.Writes()
	if len(writes) != e.Sent {
		t.Fatalf("the platform received %d writes, want %d", len(writes), e.Sent)
	}
	applied := 0
	for _, w := range writes {
		if w.Applied {
			applied++
		}
	}
	if applied != e.Applied {
		t.Errorf("%d writes were applied, want %d", applied, e.Applied)
	}
}

// The files by themselves: every line of XML is a complete document, and the
// replies are what the client's own reader takes, each for one document.
func TestQuartetFiles(t *testing.T) {
	for _, q := range quartets(t) {
		t.Run(q.route+"/"+q.name, func(t *testing.T) {
			commands, replies := q.lines(t, "command.xml"), q.lines(t, "reply.xml")
			for _, line := range slices.Concat(commands, replies) {
				wantDocument(t, line)
			}
			for _, line := range replies {
				if _, err := oci.ParseReplies([]byte(line)); err != nil {
					t.Fatal(err)
				}
				asked := slices.ContainsFunc(commands, func(command string) bool {
					return slices.Equal(echo.FindAllString(command, -1), echo.FindAllString(line, -1))
				})
				if !asked {
					t.Errorf("no command has this reply: %s", line)
				}
			}
		})
	}
}

func (q quartet) lines(t testing.TB, name string) []string {
	t.Helper()
	text := readFile(t, q.file(name))
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// latin1 reads the encoding of the demonstration's platform.
func latin1(label string, input io.Reader) (io.Reader, error) {
	if label != "ISO-8859-1" {
		return nil, fmt.Errorf("a document in %s", label)
	}
	return charmap.ISO8859_1.NewDecoder().Reader(input), nil
}

func wantDocument(t *testing.T, line string) {
	t.Helper()
	tree := etree.NewDocument()
	tree.ReadSettings.CharsetReader = latin1
	if err := tree.ReadFromString(line); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	root := tree.Root()
	if root == nil || root.Tag != "BroadsoftDocument" || root.SelectAttrValue("protocol", "") != "OCI" {
		t.Fatalf("not a document of OCI-P: %s", line)
	}
	if len(root.SelectElements("command")) == 0 {
		t.Errorf("no command in %s", line)
	}
}

// A request is of the route in whose folder it is.
func TestQuartetsAreInTheirFolders(t *testing.T) {
	for _, q := range quartets(t) {
		asked := q.request(t)
		route, ok := routeNamed(q.route)
		if !ok {
			continue // which TestEveryRouteHasWhatItNeeds reports
		}
		pattern := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(route.FullPath(), `[^/]+`)
		path, _, _ := strings.Cut(asked.Path, "?")
		if asked.Method != route.Method || !regexp.MustCompile("^"+pattern+"$").MatchString(path) {
			t.Errorf("%s/%s asks for %s %s, the route is %s %s", q.route, q.name, asked.Method, asked.Path, route.Method, route.FullPath())
		}
	}
}
