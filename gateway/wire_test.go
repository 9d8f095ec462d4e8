package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
)

// The trace of one request, which its header asks for. To add a case, make a call with
// asking, and compare its response with that of the same call without the header.

// asking returns a call with that value of the header.
func (c call) asking(value string) call {
	header := http.Header{}
	maps.Copy(header, c.header)
	header.Set(gateway.HeaderWire, value)
	c.header = header
	return c
}

// wired is a response with the trace of its request.
type wired struct {
	Response  json.RawMessage `json:"response"`
	Wire      []wiredExchange `json:"wire"`
	Truncated bool            `json:"truncated"`
}

type wiredExchange struct {
	Endpoint string   `json:"platform_endpoint"`
	Session  string   `json:"session"`
	Local    string   `json:"local_address"`
	Remote   string   `json:"platform_address"`
	Commands []string `json:"commands"`
	SentAt   string   `json:"sent_at"`
	Seconds  float64  `json:"seconds"`
	Request  string   `json:"request"`
	Reply    string   `json:"reply"`
	Error    string   `json:"error"`
}

// wired returns the trace in a response.
func (r response) wired(t testing.TB) wired {
	t.Helper()
	if got := r.header.Get("Content-Type"); got != gateway.WireMedia {
		t.Fatalf("status %d has the media type %s: %s", r.status, got, r.body)
	}
	var body wired
	decoder := json.NewDecoder(strings.NewReader(r.body))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&body))
	return body
}

// wantCommands checks the commands of the exchanges, and that each is complete.
func (w wired) wantCommands(t testing.TB, want ...string) {
	t.Helper()
	var got []string
	for _, x := range w.Wire {
		got = append(got, strings.Join(x.Commands, " "))
		if x.Endpoint != "primary" || x.SentAt == "" || x.Error != "" ||
			!strings.HasPrefix(x.Request, "<?xml") || !strings.HasSuffix(x.Request, "</BroadsoftDocument>") ||
			!strings.HasPrefix(x.Reply, "<?xml") || !strings.HasSuffix(x.Reply, "</BroadsoftDocument>") {
			t.Errorf("an exchange is not complete: %+v", x)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exchanges (-want +got):\n%s", diff)
	}
}

// Commands of the exchanges.
const (
	contextCommands = "ServiceProviderGetRequest17sp1 GroupServiceGetAuthorizationRequest"
	routeList       = "GroupRouteListEnterpriseTrunk"
)

func TestAReadReturnsItsDocuments(t *testing.T) {
	r := startInBubble(t, setup{})
	plain := r.get(t, "numbers")
	c := call{path: ownList("numbers"), client: system}
	got := r.call(t, c.asking("return"))
	body := got.wired(t)
	if string(body.Response) != strings.TrimSpace(plain.body) || got.status != plain.status || body.Truncated {
		t.Errorf("status %d, truncated %t, response %s\ninstead of %s", got.status, body.Truncated, body.Response, plain.body)
	}
	if got, want := got.header.Get("Etag"), plain.header.Get("Etag"); got != want || got == "" {
		t.Errorf("the tag is %s instead of %s", got, want)
	}
	body.wantCommands(t, contextCommands+" "+routeList+"NumberRangeGetSummaryListRequest")
	if !strings.Contains(body.Wire[0].Request, "<serviceProviderId>"+ownTenant+"</serviceProviderId>") || !strings.Contains(body.Wire[0].Reply, "<colHeading>Number Range Start</colHeading>") {
		t.Errorf("%+v", body.Wire[0])
	}

	c.header = http.Header{"If-None-Match": {plain.header.Get("Etag")}}
	if again := r.call(t, c.asking("return")); again.status != http.StatusOK || len(again.wired(t).Wire) != 1 {
		t.Errorf("status %d for a condition", again.status)
	}
}

func TestAWriteReturnsItsDocuments(t *testing.T) {
	r := startInBubble(t, setup{})
	c := assignFreeRange()
	c.header = http.Header{"Idempotency-Key": {"k"}}
	got := r.call(t, c.asking("return"))
	got.wired(t).wantCommands(t,
		contextCommands+" ServiceProviderRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest",
		routeList+"NumberRangeAssignListRequest")
	if string(got.wired(t).Response) != "{}" || got.status != http.StatusCreated || got.header.Get("Operation-Outcome") != "done" || got.header.Get("Operation-Id") == "" {
		t.Errorf("status %d, header %v, body %s", got.status, got.header, got.body)
	}

	replayed := r.call(t, c.asking("return"))
	replayed.wired(t).wantCommands(t)
	if replayed.status != http.StatusCreated || replayed.header.Get("Idempotency-Replayed") != "true" || replayed.header.Get("Operation-Id") != got.header.Get("Operation-Id") {
		t.Errorf("status %d, header %v", replayed.status, replayed.header)
	}

	dry := assignFreeRange()
	dry.path += "?dry_run=true"
	if got := r.call(t, dry.asking("return")); got.header.Get("Operation-Id") != "" {
		t.Errorf("a dry run has the header %v", got.header)
	}
}

func TestAnErrorReturnsItsDocuments(t *testing.T) {
	r := startInBubble(t, setup{})
	for name, test := range map[string]struct {
		call      call
		exchanges int
	}{
		"a request that is not valid":     {call{method: http.MethodPost, path: ownList("numbers"), client: system, body: "{}"}, 0},
		"a parameter that does not exist": {call{path: ownList("numbers") + "?colour=red", client: system}, 0},
		"a group that does not exist":     {call{path: listOf(ownTenant, "nowhere", "numbers"), client: system}, 1},
		"as a problem":                    {call{path: listOf(ownTenant, "nowhere", "numbers"), client: system, header: http.Header{"Accept": {"application/problem+json"}}}, 1},
		"not available":                   {call{method: http.MethodPost, path: ownList("numbers"), client: system, body: `{"numbers":[{"minPhoneNumber":"+3299"}]}`}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			plain := r.call(t, test.call)
			got := r.call(t, test.call.asking("return"))
			body := got.wired(t)
			if string(body.Response) != strings.TrimSpace(plain.body) || got.status != plain.status || got.status < 400 {
				t.Errorf("status %d, %s\ninstead of %d, %s", got.status, body.Response, plain.status, plain.body)
			}
			if len(body.Wire) < test.exchanges || test.exchanges == 0 && len(body.Wire) > 0 {
				t.Errorf("%d exchanges", len(body.Wire))
			}
			for _, name := range []string{"Link", "Operation-Outcome", "Cache-Control"} {
				if diff := cmp.Diff(plain.header[name], got.header[name]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func TestAnUnknownWriteReturnsItsDocuments(t *testing.T) {
	r := startInBubble(t, setup{})
	r.get(t, "numbers") // so that the session is ready
	r.inject(t, "drop-before-apply command=*NumberRangeAssignListRequest")
	got := r.call(t, assignFreeRange().asking("return"))
	if got.header.Get("Operation-Outcome") != "unknown" || got.status != http.StatusGatewayTimeout && got.status != http.StatusBadGateway {
		t.Fatalf("status %d, header %v", got.status, got.header)
	}
	all := got.wired(t).Wire
	i := slices.IndexFunc(all, func(x wiredExchange) bool { return x.Error != "" })
	if i < 0 || all[i].Reply != "" || !strings.Contains(all[i].Request, "NumberRangeAssignListRequest") || all[i].SentAt == "" {
		t.Errorf("%+v", all)
	}
}

func TestTheWireHeaderIsChecked(t *testing.T) {
	list, many := ownList("numbers"), http.Header{gateway.HeaderWire: {"return", "return"}}
	for name, test := range map[string]struct {
		call   call
		off    bool
		status int
		reason string
	}{
		"a Tenant Admin":              {call{path: list, client: tenant}.asking("return"), false, 403, "Ocigate-Wire is only for callers of the level System Admin"},
		"a Group Admin":               {call{path: list, client: group}.asking("log"), false, 403, "Ocigate-Wire is only for callers of the level System Admin"},
		"their invalid value":         {call{path: list, client: group}.asking("x"), false, 403, "Ocigate-Wire is only for callers of the level System Admin"},
		"no credentials":              {call{path: list}.asking("return"), false, 401, "Authentication is required"},
		"another tenant's":            {call{path: listOf("other", "g", "numbers"), client: tenant}.asking("return"), false, 403, ""},
		"switched off":                {call{path: list, client: system}.asking("return"), true, 403, "api.wire_trace"},
		"an unknown value":            {call{path: list, client: system}.asking("yes"), false, 400, `must be return or log, not "yes"`},
		"another letter case":         {call{path: list, client: system}.asking("Return"), false, 400, `must be return or log, not "Return"`},
		"an empty value":              {call{path: list, client: system}.asking(""), false, 400, `must be return or log, not ""`},
		"both values":                 {call{path: list, client: system}.asking("return, log"), false, 400, "must be return or log"},
		"a hostile value":             {call{path: list, client: system}.asking("\xff" + strings.Repeat("<script>", 100)), false, 400, "must be return or log"},
		"twice":                       {call{path: list, client: system, header: many}, false, 400, "must be given only once"},
		"an unknown value of a write": {assignFreeRange().asking("yes"), false, 400, "must be return or log"},
	} {
		t.Run(name, func(t *testing.T) {
			r := startInBubble(t, setup{gateway: func(o *gateway.Options) { o.NoWire = test.off }})
			got := r.call(t, test.call)
			failure := got.apiError(t)
			if got.status != test.status || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("status %d", got.status)
			}
			text := failure.Message
			for _, p := range failure.Details.Problems {
				text += " " + p.Parameter + " " + p.Reason
			}
			if !strings.Contains(text, test.reason) || test.status == 400 && !strings.Contains(text, gateway.HeaderWire) {
				t.Errorf("the reason is %q", text)
			}
			if got := got.header.Get("Operation-Outcome"); test.call.method == http.MethodPost && got != "not_done" {
				t.Errorf("the outcome is %q", got)
			}
			for _, entry := range r.platform.Ledger() {
				if strings.HasPrefix(entry.Command, "Group") {
					t.Errorf("%s was sent", entry.Command)
				}
			}
		})
	}
}

func TestOtherRoutesDoNotReadTheWireHeader(t *testing.T) {
	r := startInBubble(t, setup{})
	for _, path := range []string{"/api/v1/", "/api/v1/operations/"} {
		if got := r.call(t, call{path: path, client: group}.asking("return")); path == "/api/v1/" && got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: status %d, %s", path, got.status, got.header.Get("Content-Type"))
		}
	}
}

func TestARequestLogsItsDocuments(t *testing.T) {
	r := startInBubble(t, setup{})
	plain := r.get(t, "numbers")
	c := call{path: ownList("numbers"), client: system, header: http.Header{"X-Request-Id": {"case-1"}}}
	got := r.call(t, c.asking("log"))
	if got.body != plain.body || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("the response is %s", got.body)
	}
	lines := r.log.wires(t)
	if len(lines) != 1 {
		t.Fatalf("%d lines: %v", len(lines), lines)
	}
	line := lines[0]
	for field, want := range map[string]any{"request_id": "case-1", "platform_endpoint": "primary", "level": "INFO", "sent": true} {
		if line[field] != want {
			t.Errorf("%s is %v", field, line[field])
		}
	}
	for _, field := range []string{"request", "reply"} {
		if text, _ := line[field].(string); !strings.HasSuffix(text, "</BroadsoftDocument>") {
			t.Errorf("%s is %q", field, text)
		}
	}
	if last := r.log.last(t); last["wire"] != "log" {
		t.Errorf("the line of the request has %v", last["wire"])
	}
}

// wires returns the lines with documents.
func (l *logBuffer) wires(t testing.TB) (lines []map[string]any) {
	t.Helper()
	for text := range strings.Lines(l.String()) {
		var line map[string]any
		must(t, json.Unmarshal([]byte(text), &line))
		if line["msg"] == "wire" {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestALogWithoutInformationTakesNoDocuments(t *testing.T) {
	r := startInBubble(t, setup{gateway: func(o *gateway.Options) {
		o.Logger = slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}})
	failure := r.call(t, call{path: ownList("numbers"), client: system}.asking("log")).wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
	if reason := failure.Details.Problems[0].Reason; !strings.Contains(reason, "log.level") {
		t.Error(reason)
	}
}

func TestNoSecretIsInATrace(t *testing.T) {
	r := startInBubble(t, setup{})
	got := r.call(t, call{path: ownList("numbers"), client: system}.asking("return"))
	for _, secret := range []string{gatewayPassword, clientSecret} {
		if strings.Contains(got.body, secret) {
			t.Errorf("the trace has %q", secret)
		}
	}
	for _, x := range got.wired(t).Wire {
		for _, document := range []string{x.Request, x.Reply} {
			if !strings.Contains(document, ">"+x.Session+"</sessionId>") {
				t.Errorf("the session's pseudonym %s is not in %s", x.Session, document)
			}
		}
	}
}

func TestATraceIsCompressed(t *testing.T) {
	r := start(t, setup{})
	c := call{path: ownList("numbers"), client: system, header: http.Header{"Accept-Encoding": {"gzip"}}}
	got := r.call(t, c.asking("return"))
	if got.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("the header is %v", got.header)
	}
	reader, err := gzip.NewReader(bytes.NewReader([]byte(got.body)))
	must(t, err)
	plain, err := io.ReadAll(reader)
	must(t, err)
	if len((response{got.status, got.header, string(plain)}).wired(t).Wire) == 0 {
		t.Error("there are no exchanges")
	}
	head := call{method: http.MethodHead, path: ownList("numbers"), client: system}
	if got := r.call(t, head.asking("return")); got.status != http.StatusOK || got.header.Get("Content-Type") != gateway.WireMedia || got.body != "" {
		t.Errorf("HEAD: status %d, %v", got.status, got.header)
	}
}
