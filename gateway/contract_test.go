package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/oci/ocisim"
	"ocigate/translate/errcode"
)

// The files of testdata/contract are copied from the API's documents: for each
// endpoint a request and the answer to it as they are printed there, and the
// list of its status codes.
const contractFolder = "../testdata/contract"

// example is one of the documents' eight.
type example struct {
	endpoint string // its row
	request  string
	status   int
	body     string // compact, keys in their order
	errors   map[int]documentedError
	statuses []int // all that are listed
}

// documentedError is a sub-error code of the documents.
type documentedError struct{ name, text string }

var (
	listedStatus = regexp.MustCompile(`(?m)^ *• (\d{3}) `)
	listedError  = regexp.MustCompile(`(?m)^ *• (\d+): ([A-Z_]+), “(.*)”$`)
)

// readStatuses reads the list of status codes.
func (e *example) readStatuses(t testing.TB, list string) {
	t.Helper()
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		must(t, err)
		return n
	}
	for _, m := range listedStatus.FindAllStringSubmatch(list, -1) {
		e.statuses = append(e.statuses, number(m[1]))
	}
	e.errors = map[int]documentedError{}
	for _, m := range listedError.FindAllStringSubmatch(list, -1) {
		e.errors[number(m[1])] = documentedError{m[2], m[3]}
	}
}

func examples(t testing.TB) []example {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(contractFolder, "*.http"))
	must(t, err)
	if len(files) != 8 {
		t.Fatalf("%d example requests, want 8", len(files))
	}
	all := make([]example, len(files))
	for i, file := range files {
		name := strings.TrimSuffix(file, ".http")
		_, endpoint, _ := strings.Cut(filepath.Base(name), "-")
		all[i] = example{endpoint: endpoint, request: readFile(t, file)}
		head, body, _ := strings.Cut(readFile(t, name+".response"), "\n\n")
		if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &all[i].status); err != nil {
			t.Fatalf("%s.response: %v", name, err)
		}
		all[i].body = compact(t, body)
		all[i].readStatuses(t, readFile(t, name+".statuses"))
	}
	return all
}

// exampleOf finds the documents' example of an endpoint. DELETE and its twin
// by POST share one.
func exampleOf(t testing.TB, endpoint string) example {
	t.Helper()
	all := examples(t)
	i := slices.IndexFunc(all, func(e example) bool { return e.endpoint == strings.TrimSuffix(endpoint, "_by_post") })
	if i < 0 {
		t.Fatalf("the documents have no example of %s", endpoint)
	}
	return all[i]
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

func compact(t testing.TB, body string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(body)); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return out.String()
}

// wire is the example as bytes: as it is printed, but for the ends of the
// head's lines, which HTTP wants to be CR LF, and the headers that the
// documents leave out.
func (e example) wire(path func(string) string) string {
	head, body, _ := strings.Cut(e.request, "\n\n")
	lines := strings.Split(path(head), "\n")
	lines = append(lines, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(system+":"+clientSecret)))
	if body != "" {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// raw sends bytes to the API over a connection of their own.
func (r *rig) raw(t testing.TB, method, bytes string) answer {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.base, "http://"))
	must(t, err)
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte(bytes))
	must(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	must(t, err)
	return readAnswer(t, response)
}

// assumed is the state of the platform that each example assumes, as the
// tenant ApioSpTest of the demonstration with other ranges and prefixes.
var assumed = map[string]func(*ocisim.Tenant){
	"itc_numbers_list":   func(*ocisim.Tenant) {},
	"itc_numbers_assign": func(*ocisim.Tenant) {},
	"itc_available_numbers_list": func(t *ocisim.Tenant) {
		t.Ranges = []ocisim.Range{{Start: "+3226127000", End: "+3226127002", Owner: ocisim.Owner{Group: ownGroup}}}
	},
	"itc_numbers_remove": func(t *ocisim.Tenant) {
		t.Ranges = []ocisim.Range{{Start: "+3225126999", End: "+3225126999", Owner: ocisim.Owner{Group: ownGroup}}}
	},
	"itc_prefixes_list": func(*ocisim.Tenant) {},
	"itc_prefixes_assign": func(t *ocisim.Tenant) {
		t.Prefixes = []ocisim.Prefix{{Prefix: "+32-01"}, {Prefix: "+32-02"}}
	},
	"itc_available_prefixes_list": func(t *ocisim.Tenant) {
		t.Prefixes = []ocisim.Prefix{{Prefix: "+32-01", Owner: ocisim.Owner{Group: ownGroup}}}
	},
	"itc_prefixes_remove": func(t *ocisim.Tenant) {
		t.Prefixes = []ocisim.Prefix{
			{Prefix: "+32-01", Owner: ocisim.Owner{Group: ownGroup}},
			{Prefix: "+32-02", Owner: ocisim.Owner{Group: ownGroup}},
		}
	},
}

// exampleSeed holds nothing but one tenant in the assumed state, under other
// ids where they are others.
func exampleSeed(t testing.TB, endpoint, tenantID, groupID string) func(*ocisim.Seed) {
	t.Helper()
	state, ok := assumed[endpoint]
	if !ok {
		t.Fatalf("no state is known that the example of %s assumes", endpoint)
	}
	return func(seed *ocisim.Seed) {
		of := seed.Tenants[slices.IndexFunc(seed.Tenants, func(t ocisim.Tenant) bool { return t.ID == ownTenant })]
		state(&of)
		rename(&of, tenantID, groupID)
		seed.Tenants = []ocisim.Tenant{of}
		seed.Administrators = slices.DeleteFunc(seed.Administrators, func(a ocisim.Administrator) bool { return a.ID != gatewayUser })
	}
}

func rename(t *ocisim.Tenant, tenantID, groupID string) {
	renamed := func(id *string) {
		if *id == ownGroup {
			*id = groupID
		}
	}
	t.ID = tenantID
	for i := range t.Groups {
		renamed(&t.Groups[i].ID)
	}
	for i := range t.Ranges {
		renamed(&t.Ranges[i].Group)
	}
	for i := range t.Prefixes {
		renamed(&t.Prefixes[i].Group)
	}
}

// The documents' paths name footenant and foogroup, but the bodies of their
// answers ApioSpTest and ApioGrpTest. Ours carry the ids of the request. So the
// printed request gets the printed body with these two ids put in the place of
// the others, and the same request for ApioSpTest and ApioGrpTest gets exactly
// what is printed.
func TestContractExamples(t *testing.T) {
	idsOfPath := strings.NewReplacer(
		`"tenantId":"ApioSpTest"`, `"tenantId":"footenant"`,
		`"groupId":"ApioGrpTest"`, `"groupId":"foogroup"`,
	)
	pathOfBody := strings.NewReplacer("footenant", ownTenant, "foogroup", ownGroup)
	as := func(s string) string { return s }
	for _, spelling := range []struct {
		name              string
		tenantID, groupID string
		path, body        func(string) string
	}{
		{"as printed", "footenant", "foogroup", as, idsOfPath.Replace},
		{"for the ids of the printed answer", ownTenant, ownGroup, pathOfBody.Replace, as},
	} {
		for _, e := range examples(t) {
			t.Run(spelling.name+"/"+e.endpoint, func(t *testing.T) {
				r := start(t, setup{seed: exampleSeed(t, e.endpoint, spelling.tenantID, spelling.groupID)})
				method, _, _ := strings.Cut(e.request, " ")
				got := r.raw(t, method, e.wire(spelling.path))
				got.wantStatus(t, e.status)
				if diff := cmp.Diff(spelling.body(e.body), compact(t, got.body)); diff != "" {
					t.Errorf("body (-printed +answered):\n%s", diff)
				}
				if media := got.header.Get("Content-Type"); media != "application/json" {
					t.Errorf("Content-Type is %q", media)
				}
				if wrote := len(r.platform.Writes()); (method == http.MethodGet) != (wrote == 0) {
					t.Errorf("%s made %d writes", method, wrote)
				}
			})
		}
	}
}

func TestContractHasEveryEndpoint(t *testing.T) {
	printed := map[string]bool{}
	for _, e := range examples(t) {
		printed[e.endpoint] = true
		i := slices.IndexFunc(endpoints(), func(row gateway.Endpoint) bool { return row.Name == e.endpoint })
		if i < 0 {
			t.Errorf("the documents' %s has no row", e.endpoint)
			continue
		}
		row := endpoints()[i]
		line, _, _ := strings.Cut(e.request, "\n")
		path := strings.NewReplacer("{tenant_id}", "footenant", "{group_id}", "foogroup").Replace(row.Path)
		if want := row.Method + " " + path + " HTTP/1.1"; line != want {
			t.Errorf("%s is printed as %q, the row says %q", e.endpoint, line, want)
		}
		for _, status := range e.statuses {
			inRow := slices.ContainsFunc(row.Errors, func(c *errcode.Code) bool { return c.Status == status })
			if status != row.Status && !inRow {
				t.Errorf("%s is documented with status %d, the row has no such error", e.endpoint, status)
			}
		}
		for code, documented := range e.errors {
			inRow := slices.ContainsFunc(row.Errors, func(c *errcode.Code) bool { return c.Number == code && c.Name == documented.name })
			if !inRow {
				t.Errorf("%s is documented with %d %s, the row has no such error", e.endpoint, code, documented.name)
			}
		}
		if want := []int{e.status, 400, 404}; !slices.Equal(e.statuses, want) {
			t.Errorf("%s: the list of status codes reads as %v, want %v", e.endpoint, e.statuses, want)
		}
		if row.Status != e.status {
			t.Errorf("%s is printed with status %d, the row says %d", e.endpoint, e.status, row.Status)
		}
	}
	for _, row := range endpoints() {
		ours := row.Session != nil || row.Journal != nil || strings.HasSuffix(row.Name, "_by_post")
		if !ours && !printed[row.Name] {
			t.Errorf("%s is not in the documents", row.Name)
		}
	}
}
