package config

import (
	"math"
	"net"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// field is a key of the configuration, read from the tags of its structure's
// field: yaml is the key, doc is its documentation, and rule is a list of
// "required", "optional", a range such as "1s..10m", and names from forms. In an
// optional number, 0 means none and may be outside of the range. The tag restart
// marks keys and sections that are read only when the program starts; the keys of
// list entries cannot have it.
type field struct {
	index    int
	key      string
	doc      string
	typ      reflect.Type
	required bool
	optional bool
	restart  bool
	rules    []rule
}

// fields returns the keys of a section, in the order of its structure.
func fields(section reflect.Type) []field {
	list := make([]field, 0, section.NumField())
	for i := range section.NumField() {
		sf := section.Field(i)
		if !sf.IsExported() {
			continue
		}
		f := field{index: i, key: sf.Tag.Get("yaml"), doc: sf.Tag.Get("doc"), typ: sf.Type, restart: sf.Tag.Get("restart") == "true"}
		for name := range strings.SplitSeq(sf.Tag.Get("rule"), ",") {
			switch {
			case name == "required":
				f.required = true
			case name == "optional":
				f.optional = true
			case name != "":
				f.rules = append(f.rules, namedRule(sf.Type, name))
			}
		}
		f.rules = append(f.rules, typeRules(sf.Type)...)
		list = append(list, f)
	}
	return list
}

// rule is a limit on a value.
type rule struct {
	// text completes the sentence "must be …": "from 1s to 10m".
	text  string
	holds func(reflect.Value) bool
}

func namedRule(t reflect.Type, name string) rule {
	if low, high, ok := strings.Cut(name, ".."); ok {
		return between(t, low, high)
	}
	f, ok := forms[name]
	if !ok {
		panic("config: no rule is called " + name)
	}
	return rule{f.text, func(v reflect.Value) bool { return empty(v) || f.holds(plain(v)) }}
}

// typeRules returns the rules that hold for every value of a type.
func typeRules(t reflect.Type) []rule {
	all := choicesOf(t)
	if len(all) == 0 {
		return nil
	}
	text := strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
	return []rule{{text, func(v reflect.Value) bool { return slices.Contains(all, v.String()) }}}
}

// choicesOf returns all permitted values of a type, or nil if it has no such list.
func choicesOf(t reflect.Type) []string {
	if c, ok := reflect.TypeAssert[interface{ choices() []string }](reflect.Zero(t)); ok {
		return c.choices()
	}
	return nil
}

func between(t reflect.Type, low, high string) rule {
	l, _ := leafOf(t)
	lowest, okLow := l.parse(low)
	highest, okHigh := l.parse(high)
	if !okLow || !okHigh {
		panic("config: bad range " + low + ".." + high)
	}
	from, to := magnitude(reflect.ValueOf(lowest)), magnitude(reflect.ValueOf(highest))
	return rule{"from " + low + " to " + high, func(v reflect.Value) bool {
		m := magnitude(v)
		return from <= m && m <= to
	}}
}

// magnitude makes numbers and durations comparable. The limits in use are far
// below what a float64 holds exactly.
func magnitude(v reflect.Value) float64 {
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// form is the required form of a string that is not empty.
type form struct {
	text  string
	holds func(string) bool
}

var forms = map[string]form{
	"listen":        {"host:port", func(s string) bool { return isAddress(s, 0) }},
	"address":       {"host:port, both given", func(s string) bool { return isAddress(s, 1) && !strings.HasPrefix(s, ":") }},
	"id":            pattern("1 to 64 of A-Z, a-z, 0-9, _ and -", `[A-Za-z0-9_-]{1,64}`),
	"audience":      pattern("1 to 128 visible characters of ASCII, without blanks", `[!-~]{1,128}`),
	"endpoint_name": pattern("1 to 32 of a-z, 0-9, _ and -", `[a-z0-9_-]{1,32}`),
	"schema_name":   {"the name of a schema: 1 to 63 of a-z, 0-9 and _, not beginning with a digit or pg_", isSchemaName},
	"issuer":        {"an address that begins with https:// (or http:// for a loopback address), without user, query and fragment, of 512 bytes at most", isIssuer},
	"claim":         {"the path of a claim: names separated by dots, or a JSON pointer, of 256 bytes at most", isClaim},
	"error_name":    pattern("an error's name in capitals, such as NOT_AVAILABLE_FOR_ASSIGNMENT", `[A-Z][A-Z0-9_]{0,63}`),
	"hash": pattern("a bcrypt hash ($2a$, $2b$ or $2y$) or an argon2id hash ($argon2id$v=19$m=…,t=…,p=…$…$…)",
		`\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}`+
			`|\$argon2id\$v=19\$m=[1-9][0-9]{0,9},t=[1-9][0-9]{0,9},p=[1-9][0-9]{0,2}\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+`),
	"summary_text": {"3 to 200 characters, without control characters, blanks at its ends or blanks in a row", func(s string) bool {
		n := utf8.RuneCountInString(s)
		return isToken(s) && 3 <= n && n <= 200
	}},
	"key":         {"at least 32 bytes long", func(s string) bool { return len(s) >= 32 }},
	"token":       {"free of control characters, of blanks at its ends and of blanks in a row", isToken},
	"platform_id": {"1 to 30 characters, without control characters, blanks at its ends or blanks in a row", func(s string) bool { return isToken(s) && utf8.RuneCountInString(s) <= 30 }},
}

func pattern(text, expression string) form {
	return form{text, regexp.MustCompile(`\A(?:` + expression + `)\z`).MatchString}
}

// isSchemaName reports whether PostgreSQL accepts a name for a schema without quotes.
func isSchemaName(s string) bool {
	return schemaName(s) && !strings.HasPrefix(s, "pg_")
}

var schemaName = regexp.MustCompile(`\A[a-z_][a-z0-9_]{0,62}\z`).MatchString

func isAddress(s string, leastPort uint64) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n >= leastPort
}

// isToken reports whether the platform keeps a text unchanged: the platform
// collapses white space.
func isToken(s string) bool {
	return strings.Join(strings.Fields(s), " ") == s && !strings.ContainsFunc(s, unicode.IsControl)
}

// leaf is the type of a single value.
type leaf struct {
	// noun names the type in messages: "a whole number".
	noun string
	// tags are the YAML types that are accepted.
	tags []string
	// other is the message about a scalar of another YAML type, with a
	// formatting verb for that type's noun. Empty means the default message.
	other string
	// refused is the message about a text that parse rejects. Empty means the
	// default message, which quotes the text.
	refused string
	parse   func(string) (any, bool)
}

const (
	tagString = "!!str"
	tagInt    = "!!int"
	tagFloat  = "!!float"
	tagBool   = "!!bool"
	tagNull   = "!!null"
	tagTime   = "!!timestamp"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
	secretType   = reflect.TypeFor[Secret]()
	releaseType  = reflect.TypeFor[Release]()
)

const inQuotes = "must be in quotes: YAML reads it as %s"

var leavesByType = map[reflect.Type]leaf{
	durationType: {
		noun:  "a duration with a unit, such as 30s, 500ms or 2m",
		tags:  []string{tagString},
		parse: parseDuration,
	},
	releaseType: { // with quotes around a number or without
		noun:  "auto or the number of a release",
		tags:  []string{tagString, tagInt},
		parse: func(s string) (any, bool) { return s, utf8.ValidString(s) },
	},
	prefixType: {
		noun:  "a CIDR without host bits, such as 10.0.0.0/8",
		tags:  []string{tagString},
		parse: parsePrefix,
	},
	originType: originLeaf,
	secretType: {
		noun:    secretForms,
		tags:    []string{tagString},
		other:   inQuotes,
		refused: "must be the secret itself: " + redacted + " is only a placeholder in output",
		parse:   func(s string) (any, bool) { return NewSecret(s), s != redacted },
	},
}

var leavesByKind = map[reflect.Kind]leaf{
	reflect.String: {
		noun:  "a string",
		tags:  []string{tagString},
		other: inQuotes,
		parse: func(s string) (any, bool) { return s, utf8.ValidString(s) },
	},
	reflect.Int:     {noun: "a whole number", tags: []string{tagInt}, parse: parseInt},
	reflect.Float64: {noun: "a number", tags: []string{tagInt, tagFloat}, parse: parseFloat},
	reflect.Bool:    {noun: "true or false", tags: []string{tagBool}, parse: parseBool},
}

// leafOf returns the leaf of a type, and false for sections and lists.
func leafOf(t reflect.Type) (leaf, bool) {
	if l, ok := leavesByType[t]; ok {
		return l, true
	}
	l, ok := leavesByKind[t.Kind()]
	return l, ok
}

// parseDuration rejects 0 without a unit, which time.ParseDuration accepts.
func parseDuration(s string) (any, bool) {
	d, err := time.ParseDuration(s)
	return d, err == nil && !strings.ContainsRune("0123456789", rune(s[len(s)-1]))
}

func parsePrefix(s string) (any, bool) {
	p, err := netip.ParsePrefix(s)
	return p, err == nil && p == p.Masked()
}

// parseInt accepts only decimal notation: YAML's 0x10, 1_000 and 010 are easily
// misread.
func parseInt(s string) (any, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && strconv.Itoa(n) == s
}

func parseFloat(s string) (any, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}

func parseBool(s string) (any, bool) { return s == "true", s == "true" || s == "false" }

// plain returns the text of a string or of a secret.
func plain(v reflect.Value) string {
	if s, ok := reflect.TypeAssert[Secret](v); ok {
		return s.Reveal()
	}
	return v.String()
}

// empty reports whether a value is empty: no entries, no text, or zero.
func empty(v reflect.Value) bool {
	if s, ok := reflect.TypeAssert[Secret](v); ok {
		return !s.IsSet()
	}
	if v.Kind() == reflect.Slice {
		return v.Len() == 0
	}
	return v.IsZero()
}

func names[T ~string](values ...T) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = string(v)
	}
	return list
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// setting is a key that holds a value or a list, with its default.
type setting struct {
	field
	path  string
	value reflect.Value
}

// settings returns all keys that hold a value, in the order of the structures.
// The keys of a list's entries follow the list, with "[]" as the index. A key needs
// a restart if its section does.
func settings(path string, section reflect.Value) []setting {
	var list []setting
	for _, f := range fields(section.Type()) {
		at, value := join(path, f.key), section.Field(f.index)
		if isSection(f.typ) {
			nested := settings(at, value)
			for i := range nested {
				nested[i].restart = nested[i].restart || f.restart
			}
			list = append(list, nested...)
			continue
		}
		list = append(list, setting{f, at, value})
		if f.typ.Kind() == reflect.Slice && isSection(f.typ.Elem()) {
			list = append(list, settings(at+"[]", defaultEntry(f.typ.Elem()))...)
		}
	}
	return list
}

func isSection(t reflect.Type) bool {
	_, isLeaf := leafOf(t)
	return !isLeaf && t.Kind() == reflect.Struct
}

// defaultEntry returns an entry of a list with the default of every key.
func defaultEntry(t reflect.Type) reflect.Value {
	if t == reflect.TypeFor[Endpoint]() {
		return reflect.ValueOf(DefaultEndpoint())
	}
	return reflect.Zero(t)
}

// variable returns the environment variable of a setting. Lists and the keys of
// their entries have none.
func (s setting) variable() string {
	if s.typ.Kind() == reflect.Slice {
		return ""
	}
	return variableOf(s.path)
}

// variableOf returns the environment variable of the value at a path.
func variableOf(path string) string {
	if strings.Contains(path, "[") {
		return ""
	}
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// isRequired takes the place of a default.
const isRequired = "required"

// fallback returns the default of a key for the documentation: a value as YAML,
// "required" or "none". The standard is the default as a value.
func (f field) fallback(standard reflect.Value) string {
	_, isLeaf := leafOf(f.typ)
	switch {
	case f.required && empty(standard):
		return isRequired
	case !isLeaf, (f.typ.Kind() == reflect.String || f.typ == secretType || f.optional) && empty(standard):
		return "none"
	}
	return scalar(standard)
}

// limits returns the texts of all rules, or an empty string.
func (f field) limits() string {
	texts := make([]string, 0, len(f.rules))
	for _, r := range f.rules {
		texts = append(texts, r.text)
	}
	return strings.Join(texts, "; ")
}
