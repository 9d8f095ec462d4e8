package openapitest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/translate/errcode"
)

// exchange is a request with its response.
type exchange struct {
	request  *http.Request // its URL, header and method
	body     []byte        // of the request, as far as it was read
	bodyRead bool          // to its end

	status   int
	header   http.Header
	response []byte
	cutOff   bool // the response was not written to its end
}

// framing are headers that HTTP itself needs for a body or a connection.
var framing = []string{"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Transfer-Encoding", "Vary"}

// permissions are headers that tell a browser what a page of another origin may do with a
// response, where the operator allows its origin. Clients do not read them.
var permissions = []string{"Access-Control-Allow-Credentials", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers"}

// check returns in what an exchange differs from the description, or the reason for
// which it was not validated.
func (d *description) check(x *exchange) (problems []string, left Exception) {
	path := x.request.URL.RawPath // as it was sent, if EscapedPath would change it
	if path == "" {
		path = x.request.URL.EscapedPath()
	}
	switch {
	case path == gateway.DescriptionJSONPath, path == gateway.DescriptionYAMLPath,
		path == strings.TrimSuffix(gateway.DocsPath, "/"), strings.HasPrefix(path, gateway.DocsPath):
		return nil, Documentation
	case x.request.Method == http.MethodOptions && x.status == http.StatusNoContent:
		return nil, Options
	case x.cutOff:
		left = CutOff
	}
	p, values := d.find(path)
	if p == nil {
		return d.unrouted(x, errcode.RouteNotFound), left
	}
	op := p.methods[x.request.Method]
	if op == nil {
		return d.unrouted(x, errcode.MethodNotAllowed), left
	}
	problems = op.checkResponse(x)
	if problem := op.checkRequest(x, values); problem != "" && !refuses(x.status) {
		problems = append(problems, fmt.Sprintf("the request is not valid by the description, and got %d: %s", x.status, problem))
	}
	return problems, left
}

// refuses reports whether a status is one that an invalid request may get.
func refuses(status int) bool {
	return status >= 400 && status < 500 || status == http.StatusServiceUnavailable
}

// unrouted checks the response to a request that no route serves. Any operation has it
// as its default.
func (d *description) unrouted(x *exchange, code *errcode.Code) []string {
	for _, patterns := range d.patterns {
		for _, p := range patterns {
			for _, op := range p.methods {
				if x.status != code.Status && x.status != errcode.CallerLeft.Status {
					return []string{fmt.Sprintf("no route serves the request, and its status is %d", x.status)}
				}
				return op.responses["default"].check(x)
			}
		}
	}
	return []string{"the description has no operation"}
}

// checkResponse checks the response of an operation.
func (op *operation) checkResponse(x *exchange) []string {
	if op.wire != nil && x.header.Get("Content-Type") == gateway.WireMedia {
		return op.checkWire(x)
	}
	response, described := op.responses[strconv.Itoa(x.status)]
	if described {
		problems := response.check(x)
		if len(problems) == 0 || !isMapped(x) {
			return problems
		}
	}
	// The default response has the errors of requests that reach no route, and those
	// that the operator has mapped errors of the platform to.
	other := op.responses["default"]
	if x.status == errcode.CallerLeft.Status || isMapped(x) {
		return other.check(x)
	}
	return []string{fmt.Sprintf("the status %d is not described", x.status)}
}

// isMapped reports whether a response is an error that the platform has reported, so
// that its code may be one of the operator's choice. What the platform reports of a login
// is not passed on.
func isMapped(x *exchange) bool {
	e, ok := errorIn(x)
	isLogin := strings.HasSuffix(strings.TrimSuffix(x.request.URL.Path, "/"), "/login")
	if !ok || len(e.platform) == 0 && !isLogin {
		return false
	}
	code, known := errcode.ByName(e.name)
	return known && code.Status == x.status
}

// checkWire checks a response that has the trace of its request: the trace, and the
// response in it as if it had been sent without.
func (op *operation) checkWire(x *exchange) []string {
	if x.request.Header.Get(gateway.HeaderWire) == "" {
		return []string{"the response has a trace for which the request does not ask"}
	}
	inner := *x
	inner.header = x.header.Clone()
	inner.header.Del("Content-Encoding")
	if x.request.Method != http.MethodHead && !x.cutOff {
		var body struct {
			Response json.RawMessage `json:"response"`
		}
		text := x.plainResponse()
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = op.wire.Validate(value)
		}
		if err = errors.Join(err, json.Unmarshal(text, &body)); err != nil {
			return []string{fmt.Sprintf("the trace in the body of status %d: %v", x.status, err)}
		}
		inner.response = body.Response
	}
	var problems []string
	for _, media := range gateway.ErrorMedia() { // one of them is that of all other bodies
		inner.header.Set("Content-Type", media.Name)
		found := op.checkResponse(&inner)
		if len(found) == 0 {
			return nil
		}
		problems = append(problems, found...)
	}
	return problems
}

// check checks a response against one of the description.
func (d *documented) check(x *exchange) []string {
	problems := d.checkHeaders(x)
	if x.cutOff {
		return problems
	}
	return append(problems, d.checkBody(x)...)
}

func (d *documented) checkHeaders(x *exchange) []string {
	var problems []string
	for name, values := range x.header {
		if slices.Contains(framing, name) || slices.Contains(permissions, name) || len(values) == 0 {
			continue
		}
		h, described := d.headers[name]
		if !described {
			problems = append(problems, fmt.Sprintf("the header %s of status %d is not described", name, x.status))
			continue
		}
		for _, value := range values {
			if err := h.schema.Validate(typed(value, h.kind)); err != nil {
				problems = append(problems, fmt.Sprintf("the header %s: %v", name, err))
			}
		}
	}
	for name, h := range d.headers {
		if h.required && len(x.header[name]) == 0 {
			problems = append(problems, fmt.Sprintf("the header %s of status %d is missing", name, x.status))
		}
	}
	return problems
}

// known are bodies that were validated already, by their schema. Mass tests get the same
// bodies again and again.
var known = struct {
	mu     sync.Mutex // guards bodies
	bodies map[knownBody]bool
}{bodies: map[knownBody]bool{}}

type knownBody struct {
	schema *jsonschema.Schema
	digest uint64
}

// maxKnown limits the memory of known.
const maxKnown = 1 << 16

var seed = maphash.MakeSeed()

func (d *documented) checkBody(x *exchange) []string {
	contentType := x.header.Get("Content-Type")
	if len(d.media) == 0 {
		if len(x.response) > 0 || contentType != "" {
			return []string{fmt.Sprintf("status %d has a body, which is not described", x.status)}
		}
		return nil
	}
	media, described := d.media[contentType]
	if !described {
		return []string{fmt.Sprintf("the media type %q of status %d is not described", contentType, x.status)}
	}
	if x.request.Method == http.MethodHead {
		return nil
	}
	digest := knownBody{media.schema, maphash.Bytes(seed, x.response)}
	known.mu.Lock()
	seen := known.bodies[digest]
	known.mu.Unlock()
	if seen {
		return media.checkCode(x)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(x.plainResponse()))
	if err == nil {
		err = media.schema.Validate(value)
	}
	if err != nil {
		return []string{fmt.Sprintf("the body of status %d: %v", x.status, err)}
	}
	known.mu.Lock()
	if len(known.bodies) < maxKnown {
		known.bodies[digest] = true
	}
	known.mu.Unlock()
	return media.checkCode(x)
}

// checkCode checks that an error is one of those that the response has an example of.
func (m mediaType) checkCode(x *exchange) []string {
	e, isError := errorIn(x)
	if !isError || m.codes[e.name] || isMapped(x) {
		return nil
	}
	return []string{fmt.Sprintf("the error %s of status %d is not described", e.name, x.status)}
}

// reported is what identifies an error in a response.
type reported struct {
	name     string
	platform map[string]json.RawMessage
}

// errorIn returns the error in a response of status 400 or more.
func errorIn(x *exchange) (e reported, ok bool) {
	if x.status < http.StatusBadRequest || x.request.Method == http.MethodHead {
		return reported{}, false
	}
	type facts = struct {
		Name    string `json:"name"`
		Details struct {
			Errors map[string]json.RawMessage `json:"errors"`
		} `json:"details"`
	}
	text := x.plainResponse()
	var usual struct {
		Errors []facts `json:"errors"`
	}
	if json.Unmarshal(text, &usual) == nil && len(usual.Errors) == 1 {
		return reported{usual.Errors[0].Name, usual.Errors[0].Details.Errors}, true
	}
	var problem struct {
		Name   string                     `json:"name"`
		Errors map[string]json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(text, &problem) == nil && problem.Name != "" {
		return reported{problem.Name, problem.Errors}, true
	}
	return reported{}, false
}

// plainResponse returns the body of a response without compression.
func (x *exchange) plainResponse() []byte {
	if x.header.Get("Content-Encoding") != "gzip" {
		return x.response
	}
	reader, err := gzip.NewReader(bytes.NewReader(x.response))
	if err != nil {
		return nil
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		return nil
	}
	return plain
}

// checkRequest returns why a request is not valid by the description, or "".
func (op *operation) checkRequest(x *exchange, values map[string]string) string {
	if problem := op.checkCredentials(x); problem != "" {
		return problem
	}
	query, err := url.ParseQuery(x.request.URL.RawQuery)
	if err != nil && op.route.Session == nil {
		return "the query cannot be read"
	}
	if problem := op.checkQuery(query); problem != "" {
		return problem
	}
	for _, p := range op.parameters {
		var given []string
		switch p.in {
		case "path":
			value, err := url.PathUnescape(values[p.name])
			if err != nil {
				return p.name + " is not percent-encoded"
			}
			given = []string{value}
		case "query":
			given = query[p.name]
		case "header":
			given = x.request.Header[http.CanonicalHeaderKey(p.name)]
		}
		for _, value := range given {
			if err := p.schema.Validate(typed(value, p.kind)); err != nil {
				return fmt.Sprintf("%s %s: %v", p.in, p.name, err)
			}
		}
	}
	return op.checkRequestBody(x)
}

// checkCredentials checks that a request has exactly one of the credentials that the
// operation accepts.
func (op *operation) checkCredentials(x *exchange) string {
	schemes := op.route.Schemes()
	if len(schemes) == 0 {
		return ""
	}
	if !slices.ContainsFunc(schemes, func(s auth.Scheme) bool { return s.In(x.request) }) {
		return "it has no credentials that the operation accepts"
	}
	return ""
}

// checkQuery checks that all parameters of the query are described, and given once.
func (op *operation) checkQuery(query url.Values) string {
	if op.route.Session != nil {
		return "" // it ignores the query
	}
	for name, values := range query {
		if op.route.Change == nil && name == gateway.IgnoredParameter {
			continue
		}
		if !slices.ContainsFunc(op.parameters, func(p parameter) bool { return p.in == "query" && p.name == name }) {
			return "the query parameter " + name + " is not described"
		}
		if len(values) > 1 {
			return "the query parameter " + name + " is given several times"
		}
	}
	return ""
}

func (op *operation) checkRequestBody(x *exchange) string {
	if op.body == nil {
		return ""
	}
	if !x.bodyRead {
		return "its body was not read to the end"
	}
	// The documents print the value in quotes.
	contentType := strings.ReplaceAll(x.request.Header.Get("Content-Type"), `"`, "")
	if media, _, err := mime.ParseMediaType(contentType); contentType != "" && (err != nil || media != gateway.BodyMedia) {
		return fmt.Sprintf("the media type %q is not described", contentType)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(x.body))
	if err != nil {
		return "the body is not JSON"
	}
	if err := op.body.Validate(value); err != nil {
		return fmt.Sprintf("the body: %v", err)
	}
	return ""
}

// typed returns the value of a parameter or a header of that type.
func typed(text, kind string) any {
	switch kind {
	case "integer":
		if _, err := strconv.Atoi(text); err == nil {
			return json.Number(text)
		}
	case "boolean":
		if text == "true" || text == "false" {
			return text == "true"
		}
	case "array":
		var entries []any
		for entry := range strings.SplitSeq(text, ",") {
			entries = append(entries, entry)
		}
		return entries
	}
	return text
}
