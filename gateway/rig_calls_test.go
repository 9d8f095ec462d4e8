package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/translate/scope"
)

// The calls that tests make, and their responses.

// call is a request to be made.
type call struct {
	method string // "" is GET
	path   string
	client string // the id of a listed client
	body   string
	header http.Header
}

// response is the response to a call, its body read to the end.
type response struct {
	status int
	header http.Header
	body   string
}

// request returns the request of a call. The path must be valid.
func (r *rig) request(t testing.TB, c call) *http.Request {
	t.Helper()
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	if c.method == "" {
		c.method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(t.Context(), c.method, r.base+c.path, body)
	must(t, err)
	maps.Copy(request.Header, c.header)
	if c.client != anonymous {
		request.SetBasicAuth(c.client, clientSecret)
	}
	return request
}

func (r *rig) call(t testing.TB, c call) response {
	t.Helper()
	return r.do(t, r.request(t, c))
}

func (r *rig) do(t testing.TB, request *http.Request) response {
	t.Helper()
	received, err := r.send(request)
	must(t, err)
	return readResponse(t, received)
}

// readResponse reads a response to its end.
func readResponse(t testing.TB, received *http.Response) response {
	t.Helper()
	defer func() { _ = received.Body.Close() }()
	body, err := io.ReadAll(received.Body)
	must(t, err)
	return response{received.StatusCode, received.Header, string(body)}
}

// get reads a list of the own group as a System Admin.
func (r *rig) get(t testing.TB, list string) response {
	t.Helper()
	return r.call(t, call{path: ownList(list), client: system})
}

// itcAt returns the path of immediate trunking connectivity of a target, whose ids may be
// empty.
func itcAt(s scope.Scope, t scope.Target) string {
	ids := strings.NewReplacer("{tenant_id}", t.TenantID, "{group_id}", t.GroupID, "{user_id}", t.UserID)
	return "/api/v1" + ids.Replace(s.Prefix()) + "/services/immediate_trunking_connectivity/"
}

func listOf(tenantID, groupID, list string) string {
	return itcAt(scope.Group, scope.Target{TenantID: tenantID, GroupID: groupID}) + list + "/"
}

func ownList(list string) string { return listOf(ownTenant, ownGroup, list) }

// freeRange is of the own tenant and of none of its groups.
const freeRange = `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`

func assignFreeRange() call {
	return call{method: http.MethodPost, path: ownList("numbers"), client: system, body: freeRange}
}

// apiError is the documented form of an error.
type apiError struct {
	Code    int    `json:"code"`
	Name    string `json:"name"`
	Message string `json:"message"`
	Details struct {
		Entries   []string `json:"entries"`
		Operation string   `json:"operation"`
		Problems  []struct {
			Pointer   *string `json:"pointer"`
			Parameter string  `json:"parameter"`
			Reason    string  `json:"reason"`
		} `json:"problems"`
		Errors map[string]struct {
			Number  int    `json:"error_code"`
			Level   string `json:"level"`
			Summary string `json:"summary"`
			Detail  string `json:"detail"`
		} `json:"errors"`
	} `json:"details"`
}

// apiError returns the only error of a response.
func (r response) apiError(t testing.TB) apiError {
	t.Helper()
	var body struct {
		Errors []apiError `json:"errors"`
	}
	decoder := json.NewDecoder(strings.NewReader(r.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil || len(body.Errors) != 1 {
		t.Fatalf("status %d has not exactly one error: %v: %s", r.status, err, r.body)
	}
	return body.Errors[0]
}

func (r response) wantStatus(t testing.TB, status int) {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
}

// wantBody checks a response for a status and a body without its last line feed.
func (r response) wantBody(t testing.TB, status int, body string) {
	t.Helper()
	r.wantStatus(t, status)
	if diff := cmp.Diff(body+"\n", r.body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

// wantError checks a response for a status and the name of an error, and returns the
// error.
func (r response) wantError(t testing.TB, status int, name string) apiError {
	t.Helper()
	r.wantStatus(t, status)
	got := r.apiError(t)
	if got.Name != name {
		t.Fatalf("error %s, want %s: %s", got.Name, name, r.body)
	}
	return got
}

// wantRetryAfter checks for a Retry-After of at least one second.
func (r response) wantRetryAfter(t testing.TB) {
	t.Helper()
	var seconds int
	if _, err := fmt.Sscanf(r.header.Get("Retry-After"), "%d", &seconds); err != nil || seconds < 1 {
		t.Errorf("Retry-After is %q, want whole seconds", r.header.Get("Retry-After"))
	}
}

// apiRoutes returns the routes of the API without their operations.
func apiRoutes() []gateway.Route { return gateway.Table() }
