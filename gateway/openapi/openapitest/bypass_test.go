package openapitest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// This test specifies that no test bypasses the validation: code that makes a gateway
// passes it to Watch or Handler immediately.

// unwatched are the files that make a gateway without the validation, with the reason.
var unwatched = map[string]string{
	"cmd/ocigate/generation.go":             "the program itself, which its tests wrap by aroundAPI",
	"gateway/bench_test.go":                 "a benchmark measures the handler alone",
	"gateway/operations_memory_test.go":     "the memory of a response is measured without what watches it",
	"gateway/callerlimit_successor_test.go": "each gateway is kept, to be replaced, and watched in the next line",
}

func TestNoGatewayIsUnwatched(t *testing.T) {
	const root = "../../.."
	made := 0
	reporting, collecting := map[string]bool{}, map[string]bool{} // by folder
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if folder := filepath.Dir(name); strings.HasSuffix(name, "_test.go") {
			reporting[folder] = reporting[folder] || names(file, "Main")
			collecting[folder] = collecting[folder] || names(file, "Handler")
		}
		of, bare := gateways(file)
		made += of
		if _, allowed := unwatched[filepath.ToSlash(name)]; bare > 0 && !allowed {
			t.Errorf("%s makes a gateway whose requests are not validated", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, does := range collecting {
		if does && !reporting[folder] {
			t.Errorf("the tests of %s collect problems by Handler, and no TestMain reports them by Main", folder)
		}
	}
	if len(reporting) == 0 || made <= len(unwatched) {
		t.Errorf("only %d calls of gateway.New were found", made)
	}
}

// gateways returns how many gateways a file makes, and how many of them are not an
// argument of Watch or Handler.
func gateways(file *ast.File) (made, bare int) {
	wrapped := map[ast.Expr]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch {
		case isCall(call, "openapitest", "Watch", "Handler"):
			for _, argument := range call.Args {
				wrapped[argument] = true
			}
		case isCall(call, "gateway", "New"):
			made++
			if !wrapped[call] {
				bare++
			}
		}
		return true
	})
	return made, bare
}

// names reports whether a file has a name of this package.
func names(file *ast.File, name string) bool {
	found := false
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, ok := selector.X.(*ast.Ident)
		found = found || ok && of.Name == "openapitest" && selector.Sel.Name == name
		return true
	})
	return found
}

func isCall(call *ast.CallExpr, of string, names ...string) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	in, ok := selector.X.(*ast.Ident)
	return ok && in.Name == of && slices.Contains(names, selector.Sel.Name)
}
