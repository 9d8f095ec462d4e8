package itc_test

// This file specifies the descriptions of all operations: their commands, errors
// and shapes. A new operation is an entry in described and carryOut.

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/itc"
)

// described are the descriptions of all operations of a service, by their names in
// these tests.
func described(service *itc.Service) map[string]translate.Description {
	all := map[string]translate.Description{}
	for name, query := range queries(service) {
		all[name] = query.Describe()
	}
	for name, query := range tenantQueries(service) {
		all[name] = query.Describe()
	}
	for name, change := range changes(service) {
		all[name] = change.Describe()
	}
	all["user"], all["set user"] = service.User().Describe(), service.SetUser().Describe()
	return all
}

// carryOut makes an operation send all commands that it may send, and returns the
// names of its writes.
func carryOut(t *testing.T, service *itc.Service, name string) (writes []string) {
	t.Helper()
	if strings.HasSuffix(name, "user") {
		return carryOutForUser(t, service, name)
	}
	if query, ok := queries(service)[name]; ok {
		_, _ = query.Read(t.Context(), testGroup, nil)
		return nil
	}
	if query, ok := tenantQueries(service)[name]; ok {
		_, _ = query.Read(t.Context(), testTenant, nil)
		return nil
	}
	change := changes(service)[name]
	if plan, err := planned(t, change, testGroup, goodBodies[name]); err == nil {
		for _, step := range plan.Steps {
			writes = append(writes, step.Command.Name())
		}
	}
	_, _ = planned(t, change, testGroup, unknownBodies[name])
	_, _ = observed(t.Context(), service, name, testGroup, []string{"+1"})
	return writes
}

// Each operation describes exactly the commands that it sends, for all options and
// refusals of the platform.
func TestDescriptionsNameTheCommandsThatAreMade(t *testing.T) {
	for name, description := range described(newPlatform(t).service(options{})) {
		t.Run(name, func(t *testing.T) {
			reads, writes := map[string]bool{}, map[string]bool{}
			for _, broken := range []string{"", tenantGet, authorization, userList} {
				for _, from := range []itc.AvailableFrom{itc.AvailableFromGroup, itc.AvailableFromTenant} {
					p := newPlatform(t)
					delete(p.Answers, broken)
					for _, write := range carryOut(t, p.service(options{AvailableFrom: from}), name) {
						writes[write] = true
					}
					for _, command := range p.Sent {
						reads[command.Name()] = true
					}
				}
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(reads)), description.Reads); diff != "" {
				t.Errorf("reads (-made +described)\n%s", diff)
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(writes)), slices.Sorted(slices.Values(description.Writes))); diff != "" {
				t.Errorf("writes (-made +described)\n%s", diff)
			}
		})
	}
}

// The descriptions are the same without a platform, and for all options.
func TestDescriptionsNeedNoPlatform(t *testing.T) {
	without, err := itc.New(translate.New(translate.Options{}), itc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	with := described(newPlatform(t).service(options{AvailableFrom: itc.AvailableFromTenant}))
	if diff := cmp.Diff(with, described(without)); diff != "" {
		t.Errorf("(-with +without)\n%s", diff)
	}
	if _, err := without.Numbers().Read(t.Context(), testGroup, nil); err == nil {
		t.Error("the platform was read without a Reader")
	} else if e, ok := errors.AsType[*errcode.Error](err); ok {
		t.Errorf("the code of the error is %s", e.Code.Name)
	}
}

// commandName matches the names of the platform's commands.
var commandName = regexp.MustCompile(`^[A-Z]\w+Request\w*$`)

// The descriptions have every command that the source names, so that metrics and
// tables made of them are complete.
func TestDescriptionsAreComplete(t *testing.T) {
	var reads, writes []string
	for _, description := range described(newPlatform(t).service(options{})) {
		reads, writes = append(reads, description.Reads...), append(writes, description.Writes...)
	}
	all := slices.Concat(reads, writes)
	slices.Sort(all)
	all = slices.Compact(all)
	if diff := cmp.Diff(namedCommands(t), all); diff != "" {
		t.Errorf("(-source +described):\n%s", diff)
	}
	for _, name := range writes {
		if slices.Contains(reads, name) {
			t.Errorf("%s is both a read and a write", name)
		}
	}
	for _, name := range all {
		if forms := oci.Forms(name); forms[0] != name {
			t.Errorf("%s is sent as %v: each command is to be made in its first form", name, forms)
		}
	}
}

// namedCommands returns the names of commands in the source of the service and of
// the engine, each once, in alphabetical order.
func namedCommands(t *testing.T) []string {
	t.Helper()
	own, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	engine, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range slices.Concat(own, engine) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.SkipObjectResolution)
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

// A description has the errors that are specific to the operation, each once.
func TestDescriptionsNameTheErrors(t *testing.T) {
	inContext := []*errcode.Code{
		errcode.NotAvailableInEnterpriseMode, errcode.TenantNotFound, errcode.ServiceNotAssigned, errcode.GroupNotFound,
	}
	ofUser := []*errcode.Code{
		errcode.TenantNotFound, errcode.UserNotFound, errcode.GroupNotFound, errcode.ServiceNotAssigned, errcode.NotAvailableInRelease,
	}
	for name, description := range described(newPlatform(t).service(options{})) {
		want := slices.Clone(inContext)
		if strings.HasPrefix(name, "tenant_") {
			want = []*errcode.Code{errcode.TenantNotFound, errcode.ServiceNotAssigned}
		}
		if strings.HasSuffix(name, "user") {
			want = slices.Clone(ofUser)
		}
		if strings.Contains(name, " ") {
			want = slices.Insert(want, 0, errcode.NotAvailableForAssignment)
		}
		switch {
		case name == "set user":
			want = slices.Insert(want, 1, errcode.PreconditionFailed)
		case strings.HasPrefix(name, "set "):
			want = slices.Insert(want, 1, errcode.PossessedByUser, errcode.PreconditionFailed)
		}
		if description.Conditional != strings.HasPrefix(name, "set ") {
			t.Errorf("%s honours If-Match: %t", name, description.Conditional)
		}
		if strings.Contains(name, "prefixes") {
			want = append(want, errcode.NotAvailableInRelease)
		}
		if diff := cmp.Diff(want, description.Errors); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// The documentation is made of shapes, so they must have all that a caller needs.
func TestShapesAreComplete(t *testing.T) {
	var walk func(t *testing.T, place string, request bool, s *translate.Shape)
	walk = func(t *testing.T, place string, request bool, s *translate.Shape) {
		keys := map[string]bool{}
		for _, f := range s.Fields {
			at := place + "/" + f.Key
			if f.Key == "" || keys[f.Key] || strings.ContainsAny(f.Key, "\"\\/~<>&") {
				t.Errorf("%s: the key is empty, repeated or needs an escape", at)
			}
			keys[f.Key] = true
			if request && f.Max == 0 && f.Kind != translate.Boolean {
				t.Errorf("%s has no limit", at)
			}
			if f.Kind == translate.List && f.Item == nil {
				t.Errorf("%s has no shape of its entries", at)
			}
			if f.Item != nil {
				walk(t, at, request, f.Item)
			}
			if f.Kind == translate.Department {
				continue
			}
			if !request && place != "" && f.Source == "" && f.Kind != translate.List && !strings.Contains(place, "/department") {
				t.Errorf("%s has no source", at)
			}
		}
	}
	for name, description := range described(newPlatform(t).service(options{})) {
		t.Run(name, func(t *testing.T) {
			if description.Response == nil || (description.Request == nil) == strings.Contains(name, " ") {
				t.Fatalf("request %v, response %v", description.Request, description.Response)
			}
			if !strings.HasPrefix(name, "set ") { // reports are composed by the gateway
				walk(t, "", false, description.Response)
			}
			if description.Request != nil {
				walk(t, "", true, description.Request)
			}
		})
	}
}
