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

// The documented examples of the API, to the byte. Add the files of an example to
// testdata/contract, and their number to documentedExamples.

// The files of testdata/contract are copied from the API's documents: for each
// endpoint a request and the response to it as they are printed there, and the
// list of its status codes.
const contractFolder = "../testdata/contract"

// documentedExamples is how many examples the documents have of each service, by the first
// word of its routes' names.
var documentedExamples = map[string]int{"itc": 8}

// serviceOf returns the service that a file is about: its name is NUMBER-ROUTE.
func serviceOf(file string) string {
	_, route, _ := strings.Cut(filepath.Base(file), "-")
	service, _, _ := strings.Cut(route, "_")
	return service
}

// example is one of the documents'.
type example struct {
	name     string // of its files
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
	there := map[string]int{}
	for _, file := range files {
		there[serviceOf(file)]++
	}
	if diff := cmp.Diff(documentedExamples, there); diff != "" {
		t.Fatalf("example requests by service (-want +got):\n%s", diff)
	}
	all := make([]example, len(files))
	for i, file := range files {
		name := strings.TrimSuffix(file, ".http")
		all[i] = example{name: filepath.Base(name), request: readFile(t, file)}
		head, body, _ := strings.Cut(readFile(t, name+".response"), "\n\n")
		if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &all[i].status); err != nil {
			t.Fatalf("%s.response: %v", name, err)
		}
		all[i].body = compact(t, body)
		all[i].readStatuses(t, readFile(t, name+".statuses"))
	}
	return all
}

// exampleOf finds the documents' example of a route.
func exampleOf(t testing.TB, route string) example {
	t.Helper()
	name, all := factsOf(t, route).Documented, examples(t)
	i := slices.IndexFunc(all, func(e example) bool { return e.name == name })
	if i < 0 {
		t.Fatalf("the documents have no example of %s", route)
	}
	return all[i]
}

// routeOf returns the route that the example is of.
func (e example) routeOf(t testing.TB) gateway.Route {
	t.Helper()
	for _, route := range apiRoutes() {
		if facts().routes[route.Name].Documented == e.name {
			return route
		}
	}
	t.Fatalf("no route is documented by %s", e.name)
	return gateway.Route{}
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

// wire returns the example as bytes: as it is printed, but for the ends of the
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
func (r *rig) raw(t testing.TB, method, bytes string) response {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.base, "http://"))
	must(t, err)
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte(bytes))
	must(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	must(t, err)
	return readResponse(t, response)
}

// exampleSeed holds nothing but one tenant, in the state that the documents'
// example of the route assumes, under other ids if they are others.
func exampleSeed(t testing.TB, route, tenantID, groupID string) func(*ocisim.Seed) {
	t.Helper()
	known := factsOf(t, route)
	return func(seed *ocisim.Seed) {
		of, err := known.assumedOn(seed.Tenants[slices.IndexFunc(seed.Tenants, func(t ocisim.Tenant) bool { return t.ID == ownTenant })])
		must(t, err)
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
// responses ApioSpTest and ApioGrpTest. Ours carry the ids of the request. So the
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
			t.Run(spelling.name+"/"+e.name, func(t *testing.T) {
				r := start(t, setup{seed: exampleSeed(t, e.routeOf(t).Name, spelling.tenantID, spelling.groupID)})
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

// The route of an example is what the documents print and list.
func TestRoutesMatchTheContract(t *testing.T) {
	for _, e := range examples(t) {
		route := e.routeOf(t)
		line, _, _ := strings.Cut(e.request, "\n")
		if want := route.Method + " " + pathOf(route, ids{"tenant_id": "footenant", "group_id": "foogroup"}) + " HTTP/1.1"; line != want {
			t.Errorf("%s is printed as %q, the route says %q", e.name, line, want)
		}
		for _, status := range e.statuses {
			inRow := slices.ContainsFunc(route.Describe().Errors, func(c *errcode.Code) bool { return c.Status == status })
			if status != route.Status && !inRow {
				t.Errorf("%s is documented with status %d, the route has no such error", route.Name, status)
			}
		}
		for code, documented := range e.errors {
			inRow := slices.ContainsFunc(route.Describe().Errors, func(c *errcode.Code) bool { return c.Number == code && c.Name == documented.name })
			if !inRow {
				t.Errorf("%s is documented with %d %s, the route has no such error", route.Name, code, documented.name)
			}
		}
		if want := []int{e.status, 400, 404}; !slices.Equal(e.statuses, want) {
			t.Errorf("%s: the list of status codes reads as %v, want %v", e.name, e.statuses, want)
		}
		if route.Status != e.status {
			t.Errorf("%s is printed with status %d, the route says %d", route.Name, e.status, route.Status)
		}
	}
}
