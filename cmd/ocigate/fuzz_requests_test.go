package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/oci/ocisim"
	"ocigate/translate/errcode"
)

// This fuzz test sends arbitrary bytes to a running gateway. To add a seed, add a request to
// the catalogue of hostile requests.

// Parts of a fuzz test's input are placeholders, so that the input is still a request after
// changes.
const (
	// nextConnection separates the bytes of different connections.
	nextConnection = "{next}"
	// lengthOfBody means the length of the body that begins after the next empty
	// line and ends at endOfBody, or at the end of the connection.
	lengthOfBody = "{length}"
	endOfBody    = "{end}"

	maxFuzzInput       = 16 << 10
	maxFuzzConnections = 4
	maxFuzzPicks       = 6
)

// fuzzMacros are placeholders for texts that random changes would not find.
func fuzzMacros() map[string]string {
	macros := map[string]string{"{other}": basicOf("other", demoSecret)}
	for _, name := range []string{"portal", "tenant", "group", "numbers", "prefixes", "available", "foreign", "free", "other-free", "own", "free-prefix"} {
		macros["{"+name+"}"] = hostileMacros[name]
	}
	macros["{neighbour}"] = "/api/v1" + itc("ApioSpTest", "ApioGrpOther", "numbers")
	return macros
}

// fuzzInput returns the input for the arguments of a fuzz test: a base, valid requests after
// it, one for each pick, and additional bytes at some place.
func fuzzInput(input, picks, noise []byte, at uint16) []byte {
	whole := string(input)
	for _, pick := range picks[:min(len(picks), maxFuzzPicks)] {
		whole += pickedRequest(pick)
	}
	place := int(at) % (len(whole) + 1)
	return []byte(whole[:place] + string(noise) + whole[place:])
}

// pickedRequest returns one of 256 requests, which are valid except for their caller and for
// the hidden parts of some forms.
func pickedRequest(pick byte) string {
	work := [...][3]string{
		{"POST", "{numbers}", "{free}"}, {"DELETE", "{numbers}", "{own}"}, {"GET", "{numbers}", ""}, {"POST", "{prefixes}", "{free-prefix}"},
		{"POST", "{foreign}", `{"numbers":[{"minPhoneNumber":"+3228000010"}]}`}, {"GET", "{neighbour}", ""},
		{"GET", "/api/v1/operations/", ""}, {"POST", "{numbers}?dry_run=true", "{free}"},
	}[pick&7]
	caller := [...]string{"{portal}", "{tenant}", "{group}", "{other}"}[pick>>3&3]
	version, fields, body := "HTTP/1.1", "Content-Length: {length}\r\n", work[2]
	switch pick >> 5 {
	case 1:
		fields, body = "Transfer-Encoding: chunked\r\n", chunkedText(body)
	case 2: // and the bytes after it would be a second request
		fields, body = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"
	case 3:
		version, fields = "HTTP/1.0", "Connection: keep-alive\r\n"+fields
	case 4:
		fields = "Content-Length: 0\r\nX-Length: {length}\r\n"
	case 5:
		fields += "Idempotency-Key: k" + strconv.Itoa(int(pick)) + "\r\n"
	case 6:
		return nextConnection + requestText(work[0], work[1], version, caller, fields, body)
	}
	return requestText(work[0], work[1], version, caller, fields, body)
}

func requestText(method, path, version, caller, fields, body string) string {
	return method + " " + path + " " + version + "\r\nHost: gateway\r\nAuthorization: " + caller + "\r\n" + fields + "\r\n" + body + endOfBody
}

// chunkedText returns a body in one chunk. Its macros are expanded, so that its size is right.
func chunkedText(body string) string {
	for name, text := range fuzzMacros() {
		body = strings.ReplaceAll(body, name, text)
	}
	if body == "" {
		return "0\r\n\r\n"
	}
	return strconv.FormatInt(int64(len(body)), 16) + "\r\n" + body + "\r\n0\r\n\r\n"
}

// connectionsOf returns the bytes of each connection of an input.
func connectionsOf(input []byte, macros map[string]string) [][]byte {
	var replaced []string
	for name, text := range macros {
		replaced = append(replaced, name, text)
	}
	text := strings.NewReplacer(replaced...).Replace(string(input))
	var connections [][]byte
	for one := range strings.SplitSeq(text, nextConnection) {
		if len(connections) < maxFuzzConnections {
			connections = append(connections, []byte(withLengths(one)))
		}
	}
	return connections
}

func withLengths(text string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, lengthOfBody)
		out.WriteString(strings.ReplaceAll(before, endOfBody, ""))
		if !found {
			return out.String()
		}
		_, body, _ := strings.Cut(after, "\r\n\r\n")
		body, _, _ = strings.Cut(body, endOfBody)
		out.WriteString(strconv.Itoa(len(body)))
		text = after
	}
}

// fuzzSeed returns the platform of the demonstration, except that no two tenants have the same
// entries: so an entry identifies its tenant.
func fuzzSeed() ocisim.Seed {
	seed := ocisim.DemoSeed()
	seed.Tenants = slices.DeleteFunc(seed.Tenants, func(t ocisim.Tenant) bool { return t.ID == "bartenant" })
	for i := range seed.Tenants {
		t := &seed.Tenants[i]
		if t.ID != "footenant" {
			continue
		}
		t.Ranges = []ocisim.Range{
			{Start: "+3228000000", End: "+3228000009", Owner: ocisim.Owner{Group: "foogroup"}}, {Start: "+3228000010", End: "+3228000010"},
		}
		t.Prefixes = []ocisim.Prefix{{Prefix: "+32-81", Owner: ocisim.Owner{Group: "foogroup"}}, {Prefix: "+32-82"}}
	}
	return seed
}

// owner is the initial owner of an entry; without a group the entry is free.
type owner struct{ tenant, group string }

// ownersOf returns the owners of all entries, by the spelling of responses.
func ownersOf(seed ocisim.Seed) map[string]owner {
	owners := map[string]owner{}
	for _, t := range seed.Tenants {
		for _, r := range t.Ranges {
			owners[r.Start], owners[r.End] = owner{t.ID, r.Group}, owner{t.ID, r.Group}
		}
		for _, p := range t.Prefixes {
			owners[p.Prefix] = owner{t.ID, p.Group}
		}
	}
	return owners
}

// FuzzRequests sends bytes over one or more concurrent connections to a running gateway. For
// all bytes:
//
//   - every write that reaches the platform was requested by a caller with the right to it, and
//     is sent no more often than it was requested;
//   - no response contains an entry of a tenant or group that is not the caller's;
//   - every response is complete, and every error has the documented form;
//   - nothing panics.
//
// An independent reader finds the requested writes in the bytes, and the platform's ledger
// contains those that were received.
func FuzzRequests(f *testing.F) {
	seed := fuzzSeed()
	z := &fuzzing{owners: ownersOf(seed), platform: ocisim.NewServer(seed)}
	f.Cleanup(func() { _ = z.platform.Close() }) // never fails
	z.gateway = startForHostiles(f, z.platform.Addr, func(c *config.Config) {
		other := c.Auth.Clients[0]
		other.ID, other.Level, other.TenantID = "other", config.LevelTenant, "footenant"
		c.Auth.Clients = append(c.Auth.Clients, other)
		c.HTTP.ReadHeaderTimeout, c.HTTP.ReadTimeout, c.HTTP.IdleTimeout = 2*time.Second, 2*time.Second, 2*time.Second
		c.Journal.Settle = time.Second
	})
	f.Cleanup(func() {
		z.gateway.stop()
		if err := <-z.gateway.ended; err != nil {
			f.Errorf("Run: %v", err)
		}
	})
	// What the first request makes, such as the description that validates all of them, must
	// not count for the ten seconds that one input may take.
	response, err := http.Get("http://" + z.gateway.api + "/api/v1/")
	if err != nil {
		f.Fatal(err)
	}
	_ = response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	macros := fuzzMacros()
	for _, input := range fuzzInputs(f, macros) {
		f.Add([]byte(input), []byte{}, []byte{}, uint16(0))
	}
	for first := range byte(16) { // requests of all kinds and callers, two or three together
		f.Add([]byte{}, []byte{first * 17, first*31 + 5, first*73 + 11}, []byte{}, uint16(0))
	}
	f.Add([]byte{}, []byte{8, 9, 10}, []byte("\r\n"), uint16(60))
	f.Fuzz(func(t *testing.T, input, picks, noise []byte, at uint16) {
		if whole := fuzzInput(input, picks, noise, at); len(whole) <= maxFuzzInput {
			z.run(t, connectionsOf(whole, macros))
		}
	})
}

// fuzzInputs returns the seeds: the requests of the catalogue, and concurrent callers.
func fuzzInputs(t testing.TB, macros map[string]string) []string {
	t.Helper()
	var inputs []string
	// Longer texts first, because some contain others.
	names := slices.SortedFunc(maps.Keys(macros), func(a, b string) int { return len(macros[b]) - len(macros[a]) })
	for _, c := range hostileCases(t) {
		var input strings.Builder
		for _, p := range c.sent {
			input.WriteString(p.bytes)
		}
		if text := input.String(); len(text) < 1<<10 {
			for _, name := range names {
				text = strings.ReplaceAll(text, macros[name], name)
			}
			inputs = append(inputs, text)
		}
	}
	request := func(method, path, caller, body string) string {
		return requestText(method, path, "HTTP/1.1", caller, "Content-Length: {length}\r\n", body)
	}
	return append(inputs,
		request("POST", "{numbers}", "{tenant}", "{free}")+request("DELETE", "{numbers}", "{portal}", "{free}")+request("GET", "{foreign}", "{other}", ""),
		request("GET", "{numbers}", "{group}", "")+nextConnection+request("GET", "{foreign}", "{other}", "")+nextConnection+request("GET", "{foreign}", "{group}", ""),
		request("POST", "{numbers}", "{tenant}", "{free}")+nextConnection+request("POST", "{numbers}", "{portal}", "{free}")+nextConnection+request("POST", "{numbers}", "{group}", "{free}"),
		request("POST", "{foreign}", "{other}", `{"numbers":[{"minPhoneNumber":"+3228000010"}]}`)+request("POST", "{foreign}", "{tenant}", `{"numbers":[{"minPhoneNumber":"+3228000010"}]}`),
		request("DELETE", "{numbers}", "{tenant}", "{own}")+request("GET", "{numbers}", "{other}", "")+request("GET", "/api/v1/operations/", "{other}", ""),
		request("POST", "{prefixes}", "{tenant}", "{free-prefix}")+request("GET", "/api/v1/operations/", "{group}", "")+request("GET", "{prefixes}", "{group}", ""),
		request("PUT", "{foreign}", "{other}", `{"numbers":[{"minPhoneNumber":"+3228000010"}]}`)+request("PUT", "{foreign}", "{tenant}", `{"numbers":[]}`),
		request("PUT", "{foreign}", "{portal}", `{"numbers":[]}`)+nextConnection+request("PUT", "{foreign}", "{other}", `{"numbers":[{"minPhoneNumber":"+3228000010"},{"minPhoneNumber":"+3228000000"}]}`)+nextConnection+request("PUT", "{foreign}", "{group}", `{"numbers":[]}`),
		request("PUT", "{foreign}?dry_run=true", "{other}", `{"numbers":[]}`)+request("PUT", "{prefixes}", "{tenant}", `{"prefixes":[]}`)+request("PUT", "{numbers}", "{tenant}", "{free}"),
		requestText("PUT", "{foreign}", "HTTP/1.1", "{other}", "If-Match: \"none\"\r\nContent-Length: {length}\r\n", `{"numbers":[]}`)+requestText("PUT", "{foreign}", "HTTP/1.1", "{other}", "If-Match: *\r\nContent-Length: {length}\r\n", `{"numbers":[]}`),
		request("POST", "{numbers}?dry_run=true", "{tenant}", "{free}")+request("POST", "{foreign}?dry_run=true", "{portal}", `{"numbers":[{"minPhoneNumber":"+3228000010"}]}`),
	)
}

// fuzzing is the gateway that gets the inputs in sequence.
type fuzzing struct {
	owners   map[string]owner
	platform *ocisim.Server
	gateway  *running
}

func (z *fuzzing) run(t *testing.T, connections [][]byte) {
	t.Helper()
	z.platform.TakeLedger()
	var asked []fuzzWrite
	var talks sync.WaitGroup
	for _, bytes := range connections {
		read := readTalk(bytes)
		for _, m := range read.whole {
			if w, ok := m.asked(); ok {
				asked = append(asked, w)
			}
		}
		talks.Go(func() { z.talk(t, bytes, read) })
	}
	talks.Wait()
	ledger := z.platform.TakeLedger()
	z.checkWrites(t, ledger, asked)
	if log := z.gateway.log.take(); strings.Contains(log, "panic") {
		t.Errorf("the gateway panicked: %s", log)
	}
	z.putBack(t, ledger)
}

// take returns the log so far, and clears it.
func (o *output) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.buffer.String()
	o.buffer.Reset()
	return text
}

// checkWrites compares the writes that the platform received with the requested ones.
func (z *fuzzing) checkWrites(t *testing.T, ledger []ocisim.Entry, asked []fuzzWrite) {
	t.Helper()
	steps := map[int][]bool{} // of the writes that set lists, by their places: which were received
	for _, e := range ledger {
		if !e.Write {
			continue
		}
		w := fuzzWrite{
			assign: !strings.Contains(e.Command, "Unassign"), tenant: e.ServiceProvider, group: e.Group, list: "numbers",
			entries: canonicalEntries(e.Numbers),
		}
		if strings.Contains(e.Command, "Prefix") {
			w.list = "prefixes"
		}
		if i := slices.Index(asked, w); i >= 0 {
			asked[i] = fuzzWrite{} // it may be received once
			continue
		}
		i := 0
		for i < len(asked) && (!asked[i].allows(w) || slices.Contains(steps[i], w.assign) || !w.assign && len(steps[i]) > 0) {
			i++
		}
		if i == len(asked) {
			t.Errorf("the platform received a write that was not requested, or received it twice: %+v", w)
			continue
		}
		steps[i] = append(steps[i], w.assign)
	}
}

// putBack undoes the writes. An entry may be held for some time if its caller has
// disconnected.
func (z *fuzzing) putBack(t *testing.T, ledger []ocisim.Entry) {
	t.Helper()
	slices.Reverse(ledger)
	undone := &undoing{TB: t}
	for deadline := time.Now().Add(hostilePatience); ; undone.failed = "" {
		if putBack(undone, z.gateway.api, ledger); undone.failed == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(undone.failed)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// undoing returns a failure without reporting it.
type undoing struct {
	testing.TB
	failed string
}

func (u *undoing) Fatalf(format string, args ...any) { u.failed = fmt.Sprintf(format, args...) }

// talk sends the bytes of a connection, and checks the responses.
func (z *fuzzing) talk(t *testing.T, sent []byte, read talk) {
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", z.gateway.api)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(hostilePatience)); err != nil {
		t.Error(err)
		return
	}
	// The gateway may answer and close the connection before all bytes are sent.
	_, _ = conn.Write(sent)
	reader := bufio.NewReader(conn)
	for i := range read.whole {
		if !z.readAnswer(t, reader, &read.whole[i], true) {
			return
		}
	}
	if read.end == refused && !z.readAnswer(t, reader, &read.half, false) {
		return
	}
	if read.end == waits {
		// There is at most an incomplete request, which may be answered.
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		if !z.readAnswer(t, reader, &read.half, false) {
			return
		}
	}
	if more, _ := io.ReadAll(reader); len(more) > 0 {
		t.Errorf("answered once more, to what is no request: %.300s", more)
	}
}

// readAnswer checks the next response, to a complete request or to bytes that are none. It
// reports whether there was one.
func (z *fuzzing) readAnswer(t *testing.T, reader *bufio.Reader, to *message, whole bool) bool {
	if _, err := reader.Peek(1); err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("no answer, and no end: %v", err)
		}
		return false
	}
	response, err := http.ReadResponse(reader, &http.Request{Method: to.method})
	if err != nil {
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("an answer that is none: %v", err)
		}
		return false
	}
	if response.StatusCode == http.StatusContinue {
		return z.readAnswer(t, reader, to, whole)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if to.method == http.MethodHead && response.Header.Get("X-Request-Id") == "" {
		// A response of net/http itself has a body also in this case.
		body, err = io.ReadAll(reader)
	}
	if errors.Is(err, syscall.ECONNRESET) {
		return false
	}
	if err != nil {
		t.Errorf("half an answer: %v", err)
		return false
	}
	if len(body) > 0 || to.method != http.MethodHead {
		checkForm(t, response, body)
	}
	switch {
	case response.StatusCode >= http.StatusBadRequest || response.StatusCode == http.StatusNoContent:
	case !whole && to.method != http.MethodGet && to.method != http.MethodHead: // reads do not wait for their bodies
		t.Errorf("an answer to no request: %d %s", response.StatusCode, body)
	default:
		z.checkOwners(t, to, body)
	}
	return true
}

// checkForm checks that a response is JSON, and that an error has the documented form, unless
// net/http itself wrote the response.
func checkForm(t *testing.T, response *http.Response, body []byte) {
	if response.Header.Get("X-Request-Id") == "" {
		if response.StatusCode < http.StatusBadRequest || !response.Close {
			t.Errorf("an answer of the server itself: %d %s", response.StatusCode, body)
		}
		return
	}
	if response.StatusCode == http.StatusNoContent {
		return
	}
	media := response.Header.Get("Content-Type")
	if !json.Valid(body) || media != "application/json" && media != "application/problem+json" {
		t.Errorf("an answer of type %q: %s", media, body)
	}
	if response.StatusCode < http.StatusBadRequest || media != "application/json" {
		return
	}
	code, known := errcode.ByName(errorNameOf(response, body))
	if !known || code.Status != response.StatusCode {
		t.Errorf("an error of another form: %d %s", response.StatusCode, body)
	}
}

var fuzzEntry = regexp.MustCompile(`"(\+32[0-9-]+)"`)

// checkOwners checks that all entries in a successful response are in the caller's scope, and
// of the requested group.
func (z *fuzzing) checkOwners(t *testing.T, to *message, body []byte) {
	who, known := to.caller()
	tenant, group, _, _, _ := to.place()
	for _, match := range fuzzEntry.FindAllSubmatch(body, -1) {
		of, ok := z.owners[string(match[1])]
		// A free entry may have been assigned to the caller's group.
		mine := known && who.covers(of.tenant, who.group) && (of.group == "" || who.covers(of.tenant, of.group))
		there := tenant == "" || of.tenant == tenant && (of.group == "" || of.group == group)
		if ok && (!mine || !there) {
			t.Errorf("%s %s of %q is answered with %s of %s/%s", to.method, to.target, who.id, match[1], of.tenant, of.group)
		}
	}
	if !known && bytes.Contains(body, []byte("+32")) {
		t.Errorf("%s %s without a caller is answered with %s", to.method, to.target, body)
	}
}
