package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"ocigate/gateway"
	"ocigate/translate/errcode"
)

// The examples are those of the documents that the API implements, in testdata/contract,
// and the recorded cases of testdata/api. Errors without a recorded case, and bodies of
// the gateway itself, have composed examples.

// A recordedCase is a request with its response.
type recordedCase struct {
	name     string
	request  json.RawMessage // nil if it has no body, or none that is JSON
	status   int
	response json.RawMessage
	headers  map[string]string // of the request
}

// recorded are the cases by the names of routes: those of the documents first, then in
// the order of their names.
type recorded map[string][]recordedCase

// Names of cases and of examples.
const (
	contractExample = "contract"
	composedExample = "example"
)

// firstCases are the names of the cases that are the best examples.
var firstCases = []string{contractExample, "documented", "example"}

func readRecorded(testdata fs.FS) (recorded, error) {
	all := recorded{}
	for _, route := range gateway.Table() {
		var cases []recordedCase
		contract, err := contractCase(testdata, route.Name)
		if err != nil {
			return nil, err
		}
		cases = append(cases, contract...)
		folder := path.Join("api", route.Name)
		entries, err := fs.ReadDir(testdata, folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, entry := range entries {
			if !entry.IsDir() {
				continue
			}
			one, err := readCase(testdata, folder, entry.Name())
			if err != nil {
				return nil, fmt.Errorf("openapi: %s/%s: %w", folder, entry.Name(), err)
			}
			cases = append(cases, one)
		}
		slices.SortStableFunc(cases, func(a, b recordedCase) int { return place(a.name) - place(b.name) })
		all[route.Name] = cases
	}
	return all, nil
}

func place(name string) int {
	if i := slices.Index(firstCases, name); i >= 0 {
		return i
	}
	return len(firstCases)
}

func readCase(testdata fs.FS, folder, name string) (recordedCase, error) {
	var request struct {
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
	}
	var response struct {
		Status int             `json:"status"`
		Body   json.RawMessage `json:"body"`
	}
	for file, into := range map[string]any{"request.json": &request, "response.json": &response} {
		text, err := fs.ReadFile(testdata, path.Join(folder, name, file))
		if err != nil {
			return recordedCase{}, err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return recordedCase{}, fmt.Errorf("%s: %w", file, err)
		}
	}
	body := strings.ReplaceAll(string(response.Body), "/OPERATION/", "/"+gateway.ExampleOperationID+"/")
	return recordedCase{name, request.Body, response.Status, json.RawMessage(body), request.Headers}, nil
}

// contractCase returns the example of the documents, if there is one for the route.
func contractCase(testdata fs.FS, route string) ([]recordedCase, error) {
	found, err := fs.Glob(testdata, "contract/*-"+route+".http")
	if err != nil || len(found) == 0 {
		return nil, err
	}
	request, err := fs.ReadFile(testdata, found[0])
	if err != nil {
		return nil, err
	}
	response, err := fs.ReadFile(testdata, strings.TrimSuffix(found[0], "http")+"response")
	if err != nil {
		return nil, err
	}
	var status int
	if _, err := fmt.Sscanf(string(response), "HTTP/1.1 %d", &status); err != nil {
		return nil, fmt.Errorf("openapi: the response of %s: %w", found[0], err)
	}
	return []recordedCase{{name: contractExample, request: bodyIn(request), status: status, response: bodyIn(response)}}, nil
}

// bodyIn returns the body of an HTTP message, nil if it has none.
func bodyIn(message []byte) json.RawMessage {
	_, body, _ := strings.Cut(strings.ReplaceAll(string(message), "\r\n", "\n"), "\n\n")
	if body = strings.TrimSpace(body); body == "" {
		return nil
	}
	return json.RawMessage(body)
}

// requestExamples returns the bodies of the requests that succeeded.
func (b *builder) requestExamples(route gateway.Route) (object, error) {
	examples := object{}
	for _, c := range b.recorded[route.Name] {
		if c.request != nil && c.status < 300 {
			examples = examples.with(c.name, object{{"summary", summaryOf(c.name)}, {"value", c.request}})
		}
	}
	if len(examples) > 0 {
		return examples, nil
	}
	return b.composed(b.schemas.ofShape(route.Describe().Request, true))
}

// successExamples returns the bodies of successes with that status.
func (b *builder) successExamples(route gateway.Route, status int, schema object) (object, error) {
	examples := object{}
	for _, c := range b.recorded[route.Name] {
		if c.status == status && len(c.response) > 0 {
			examples = examples.with(c.name, object{{"summary", summaryOf(c.name)}, {"value", c.response}})
		}
	}
	if len(examples) > 0 {
		return examples, nil
	}
	return b.composed(schema)
}

// composed returns an example that is composed of those of the members.
func (b *builder) composed(schema object) (object, error) {
	value, ok := b.schemas.exampleOf(schema)
	if name, _ := schema.get("$ref").(string); !ok && strings.HasSuffix(name, "/Empty") {
		value, ok = object{}, true
	}
	if !ok {
		return nil, errors.New("there is neither a recorded case nor an example of each required member")
	}
	return object{{composedExample, object{{"value", value}}}}, nil
}

func summaryOf(name string) string {
	if name == contractExample {
		return "The example of the documents"
	}
	words := strings.ReplaceAll(name, "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// forms are the ends of the names of examples in the forms of gateway.ErrorMedia.
var forms = []string{"", ProblemEnding}

// ProblemEnding is the end of the name of an example in the form of problem+json.
const ProblemEnding = "_problem"

// errorExample returns the example of an error of a route in a form: its own recorded
// case, or else a reference to the example that all routes share.
func (b *builder) errorExample(route gateway.Route, code *errcode.Code, form int) (object, error) {
	shared, err := b.sharedExample(code, form)
	if err != nil {
		return nil, err
	}
	if own := caseOf(b.recorded[route.Name], code); own != nil {
		value, err := inForm(own, form)
		if err != nil {
			return nil, err
		}
		if string(mustEncode(value)) != string(mustEncode(shared)) {
			return object{{"value", value}}, nil
		}
	}
	name := code.Name + forms[form]
	b.examples[name] = object{{"summary", code.Text}, {"value", shared}}
	return object{{"$ref", "#/components/examples/" + name}}, nil
}

// sharedExample returns the body of the first recorded case of an error, or else a
// composed one.
func (b *builder) sharedExample(code *errcode.Code, form int) (any, error) {
	for _, route := range gateway.Table() {
		if found := caseOf(b.recorded[route.Name], code); found != nil {
			return inForm(found, form)
		}
	}
	return gateway.ErrorBodies(composedError(code))[form], nil
}

// caseOf returns the response of the first case with that error, nil if there is none.
func caseOf(cases []recordedCase, code *errcode.Code) json.RawMessage {
	for _, c := range cases {
		var body struct {
			Errors []struct {
				Name string `json:"name"`
			} `json:"errors"`
		}
		if c.status != code.Status || json.Unmarshal(c.response, &body) != nil {
			continue
		}
		if len(body.Errors) == 1 && body.Errors[0].Name == code.Name {
			return c.response
		}
	}
	return nil
}

func inForm(body json.RawMessage, form int) (any, error) {
	if form == 0 {
		return body, nil
	}
	return gateway.ProblemBody(body)
}

func mustEncode(value any) []byte {
	text, err := encoded(value)
	if err != nil {
		panic(err) // the value was made from JSON
	}
	return text
}

// composedError returns an example of an error that no recorded case has.
func composedError(code *errcode.Code) *errcode.Error {
	e := &errcode.Error{Code: code}
	switch code {
	case errcode.EntriesHeld:
		e.Entries, e.Operation, e.RetryAfter = []string{"+3225126999"}, gateway.ExampleOperationID, time.Second
	case errcode.PartlyDone:
		e.Entries, e.Operation = []string{"+3225777000"}, gateway.ExampleOperationID
	case errcode.RequestRunning:
		e.Operation = gateway.ExampleOperationID
	case errcode.BodyTooLarge:
		e.Message = fmt.Sprintf("The body is too large: it may have %d bytes.", gateway.DefaultBodyBytes)
	case errcode.PlatformError:
		e.Platform = []errcode.Platform{{Number: 5404, Level: "Warning", Summary: "[Error 5404] The request could not be completed"}}
	}
	return e
}
