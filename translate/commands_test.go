package translate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// commandName is what the names of the platform's commands have in common.
var commandName = regexp.MustCompile(`^[A-Z]\w+Request\w*$`)

// The lists hold every command that the package's source names, so that whoever
// counts by them misses none.
func TestListsOfCommandsAreWhole(t *testing.T) {
	listed := slices.Concat(translate.ReadCommands(), translate.WriteCommands())
	slices.Sort(listed)
	if diff := cmp.Diff(namedCommands(t), listed); diff != "" {
		t.Errorf("(-source +listed):\n%s", diff)
	}
	for _, name := range translate.WriteCommands() {
		if slices.Contains(translate.ReadCommands(), name) {
			t.Errorf("%s is both a read and a write", name)
		}
	}
}

// namedCommands are the texts of the package's source that are names of
// commands, each once, in order.
func namedCommands(t *testing.T) []string {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil && commandName.MatchString(text) {
					names = append(names, text)
				}
			}
			return true
		})
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestCodesOfTheTable(t *testing.T) {
	known := translate.NewPlatformErrors(nil).Codes()
	want := []*errcode.Code{errcode.GroupNotFound, errcode.ServiceNotAssigned, errcode.PlatformError, errcode.PlatformUnavailable}
	if diff := cmp.Diff(want, known); diff != "" {
		t.Errorf("known publicly (-want +got):\n%s", diff)
	}
	own := translate.NewPlatformErrors(
		map[int]*errcode.Code{1: errcode.Forbidden, 2: errcode.Forbidden},
		translate.PlatformText{Text: "busy", Code: errcode.PlatformBusy},
	).Codes()
	for _, code := range []*errcode.Code{errcode.Forbidden, errcode.PlatformBusy} {
		if n := len(slices.DeleteFunc(slices.Clone(own), func(c *errcode.Code) bool { return c != code })); n != 1 {
			t.Errorf("%s is listed %d times", code.Name, n)
		}
	}
}

// Each command may be sent under its own name.
func TestEveryCommandIsAFirstForm(t *testing.T) {
	for _, name := range slices.Concat(translate.ReadCommands(), translate.WriteCommands()) {
		if forms := oci.Forms(name); forms[0] != name {
			t.Errorf("%s is sent as %v", name, forms)
		}
	}
}
