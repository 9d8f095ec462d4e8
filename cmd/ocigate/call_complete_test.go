package main

import (
	"slices"
	"strings"
	"testing"

	"ocigate/gateway"
)

// These tests specify what a shell completes for the command call. __complete is the command
// that the scripts of "ocigate completion" ask.

// completed returns the completions for the last of the arguments, without their
// descriptions, and the descriptions by completion.
func completed(t *testing.T, args ...string) ([]string, map[string]string) {
	t.Helper()
	out, _, err := execute(t, "", append([]string{"__complete", "call"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	docs := map[string]string{}
	for line := range strings.Lines(out) {
		word, doc, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(word, ":") {
			break
		}
		found = append(found, word)
		docs[word] = doc
	}
	return found, docs
}

func TestCallCompletesEndpoints(t *testing.T) {
	found, docs := completed(t, "")
	for _, route := range gateway.Table() {
		if docs[route.Name] != route.Summary || !slices.Contains(found, route.Name) {
			t.Errorf("%s is completed with %q, want %q", route.Name, docs[route.Name], route.Summary)
		}
	}
	if some, _ := completed(t, "itc_pref"); len(some) != 5 || slices.ContainsFunc(some, func(name string) bool { return !strings.HasPrefix(name, "itc_prefixes_") }) {
		t.Errorf("itc_pref is completed to %q", some)
	}
}

func TestCallCompletesFlags(t *testing.T) {
	for _, route := range gateway.Table() {
		described := route.Describe()
		required, _ := completed(t, route.Name, "--")
		var args, want []string
		for _, p := range route.PathParameters() {
			name := p.Name
			want = append(want, "--"+flagOf(name))
			args = append(args, "--"+flagOf(name), "x")
		}
		if want != nil && !slices.Equal(required, want) {
			t.Errorf("%s: completes %q first, want %q", route.Name, required, want)
		}
		flags, _ := completed(t, append(append([]string{route.Name}, args...), "--")...)
		for flag, fits := range map[string]bool{
			"--tenant": false, "--operation-id": false, // given already, or not in the path
			"--param": len(described.Params) > 0, "--body": described.Request != nil, "--example": described.Request != nil,
			"--dry-run": route.Change != nil, "--idempotency-key": route.Change != nil, "--no-key": route.Change != nil, "--wait": route.Change != nil,
			"--if-match": described.Conditional, "--if-none-match": route.Query != nil || route.Journal != nil,
			"--url": true, "--curl": true, "--client": true, "--accept": true,
		} {
			if slices.Contains(flags, flag) != fits {
				t.Errorf("%s: completes %s: %t, want %t: %q", route.Name, flag, !fits, fits, flags)
			}
		}
	}
}

func TestCallCompletesValues(t *testing.T) {
	route, _ := routeNamed("operations_list")
	var all, withoutLimit, states []string
	for _, p := range route.Describe().Params {
		all = append(all, p.Name+"=")
		if p.Name != "limit" {
			withoutLimit = append(withoutLimit, p.Name+"=")
		}
		if p.Name == "state" {
			for _, value := range p.Values {
				states = append(states, "state="+value)
			}
		}
	}
	for line, want := range map[string]string{
		"operations_list --accept ":                             "json problem",
		"operations_list --param ":                              strings.Join(all, " "),
		"operations_list --param limit=1 --param ":              strings.Join(withoutLimit, " "),
		"operations_list --param st":                            "state=",
		"operations_list --param state=":                        strings.Join(states, " "),
		"operations_list --param state=d":                       "state=done",
		"operations_list --param limit=":                        "",
		"itc_numbers_set --tenant T --group G --param ":         "dry_run=",
		"itc_numbers_set --tenant T --group G --param dry_run=": "dry_run=true dry_run=false",
		"itc_numbers_set --tenant ":                             "",
	} {
		found, _ := completed(t, strings.Split(line, " ")...)
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
	_, docs := completed(t, "operations_list", "--param", "st")
	if docs["state="] == "" {
		t.Error("the parameter has no description")
	}
}
