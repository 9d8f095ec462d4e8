package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ocigate/config"
	"ocigate/gateway"
)

// These tests have clients that are generated from the description of the API make the
// calls of the demonstration, with both kinds of available lists and with each fault, and
// compare the responses with the documented ones. The clients are programs that read calls
// and write responses: testdata/clients/generated. .ci/clients generates and compiles
// them. A new call of the demonstration needs nothing here, and a new route a line in the
// table of operations of each program.

func TestGeneratedClients(t *testing.T) {
	t.Parallel() // it waits most of the time
	folder := os.Getenv(compiledFolder)
	if folder == "" {
		t.Skip(".ci/clients makes the clients, and sets " + compiledFolder)
	}
	for name, line := range map[string][]string{
		"go":         {filepath.Join(folder, "client")},
		"typescript": {"node", filepath.Join(folder, "main.js")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := exec.LookPath(line[0])
			if err == nil {
				_, err = os.Stat(line[len(line)-1])
			}
			if err != nil {
				skipClient(t, err)
			}
			t.Parallel()
			made := &madeCalls{}
			t.Run("calls", func(t *testing.T) {
				for title, d := range allDemos() {
					t.Run(title, func(t *testing.T) {
						t.Parallel()
						inDemo(t, d, func(t *testing.T, api string) { checkGenerated(t, line, "http://"+api, d, made) })
					})
				}
			})
			made.check(t)
			checkRedirect(t, line)
		})
	}
}

// allDemos returns the demonstrations with different calls, by a title.
func allDemos() map[string]demo {
	all := map[string]demo{}
	for _, from := range availableLists {
		all["available from "+string(from)] = demo{availableFrom: from}
	}
	for _, fault := range demoFaults {
		all[fault.name] = demo{fault: fault.name}
	}
	return all
}

// checkGenerated has a client make the calls of a demonstration that are in the
// description.
func checkGenerated(t *testing.T, line []string, api string, d demo, made *madeCalls) {
	t.Helper()
	var err error
	if d.injected, err = faultByName(d.fault); err != nil {
		t.Fatal(err)
	}
	client := startGenerated(t, slices.Concat(line, []string{api}))
	calls := slices.DeleteFunc(d.calls(), func(call demoCall) bool {
		_, _, described := routeOf(call)
		return !described
	})
	var report strings.Builder
	if err := checkCalls(t.Context(), client, calls, &report); err != nil {
		t.Errorf("%v\n%s", err, &report)
	}
	client.end(t)
	for _, call := range calls {
		made.add(call)
	}
}

// checkRedirect requires that a client reports the redirect of a write, and does not follow
// it to a success.
func checkRedirect(t *testing.T, line []string) {
	t.Helper()
	var got receivedCalls
	url := serveCalls(t, func(w http.ResponseWriter, r *http.Request) {
		got.add(r)
		w.Header().Set("Content-Type", jsonType)
		w.Header().Set("Location", "/elsewhere")
		if r.URL.Path != "/elsewhere" {
			w.WriteHeader(http.StatusMovedPermanently)
		}
		fmt.Fprint(w, "{}")
	})
	client := startGenerated(t, slices.Concat(line, []string{url}))
	answer, err := client.send(t.Context(), demoCall{method: http.MethodPost, path: demoNumbers, body: `{"numbers":[{"minPhoneNumber":"+1"}]}`}, "")
	client.end(t)
	if answer.status != http.StatusMovedPermanently || len(got.all()) != 1 {
		t.Errorf("a redirect gets %d after %d requests: %v", answer.status, len(got.all()), err)
	}
}

// madeCalls counts the calls that a client has made.
type madeCalls struct {
	mu         sync.Mutex // guards the fields below
	operations map[string]int
	errors     map[int]int
}

func (m *madeCalls) add(call demoCall) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.operations == nil {
		m.operations, m.errors = map[string]int{}, map[int]int{}
	}
	route, _, _ := routeOf(call)
	m.operations[route.Name]++
	if call.code != 0 {
		m.errors[call.code]++
	}
}

// check requires that each operation was called.
func (m *madeCalls) check(t *testing.T) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	total := 0
	for _, route := range gateway.Table() {
		total += m.operations[route.Name]
		if m.operations[route.Name] == 0 {
			t.Errorf("no call of %s", route.Name)
		}
	}
	t.Logf("%d calls of %d operations, with %d different errors", total, len(m.operations), len(m.errors))
}

// A generatedClient is a running program.
type generatedClient struct {
	command *exec.Cmd
	errs    *output
	ended   chan struct{} // closed when the program has ended

	mu      sync.Mutex // guards the fields below, and is held while a call is written
	calls   io.WriteCloser
	waiting []chan generatedAnswer // by the ids of the calls
}

// A generatedCall is a call in the form of the programs.
type generatedCall struct {
	ID            int               `json:"id"`
	Operation     string            `json:"operation"`
	Path          map[string]string `json:"path"`
	Query         map[string]any    `json:"query"`
	Header        map[string]string `json:"header"`
	Authorization string            `json:"authorization"`
	Body          string            `json:"body"`
	MediaType     string            `json:"media_type"` // of a body that has not the described form
}

// A generatedAnswer is a response in the form of the programs.
type generatedAnswer struct {
	ID     int               `json:"id"`
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
	Typed  any               `json:"typed"` // the body as the generated types have it
	Error  string            `json:"error"`
}

func startGenerated(t *testing.T, line []string) *generatedClient {
	t.Helper()
	g := &generatedClient{command: exec.CommandContext(t.Context(), line[0], line[1:]...), errs: &output{}, ended: make(chan struct{})}
	g.command.Stderr = g.errs
	calls, err := g.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, err := g.command.StdoutPipe()
	if err == nil {
		err = g.command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	g.calls = calls
	go g.read(answers)
	return g
}

// read hands the answers of the program to those who wait for them.
func (g *generatedClient) read(answers io.Reader) {
	defer close(g.ended)
	for decoder := json.NewDecoder(answers); ; {
		var answer generatedAnswer
		if err := decoder.Decode(&answer); err != nil {
			return // it has ended, or writes no JSON: the callers get no answer
		}
		g.mu.Lock()
		waiting := g.waiting[answer.ID]
		g.mu.Unlock()
		waiting <- answer
	}
}

// end has the program end.
func (g *generatedClient) end(t *testing.T) {
	t.Helper()
	_ = g.calls.Close() // Wait returns what is wrong
	<-g.ended
	if err := g.command.Wait(); err != nil || g.errs.String() != "" {
		t.Errorf("the client ends with %v\n%s", err, g.errs)
	}
}

// send is that of a demoSender.
func (g *generatedClient) send(ctx context.Context, call demoCall, authorization string) (demoAnswer, error) {
	question, err := generatedForm(call, authorization)
	if err != nil {
		return demoAnswer{}, err
	}
	waiting := make(chan generatedAnswer, 1)
	if err := g.ask(question, waiting); err != nil {
		return demoAnswer{}, err
	}
	select {
	case answer := <-waiting:
		return answer.demoAnswer()
	case <-g.ended:
		return demoAnswer{}, errors.New("the client has ended")
	case <-ctx.Done():
		return demoAnswer{}, ctx.Err()
	}
}

// ask writes a call, whose response goes to waiting.
func (g *generatedClient) ask(call generatedCall, waiting chan generatedAnswer) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	call.ID = len(g.waiting)
	g.waiting = append(g.waiting, waiting)
	return json.NewEncoder(g.calls).Encode(call)
}

// generatedForm returns a call in the form of the programs.
func generatedForm(call demoCall, authorization string) (generatedCall, error) {
	route, path, _ := routeOf(call)
	form := generatedCall{
		Operation: route.Name, Path: path, Query: map[string]any{}, Header: map[string]string{},
		Authorization: authorization, Body: call.body,
	}
	_, query, _ := strings.Cut(call.path, "?")
	values, err := url.ParseQuery(query)
	for name := range values {
		form.Query[name] = typedValue(values.Get(name))
	}
	if call.key != "" {
		form.Header["Idempotency-Key"] = call.key
	}
	if call.ifMatch != "" {
		form.Header["If-Match"] = call.ifMatch
	}
	if call.filler > 0 {
		form.Body = strings.Repeat("\x00", call.filler)
	}
	if call.mediaType != "" || call.filler > 0 || call.body == misspelled {
		form.MediaType = cmp.Or(call.mediaType, jsonType)
	}
	return form, err
}

// typedValue returns the value of a parameter as a boolean or a number if it looks like
// one.
func typedValue(text string) any {
	if number, err := strconv.Atoi(text); err == nil {
		return number
	}
	if truth, err := strconv.ParseBool(text); err == nil {
		return truth
	}
	return text
}

// demoAnswer returns the response. It is an error if the generated types have lost a part
// of it.
func (a generatedAnswer) demoAnswer() (demoAnswer, error) {
	answer := demoAnswer{status: a.Status, header: http.Header{}, body: []byte(a.Body)}
	if a.Error != "" {
		return answer, fmt.Errorf("the client: %s (status %d: %s)", a.Error, a.Status, a.Body)
	}
	for name, value := range a.Header {
		answer.header.Set(name, value)
	}
	var body any
	if err := json.Unmarshal(answer.body, &body); err != nil {
		return answer, fmt.Errorf("%w: %s", err, a.Body)
	}
	if !reflect.DeepEqual(body, a.Typed) {
		return answer, fmt.Errorf("the generated types make %v of %s", a.Typed, a.Body)
	}
	return answer, nil
}

// TestGeneratedClientsHaveAllOperations checks the tables of the programs, also where
// nothing can be generated.
func TestGeneratedClientsHaveAllOperations(t *testing.T) {
	for file, form := range map[string]string{
		"go/operations.go":   "\n\t\t%q: ",
		"typescript/main.ts": "\n  %s: (c) => ",
	} {
		text := readFile(t, filepath.Join(clientFolder, "generated", filepath.FromSlash(file)))
		for _, route := range gateway.Table() {
			if !strings.Contains(text, fmt.Sprintf(form, route.Name)) {
				t.Errorf("%s has no line for %s", file, route.Name)
			}
		}
	}
}

// TestGeneratedClientsGetAllCalls checks which calls the generated clients cannot make.
func TestGeneratedClientsGetAllCalls(t *testing.T) {
	var left []string
	for _, call := range demoCalls(config.AvailableFromGroup) {
		if _, _, described := routeOf(call); !described {
			left = append(left, call.title)
		}
	}
	if want := []string{"a path that does not exist", "a method that the path does not support"}; !slices.Equal(left, want) {
		t.Errorf("left out are %q, want %q", left, want)
	}
}
