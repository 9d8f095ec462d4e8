package oci_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
)

// The lists of names that metrics and logs use. To add a name, add a constant of its type; the
// tests find lists that are not complete.

func TestFormsOfACommand(t *testing.T) {
	for command, want := range map[string][]string{
		"ServiceProviderGetRequest17sp1":          {"ServiceProviderGetRequest17sp1", "ServiceProviderGetRequest22V4"},
		"GroupServiceGetAuthorizationRequest":     {"GroupServiceGetAuthorizationRequest", "GroupServiceGetAuthorizationListRequest"},
		"ServiceProviderGetListRequest":           {"ServiceProviderGetListRequest"}, // the same in all releases
		"AuthenticationVerifyRequest22V4":         {"AuthenticationVerifyRequest22V4", "AuthenticationVerifyRequest14sp8"},
		"GroupServiceGetAuthorizationListRequest": {"GroupServiceGetAuthorizationListRequest"}, // not a first form
	} {
		if diff := cmp.Diff(want, oci.Forms(command)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", command, diff)
		}
	}
	if diff := cmp.Diff(oci.Forms("AuthenticationVerifyRequest22V4"), oci.VerificationForms()); diff != "" {
		t.Errorf("verification (-want +got):\n%s", diff)
	}
}

// The lists hold every constant of their type, so that code that counts by them
// misses none, except the step that only Diagnose has.
func TestListsAreComplete(t *testing.T) {
	for typeName, listed := range map[string][]string{
		"Stage":       append(texts(oci.Stages()), string(oci.StageRead)),
		"CloseReason": texts(oci.CloseReasons()),
	} {
		declared := constants(t, typeName)
		if len(declared) == 0 {
			t.Errorf("no constant has the type %s", typeName)
		}
		slices.Sort(declared)
		slices.Sort(listed)
		if diff := cmp.Diff(declared, listed); diff != "" {
			t.Errorf("%s (-declared +listed):\n%s", typeName, diff)
		}
	}
}

func texts[T ~string](values []T) []string {
	var all []string
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}

// constants returns the values of the constants of that type in this folder.
func constants(t *testing.T, typeName string) []string {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != typeName {
				return true
			}
			for _, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					text, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, text)
				}
			}
			return true
		})
	}
	return values
}
