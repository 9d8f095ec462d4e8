package openapitest

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"ocigate/gateway"
	"ocigate/gateway/openapi"
)

// The description, as far as requests and responses are validated with it.

// operation is an operation of the description with its route.
type operation struct {
	route      gateway.Route
	parameters []parameter
	body       *jsonschema.Schema // of a request; nil if it has none
	wire       *jsonschema.Schema // of a response with the trace of its request; nil for none
	responses  map[string]*documented
}

// parameter is a parameter of the path, the query, or the header.
type parameter struct {
	name, in string
	schema   *jsonschema.Schema
	kind     string // its type
}

// documented is a response of the description.
type documented struct {
	headers map[string]header // by canonical name
	media   map[string]mediaType
}

type header struct {
	required bool
	schema   *jsonschema.Schema
	kind     string
}

type mediaType struct {
	schema *jsonschema.Schema
	codes  map[string]bool // the names of the errors that have an example; of errors only
}

// pattern is a path of a route, in its segments.
type pattern struct {
	segments []string
	names    []string // of the parameters, by segment; "" for none
	literals int
	methods  map[string]*operation
}

// description is everything that is needed of the description.
type description struct {
	patterns map[int][]*pattern // by the number of segments
}

const documentURL = "openapi.json"

// load parses and compiles the description, once.
var load = sync.OnceValue(func() *description {
	d, err := compile(openapi.JSON())
	if err != nil {
		panic(err)
	}
	return d
})

func compile(text []byte) (*description, error) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	document, ok := parsed.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("openapitest: the description is a %T", parsed)
	}
	for _, schema := range objectIn(document, "components", "schemas") {
		strict(schema)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(documentURL, document); err != nil {
		return nil, err
	}
	r := &reader{document: document, compiler: compiler, compiled: map[string]*jsonschema.Schema{}}
	d := &description{patterns: map[int][]*pattern{}}
	for _, route := range gateway.Table() {
		op, err := r.operation(route)
		if err != nil {
			return nil, fmt.Errorf("openapitest: %s: %w", route.Name, err)
		}
		d.add(route, op)
	}
	return d, nil
}

// strict makes a schema and all in it stricter than what is promised to clients: no more
// members than those of the schema, and no other values than the known ones.
func strict(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		if values, has := s["x-extensible-enum"]; has {
			s["enum"] = values
		}
		if _, open := s["additionalProperties"]; s["type"] == "object" && !open {
			s["additionalProperties"] = false
		}
		for _, value := range s {
			strict(value)
		}
	case []any:
		for _, value := range s {
			strict(value)
		}
	}
}

func objectIn(in map[string]any, keys ...string) map[string]any {
	for _, key := range keys {
		in, _ = in[key].(map[string]any)
	}
	return in
}

// reader reads operations from the document.
type reader struct {
	document map[string]any
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema // by pointer
}

// schema compiles the schema at a JSON pointer.
func (r *reader) schema(pointer string) (*jsonschema.Schema, error) {
	if known, has := r.compiled[pointer]; has {
		return known, nil
	}
	schema, err := r.compiler.Compile(documentURL + "#" + pointer)
	r.compiled[pointer] = schema
	return schema, err
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// at follows a reference, if there is one, and returns the object with its pointer.
func (r *reader) at(object any, pointer string) (map[string]any, string) {
	found, _ := object.(map[string]any)
	if ref, is := found["$ref"].(string); is {
		pointer = strings.TrimPrefix(ref, "#")
		return objectIn(r.document, strings.Split(pointer[1:], "/")...), pointer
	}
	return found, pointer
}

func (r *reader) operation(route gateway.Route) (*operation, error) {
	method := strings.ToLower(route.Method)
	item := objectIn(r.document, "paths", route.FullPath())
	pointer := "/paths/" + pointerEscapes.Replace(route.FullPath())
	described := objectIn(item, method)
	if described == nil {
		return nil, fmt.Errorf("the description has no %s %s", route.Method, route.FullPath())
	}
	op := &operation{route: route, responses: map[string]*documented{}}
	if err := r.parameters(op, item, pointer); err != nil {
		return nil, err
	}
	pointer += "/" + method
	if err := r.parameters(op, described, pointer); err != nil {
		return nil, err
	}
	var err error
	if body := objectIn(described, "requestBody"); body != nil {
		op.body, err = r.schema(pointer + "/requestBody/content/" + pointerEscapes.Replace(gateway.BodyMedia) + "/schema")
		if err != nil {
			return nil, err
		}
	}
	if objectIn(described, "x-wire") != nil {
		op.wire, err = r.schema(pointer + "/x-wire/content/" + pointerEscapes.Replace(gateway.WireMedia) + "/schema")
		if err != nil {
			return nil, err
		}
	}
	for status, response := range objectIn(described, "responses") {
		if op.responses[status], err = r.response(response, pointer+"/responses/"+status); err != nil {
			return nil, err
		}
	}
	return op, nil
}

func (r *reader) parameters(op *operation, in map[string]any, pointer string) error {
	list, _ := in["parameters"].([]any)
	for i, one := range list {
		object, at := r.at(one, fmt.Sprintf("%s/parameters/%d", pointer, i))
		schema, err := r.schema(at + "/schema")
		if err != nil {
			return err
		}
		p := parameter{schema: schema}
		p.name, _ = object["name"].(string)
		p.in, _ = object["in"].(string)
		p.kind, _ = objectIn(object, "schema")["type"].(string)
		op.parameters = append(op.parameters, p)
	}
	return nil
}

func (r *reader) response(response any, pointer string) (*documented, error) {
	object, pointer := r.at(response, pointer)
	d := &documented{headers: map[string]header{}, media: map[string]mediaType{}}
	for name, one := range objectIn(object, "headers") {
		described, at := r.at(one, pointer+"/headers/"+pointerEscapes.Replace(name))
		schema, err := r.schema(at + "/schema")
		if err != nil {
			return nil, err
		}
		h := header{schema: schema}
		h.required, _ = described["required"].(bool)
		h.kind, _ = objectIn(described, "schema")["type"].(string)
		d.headers[http.CanonicalHeaderKey(name)] = h
	}
	for name, one := range objectIn(object, "content") {
		schema, err := r.schema(pointer + "/content/" + pointerEscapes.Replace(name) + "/schema")
		if err != nil {
			return nil, err
		}
		m := mediaType{schema: schema, codes: map[string]bool{}}
		content, _ := one.(map[string]any)
		for example := range objectIn(content, "examples") {
			m.codes[example] = true
		}
		d.media[name] = m
	}
	return d, nil
}

// add adds all paths that serve a route.
func (d *description) add(route gateway.Route, op *operation) {
	for _, path := range route.Paths() {
		p := newPattern(path)
		known := false
		for _, other := range d.patterns[len(p.segments)] {
			if strings.Join(other.segments, "/") == strings.Join(p.segments, "/") {
				p, known = other, true
			}
		}
		p.methods[route.Method] = op
		if route.Method == http.MethodGet {
			p.methods[http.MethodHead] = op
		}
		if !known {
			d.patterns[len(p.segments)] = append(d.patterns[len(p.segments)], p)
		}
	}
}

func newPattern(path string) *pattern {
	p := &pattern{segments: strings.Split(path, "/"), methods: map[string]*operation{}}
	p.names = make([]string, len(p.segments))
	for i, segment := range p.segments {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			p.names[i] = strings.TrimSuffix(name, "}")
		} else {
			p.literals++
		}
	}
	return p
}

// find returns the pattern of a path that is percent-encoded, and the values of its
// parameters, still encoded. It is nil if there is none.
func (d *description) find(path string) (*pattern, map[string]string) {
	segments := strings.Split(path, "/")
	var best *pattern
	for _, p := range d.patterns[len(segments)] {
		if p.matches(segments) && (best == nil || p.literals > best.literals) {
			best = p
		}
	}
	if best == nil {
		return nil, nil
	}
	values := map[string]string{}
	for i, name := range best.names {
		if name != "" {
			values[name] = segments[i]
		}
	}
	return best, values
}

func (p *pattern) matches(segments []string) bool {
	for i, segment := range p.segments {
		if p.names[i] == "" && segment != segments[i] {
			return false
		}
	}
	return true
}
