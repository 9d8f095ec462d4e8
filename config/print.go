package config

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Print writes the configuration as YAML: every key in the order of the
// structures, with secrets redacted. The output can be loaded again after the
// secrets are put back.
func (c *Config) Print(w io.Writer) error {
	var p printer
	p.section("", reflect.ValueOf(*c), reflect.ValueOf(*c))
	_, err := w.Write(p.out.Bytes())
	return err
}

// Example returns a configuration file to start from: every key with its
// documentation, its limits and its default. Optional lists are commented out,
// with an entry to copy.
func Example() []byte {
	p := printer{example: true}
	p.out.WriteString(exampleHead)
	p.section("", reflect.ValueOf(exampleConfig()), reflect.ValueOf(Default()))
	return p.out.Bytes()
}

const exampleHead = `# Configuration of ocigate.
#
# Keys that are left out have their defaults. Durations need a unit: 500ms, 30s, 2m, 1h.
# Texts that YAML reads as another type, such as phone numbers, need quotes.
#
# The environment wins over this file. The variable of a key is OCIGATE_ and its path in capitals, with "_" for
# every ".": OCIGATE_PLATFORM_POOL_MAX for platform.pool.max. Lists and the keys of their entries have no variables.
#
# A secret is a text, {env: NAME} for the value of an environment variable, {file: NAME} for the content of a file
# without the newline at its end, or {credential: NAME} for that of a credential that systemd passes to the service.
# It must be UTF-8 without a byte order mark and control characters, and may neither begin nor end with a blank. A
# password that really does must be given in this file, in quotes.
#
# Lines that begin with "#" and at least two blanks are an example: remove the "#" to use them.
`

// exampleConfig returns a configuration with an entry in every list. Its secrets
// contain the YAML that the example shows for them.
func exampleConfig() Config {
	c := Default()
	c.HTTP.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	c.HTTP.CORS.Origins = []Origin{"https://portal.example.com"}
	c.API.PlatformErrors = []PlatformError{{Number: 4999, Error: "NOT_AVAILABLE_FOR_ASSIGNMENT"}}
	c.Auth.Tokens.Keys = []TokenKey{{ID: "2026-11", Secret: NewSecret("{env: TOKEN_KEY}")}}
	c.Auth.Clients = []Client{{
		ID: "portal", Hash: NewSecret("{env: PORTAL_HASH}"), Level: LevelGroup, TenantID: "ApioSpTest", GroupID: "ApioGrpTest",
	}}
	c.Auth.OIDC.Audiences = []string{"ocigate"}
	c.Auth.OIDC.Algorithms = []string{"RS256", "ES256", "PS256", "EdDSA"}
	c.Auth.OIDC.Claims.Levels = []OIDCLevel{{Value: "ocigate-tenant", Level: OIDCTenant}}
	c.Auth.OIDC.Claims.Required = []OIDCClaim{{Claim: "azp", Value: "portal"}}
	e := DefaultEndpoint()
	e.Name, e.Address = "primary", "ocs1.example.com:2209"
	c.Platform.Endpoints = []Endpoint{e}
	c.Platform.UserID = "ocigate"
	c.Platform.Password = NewSecret("{env: PLATFORM_PASSWORD}")
	return c
}

// printer writes sections as YAML in block style.
type printer struct {
	out bytes.Buffer
	// example adds comments, and writes secrets without redaction.
	example bool
	// restart reports whether the section that is being written needs a restart.
	restart bool
}

// section writes the keys of a section. The standard is the same section with all
// defaults.
func (p *printer) section(indent string, section, standard reflect.Value) {
	for _, f := range fields(section.Type()) {
		p.key(indent, indent, f, section.Field(f.index), standard.Field(f.index))
	}
}

// key writes a key and its value after lead, which is the indent or, for the first
// key of a list's entry, the indent with the dash.
func (p *printer) key(indent, lead string, f field, value, standard reflect.Value) {
	if !p.example {
		p.assign(indent, lead, f, value, standard)
		return
	}
	p.comment(indent, f, standard)
	if f.typ.Kind() != reflect.Slice || f.required {
		p.assign(indent, lead, f, value, standard)
		return
	}
	commented := printer{example: true}
	commented.assign(indent, lead, f, value, standard)
	for line := range bytes.Lines(commented.out.Bytes()) {
		p.out.WriteString("#" + string(line))
	}
}

func (p *printer) assign(indent, lead string, f field, value, standard reflect.Value) {
	isList := f.typ.Kind() == reflect.Slice
	p.out.WriteString(lead + f.key + ":")
	switch {
	case isSection(f.typ):
		p.out.WriteByte('\n')
		outer := p.restart
		p.restart = outer || f.restart
		p.section(indent+"  ", value, standard)
		p.restart = outer
	case isList && isSection(f.typ.Elem()) && value.Len() > 0:
		p.out.WriteByte('\n')
		p.entries(indent+"  ", value)
	case isList:
		p.out.WriteString(" [" + p.elements(value) + "]\n")
	default:
		p.out.WriteString(" " + p.scalar(value) + "\n")
	}
}

func (p *printer) entries(indent string, list reflect.Value) {
	standard := defaultEntry(list.Type().Elem())
	for i := range list.Len() {
		lead := indent + "- "
		for _, f := range fields(standard.Type()) {
			p.key(indent+"  ", lead, f, list.Index(i).Field(f.index), standard.Field(f.index))
			lead = indent + "  "
		}
	}
}

func (p *printer) elements(list reflect.Value) string {
	texts := make([]string, list.Len())
	for i := range texts {
		texts[i] = p.scalar(list.Index(i))
	}
	return strings.Join(texts, ", ")
}

func (p *printer) scalar(value reflect.Value) string {
	if s, ok := reflect.TypeAssert[Secret](value); ok && p.example && s.IsSet() {
		return s.Reveal()
	}
	return scalar(value)
}

// comment writes the documentation of a key, its limits and its default.
func (p *printer) comment(indent string, f field, standard reflect.Value) {
	if indent == "" {
		p.out.WriteByte('\n') // between the sections of the top
	}
	text := f.doc
	if !isSection(f.typ) {
		f.restart = f.restart || p.restart
		text += f.restartSentence() + f.sentences(standard)
	}
	line := indent + "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > commentWidth {
			p.out.WriteString(line + "\n")
			line = indent + "#"
		}
		line += " " + word
	}
	p.out.WriteString(line + "\n")
}

// commentWidth is the longest line of a comment, in bytes.
const commentWidth = 116

// sentences returns the sentences about a key's limits and default, which follow its
// documentation.
func (f field) sentences(standard reflect.Value) string {
	var text string
	if limits := f.limits(); limits != "" {
		text = " Must be " + limits + "."
	}
	fallback := f.fallback(standard)
	if fallback == isRequired {
		return text + " Required."
	}
	return text + " Default: " + fallback + "."
}

// restartSentence returns the sentence about a key that is read only when the program
// starts.
func (f field) restartSentence() string {
	if f.restart {
		return " Needs a restart."
	}
	return ""
}

// scalar returns a single value as YAML.
func scalar(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case time.Duration:
		return duration(value)
	case netip.Prefix:
		return strconv.Quote(value.String())
	case Secret:
		if !value.IsSet() {
			return `""`
		}
		return strconv.Quote(redacted)
	}
	switch v.Kind() {
	case reflect.String:
		if slices.Contains(choicesOf(v.Type()), v.String()) {
			return v.String()
		}
		// Go's escapes are among those of YAML's double quotes.
		return strconv.Quote(v.String())
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

// duration returns a duration without the zeros that time.Duration's String method
// writes after full minutes and hours: 2m for 2m0s.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
