package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"ocigate/config"
	"ocigate/translate/scope"
)

// demoCall is a call that the demonstration shows, and makes with --check.
type demoCall struct {
	title  string
	user   string // id of a listed client; empty for no credentials
	method string
	path   string // after /api/v1; lastOperation in it means the id of the write before
	key    string // an Idempotency-Key, empty for none
	// ifMatch is an If-Match, empty for none; presentTag in it means the ETag of the
	// list at the path.
	ifMatch string
	// bearer reports whether the call has the token of the login before.
	bearer bool
	// mediaType is that of the body, application/json if empty.
	mediaType string
	body      string
	// filler is the size of a body of NUL characters that replaces body.
	filler int
	status int
	// want is the complete response. If it is empty, code is the number of the error,
	// and has lists texts that the response contains.
	want string
	code int
	has  []string
	// answered are header fields of the response.
	answered map[string]string
	// times is how often the call is made in sequence, 0 for once. The last response
	// counts.
	times int
	// each lists words that replace eachWord in the path, unless it is empty. The calls
	// with each word are made concurrently: one of the responses must be as documented,
	// and another one must have the status besides.
	each    []string
	besides int
	// patient reports whether the response may be another one at first.
	patient bool
	// listed reports whether the entries of the body must be among those that the call
	// before listed.
	listed bool
}

const (
	lastOperation = "{operation_id}"
	eachWord      = "{each}"
	presentTag    = "{etag}"
)

const (
	itcService = "/services/immediate_trunking_connectivity/"
	noAnswer   = "{}"
)

// itcAt returns the path of immediate trunking connectivity of a target.
func itcAt(t scope.Target) string {
	ids := strings.NewReplacer("{tenant_id}", t.TenantID, "{group_id}", t.GroupID, "{user_id}", t.UserID)
	return ids.Replace(t.Scope().Prefix()) + itcService
}

// itc returns the path of a list of a group.
func itc(tenant, group, list string) string {
	return itcAt(scope.Target{TenantID: tenant, GroupID: group}) + list + "/"
}

// demoCalls returns the documented examples, the available lists with assignments from
// them, the lists of tenants, and then the errors that need no fault. Made in this order,
// they leave the platform unchanged.
func demoCalls(from config.AvailableFrom) []demoCall {
	return slices.Concat(changeCalls(), availableCalls(from), tenantCalls(), userCalls(), []demoCall{{
		title: "list the writes of the tenant", user: "tenant", method: "GET", path: "/operations/", status: 200,
		has: []string{`{"operations":[{"id":"`, `"requested_by":"tenant"`, `"endpoint":"itc_numbers_remove_by_post"`},
	}}, errorCalls())
}

// The lists of the group of most calls.
var (
	demoNumbers  = itc("ApioSpTest", "ApioGrpTest", "numbers")
	demoPrefixes = itc("ApioSpTest", "ApioGrpTest", "prefixes")
)

// The bodies of calls.
const (
	groupLogin   = `{"username":"groupadmin","password":"groupadmin-demo"}`
	badLogin     = `{"username":"nobody","password":"guess"}`
	oneRange     = `{"numbers":[{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999"}]}`
	oneStart     = `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`
	twoPrefixes  = `{"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-02"}]}`
	takenRange   = `{"numbers":[{"minPhoneNumber":"+3225129000"}]}`
	ownRange     = `{"numbers":[{"minPhoneNumber":"+3226127007","maxPhoneNumber":"+3226127009"}]}`
	shorterRange = `{"numbers":[{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127009"}]}`
	ownPrefix    = `{"prefixes":[{"prefix":"+32-02"}]}`
	sameTwice    = `{"numbers":[{"minPhoneNumber":"+3225126999"},{"minPhoneNumber":"+3225126999"}]}`
	takenPrefix  = `{"prefixes":[{"prefix":"+32-04"}]}`
	misspelled   = `{"numbers":[{"minphonenumber":"+3225126999"}]}`
	wantedRanges = `{"numbers":[{"minPhoneNumber":"+3226127000"},{"minPhoneNumber":"+3225126999"}]}`
	ownRanges    = `{"numbers":[{"minPhoneNumber":"+3226127000"},{"minPhoneNumber":"+3226127007"}]}`
	ownPrefixes  = `{"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-02"}]}`
	noRanges     = `{"numbers":[]}`
)

// changeCalls returns the calls that list and change the entries of a group.
func changeCalls() []demoCall {
	numbers, prefixes := demoNumbers, demoPrefixes
	barPrefixes := itc("bartenant", "bargroup", "prefixes")
	return []demoCall{
		{title: "log in as a group administrator of the platform", method: "POST", path: "/login/", body: groupLogin, status: 200},
		{title: "use the token", bearer: true, method: "GET", path: numbers, status: 200, want: documentedNumbers},
		{title: "log out", bearer: true, method: "POST", path: "/logout/", status: 200, want: noAnswer},
		{
			title: "see what a caller can use", user: "group", method: "GET", path: "/", status: 200,
			has: []string{`"ids":{"tenant_id":"ApioSpTest","group_id":"ApioGrpTest"}`, `{"route":"itc_numbers_list","method":"GET","href":"/api/v1` + demoNumbers + `",`},
		},
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
			title: "ask for its outcome", user: "group", method: "GET", path: "/operations/" + lastOperation + "/", status: 200,
			has: []string{`"state":"done"`, `"known_by":"answer"`, `"endpoint":"itc_numbers_assign"`, `"entries":[{"entry":"+3225126999","outcome":"done","step":1}]`},
		},
		{title: "remove it", user: "tenant", method: "DELETE", path: numbers, body: oneStart, status: 200, want: noAnswer},
		{title: "assign it again", user: "tenant", method: "POST", path: numbers, body: oneRange, status: 201, want: noAnswer},
		{title: "remove it without DELETE", user: "tenant", method: "POST", path: numbers + "remove/", body: oneStart, status: 200, want: noAnswer},
		{title: "see what it takes to have exactly these ranges", user: "tenant", method: "PUT", path: numbers + "?dry_run=true", body: wantedRanges, status: 200, want: rehearsedList},
		{
			title: "have exactly these, unless the list has changed since", user: "tenant", method: "PUT", path: numbers, ifMatch: presentTag, body: wantedRanges, status: 200, want: changedList,
			answered: map[string]string{"Operation-Outcome": "done"},
		},
		{title: "have the ranges from before", user: "tenant", method: "PUT", path: numbers, body: ownRanges, status: 200, want: restoredList},
		{title: "list the group's prefixes", user: "group", method: "GET", path: prefixes, status: 200, want: documentedPrefixes},
		{title: "have exactly the prefixes that are there: nothing is sent", user: "tenant", method: "PUT", path: prefixes, body: ownPrefixes, status: 200, want: unchangedPrefixes},
		{title: "assign prefixes", user: "portal", method: "POST", path: barPrefixes, body: twoPrefixes, status: 201, want: noAnswer},
		{title: "remove them", user: "portal", method: "DELETE", path: barPrefixes, body: twoPrefixes, status: 200, want: noAnswer},
		{title: "assign them again", user: "portal", method: "POST", path: barPrefixes, body: twoPrefixes, status: 201, want: noAnswer},
		{title: "remove them without DELETE", user: "portal", method: "POST", path: barPrefixes + "remove/", body: twoPrefixes, status: 200, want: noAnswer},
	}
}

// curl returns the call as a line for a shell.
func (d demoCall) curl(base string) string {
	line := "curl -s"
	if d.user != "" {
		line += fmt.Sprintf(" -u %s:%s", d.user, demoSecret)
	}
	if d.bearer {
		line += ` -H "Authorization: Bearer ` + fmt.Sprintf(findToken, base) + `"`
	}
	if d.method != http.MethodGet {
		line += " -X " + d.method
	}
	path := strings.NewReplacer(lastOperation, fmt.Sprintf(findLastOperation, base), eachWord, "$each").Replace(d.path)
	line += " " + shellWord(base+"/api/v1"+path)
	if d.key != "" {
		line += " -H 'Idempotency-Key: " + d.key + "'"
	}
	switch {
	case d.ifMatch == presentTag:
		line += ` -H "If-Match: ` + fmt.Sprintf(findTag, d.user, demoSecret, base+"/api/v1"+path) + `"`
	case d.ifMatch != "":
		line += " -H 'If-Match: " + d.ifMatch + "'"
	}
	if d.body != "" || d.filler > 0 {
		line += " -H 'Content-Type: " + cmp.Or(d.mediaType, jsonType) + "'"
	}
	switch {
	case d.filler > 0:
		line = fmt.Sprintf("head -c %d /dev/zero | %s --data-binary @-", d.filler, line)
	case d.body != "":
		line += " -d '" + d.body + "'"
	}
	switch {
	case d.times > 0:
		return fmt.Sprintf("for i in $(seq %d); do %s; done", d.times, line)
	case len(d.each) > 0:
		return fmt.Sprintf("for each in %s; do %s & done; wait", strings.Join(d.each, " "), line)
	}
	return line
}

const jsonType = "application/json"

// findLastOperation is the shell command that returns the id of the last write.
const findLastOperation = `$(curl -s -u portal:` + demoSecret + ` '%s/api/v1/operations/?limit=1' | sed 's/.*"id":"\([^"]*\)".*/\1/')`

// findTag is the shell command that returns the ETag of a list.
const findTag = `$(curl -sI -u %s:%s %s | tr -d '\r' | sed -n 's/^[Ee][Tt]ag: //p')`

// findToken is the shell command that returns a new token.
const findToken = `$(curl -s -X POST %s/api/v1/login/ -H 'Content-Type: application/json' -d '` + groupLogin + `' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')`

// shellWord returns a word in quotes if a shell would expand it.
func shellWord(word string) string {
	if strings.ContainsAny(word, "?$") {
		return `"` + word + `"`
	}
	return word
}

// demoCallLine returns the line that makes a call by this program.
func demoCallLine(base string) string {
	return variableSecret + "=" + demoSecret + " bin/ocigate call itc_numbers_list --client group --tenant ApioSpTest --group ApioGrpTest --url " + base
}

// operatorLine is a command of the banner that is no call of the API.
type operatorLine struct{ title, command string }

// operatorLines returns the commands that show the pages and the metrics, and that switch
// faults while the demonstration runs.
func operatorLines(base, admin, platform string) []operatorLine {
	fault := "bin/ocigate sim fault %s --platform " + platform
	return []operatorLine{
		{"the documentation for callers, which a browser shows with forms for calls", "curl -s " + base + "/docs/"},
		{"the facts of the status page: what is wrong, and what to do", "curl -s " + admin + "/status.json"},
		{"the metrics", "curl -s " + admin + "/metrics | grep ^ocigate_"},
		{"whether the gateway is ready", "curl -s " + admin + "/readyz"},
		{"a fault of the platform while it runs: the next write is carried out, and its reply is lost (bin/ocigate sim faults lists all kinds)",
			fmt.Sprintf(fault, "add 'drop-after-apply "+demoWrites+" times=1'")},
		{"the faults, and how often each has acted", fmt.Sprintf(fault, "list")},
		{"no faults any more", fmt.Sprintf(fault, "remove --all")},
	}
}

func (d *demo) printBanner(to io.Writer, base, admin, platform string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "ocigate %s is running. Stop it with Ctrl-C.\n\n", versionText())
	fmt.Fprintf(&b, "  API                 %s/api/v1/\n", base)
	fmt.Fprintf(&b, "  documentation       %s/docs/  (signed in: calls can be made from the page)\n", base)
	fmt.Fprintf(&b, "  status page         %s/status\n", admin)
	fmt.Fprintf(&b, "  metrics and health  %s/metrics  /livez  /readyz\n", admin)
	fmt.Fprintf(&b, "  simulated platform  %s (OCI-P over TCP)\n\n", platform)
	fmt.Fprintf(&b, "Clients of the API, secret %q: portal (everything), tenant (ApioSpTest), group (its ApioGrpTest),\nlimited (the same group, 2 requests at a time).\n", demoSecret)
	if d.fault != "" {
		fmt.Fprintf(&b, "\nFault %s: %s.\n", d.fault, d.injected.help)
	} else {
		fmt.Fprintf(&b, "\n%s\n", availableHelp[d.availableFrom])
		fmt.Fprintf(&b, "\n# any call without curl: ocigate call --help\n%s\n", demoCallLine(base))
	}
	for _, call := range d.calls() {
		fmt.Fprintf(&b, "\n# %s: %d\n%s\n", call.title, call.status, call.curl(base))
	}
	for _, line := range operatorLines(base, admin, platform) {
		fmt.Fprintf(&b, "\n# %s\n%s\n", line.title, line.command)
	}
	_, err := io.WriteString(to, b.String())
	return err
}
