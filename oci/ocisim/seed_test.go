package ocisim_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"ocigate/oci/ocisim"
)

// This file specifies seeds: their YAML form and every problem that is reported. A new
// setting needs its problems in a row of TestLoadSeed.

func TestLoadSeed(t *testing.T) {
	t.Run("reads everything", func(t *testing.T) {
		seed, err := ocisim.LoadSeed(strings.NewReader(`
platform: {release: 22, refusal: document, encoding: UTF-8, dashes: true, country_codes: ["32"], lock_for: 90s}
administrators: [{id: a, password: b, type: Group, tenant: t, group: g, disabled: true}]
tenants:
  - id: t
    groups: [{id: g, services: [Route List], departments: [{name: d}], users: [{id: u, department: [d], services: [Route List], password_expired: true}]}]
    ranges: [{start: "+32-1", end: "+32-9", group: g, user: u, inactive: true, extension_length: 3}]
faults: ["stall times=1", "refuse"]
`))
		if err != nil {
			t.Fatal(err)
		}
		want := ocisim.Seed{
			Platform:       ocisim.Settings{Release: 22, Refusal: ocisim.RefusalDocument, Encoding: "UTF-8", Dashes: true, CountryCodes: []string{"32"}, LockFor: 90 * time.Second},
			Administrators: []ocisim.Administrator{{ID: "a", Password: "b", Type: "Group", Tenant: "t", Group: "g", Condition: ocisim.Condition{Disabled: true}}},
			Tenants: []ocisim.Tenant{{
				ID: "t",
				Groups: []ocisim.Group{{
					ID: "g", Services: []string{"Route List"}, Departments: []ocisim.Department{{Name: "d"}},
					Users: []ocisim.User{{ID: "u", Department: []string{"d"}, Services: []string{"Route List"}, Condition: ocisim.Condition{PasswordExpired: true}}},
				}},
				Ranges: []ocisim.Range{{Start: "+32-1", End: "+32-9", Owner: ocisim.Owner{Group: "g", User: "u", Inactive: true}, ExtensionLength: 3}},
			}},
			Faults: []ocisim.Fault{{Kind: ocisim.Stall, Times: 1}, {Kind: ocisim.Refuse}},
		}
		if diff := cmp.Diff(want, seed); diff != "" {
			t.Error(diff)
		}
	})
	for _, tt := range []struct {
		name, yaml string
		problems   []string
	}{
		{"an empty document", "", []string{"the document is empty"}},
		{"two documents", "tenants: []\n---\ntenants: []\n", []string{"there is more than one document"}},
		{"unknown keys", "tenants: [{id: a, colour: red}]\nadmins: []\n", []string{"line 1: field colour not found in type ocisim.Tenant", "line 2: field admins not found in type ocisim.Seed"}},
		{"settings that are not valid", "platform: {release: 20, refusal: maybe, encoding: EBCDIC, country_codes: [x], without: ['['], lock_after: -1, lock_for: -1s, max_document: -1}", []string{
			"platform.release: 20 is not one of 21, 22, 23, 24, 25", `platform.refusal: "maybe" is not one of command, document, close`,
			`platform.encoding: unknown encoding "EBCDIC"`, `platform.country_codes[0]: "x" is not one to three digits`,
			"platform.without[0]: syntax error in pattern", "platform.lock_after: must not be negative", "platform.lock_for: must not be negative", "platform.max_document: must not be negative",
		}},
		{"ids given twice", `
tenants:
  - {id: t, groups: [{id: g, users: [{id: u}]}, {id: g, users: [{id: u}]}]}
  - {id: t}
administrators: [{id: u, password: x, type: System}]`, []string{
			`tenants[0].groups[1].id: "g" is given twice`, `tenants[0].groups[1].users[0].id: "u" is given twice`,
			`tenants[1].id: "t" is given twice`, `administrators[0].id: "u" is given twice`,
		}},
		{"names that are not valid", "tenants: [{id: '', name: \"a  b\", groups: [{id: " + strings.Repeat("x", 31) + ", name: \"\\a\", departments: [{name: d}, {name: d}]}]}]", []string{
			"tenants[0].id: must not be empty", "tenants[0].name: must not have blanks at its ends, or two together",
			"tenants[0].groups[0].id: must have at most 30 characters", "tenants[0].groups[0].name: has a character that XML cannot hold",
			`tenants[0].groups[0].departments[1].name: "d" is given twice`,
		}},
		{"ranges that are not valid", `
tenants:
  - id: t
    ranges:
      - {start: hello, end: "+1"}
      - {start: "+1", end: ""}
      - {start: "+12", end: "+1"}
      - {start: "+2", end: "+1", extension_length: 1}
      - {start: "+50", end: "+60"}
      - {start: "+60", end: "+70"}
    prefixes: [{prefix: "+32-1"}, {prefix: "+321"}, {prefix: x}]`, []string{
			`tenants[0].ranges[0].start: "hello" is not a phone number`, `tenants[0].ranges[1].end: "" is not a phone number`,
			"tenants[0].ranges[2]: +12 to +1 is not a range", "tenants[0].ranges[3]: +2 to +1 is not a range",
			"tenants[0].ranges[3].extension_length: must be from 2 to 20",
			"tenants[0].ranges[5]: overlaps with the range that starts at +50",
			`tenants[0].prefixes[1].prefix: "+321" is given twice`, `tenants[0].prefixes[2].prefix: "x" is not a prefix`,
		}},
		{"owners that do not exist", `
tenants:
  - id: t
    groups: [{id: g, services: [Route List], users: [{id: u, services: [Other]}, {id: v, services: [Route List]}]}, {id: h}]
    ranges: [{start: "1", end: "1", group: x}, {start: "2", end: "2", user: x}, {start: "3", end: "3", group: h, user: v}, {start: "4", end: "4", group: g, user: u}]
  - {id: e, enterprise: true, groups: [{id: g}], prefixes: [{prefix: "1", group: g}, {prefix: "2", user: v}]}
  - {id: s, departments: [{name: d}], groups: [{id: g, users: [{id: w, department: [nowhere]}]}]}`, []string{
			`tenants[0].groups[0].users[0].services[0]: "Other" is not authorized to the group`,
			`tenants[0].ranges[0].group: there is no group "x"`, `tenants[0].ranges[1].user: there is no user "x" in the tenant`,
			`tenants[0].ranges[2].user: "v" is not a user of the group`, `tenants[0].ranges[3].user: "u" does not have the service Route List`,
			"tenants[1].prefixes[0].group: an enterprise assigns nothing to groups", `tenants[1].prefixes[1].user: there is no user "v" in the tenant`,
			"tenants[2].departments: only an enterprise has departments of its own", "tenants[2].groups[0].users[0].department: there is no such department",
		}},
		{"administrators that are not valid", `
tenants: [{id: t, groups: [{id: g, departments: [{name: d}]}]}]
administrators:
  - {id: a, type: System, password: x, tenant: t}
  - {id: b, type: Reseller, password: x}
  - {id: c, type: Service Provider, password: x, tenant: x}
  - {id: d, type: Group, tenant: t, group: x}
  - {id: e, type: Group Department, password: x, tenant: t, group: g, department: [x]}
  - {id: f, type: User, password: x}`, []string{
			"administrators[0].tenant: must be empty for the type System", "administrators[1].reseller: must be given for the type Reseller",
			`administrators[2].tenant: there is no tenant "x"`, "administrators[3].password: must not be empty", `administrators[3].group: there is no group "x"`,
			"administrators[4].department: there is no such department", `administrators[5].type: unknown type "User"`,
		}},
	} {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			_, err := ocisim.LoadSeed(strings.NewReader(tt.yaml))
			wrong, ok := errors.AsType[*ocisim.SeedError](err)
			if !ok {
				t.Fatalf("%v", err)
			}
			if diff := cmp.Diff(tt.problems, wrong.Problems); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("refuses text that is not YAML, and faults that are not valid", func(t *testing.T) {
		for _, text := range []string{"a: [", "faults: [explode]"} {
			if _, err := ocisim.LoadSeed(strings.NewReader(text)); err == nil {
				t.Errorf("%q: no error", text)
			}
		}
	})
	t.Run("New refuses a seed that is not valid", func(t *testing.T) {
		_, err := ocisim.New(ocisim.Seed{Tenants: []ocisim.Tenant{{}}, Faults: []ocisim.Fault{{}}})
		wrong, ok := errors.AsType[*ocisim.SeedError](err)
		if !ok || len(wrong.Problems) != 2 {
			t.Errorf("%v", err)
		}
	})
}

func TestDemoSeed(t *testing.T) {
	again, err := ocisim.LoadSeed(strings.NewReader(string(ocisim.DemoYAML())))
	if diff := cmp.Diff(again, ocisim.DemoSeed()); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestPasswordDoesNotPrint(t *testing.T) {
	a := ocisim.Administrator{ID: "a", Password: "hunter2"}
	asJSON, _ := json.Marshal(a)
	asYAML, _ := yaml.Marshal(a)
	for _, printed := range []string{string(asJSON), string(asYAML)} {
		if strings.Contains(printed, "hunter2") || !strings.Contains(printed, "[redacted]") {
			t.Error(printed)
		}
	}
}

func FuzzLoadSeed(f *testing.F) {
	f.Add(string(ocisim.DemoYAML()))
	f.Add("tenants: [{id: a}]")
	f.Add("faults: [stall]")
	f.Fuzz(func(t *testing.T, text string) {
		seed, err := ocisim.LoadSeed(strings.NewReader(text))
		if err != nil {
			return
		}
		p, err := ocisim.New(seed)
		if err != nil {
			t.Fatalf("New refuses a loaded seed: %v", err)
		}
		_ = p.Close()
	})
}
