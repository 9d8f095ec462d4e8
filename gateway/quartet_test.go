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
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"

	"ocigate/gateway"
	"ocigate/oci"
	"ocigate/oci/ocisim"
)

var update = flag.Bool("update", false, "write command.xml, reply.xml and response.json of testdata/api anew; read them before they are kept")

// A folder testdata/api/ENDPOINT/CASE holds one request and all that came of
// it:
//
//	request.json   the request, and what is special about the platform
//	command.xml    the documents that the gateway sent for it, one a line
//	reply.xml      what the platform answered, likewise
//	response.json  the answer
const apiFolder = "../testdata/api"

// quartetRequest is a request.json.
type quartetRequest struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Client  string            `json:"client"` // of the listed clients
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

// quartetResponse is a response.json.
type quartetResponse struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// headersOfInterest are those that a response.json tells.
var headersOfInterest = []string{"Content-Type", "Cache-Control", "Allow", "Retry-After", "Www-Authenticate", "Operation-Id", "Operation-Outcome"}

// quartet is one case. Its name says what is expected of it; see expectations.
type quartet struct{ endpoint, name string }

func (q quartet) file(name string) string { return filepath.Join(apiFolder, q.endpoint, q.name, name) }

func quartets(t testing.TB) []quartet {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(apiFolder, "*", "*"))
	must(t, err)
	all := make([]quartet, len(folders))
	for i, folder := range folders {
		all[i] = quartet{filepath.Base(filepath.Dir(folder)), filepath.Base(folder)}
	}
	return all
}

func (q quartet) request(t testing.TB) quartetRequest {
	t.Helper()
	var request quartetRequest
	decoder := json.NewDecoder(strings.NewReader(readFile(t, q.file("request.json"))))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&request))
	return request
}

// starts are the entries of a request for a change.
func (r quartetRequest) starts(t testing.TB) []string {
	t.Helper()
	var body struct {
		Numbers []struct {
			Start string `json:"minPhoneNumber"`
		} `json:"numbers"`
		Prefixes []struct {
			Start string `json:"prefix"`
		} `json:"prefixes"`
	}
	must(t, json.Unmarshal(r.Body, &body))
	var starts []string
	for _, n := range body.Numbers {
		starts = append(starts, n.Start)
	}
	for _, p := range body.Prefixes {
		starts = append(starts, p.Start)
	}
	return starts
}

func (q quartet) response(t testing.TB) quartetResponse {
	t.Helper()
	var response quartetResponse
	must(t, json.Unmarshal([]byte(readFile(t, q.file("response.json"))), &response))
	return response
}

// play makes the request of a case in a bubble, and gives what was recorded of
// it.
func (q quartet) play(t testing.TB) (r *rig, got answer, recorded *tape) {
	t.Helper()
	recorded = &tape{}
	r, got = q.playOn(t, setup{platform: func(o *oci.Options) {
		o.MaxSessions = 1
		recorded.over(o)
	}})
	return r, got, recorded
}

// playOn makes the request of a case in a bubble, on a rig that differs from the
// ordinary in what the case and the setup say.
func (q quartet) playOn(t testing.TB, s setup) (r *rig, got answer) {
	t.Helper()
	asked := q.request(t)
	s.faults = asked.Faults
	another := s.seed
	s.seed = func(seed *ocisim.Seed) {
		seed.Platform.Dashes = asked.Dashes
		if asked.Assumed {
			exampleSeed(t, strings.TrimSuffix(q.endpoint, "_by_post"), ownTenant, ownGroup)(seed)
		}
		change(another, seed)
	}
	r = startInBubble(t, s)
	header := http.Header{}
	for name, value := range asked.Headers {
		header.Set(name, value)
	}
	body := string(asked.Body)
	got = r.call(t, call{method: asked.Method, path: asked.Path, client: asked.Client, body: body, header: header})
	return r, got
}

// text is a response.json. The id of an operation has a placeholder.
func (a answer) text(t testing.TB) []byte {
	t.Helper()
	response := quartetResponse{Status: a.status, Headers: map[string]string{}, Body: json.RawMessage(a.body)}
	for _, name := range headersOfInterest {
		if value := a.header.Values(name); len(value) > 0 {
			response.Headers[name] = strings.Join(value, "; ")
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	must(t, encoder.Encode(response))
	if id := a.header.Get("Operation-Id"); id != "" {
		return bytes.ReplaceAll(text.Bytes(), []byte(id), []byte("OPERATION"))
	}
	return text.Bytes()
}

func TestQuartets(t *testing.T) {
	for _, q := range quartets(t) {
		t.Run(q.endpoint+"/"+q.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, got, recorded := q.play(t)
				commands, replies := recorded.documents()
				for name, content := range map[string][]byte{"command.xml": commands, "reply.xml": replies, "response.json": got.text(t)} {
					q.compare(t, name, content)
				}
				want, ok := expectations[q.name]
				if !ok {
					t.Fatalf("no expectation has the name %q", q.name)
				}
				want.judge(t, q, got, r.platform)
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

// expectation is what the contract says of a case. It is written here, apart
// from the recordings.
type expectation struct {
	status int // 0 where the documents' example tells it
	code   int // 0 for a good answer
	// For numbers and for prefixes: the entries that the answer names, and
	// the places at fault in the request.
	entries [2][]string
	places  [2][]string
	asked   bool   // the entries are those of the request
	good    int    // but for the one at this index, where that is not 0
	words   string // of the platform, as portals read them
	sent    bool   // a write reached the platform
	applied bool   // and changed it
}

// expectations by the name of the case. On GET nothing is ever written.
var expectations = map[string]expectation{
	"documented":           {sent: true, applied: true},
	"platform_spelling":    {sent: true, applied: true},
	"enterprise_mode":      {status: 400, code: 46},
	"service_not_assigned": {status: 404, code: 1004},
	"tenant_not_found":     {status: 404, code: 1002, words: "[Error 9902] Service provider not found: nobody"},
	"group_not_found":      {status: 404, code: 1003, words: "[Error 4152] Group not found: ApioSpTest:nobody"},
	"invalid_path": {
		status: 400, code: 2,
		places: [2][]string{{"tenant_id", "group_id"}, {"tenant_id", "group_id"}},
	},
	"given_twice": {
		status: 400, code: 2,
		places: [2][]string{{"/numbers/1/minPhoneNumber"}, {"/prefixes/1/prefix"}},
	},
	"wrong_keys": {
		status: 400, code: 3,
		places: [2][]string{
			{"/numbers/0/minphonenumber", "/numbers/0/minPhoneNumber", "/comment"},
			{"/prefixes/0/Prefix", "/prefixes/0/prefix", "/comment"},
		},
	},
	"not_an_object": {status: 416, code: 1007},
	"not_available": {
		status: 400, code: 19,
		entries: [2][]string{{"+3225129000"}, {"+32-04"}},
	},
	"end_differs":       {status: 400, code: 19, asked: true},
	"already_assigned":  {status: 400, code: 19, asked: true},
	"not_assigned":      {status: 400, code: 19, asked: true},
	"not_in_the_tenant": {status: 400, code: 19, asked: true},
	"several_reasons":   {status: 400, code: 19, asked: true, good: 1},
	"reasons_not_read": {
		status: 400, code: 19,
		entries: [2][]string{{"+3225129000"}, {"+32-04"}},
	},
	"one_of_several": {
		status: 400, code: 19,
		entries: [2][]string{{"+3225129000"}, {"+32-04"}},
	},
	"platform_refused": {status: 400, code: 1010, sent: true, words: "[Error 4999] Not today"},
	"answer_lost":      {sent: true, applied: true},
	"outcome_unknown":  {status: 504, code: 1015, sent: true, asked: true},
}

func (e expectation) judge(t *testing.T, q quartet, got answer, platform *ocisim.Platform) {
	t.Helper()
	of := 0
	if strings.Contains(q.endpoint, "prefixes") {
		of = 1
	}
	printed := exampleOf(t, q.endpoint)
	if e.code == 0 {
		got.wantStatus(t, printed.status)
		if diff := cmp.Diff(printed.body, compact(t, got.body)); diff != "" {
			t.Errorf("body (-documented +answered):\n%s", diff)
		}
	} else {
		if e.asked {
			e.entries[of] = q.request(t).starts(t)
			if e.good > 0 {
				e.entries[of] = slices.Delete(e.entries[of], e.good, e.good+1)
			}
		}
		e.judgeError(t, q, of, printed, got)
	}
	e.judgeWrites(t, q, platform)
}

func (e expectation) judgeError(t *testing.T, q quartet, of int, printed example, got answer) {
	t.Helper()
	got.wantStatus(t, e.status)
	told := got.apiError(t)
	if told.Code != e.code {
		t.Errorf("code %d, want %d", told.Code, e.code)
	}
	if documented, ok := printed.errors[e.code]; ok {
		if got := (documentedError{told.Name, told.Message}); got != documented {
			t.Errorf("told %q, documented is %q", got, documented)
		}
	} else if slices.Contains([]int{19, 42, 46}, e.code) {
		t.Errorf("code %d is not documented", e.code)
	}
	if diff := cmp.Diff(e.entries[of], told.Details.Entries); diff != "" {
		t.Errorf("details.entries (-want +got):\n%s", diff)
	}
	if e.code == 19 {
		q.wantReasons(t, got)
	} else {
		e.wantPlaces(t, of, told)
	}
	if words := told.Details.Errors["0"].Summary; words != e.words {
		t.Errorf("details.errors[\"0\"].summary is %q, want %q", words, e.words)
	}
}

// wantPlaces demands that everything that is wrong with the request is named, in
// any order.
func (e expectation) wantPlaces(t *testing.T, of int, told apiError) {
	t.Helper()
	var places []string
	for _, p := range told.Details.Problems {
		place := p.Parameter
		if p.Pointer != nil {
			place = *p.Pointer
		}
		places = append(places, place)
	}
	sorted := cmp.Transformer("sorted", func(s []string) []string { return slices.Sorted(slices.Values(s)) })
	if diff := cmp.Diff(e.places[of], places, sorted); diff != "" {
		t.Errorf("details.problems (-want +got):\n%s", diff)
	}
}

// judgeWrites demands that a write was sent exactly where it had to be.
func (e expectation) judgeWrites(t *testing.T, q quartet, platform *ocisim.Platform) {
	t.Helper()
	writes := platform.Writes()
	wanted := 0
	if e.sent && q.request(t).Method != http.MethodGet {
		wanted = 1
	}
	if len(writes) != wanted {
		t.Fatalf("the platform received %d writes, want %d", len(writes), wanted)
	}
	for _, w := range writes {
		if w.Applied != e.applied {
			t.Errorf("the write %s was applied: %t, want %t", w.Command, w.Applied, e.applied)
		}
	}
}

// The files by themselves: every line of XML is a whole document, and the
// replies are what the client's own reader takes, each for one document.
func TestQuartetFiles(t *testing.T) {
	for _, q := range quartets(t) {
		t.Run(q.endpoint+"/"+q.name, func(t *testing.T) {
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
					t.Errorf("nothing that was sent has this answer: %s", line)
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

// needed are the cases that every endpoint of a kind has.
func needed(e gateway.Endpoint) []string {
	cases := []string{"documented", "enterprise_mode", "service_not_assigned", "tenant_not_found", "group_not_found", "invalid_path"}
	ofNumbers := strings.Contains(e.Name, "numbers")
	if e.Change != nil {
		cases = append(cases, "not_available", "one_of_several", "not_in_the_tenant", "several_reasons", "reasons_not_read", "given_twice", "wrong_keys", "not_an_object", "platform_refused", "answer_lost", "outcome_unknown")
	}
	if e.Change != nil || ofNumbers {
		cases = append(cases, "platform_spelling")
	}
	switch {
	case strings.Contains(e.Name, "_assign"):
		cases = append(cases, "already_assigned")
	case strings.Contains(e.Name, "_remove"):
		cases = append(cases, "not_assigned")
	}
	if e.Change != nil && ofNumbers {
		cases = append(cases, "end_differs")
	}
	return cases
}

func TestEveryEndpointHasItsQuartets(t *testing.T) {
	there := map[string]bool{}
	for _, q := range quartets(t) {
		there[q.endpoint+"/"+q.name] = true
	}
	wanted := map[string]bool{}
	for _, e := range endpoints() {
		if e.Session != nil || e.Journal != nil {
			continue
		}
		for _, name := range needed(e) {
			wanted[e.Name+"/"+name] = true
		}
	}
	if diff := cmp.Diff(wanted, there); diff != "" {
		t.Errorf("cases (-wanted +there):\n%s", diff)
	}
}

// A request is of the endpoint in whose folder it is.
func TestQuartetsAreInTheirFolders(t *testing.T) {
	rows := map[string]gateway.Endpoint{}
	for _, e := range endpoints() {
		rows[e.Name] = e
	}
	for _, q := range quartets(t) {
		asked, row := q.request(t), rows[q.endpoint]
		last := func(path string) string {
			_, list, _ := strings.Cut(path, "immediate_trunking_connectivity/")
			return list
		}
		got, want := asked.Method+" "+last(asked.Path), row.Method+" "+last(row.Path)
		if got != want {
			t.Errorf("%s/%s asks for %s, the row is %s", q.endpoint, q.name, got, want)
		}
	}
}
