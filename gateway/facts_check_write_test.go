package gateway_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"ocigate/gateway"
	"ocigate/translate/errcode"
)

// The check of the expectations of routes that write.

func (l *folderCheck) checkWrite(f routeFacts) {
	if l.route.Change == nil {
		if f.Write != nil {
			l.report("write: the route changes nothing")
		}
		return
	}
	if f.Write == nil {
		l.report("write is missing: a good request about one entry")
		return
	}
	w := f.Write
	for _, key := range []struct{ name, value string }{
		{"body", w.Body}, {"command", w.Command}, {"entry.kind", w.Entry.Kind}, {"entry.given", w.Entry.Given},
		{"entry.before", w.Entry.Before}, {"entry.after", w.Entry.After}, {"shown.by", w.Shown.By},
	} {
		if key.value == "" {
			l.report("write.%s is missing", key.name)
		}
	}
	if _, ok := routeNamed(w.Shown.By); w.Shown.By != "" && !ok {
		l.report("write.shown.by: there is no route %s", w.Shown.By)
	}
	if w.Shown.Before == "" && w.Shown.After == "" {
		l.report("write.shown.before and write.shown.after are missing: one of them says what is to be seen")
	}
	if _, ok := errcode.ByName(w.Again); w.Again != "" && !ok {
		l.report("write.again: there is no error %s", w.Again)
	}
	l.checkHalf(f)
}

// checkHalf checks the request that can be done partly, if the route needs it for an
// error.
func (l *folderCheck) checkHalf(f routeFacts) {
	half := f.Write.Half
	if half == nil {
		for _, name := range slices.Sorted(maps.Keys(f.Provoked)) {
			if f.Provoked[name].By == halfOfCommand {
				l.report("write.half is missing: provoked.%s.by is %q", name, halfOfCommand)
			}
		}
		return
	}
	if half.Body == "" {
		l.report("write.half.body is missing")
	}
	if (half.Answer != "") != reports(l.route) {
		l.report("write.half.answer is %q, and the route reports its entries: %t", half.Answer, reports(l.route))
	}
}

// refusalNeeds is what a case needs to be one that a check refuses.
const refusalNeeds = "one has an error that is neither of the form nor of all routes, and no sent; " +
	"its request.json has the route's path with the ids of the demonstration, and neither assumed nor faults"

// checkRefusal checks a case whose body a check refuses. One whose request is still
// to be written is taken for it.
func (l *folderCheck) checkRefusal(f routeFacts) {
	if l.route.Change == nil {
		return
	}
	refused := slices.ContainsFunc(f.checkedCases(), func(name string) bool {
		asked, err := l.book.request(l.route.Name, name)
		return errors.Is(err, fs.ErrNotExist) || err == nil && asked.isOfDemonstration(l.route)
	})
	if !refused {
		l.report("no case is refused by a check: %s", refusalNeeds)
	}
}

// checkedCases returns the names of the cases that a check refuses although their form is
// good, in their order.
func (f routeFacts) checkedCases() []string {
	others := append([]*errcode.Code{
		errcode.JSONSchemaValidation, errcode.BadMediaType, errcode.InvalidParameters, errcode.PreconditionFailed,
	}, gateway.CommonErrors()...)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(f.Cases)) {
		c := f.Cases[name]
		if code, ok := errcode.ByName(c.Error); ok && c.Sent == 0 && !slices.Contains(others, code) {
			names = append(names, name)
		}
	}
	return names
}

// isOfDemonstration reports whether a request is about what the demonstration has
// under the route's path, of a platform that is as it has it.
func (q quartetRequest) isOfDemonstration(route gateway.Route) bool {
	return !q.Assumed && len(q.Faults) == 0 && q.Path == ownPath(route)
}

// changed is the file of a route with its keys changed.
func changed(t *testing.T, files fstest.MapFS, route string, change func(keys map[string]any)) {
	t.Helper()
	file := files[path.Join(route, factsFile)]
	var keys map[string]any
	must(t, yaml.Unmarshal(file.Data, &keys))
	change(keys)
	var err error
	file.Data, err = yaml.Marshal(keys)
	must(t, err)
}

// Every route that changes something needs a request that can be done partly, if one of
// its errors needs that.
func TestMissingHalfIsReported(t *testing.T) {
	for route, f := range facts().routes {
		if f.Write == nil || f.Provoked[errcode.PartlyDone.Name].By == "" {
			continue
		}
		for name, c := range map[string]struct {
			half any
			want string
		}{
			"none":           {nil, `write.half is missing: provoked.PARTLY_DONE.by is "half of a command"`},
			"without a body": {map[string]any{"prefixes": []any{}}, "write.half.body is missing"},
		} {
			t.Run(route+"/"+name, func(t *testing.T) {
				files := copied(t)
				changed(t, files, route, func(keys map[string]any) {
					write, ok := keys["write"].(map[string]any)
					if !ok {
						t.Fatal("no write")
					}
					write["half"] = c.half
				})
				wantLacking(t, files, route, c.want)
			})
		}
	}
}

// wantLacking checks that the file of a route lacks one thing. The routes of which
// another one is an alias lack it twice: each is named.
func wantLacking(t *testing.T, files fstest.MapFS, name, what string) {
	t.Helper()
	var want []string
	for _, route := range apiRoutes() {
		if route.Name == name || facts().routes[route.Name].AliasOf == name {
			want = append(want, displayed(apiFolder, route.Name, factsFile)+": "+what)
		}
	}
	if diff := cmp.Diff(want, folderProblems(declaredRoutes(), readBook(files))); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// Every route that changes something needs a case that a check refuses: here each of
// them has sent a command.
func TestMissingRefusedCaseIsReported(t *testing.T) {
	for route, f := range facts().routes {
		if f.Write == nil {
			continue
		}
		t.Run(route, func(t *testing.T) {
			files := copied(t)
			changed(t, files, route, func(keys map[string]any) {
				cases, _ := keys["cases"].(map[string]any)
				for _, name := range f.checkedCases() {
					c, ok := cases[name].(map[string]any)
					if !ok {
						t.Fatalf("no case %s", name)
					}
					c["sent"] = 1
				}
			})
			wantLacking(t, files, route, "no case is refused by a check: "+refusalNeeds)
		})
	}
}

// Not every case with an error counts as one that a check refuses.
func TestCasesThatACheckRefuses(t *testing.T) {
	const route = "itc_numbers_assign"
	own, refused := ownPathOf(t, route), expectation{Status: 400, Error: "NOT_AVAILABLE_FOR_ASSIGNMENT"}
	missing := "testdata/api/" + route + "/expectations.yaml: no case is refused by a check: " + refusalNeeds
	for name, c := range map[string]struct {
		expected expectation
		asked    *quartetRequest
		want     []string
	}{
		"refused":                         {refused, &quartetRequest{Path: own}, nil},
		"refused, and still to write":     {refused, nil, nil},
		"its form is bad":                 {expectation{Status: 400, Error: "JSON_SCHEMA_VALIDATION"}, &quartetRequest{Path: own}, []string{missing}},
		"its entries are given twice":     {expectation{Status: 400, Error: "INVALID_PARAMETERS"}, &quartetRequest{Path: own}, []string{missing}},
		"a condition does not hold":       {expectation{Status: 412, Error: "PRECONDITION_FAILED"}, &quartetRequest{Path: own}, []string{missing}},
		"the level is too low":            {expectation{Status: 403, Error: "FORBIDDEN"}, &quartetRequest{Path: own}, []string{missing}},
		"a command was sent":              {expectation{Status: 400, Error: "PLATFORM_REFUSED", Sent: 1}, &quartetRequest{Path: own}, []string{missing}},
		"the answer is good":              {expectation{Sent: 1, Applied: 1}, &quartetRequest{Path: own}, []string{missing}},
		"about another group":             {refused, &quartetRequest{Path: own + "x"}, []string{missing}},
		"of a platform that is different": {refused, &quartetRequest{Path: own, Assumed: true}, []string{missing}},
		"of a platform with faults":       {refused, &quartetRequest{Path: own, Faults: []string{"stall"}}, []string{missing}},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{}
			if c.asked != nil {
				text, err := json.Marshal(c.asked)
				must(t, err)
				files[path.Join(route, "a", requestFile)] = &fstest.MapFile{Data: text}
			}
			e, _ := routeNamed(route)
			l := folderCheck{book: readBook(files), route: e}
			l.checkRefusal(routeFacts{Cases: map[string]expectation{"a": c.expected}})
			if diff := cmp.Diff(c.want, l.messages); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}
