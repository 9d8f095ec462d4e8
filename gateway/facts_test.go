package gateway_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"ocigate/gateway"
	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// The expectations of testdata/api, which tests of all routes use.

// factsFile is the file in a route's folder with the expectations of the route. It is
// written by hand, independently of the table of routes and of what is recorded.
const factsFile = "expectations.yaml"

// routeFacts is an expectations.yaml. JSON in it is text as it is sent.
type routeFacts struct {
	// AliasOf names the route whose expectations hold for this one, too. Then
	// the file has no other key, and the folders have the same cases.
	AliasOf string `yaml:"alias_of"`
	// Level is the least that a caller needs, as the documents have it, or
	// none for a route without authentication.
	Level string `yaml:"level"`
	// Documented names the files of the documents' example in
	// testdata/contract; it is empty for a route that the documents do not have.
	Documented string `yaml:"documented"`
	// Since is the first release of the platform that has the route's commands;
	// 0 for all.
	Since int `yaml:"since"`
	// Request is the body of a good request to a route without cases.
	Request string `yaml:"request"`
	// Assumed is what the documents' example assumes: keys of a tenant in the
	// platform's seed, whose values replace those of the demonstration's
	// ApioSpTest.
	Assumed yaml.Node `yaml:"assumed"`
	// Write is there for a route that changes something, and for no other.
	Write *writeFacts `yaml:"write"`
	// Cases has a key for each folder beside the file.
	Cases map[string]expectation `yaml:"cases"`
	// Provoked has how to cause each error of the route that no case has.
	Provoked map[string]provocation `yaml:"provoked"`
}

// writeFacts are a good request about one entry that the demonstration has as it
// needs it.
type writeFacts struct {
	Body    string     `yaml:"body"`
	Command string     `yaml:"command"` // the platform's
	Entry   entryFacts `yaml:"entry"`
	// Kept are entries that the body has before that one, and that are as it wants
	// them already.
	Kept []entryFacts `yaml:"kept"`
	// Again is the error that the same request gets once it is done; empty if it gets
	// the good response.
	Again string `yaml:"again"`
	Shown struct {
		By string `yaml:"by"` // a route
		// Before is in its response until the write is done, After from then on.
		// One of them is enough.
		Before string `yaml:"before"`
		After  string `yaml:"after"`
	} `yaml:"shown"`
	// Half is a request about that entry and another one in the same command, which
	// has one element for each, the other one's last. A route that reports its entries
	// does not need it.
	Half *halfFacts `yaml:"half"`
}

// entryFacts are an entry as the caller gives it and as the platform spells it,
// and its value before and after the write as JSON. Without a Key it is of a range
// or prefix, and follows from Given.
type entryFacts struct {
	Kind   string `yaml:"kind"`
	Key    string `yaml:"key"`
	Given  string `yaml:"given"`
	Start  string `yaml:"start"`
	End    string `yaml:"end"`
	Before string `yaml:"before"`
	After  string `yaml:"after"`
}

// key returns the entry's key.
func (e entryFacts) key() string { return cmp.Or(e.Key, strings.ReplaceAll(e.Given, "-", "")) }

type halfFacts struct {
	Body string `yaml:"body"`
	// Answer is the body of the response of a route that reports its entries, when it
	// is known that the second entry was not changed; other routes have none.
	Answer string `yaml:"answer"`
	// Ranges and Prefixes are the tenant's besides those of the
	// demonstration.
	Ranges   []ocisim.Range  `yaml:"ranges"`
	Prefixes []ocisim.Prefix `yaml:"prefixes"`
}

// book is the content of all files.
type book struct {
	files  fs.FS
	routes map[string]routeFacts
	// problems are those of files that cannot be read, by route.
	problems map[string][]string
}

// The book of testdata/api. It has no initializer, since what reads it is checked
// against ways that need it themselves.
var (
	readFacts sync.Once
	ownFacts  book
)

// facts returns the content of the files of testdata/api.
func facts() book {
	readFacts.Do(func() { ownFacts = readBook(os.DirFS(apiFolder)) })
	return ownFacts
}

// readBook reads the files of the routes' folders.
func readBook(files fs.FS) book {
	b := book{files: files, routes: map[string]routeFacts{}, problems: map[string][]string{}}
	for _, name := range foldersIn(files, ".") {
		text, err := fs.ReadFile(files, path.Join(name, factsFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		route, problems := parseFacts(text)
		if err != nil {
			problems = []string{err.Error()}
		}
		b.routes[name] = route
		if len(problems) > 0 {
			b.problems[name] = problems
		}
	}
	return b
}

// request returns the request of a case.
func (b book) request(route, name string) (quartetRequest, error) {
	text, err := fs.ReadFile(b.files, path.Join(route, name, requestFile))
	if err != nil {
		return quartetRequest{}, err
	}
	return parseRequest(text)
}

// foldersIn returns the names of the folders in a folder; none if there is none.
func foldersIn(files fs.FS, folder string) []string {
	var names []string
	entries, _ := fs.ReadDir(files, folder) // what must be in it is checked by name
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

// parseFacts parses a file, and returns its problems.
func parseFacts(text []byte) (routeFacts, []string) {
	var route routeFacts
	if err := strictYAML(text, &route); err != nil {
		return route, []string{err.Error()}
	}
	return route, route.problems()
}

// strictYAML reads one document without unknown keys and keys given twice.
func strictYAML(text []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one document")
	}
	return nil
}

// problems returns what is wrong with the values, whatever the route is.
func (f routeFacts) problems() []string {
	var problems []string
	add := func(key, format string, args ...any) {
		problems = append(problems, key+": "+fmt.Sprintf(format, args...))
	}
	if f.AliasOf != "" {
		f.AliasOf = ""
		if f.Level != "" || f.Documented != "" || f.Since != 0 || f.Request != "" || !f.Assumed.IsZero() || f.Write != nil || f.Cases != nil || f.Provoked != nil {
			add("alias_of", "must be the only key")
		}
		return problems
	}
	if f.Level != "" && f.Level != noLevel && !slices.ContainsFunc(levels, func(l levelOf) bool { return l.name == f.Level }) {
		add("level", "there is no %q", f.Level)
	}
	if _, err := f.assumedOn(ocisim.Tenant{}); err != nil {
		add("assumed", "%v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Cases)) {
		problems = append(problems, f.Cases[name].problems("cases."+name)...)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Provoked)) {
		if _, ok := errcode.ByName(name); !ok {
			add("provoked."+name, "there is no such error")
		}
		problems = append(problems, f.Provoked[name].problems("provoked."+name)...)
	}
	return problems
}

// assumedOn returns the tenant in the state that the example assumes.
func (f routeFacts) assumedOn(tenant ocisim.Tenant) (ocisim.Tenant, error) {
	if f.Assumed.IsZero() {
		return tenant, nil
	}
	text, err := yaml.Marshal(&f.Assumed)
	if err == nil {
		err = strictYAML(text, &tenant)
	}
	return tenant, err
}

// of returns the facts of a route; for an alias, those of the other route.
func (b book) of(name string) (routeFacts, bool) {
	route, ok := b.routes[name]
	if route.AliasOf != "" {
		route, ok = b.routes[route.AliasOf]
	}
	return route, ok
}

// factsOf returns those of a route of the table.
func factsOf(t testing.TB, name string) routeFacts {
	t.Helper()
	route, ok := facts().of(name)
	if !ok {
		t.Fatalf("there is no %s", path.Join(apiFolder, name, factsFile))
	}
	return route
}

// goodCase returns the case whose response is good in all respects: that of the
// documents or, for a route of our own, an example of ours.
func (f routeFacts) goodCase() string {
	if f.Documented != "" {
		return "documented"
	}
	return "example"
}

// since returns the first release of the platform that has what a case needs.
func (f routeFacts) since(name string) int { return max(f.Since, f.Cases[name].Since) }

// hasCommands reports whether requests to the route are translated to commands, so
// that it has cases.
func hasCommands(route gateway.Route) bool { return route.Query != nil || route.Change != nil }

// reports reports whether the route's response says what became of each entry.
func reports(route gateway.Route) bool {
	_, reports := route.Change.(translate.Reporter)
	return reports
}

// routeNamed returns a route of the table.
func routeNamed(name string) (gateway.Route, bool) {
	routes := apiRoutes()
	i := slices.IndexFunc(routes, func(e gateway.Route) bool { return e.Name == name })
	if i < 0 {
		return gateway.Route{}, false
	}
	return routes[i], true
}

// ids are values of the parameters of paths, by name.
type ids map[string]string

// ownIDs returns those that the demonstration has, and the id of no operation.
func ownIDs() ids {
	return ids{"tenant_id": ownTenant, "group_id": ownGroup, "user_id": ownUser, "operation_id": operation.NewID()}
}

// pathOf returns the route's path with its parameters filled in.
func pathOf(route gateway.Route, with ids) string {
	filled := route.FullPath()
	for name, value := range with {
		filled = strings.ReplaceAll(filled, "{"+name+"}", value)
	}
	return filled
}

// ownPath returns the route's path about what the demonstration has.
func ownPath(route gateway.Route) string { return pathOf(route, ownIDs()) }

// ownPathOf returns that of a route by its name.
func ownPathOf(t testing.TB, route string) string {
	t.Helper()
	e, ok := routeNamed(route)
	if !ok {
		t.Fatalf("there is no route %s", route)
	}
	return ownPath(e)
}

// levelOf is a level by its name in the documents, and the listed client that
// has it.
type levelOf struct{ name, client string }

// levels are all of them, the lowest first.
var levels = []levelOf{
	{"End User", user}, {"Department Admin", department}, {"Group Admin", group}, {"Tenant Admin", tenant}, {"System Admin", system},
}

// noLevel is the level of routes without authentication.
const noLevel = "none"

// rank returns the place of a level among the others, by its name or its client.
func rank(of string) int {
	return slices.IndexFunc(levels, func(l levelOf) bool { return l.name == of || l.client == of })
}

// clientBelow returns the client of the next lower level, or anonymous.
func clientBelow(level string) string {
	if i := rank(level); i > 0 {
		return levels[i-1].client
	}
	return anonymous
}

// writerOf returns the client that makes good requests for changes: a Tenant Admin
// unless more is needed.
func (f routeFacts) writerOf() string {
	return levels[max(rank(tenant), rank(f.Level))].client
}

// displayed returns a path of testdata as messages name it.
func displayed(parts ...string) string {
	return cmp.Or(strings.TrimPrefix(path.Join(parts...), "../"), ".")
}
