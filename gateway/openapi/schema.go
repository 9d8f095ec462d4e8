package openapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"ocigate/gateway"
	"ocigate/translate"
)

// knownValues is the extension that lists all values of a text or number that there are
// now. It is not enum, because more may be added.
const knownValues = "x-extensible-enum"

// responsePhonePattern is the form of a phone number in a response, which may be empty.
const responsePhonePattern = `^\+?[0-9]*$`

// schemas are the schemas of the components by name.
type schemas map[string]object

// ref returns a reference to a schema of the components.
func ref(name string) object { return object{{"$ref", "#/components/schemas/" + name}} }

// put adds a schema. It panics if it has no name, or if there is another one of that
// name: a name has one meaning.
func (s schemas) put(name string, schema object) {
	if name == "" {
		panic(fmt.Sprintf("openapi: the schema %v has no name", schema))
	}
	if known, exists := s[name]; exists && !reflect.DeepEqual(known, schema) {
		panic("openapi: two different schemas have the name " + name)
	}
	s[name] = schema
}

// ofShape adds the schema of a shape and of all shapes in it, and returns a reference.
// Requests are strict; responses may get more members.
func (s schemas) ofShape(shape *translate.Shape, request bool) object {
	if shape.Name == "" {
		panic(fmt.Sprintf("openapi: a shape with the keys %v has no name", keysOf(shape)))
	}
	properties, required := object{}, []any{}
	for i := range shape.Fields {
		f := &shape.Fields[i]
		properties = properties.with(f.Key, s.ofField(f, request))
		if !f.Optional && (request || f.Kind != translate.Department && f.Kind != translate.EnterpriseDepartment) {
			required = append(required, f.Key)
		}
	}
	s.put(shape.Name, objectSchema(properties, required, request))
	return ref(shape.Name)
}

func objectSchema(properties object, required []any, strict bool) object {
	schema := object{{"type", "object"}}
	if len(properties) > 0 {
		schema = schema.with("properties", properties)
	}
	if len(required) > 0 {
		schema = schema.with("required", required)
	}
	if strict {
		schema = schema.with("additionalProperties", false)
	}
	return schema
}

func keysOf(shape *translate.Shape) []string {
	var keys []string
	for i := range shape.Fields {
		keys = append(keys, shape.Fields[i].Key)
	}
	return keys
}

// ofField returns the schema of a member.
func (s schemas) ofField(f *translate.Field, request bool) object {
	doc := f.Doc + rulesOf(f)
	switch f.Kind {
	case translate.Department, translate.EnterpriseDepartment:
		return s.ofShape(translate.DepartmentShape, request).withText("description", doc)
	case translate.Object:
		if f.Nullable {
			panic("openapi: an object that may be null is not described yet: " + f.Key)
		}
		return s.ofShape(f.Item, request).withText("description", doc)
	case translate.List:
		return s.ofList(f, request).withText("description", doc)
	}
	schema := object{{"type", typeOf(f.Kind, f.Nullable)}}.withText("description", doc)
	if len(f.Values) > 0 {
		schema = schema.with(knownValues, anys(f.Values))
	}
	schema = append(schema, limitsOf(f, request)...)
	if f.Example != "" {
		schema = schema.with("examples", []any{valueOf(f.Example, f.Kind)})
	}
	return schema
}

func (s schemas) ofList(f *translate.Field, request bool) object {
	var items object
	if f.Each != nil {
		items = s.ofField(f.Each, request)
	} else {
		items = s.ofShape(f.Item, request)
	}
	schema := object{{"type", nullable("array", f.Nullable)}, {"items", items}}
	if request {
		if f.Min > 0 {
			schema = schema.with("minItems", f.Min)
		}
		schema = schema.with("maxItems", f.Max)
	}
	return schema
}

// rulesOf returns the rules of a request's member that no schema expresses.
func rulesOf(f *translate.Field) string {
	var rules string
	if f.UniqueBy != "" {
		rules += " No two entries may have the same " + f.UniqueBy + "."
	}
	if f.NotBelow != "" {
		rules += " It must not be below " + f.NotBelow + "."
	}
	return rules
}

func nullable(name string, isNullable bool) any {
	if isNullable {
		return []any{name, "null"}
	}
	return name
}

func typeOf(kind translate.Kind, isNullable bool) any {
	switch kind {
	case translate.Boolean:
		return nullable("boolean", isNullable)
	case translate.Integer:
		return nullable("integer", isNullable)
	}
	return nullable("string", isNullable)
}

// limitsOf returns the limits of a text or number.
func limitsOf(f *translate.Field, request bool) object {
	switch {
	case !request && f.Kind == translate.PhoneNumber:
		return object{{"pattern", responsePhonePattern}}
	case !request || f.Kind == translate.Boolean:
		return nil
	case f.Kind == translate.Integer:
		return object{{"minimum", f.Min}, {"maximum", f.Max}}
	}
	limits := object{{"minLength", f.Min}, {"maxLength", f.Max}}
	if f.Kind == translate.PhoneNumber || f.Kind == translate.Prefix {
		limits = limits.with("pattern", translate.NumberPattern)
	}
	return limits
}

// valueOf returns the JSON value of an example.
func valueOf(text string, kind translate.Kind) any {
	if kind == translate.Boolean || kind == translate.Integer {
		return json.RawMessage(text)
	}
	return text
}

func anys(texts []string) []any {
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = text
	}
	return all
}

// ofType adds the schema of a Go type that responses are written from, and of all in
// it. name is that of a type without its own.
func (s schemas) ofType(t reflect.Type, name string) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{{"type", "string"}, {"format", "date-time"}}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.ofType(t.Elem(), name)
	case reflect.Slice:
		return object{{"type", "array"}, {"items", s.ofType(t.Elem(), name)}}
	case reflect.Map:
		return object{{"type", "object"}, {"additionalProperties", s.ofType(t.Elem(), name)}}
	case reflect.String:
		return object{{"type", "string"}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Int:
		return object{{"type", "integer"}}
	case reflect.Float64:
		return object{{"type", "number"}}
	case reflect.Struct:
		if own := gateway.SchemaName(t); own != "" {
			name = own
		}
		properties, required := s.ofMembers(t, name)
		s.put(name, objectSchema(properties, required, false))
		return ref(name)
	}
	panic("openapi: there is no schema for the type " + t.String())
}

// ofMembers returns the properties of a struct, and which of them are required.
func (s schemas) ofMembers(t reflect.Type, name string) (properties object, required []any) {
	for f := range t.Fields() {
		if f.Anonymous {
			embedded := f.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			inner, needed := s.ofMembers(embedded, name)
			properties = append(properties, inner...)
			if embedded == f.Type { // of a pointer, none is required
				required = append(required, needed...)
			}
			continue
		}
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !slices.Contains([]string{"omitempty", "omitzero"}, options) {
			required = append(required, key)
		}
		schema := s.ofType(f.Type, name+capitalized(key)).withText("description", f.Tag.Get("doc"))
		if set := f.Tag.Get("values"); set != "" {
			var values []any
			for _, value := range gateway.BodyValues(set) {
				values = append(values, typed(value, f.Type))
			}
			schema = schema.with(knownValues, values)
		}
		if example := f.Tag.Get("example"); example != "" {
			schema = schema.with("examples", []any{typed(example, f.Type)})
		}
		properties = properties.with(key, schema)
	}
	return properties, required
}

// typed returns a value of that type from its text.
func typed(text string, t reflect.Type) any {
	switch {
	case t.Kind() == reflect.Bool, t.Kind() == reflect.Int, t.Kind() == reflect.Float64, t.Kind() == reflect.Slice:
		return json.RawMessage(text)
	}
	return text
}

func capitalized(key string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(key, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// exampleOf returns an example of a schema, composed of the examples of its members.
// ok reports whether there is one: optional members without an example are left out.
func (s schemas) exampleOf(schema object) (example any, ok bool) {
	if name, isRef := schema.get("$ref").(string); isRef {
		return s.exampleOf(s[name[strings.LastIndexByte(name, '/')+1:]])
	}
	if list, has := schema.get("examples").([]any); has {
		return list[0], true
	}
	switch schema.get("type") {
	case "array":
		items, _ := schema.get("items").(object)
		item, has := s.exampleOf(items)
		return []any{item}, has
	case "object":
		properties, _ := schema.get("properties").(object)
		required, _ := schema.get("required").([]any)
		whole := object{}
		for _, m := range properties {
			of, _ := m.value.(object)
			value, has := s.exampleOf(of)
			if has {
				whole = whole.with(m.key, value)
			} else if slices.Contains(required, any(m.key)) {
				return nil, false
			}
		}
		return whole, len(whole) > 0
	}
	return nil, false
}

// atoi is for status texts, which are numbers.
func atoi(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}
