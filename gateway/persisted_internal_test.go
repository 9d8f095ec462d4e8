package gateway

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// persistedFile lists the names that journals hold, one a line, and their format.
const persistedFile = "testdata/persisted.txt"

// TestPersistedNames compares the names that the code writes into journals with
// those that are listed. A journal is kept for longer than a version of the code.
func TestPersistedNames(t *testing.T) {
	listed := linesOf(t, persistedFile)
	if !slices.IsSorted(listed) || len(slices.Compact(slices.Clone(listed))) != len(listed) {
		t.Errorf("%s is not sorted, or has a line twice", persistedFile)
	}
	written := persistedNames(t)
	for _, name := range listed {
		if !slices.Contains(written, name) {
			t.Errorf("%q is in journals, and the code does not have it any more: keep it, or raise operation.Format and migrate what the stores have", name)
		}
	}
	for _, name := range written {
		if !slices.Contains(listed, name) {
			t.Errorf("%q will be in journals: add it to %s, and consider that it can neither go nor change", name, persistedFile)
		}
	}
}

// linesOf returns the lines of a file that are not comments.
func linesOf(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	return slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "#") })
}

// persistedNames returns the names that the code can write into a journal.
func persistedNames(t *testing.T) []string {
	t.Helper()
	names := []string{fmt.Sprint("format ", operation.Format)}
	for kind := range testServices(t).observers() {
		names = append(names, "entry "+kind)
	}
	claims := map[string]bool{}
	for _, route := range Table() {
		for _, c := range draftOf(t, route).Claims {
			claims[c.Kind] = true
		}
	}
	for kind := range claims {
		names = append(names, "claim "+kind)
	}
	for _, route := range Table() {
		if route.Change != nil || route.Session != nil { // of operations and keys, or of events
			names = append(names, "row "+route.Name)
		}
	}
	for code := range errcode.All() {
		if code.PromisesNotDone() {
			names = append(names, "error "+code.Name)
		}
	}
	for kind, values := range constantsOf(t, "operation") {
		for _, value := range values {
			if prefix := map[string]string{"State": "state", "Basis": "basis", "EventKind": "event"}[kind]; prefix != "" {
				names = append(names, prefix+" "+value)
			}
		}
	}
	return names
}

// constantsOf returns the values of the constants of a package that are strings, by
// their types.
func constantsOf(t *testing.T, folder string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string][]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			kind, ok := spec.Type.(*ast.Ident)
			if !ok {
				return true
			}
			for _, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					text, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					constants[kind.Name] = append(constants[kind.Name], text)
				}
			}
			return true
		})
	}
	return constants
}

// Every kind of entry that a route can write has an observer, which reads it back.
func TestEntriesOfEveryRouteAreObserved(t *testing.T) {
	observed := slices.Collect(maps.Keys(testServices(t).observers()))
	for _, route := range Table() {
		for _, entry := range draftOf(t, route).Entries {
			if !slices.Contains(observed, entry.Kind) {
				t.Errorf("%s writes entries of kind %q, which has no observer", route.Name, entry.Kind)
			}
		}
	}
}

// testServices returns the services without a platform.
func testServices(t *testing.T) Services {
	t.Helper()
	services, err := NewServices(translate.New(translate.Options{}), ServiceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return services
}

// draftOf decodes the good request of a route that writes. It is empty for another route.
func draftOf(t *testing.T, route Route) *translate.Draft {
	t.Helper()
	if route.Change == nil {
		return &translate.Draft{}
	}
	var text []byte
	var err error
	for _, good := range []string{"documented", "example"} {
		if text, err = os.ReadFile(filepath.Join("..", "testdata", "api", route.Name, good, "request.json")); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	var request struct {
		Body json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(text, &request); err != nil {
		t.Fatal(err)
	}
	draft, err := route.Change.Decode(scope.Target{TenantID: "T", GroupID: "G", UserID: "U"}, request.Body)
	if err != nil {
		t.Fatalf("%s: %v", route.Name, err)
	}
	return draft
}
