package openapi

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// A builder builds the description.
type builder struct {
	recorded recorded
	schemas  schemas
	examples map[string]object // of the components, by name
	headers  map[string]object // likewise
}

// Build returns the description as JSON, with the examples in testdata: the folder of
// the module's test data, with the folders api and contract.
func Build(testdata fs.FS) ([]byte, error) {
	recorded, err := readRecorded(testdata)
	if err != nil {
		return nil, err
	}
	b := &builder{recorded: recorded, schemas: schemas{}, examples: map[string]object{}, headers: map[string]object{}}
	document, err := b.document(gateway.Table())
	if err != nil {
		return nil, err
	}
	return indented(document)
}

// YAMLOf returns a description that [Build] has returned as YAML.
func YAMLOf(description []byte) ([]byte, error) { return yamlOf(description) }

func (b *builder) document(routes []gateway.Route) (object, error) {
	paths, byPath := []string{}, map[string]object{}
	for _, route := range routes {
		operation, err := b.operation(route)
		if err != nil {
			return nil, fmt.Errorf("openapi: %s: %w", route.Name, err)
		}
		path := route.FullPath()
		if _, known := byPath[path]; !known {
			paths = append(paths, path)
			byPath[path] = pathItem(route)
		}
		byPath[path] = byPath[path].with(strings.ToLower(route.Method), operation)
	}
	items := object{}
	for _, path := range paths {
		items = items.with(path, byPath[path])
	}
	return object{
		{"openapi", "3.1.0"},
		{"info", info()},
		{"servers", []any{object{{"url", "/"}, {"description", "The gateway that serves this description."}}}},
		{"security", securityOf(auth.Schemes())},
		{"tags", tags(routes)},
		{"paths", items},
		{"components", object{
			{"schemas", sorted(b.schemas)},
			{"headers", sorted(b.headers)},
			{"examples", sorted(b.examples)},
			{"securitySchemes", securitySchemes()},
		}},
	}, nil
}

// sorted returns the components of a kind in the order of their names.
func sorted[M ~map[string]object](components M) object {
	all := object{}
	for _, name := range slices.Sorted(maps.Keys(components)) {
		all = all.with(name, components[name])
	}
	return all
}

// pathItem returns the parameters that all operations of a path have.
func pathItem(route gateway.Route) object {
	parameters := []any{}
	for _, p := range route.PathParameters() {
		schema := object{{"type", "string"}, {"minLength", p.Min}, {"maxLength", p.Max}}.withText("pattern", p.Pattern)
		parameters = append(parameters, object{
			{"name", p.Name}, {"in", "path"}, {"required", true}, {"description", p.Doc},
			{"schema", schema}, {"example", p.Example},
		})
	}
	if len(parameters) == 0 {
		return object{}
	}
	return object{{"parameters", parameters}}
}

func (b *builder) operation(route gateway.Route) (object, error) {
	described := route.Describe()
	operation := object{
		{"operationId", route.Name},
		{"tags", []any{tagOf(route).name}},
		{"summary", strings.TrimSuffix(route.Summary, ".")},
		{"description", descriptionOf(route)},
		{"security", securityOf(route.Schemes())},
	}
	if route.Session == nil {
		operation = operation.with("x-least-level", object{{"name", route.Level.String()}, {"number", int(route.Level)}})
	}
	var parameters []any
	for _, p := range described.Params {
		parameters = append(parameters, parameterOf(p))
	}
	for _, h := range gateway.RequestHeaders(route) {
		parameters = append(parameters, object{
			{"name", h.Name}, {"in", "header"}, {"description", h.Doc}, {"schema", schemaOfHeader(h)}, {"example", h.Example},
		})
	}
	if len(parameters) > 0 {
		operation = operation.with("parameters", parameters)
	}
	if described.Request != nil {
		content := object{{"schema", b.schemas.ofShape(described.Request, true)}}
		examples, err := b.requestExamples(route)
		if err != nil {
			return nil, err
		}
		operation = operation.with("requestBody", object{
			{"required", true},
			{"description", requestDoc(route)},
			{"content", object{{gateway.BodyMedia, content.with("examples", examples)}}},
		})
	}
	responses, err := b.responses(route)
	operation = operation.with("responses", responses)
	if route.Exchanges() {
		operation = operation.with("x-wire", b.wire())
	}
	return operation, err
}

// numberPattern is the form of a [translate.NumberParam]: in a query, a + that is not
// percent-encoded becomes a blank.
var numberPattern = strings.Replace(translate.NumberPattern, `\+?`, `[+ ]?`, 1)

// parameterOf returns a query parameter.
func parameterOf(p translate.Param) object {
	var schema object
	switch p.Kind {
	case translate.BooleanParam:
		schema = object{{"type", "boolean"}}
	case translate.IntegerParam:
		schema = object{{"type", "integer"}, {"minimum", p.Min}, {"maximum", p.Max}}
	case translate.ChoiceParam:
		schema = object{{"type", "string"}, {"enum", anys(p.Values)}}
	case translate.ChoicesParam:
		// They are separated by commas.
		schema = object{
			{"type", "array"}, {"items", object{{"type", "string"}, {"enum", anys(p.Values)}}}, {"minItems", 1}, {"uniqueItems", true},
		}
		return object{{"name", p.Name}, {"in", "query"}, {"description", p.Doc}, {"explode", false}, {"schema", schema}}
	case translate.NumberParam:
		schema = object{{"type", "string"}, {"minLength", p.Min}, {"maxLength", p.Max}, {"pattern", numberPattern}}
	default:
		schema = object{{"type", "string"}}
		if p.Max > 0 {
			schema = schema.with("minLength", p.Min).with("maxLength", p.Max)
		}
	}
	return object{{"name", p.Name}, {"in", "query"}, {"description", p.Doc}, {"schema", schema}}
}

func schemaOfHeader(h gateway.Header) object {
	switch h.Kind {
	case translate.IntegerParam:
		return object{{"type", "integer"}, {"minimum", h.Min}}
	case translate.ChoiceParam:
		return object{{"type", "string"}, {knownValues, anys(h.Values)}}
	}
	schema := object{{"type", "string"}}
	if h.Max > 0 {
		schema = schema.with("minLength", h.Min).with("maxLength", h.Max)
	}
	return schema.withText("pattern", h.Pattern)
}

// responses returns the responses of a route by status, in ascending order. The last
// one, default, is of errors that do not come from the route.
func (b *builder) responses(route gateway.Route) (object, error) {
	bodies, responses := route.Bodies(), object{}
	codes := route.Errors()
	for _, status := range route.Statuses() {
		var response object
		var err error
		if success, isSuccess := bodies[status]; isSuccess {
			response, err = b.success(route, status, success)
		} else {
			response, err = b.failure(route, status, slices.DeleteFunc(slices.Clone(codes), func(c *errcode.Code) bool { return c.Status != status }))
		}
		if err != nil {
			return nil, err
		}
		responses = responses.with(strconv.Itoa(status), response)
	}
	other, err := b.failure(route, 0, append(gateway.RouterErrors(), errcode.CallerLeft))
	return responses.with("default", other), err
}

func (b *builder) success(route gateway.Route, status int, bodies []gateway.Body) (object, error) {
	response := object{{"description", successDoc(route, status)}, {"headers", b.headersOf(route, status)}}
	if len(bodies) == 0 {
		return response, nil
	}
	var each []any
	for _, body := range bodies {
		each = append(each, b.bodySchema(body))
	}
	schema, _ := each[0].(object)
	if len(each) > 1 {
		schema = b.unionOf(bodies, each)
	}
	examples, err := b.successExamples(route, status, schema)
	if err != nil {
		return nil, err
	}
	return response.with("content", object{{gateway.BodyMedia, object{{"schema", schema}, {"examples", examples}}}}), nil
}

func (b *builder) bodySchema(body gateway.Body) object {
	if body.Shape != nil {
		return b.schemas.ofShape(body.Shape, false)
	}
	return b.schemas.ofType(body.Type, "")
}

// unionOf returns the schema of either body. An empty object and the body of a dry run
// are one object with optional members, which is easier for clients.
func (b *builder) unionOf(bodies []gateway.Body, each []any) object {
	if len(bodies) == 2 && bodies[0].Shape == translate.EmptyShape && bodies[1].DryRun {
		const name = "Changed"
		dryRun, _ := b.schemas[gateway.SchemaName(bodies[1].Type)].get("properties").(object)
		b.schemas.put(name, object{
			{"type", "object"}, {"description", "Empty, or the members of a dry run."}, {"properties", dryRun},
		})
		return ref(name)
	}
	return object{{"oneOf", each}}
}

func (b *builder) failure(route gateway.Route, status int, codes []*errcode.Code) (object, error) {
	var lines []string
	for _, code := range codes {
		lines = append(lines, fmt.Sprintf("- `%s` (%d, code %d): %s", code.Name, code.Status, code.Number, code.Text))
	}
	description := fmt.Sprintf("%s.\n\n%s", http.StatusText(status), strings.Join(lines, "\n"))
	if status == 0 {
		description = otherErrorsDoc + "\n\n" + strings.Join(lines, "\n")
	} else if promise := promiseOf(route, status); promise != "" {
		description = fmt.Sprintf("%s. %s\n\n%s", http.StatusText(status), promise, strings.Join(lines, "\n"))
	}
	content := object{}
	for i, media := range gateway.ErrorMedia() {
		examples := object{}
		for _, code := range codes {
			example, err := b.errorExample(route, code, i)
			if err != nil {
				return nil, err
			}
			examples = examples.with(code.Name, example)
		}
		content = content.with(media.Name, object{{"schema", b.schemas.ofType(media.Type, "")}, {"examples", examples}})
	}
	return object{{"description", description}, {"headers", b.headersOf(route, status)}, {"content", content}}, nil
}

// wire returns the media type that all responses of an operation have with the trace of
// their request, as content. It is not among the content of each response: there it would
// give the bodies of generated clients a second type, although they do not ask for it.
func (b *builder) wire() object {
	return object{
		{"description", "The content of every response with a body to a request that has the header `" + gateway.HeaderWire + ": return`: `response` is the body that is described for its status."},
		{"content", object{{gateway.WireMedia, object{{"schema", b.schemas.ofType(gateway.WireBody(), "")}}}}},
	}
}

// headersOf returns the headers of a response as references. Of status 0, which means
// any other, it returns those of the errors of the router, too.
func (b *builder) headersOf(route gateway.Route, status int) object {
	table := gateway.ResponseHeaders(route, status)
	if status == 0 {
		for _, code := range gateway.RouterErrors() {
			table = append(table, gateway.ResponseHeaders(gateway.Route{}, code.Status)...)
		}
	}
	headers := object{}
	for _, h := range table {
		if headers.get(h.Name) != nil {
			continue
		}
		name := h.Name
		if h.Always && status != 0 {
			name += "-Always"
		}
		b.headers[name] = object{{"description", h.Doc}}
		if h.Always && status != 0 {
			b.headers[name] = b.headers[name].with("required", true)
		}
		b.headers[name] = b.headers[name].with("schema", schemaOfHeader(h)).with("example", headerExample(h))
		headers = headers.with(h.Name, object{{"$ref", "#/components/headers/" + name}})
	}
	return headers
}

func headerExample(h gateway.Header) any {
	if h.Kind == translate.IntegerParam {
		return atoi(h.Example)
	}
	return h.Example
}

func securityOf(schemes []auth.Scheme) []any {
	requirements := []any{}
	for _, s := range schemes {
		requirements = append(requirements, object{{s.Name, []any{}}})
	}
	return requirements
}

func securitySchemes() object {
	all := object{}
	for _, s := range auth.Schemes() {
		scheme := object{{"type", "http"}, {"scheme", s.HTTP}}
		switch {
		case s.Header != "":
			scheme = object{{"type", "apiKey"}, {"in", "header"}, {"name", s.Header}}
		case s.Cookie != "":
			scheme = object{{"type", "apiKey"}, {"in", "cookie"}, {"name", s.Cookie}}
		}
		all = all.with(s.Name, scheme.with("description", s.Doc))
	}
	return all
}
