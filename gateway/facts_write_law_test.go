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

func (l *law) checkWrite(f rowFacts) {
	if l.row.Change == nil {
		if f.Write != nil {
			l.lacks("write: the row changes nothing")
		}
		return
	}
	if f.Write == nil {
		l.lacks("write is missing: a good request about one entry")
		return
	}
	w := f.Write
	for _, key := range []struct{ name, value string }{
		{"body", w.Body}, {"command", w.Command}, {"entry.kind", w.Entry.Kind}, {"entry.given", w.Entry.Given},
		{"entry.before", w.Entry.Before}, {"entry.after", w.Entry.After}, {"shown.by", w.Shown.By},
	} {
		if key.value == "" {
			l.lacks("write.%s is missing", key.name)
		}
	}
	if _, ok := rowNamed(w.Shown.By); w.Shown.By != "" && !ok {
		l.lacks("write.shown.by: there is no row %s", w.Shown.By)
	}
	if w.Shown.Before == "" && w.Shown.After == "" {
		l.lacks("write.shown.before and write.shown.after are missing: one of them says what is to be seen")
	}
	if _, ok := errcode.ByName(w.Again); w.Again != "" && !ok {
		l.lacks("write.again: there is no error %s", w.Again)
	}
	l.checkHalf(f)
}

// checkHalf demands a request that can be done by half, where an error happens by
// that.
func (l *law) checkHalf(f rowFacts) {
	half := f.Write.Half
	if half == nil {
		for _, name := range slices.Sorted(maps.Keys(f.Provoked)) {
			if f.Provoked[name].By == halfOfCommand {
				l.lacks("write.half is missing: provoked.%s.by is %q", name, halfOfCommand)
			}
		}
		return
	}
	if half.Body == "" {
		l.lacks("write.half.body is missing")
	}
	if (half.Answer != "") != reports(l.row) {
		l.lacks("write.half.answer is %q, and the row reports its entries: %t", half.Answer, reports(l.row))
	}
}

// refusalNeeds is what a case needs to be one that a check refuses.
const refusalNeeds = "one has an error that is neither of the form nor of all rows, and no sent; " +
	"its request.json has the row's path with the ids of the demonstration, and neither assumed nor faults"

// checkRefusal demands a case whose body a check refuses. One whose request is still
// to be written is taken for it.
func (l *law) checkRefusal(f rowFacts) {
	if l.row.Change == nil {
		return
	}
	refused := slices.ContainsFunc(f.checkedCases(), func(name string) bool {
		asked, err := l.book.request(l.row.Name, name)
		return errors.Is(err, fs.ErrNotExist) || err == nil && asked.isOfDemonstration(l.row)
	})
	if !refused {
		l.lacks("no case is refused by a check: %s", refusalNeeds)
	}
}

// checkedCases are the names of the cases that a check refuses although their form is
// good, in their order.
func (f rowFacts) checkedCases() []string {
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
// under the row's path, of a platform that is as it has it.
func (q quartetRequest) isOfDemonstration(e gateway.Route) bool {
	return !q.Assumed && len(q.Faults) == 0 && q.Path == ownPath(e)
}

// changed is the file of a row with its keys changed.
func changed(t *testing.T, files fstest.MapFS, row string, change func(keys map[string]any)) {
	t.Helper()
	file := files[path.Join(row, factsFile)]
	var keys map[string]any
	must(t, yaml.Unmarshal(file.Data, &keys))
	change(keys)
	var err error
	file.Data, err = yaml.Marshal(keys)
	must(t, err)
}

// Every row that changes something needs a request that can be done by half, as long
// as an error happens by that.
func TestHalfIsAskedFor(t *testing.T) {
	for row, f := range facts().rows {
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
			t.Run(row+"/"+name, func(t *testing.T) {
				files := copied(t)
				changed(t, files, row, func(keys map[string]any) {
					write, ok := keys["write"].(map[string]any)
					if !ok {
						t.Fatal("no write")
					}
					write["half"] = c.half
				})
				wantLacking(t, files, row, c.want)
			})
		}
	}
}

// wantLacking demands that the file of a row lacks one thing. The rows of which
// another one is an alias lack it twice: each is named.
func wantLacking(t *testing.T, files fstest.MapFS, row, what string) {
	t.Helper()
	var want []string
	for _, e := range endpoints() {
		if e.Name == row || facts().rows[e.Name].AliasOf == row {
			want = append(want, displayed(apiFolder, e.Name, factsFile)+": "+what)
		}
	}
	if diff := cmp.Diff(want, lacking(declaredRows(), readBook(files))); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// Every row that changes something needs a case that a check refuses: here each of
// them has sent a command.
func TestARefusedCaseIsAskedFor(t *testing.T) {
	for row, f := range facts().rows {
		if f.Write == nil {
			continue
		}
		t.Run(row, func(t *testing.T) {
			files := copied(t)
			changed(t, files, row, func(keys map[string]any) {
				cases, _ := keys["cases"].(map[string]any)
				for _, name := range f.checkedCases() {
					c, ok := cases[name].(map[string]any)
					if !ok {
						t.Fatalf("no case %s", name)
					}
					c["sent"] = 1
				}
			})
			wantLacking(t, files, row, "no case is refused by a check: "+refusalNeeds)
		})
	}
}

// A case that a check refuses is not any that is answered with an error.
func TestCasesThatACheckRefuses(t *testing.T) {
	const row = "itc_numbers_assign"
	own, refused := ownPathOf(t, row), expectation{Status: 400, Error: "NOT_AVAILABLE_FOR_ASSIGNMENT"}
	missing := "testdata/api/" + row + "/expectations.yaml: no case is refused by a check: " + refusalNeeds
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
				files[path.Join(row, "a", requestFile)] = &fstest.MapFile{Data: text}
			}
			e, _ := rowNamed(row)
			l := law{book: readBook(files), row: e}
			l.checkRefusal(rowFacts{Cases: map[string]expectation{"a": c.expected}})
			if diff := cmp.Diff(c.want, l.messages); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}
