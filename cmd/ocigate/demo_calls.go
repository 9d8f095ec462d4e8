package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"ocigate/config"
)

// demoCall is a call that the demonstration shows, or makes by itself.
type demoCall struct {
	title  string
	user   string // id of a listed client; empty for nobody
	method string
	path   string // behind /api/v1; lastOperation in it stands for the id of the write before
	key    string // an Idempotency-Key, empty for none
	body   string
	status int
	// want is the whole answer. Where it is empty, code is that of the error,
	// and has is what the answer holds besides.
	want string
	code int
	has  []string
	// answered are headers of the answer.
	answered map[string]string
	// listed demands that the entries of the body are among those that the call
	// before listed.
	listed bool
}

const lastOperation = "{operation_id}"

const (
	itcOf    = "/tenant/%s/group/%s/services/immediate_trunking_connectivity/"
	noAnswer = "{}"
)

func itc(tenant, group, list string) string { return fmt.Sprintf(itcOf, tenant, group) + list + "/" }

// demoCalls are the documented examples, the available lists and what they are
// for, and then each documented error. Made in this order they leave the platform
// as it was.
func demoCalls(from config.AvailableFrom) []demoCall {
	return slices.Concat(changeCalls(), availableCalls(from), []demoCall{{
		title: "list the writes of the tenant", user: "tenant", method: "GET", path: "/operations/", status: 200,
		has: []string{`{"operations":[{"id":"`, `"requested_by":"tenant"`, `"endpoint":"itc_numbers_remove_by_post"`},
	}}, errorCalls())
}

// The bodies of calls.
const (
	oneRange     = `{"numbers":[{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999"}]}`
	oneStart     = `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`
	twoPrefixes  = `{"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-02"}]}`
	takenRange   = `{"numbers":[{"minPhoneNumber":"+3225129000"}]}`
	ownRange     = `{"numbers":[{"minPhoneNumber":"+3226127007","maxPhoneNumber":"+3226127009"}]}`
	shorterRange = `{"numbers":[{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127009"}]}`
	takenPrefix  = `{"prefixes":[{"prefix":"+32-04"}]}`
	misspelled   = `{"numbers":[{"minphonenumber":"+3225126999"}]}`
)

// changeCalls list and change what a group has.
func changeCalls() []demoCall {
	numbers := itc("ApioSpTest", "ApioGrpTest", "numbers")
	prefixes := itc("ApioSpTest", "ApioGrpTest", "prefixes")
	barPrefixes := itc("bartenant", "bargroup", "prefixes")
	return []demoCall{
		{title: "log in as a group administrator of the platform", method: "POST", path: "/login/", body: `{"username":"groupadmin","password":"groupadmin-demo"}`, status: 200},
		{title: "list the group's number ranges", user: "group", method: "GET", path: numbers, status: 200, want: documentedNumbers},
		{title: "see what assigning a number range would change", user: "tenant", method: "POST", path: numbers + "?dry_run=true", body: oneRange, status: 200, want: rehearsedNumbers},
		{
			title: "assign it", user: "tenant", method: "POST", path: numbers, key: "demo-1", body: oneRange, status: 201, want: noAnswer,
			answered: map[string]string{"Operation-Outcome": "done"},
		},
		{
			title: "send that again with its key: nothing is done twice", user: "tenant", method: "POST", path: numbers, key: "demo-1", body: oneRange, status: 201, want: noAnswer,
			answered: map[string]string{"Operation-Outcome": "done", "Idempotency-Replayed": "true"},
		},
		{
			title: "ask what became of it", user: "group", method: "GET", path: "/operations/" + lastOperation + "/", status: 200,
			has: []string{`"state":"done"`, `"known_by":"answer"`, `"endpoint":"itc_numbers_assign"`, `"entries":[{"entry":"+3225126999","outcome":"done"}]`},
		},
		{title: "remove it", user: "tenant", method: "DELETE", path: numbers, body: oneStart, status: 200, want: noAnswer},
		{title: "assign it again", user: "tenant", method: "POST", path: numbers, body: oneRange, status: 201, want: noAnswer},
		{title: "remove it without DELETE", user: "tenant", method: "POST", path: numbers + "remove/", body: oneStart, status: 200, want: noAnswer},
		{title: "list the group's prefixes", user: "group", method: "GET", path: prefixes, status: 200, want: documentedPrefixes},
		{title: "assign prefixes", user: "portal", method: "POST", path: barPrefixes, body: twoPrefixes, status: 201, want: noAnswer},
		{title: "remove them", user: "portal", method: "DELETE", path: barPrefixes, body: twoPrefixes, status: 200, want: noAnswer},
		{title: "assign them again", user: "portal", method: "POST", path: barPrefixes, body: twoPrefixes, status: 201, want: noAnswer},
		{title: "remove them without DELETE", user: "portal", method: "POST", path: barPrefixes + "remove/", body: twoPrefixes, status: 200, want: noAnswer},
	}
}

// errorCalls are answered with the documented errors.
func errorCalls() []demoCall {
	numbers := itc("ApioSpTest", "ApioGrpTest", "numbers")
	prefixes := itc("ApioSpTest", "ApioGrpTest", "prefixes")
	return []demoCall{
		{
			title: "a range of another group", user: "tenant", method: "POST", path: numbers, body: takenRange, status: 400, code: 19,
			has: []string{`"problems":[{"pointer":"/numbers/0/minPhoneNumber","reason":"is assigned to another group"}]`},
		},
		{
			title: "a range that the group has already", user: "tenant", method: "POST", path: numbers, body: ownRange, status: 400, code: 19,
			has: []string{`"problems":[{"pointer":"/numbers/0/minPhoneNumber","reason":"is already assigned to this group"}]`},
		},
		{
			title: "a range that is longer than the caller says", user: "tenant", method: "POST", path: numbers, body: shorterRange, status: 400, code: 19,
			has: []string{`"problems":[{"pointer":"/numbers/0/maxPhoneNumber","reason":"is not the end of its range, which ends at +3225127999"}]`},
		},
		{title: "a prefix of another group", user: "tenant", method: "POST", path: prefixes, body: takenPrefix, status: 400, code: 19},
		{title: "a prefix that is not the group's", user: "tenant", method: "DELETE", path: prefixes, body: takenPrefix, status: 400, code: 19},
		{title: "a tenant in Enterprise mode", user: "portal", method: "GET", path: itc("ApioEntTest", "ApioEntGrpTest", "numbers"), status: 400, code: 46},
		{title: "a group without the service", user: "tenant", method: "GET", path: itc("ApioSpTest", "ApioGrpNoService", "numbers"), status: 404, code: 1004},
		{title: "a group that does not exist", user: "tenant", method: "GET", path: itc("ApioSpTest", "nobody", "numbers"), status: 404, code: 1003},
		{title: "a tenant that does not exist", user: "portal", method: "GET", path: itc("nobody", "nobody", "numbers"), status: 404, code: 1002},
		{title: "a key of another request", user: "tenant", method: "POST", path: numbers, key: "demo-1", body: takenRange, status: 422, code: 1020},
		{title: "an operation that nobody knows", user: "tenant", method: "GET", path: "/operations/00000000-0000-7000-8000-000000000000/", status: 404, code: 1022},
		{title: "a key in the wrong letter case", user: "tenant", method: "POST", path: numbers, body: misspelled, status: 400, code: 3},
		{title: "nobody", method: "GET", path: numbers, status: 401, code: 1000},
		{title: "too low a level", user: "group", method: "POST", path: numbers, body: oneRange, status: 403, code: 1001},
		{title: "another's tenant", user: "tenant", method: "GET", path: itc("footenant", "foogroup", "numbers"), status: 403, code: 1001},
	}
}

// curl is the call as a line for a shell.
func (d demoCall) curl(base string) string {
	line := "curl -s"
	if d.user != "" {
		line += fmt.Sprintf(" -u %s:%s", d.user, demoSecret)
	}
	if d.method != http.MethodGet {
		line += " -X " + d.method
	}
	line += " " + shellWord(base+"/api/v1"+strings.ReplaceAll(d.path, lastOperation, fmt.Sprintf(findLastOperation, base)))
	if d.key != "" {
		line += " -H 'Idempotency-Key: " + d.key + "'"
	}
	if d.body != "" {
		line += " -H 'Content-Type: application/json' -d '" + d.body + "'"
	}
	return line
}

// findLastOperation is what a shell finds the id of the last write with.
const findLastOperation = `$(curl -s -u portal:` + demoSecret + ` '%s/api/v1/operations/?limit=1' | sed 's/.*"id":"\([^"]*\)".*/\1/')`

// shellWord keeps a shell from taking a word for a pattern, or for several.
func shellWord(word string) string {
	if strings.ContainsAny(word, "?$") {
		return `"` + word + `"`
	}
	return word
}

func (d *demo) printBanner(to io.Writer, base, admin, platform string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "ocigate %s is running. Stop it with Ctrl-C.\n\n", versionText())
	fmt.Fprintf(&b, "  API                 %s/api/v1/\n", base)
	fmt.Fprintf(&b, "  metrics and health  %s/metrics  /livez  /readyz\n", admin)
	fmt.Fprintf(&b, "  simulated platform  %s (OCI-P over TCP)\n\n", platform)
	fmt.Fprintf(&b, "Clients of the API, secret %q: portal (everything), tenant (ApioSpTest), group (its ApioGrpTest).\n", demoSecret)
	fmt.Fprintf(&b, "\n%s\n", availableHelp[d.availableFrom])
	for _, call := range demoCalls(d.availableFrom) {
		fmt.Fprintf(&b, "\n# %s: %d\n%s\n", call.title, call.status, call.curl(base))
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// checkDemo makes the calls, says how each went, and fails unless all went as
// documented.
func checkDemo(ctx context.Context, base string, calls []demoCall, to io.Writer) error {
	client := &http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	report := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	failed := 0
	operation := ""   // the last one's id
	var before []byte // the body of the answer to the call before
	for _, call := range calls {
		verdict := "ok"
		call.path = strings.ReplaceAll(call.path, lastOperation, operation)
		header, body, err := call.check(ctx, client, base)
		if id := header.Get("Operation-Id"); id != "" {
			operation = id
		}
		if err == nil && call.listed {
			err = listedIn(before, call.body)
		}
		before = body
		if err != nil {
			verdict = err.Error()
			failed++
		}
		fmt.Fprintf(report, "%s\t%d\t%s\t%s\n", call.method, call.status, call.title, verdict)
	}
	fmt.Fprintf(report, "%d calls, %d not as documented\n", len(calls), failed)
	err := report.Flush()
	if failed > 0 {
		err = errors.Join(err, errors.New("the demonstration's answers are not as documented"))
	}
	return err
}

// check makes the call and compares its answer with the documented one, in
// status, keys, their order and their types.
func (d demoCall) check(ctx context.Context, client *http.Client, base string) (header http.Header, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, d.method, base+"/api/v1"+d.path, strings.NewReader(d.body))
	if err != nil {
		return nil, nil, err
	}
	if d.user != "" {
		request.SetBasicAuth(d.user, demoSecret)
	}
	if d.key != "" {
		request.Header.Set("Idempotency-Key", d.key)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body)
	if err == nil {
		err = d.judge(response, body)
	}
	return response.Header, body, err
}

func (d demoCall) judge(response *http.Response, body []byte) error {
	if response.StatusCode != d.status {
		return fmt.Errorf("status %d: %s", response.StatusCode, body)
	}
	for name, want := range d.answered {
		if got := response.Header.Get(name); got != want {
			return fmt.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	for _, part := range d.has {
		if !bytes.Contains(body, []byte(part)) {
			return fmt.Errorf("without %s: %s", part, body)
		}
	}
	if d.want != "" {
		return sameJSON(d.want, body)
	}
	var told struct {
		Errors []struct{ Code int }
	}
	if err := json.Unmarshal(body, &told); err != nil {
		return fmt.Errorf("%w: %s", err, body)
	}
	if d.code != 0 && (len(told.Errors) != 1 || told.Errors[0].Code != d.code) {
		return fmt.Errorf("not error %d: %s", d.code, body)
	}
	return nil
}

// sameJSON compares two texts apart from white space between tokens.
func sameJSON(want string, got []byte) error {
	var wanted, answered bytes.Buffer
	if err := errors.Join(json.Compact(&wanted, []byte(want)), json.Compact(&answered, got)); err != nil {
		return err
	}
	if !bytes.Equal(wanted.Bytes(), answered.Bytes()) {
		return fmt.Errorf("answered %s", answered.Bytes())
	}
	return nil
}
