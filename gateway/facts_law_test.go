package gateway_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/translate/errcode"
)

// recordedFiles are those of a folder with a case besides request.json, which is
// written by hand.
var recordedFiles = []string{"command.xml", "reply.xml", "response.json"}

// TestEveryRowHasWhatItNeeds asks by name for whatever a row lacks in its folder.
func TestEveryRowHasWhatItNeeds(t *testing.T) {
	for _, missing := range lacking(declaredRows(), facts()) {
		t.Error(missing)
	}
}

// lacking are messages on all that the folders lack for these rows, or have
// besides.
func lacking(rows []declaredRow, b book) []string {
	var messages []string
	known, documented := map[string]bool{}, map[string]bool{}
	for _, e := range rows {
		known[e.Name] = true
		l := law{book: b, row: e.Route, errors: e.errors}
		l.check()
		messages = append(messages, l.messages...)
		documented[b.rows[e.Name].Documented] = true
	}
	for _, name := range foldersIn(b.files, ".") {
		if !known[name] {
			messages = append(messages, displayed(apiFolder, name)+": no row has this name")
		}
	}
	examples, _ := filepath.Glob(filepath.Join(contractFolder, "*.http")) // the pattern is good
	for _, file := range examples {
		if name := strings.TrimSuffix(filepath.Base(file), ".http"); !documented[name] {
			messages = append(messages, displayed(contractFolder, name)+".http: no "+factsFile+" names it under documented")
		}
	}
	return messages
}

// declaredRow is a row and the errors that it declares.
type declaredRow struct {
	gateway.Route
	errors []*errcode.Code
}

func declaredRows() []declaredRow {
	var rows []declaredRow
	for _, e := range endpoints() {
		rows = append(rows, declaredRow{e, e.Describe().Errors})
	}
	return rows
}

// law holds one row against its folder.
type law struct {
	book     book
	row      gateway.Route
	errors   []*errcode.Code // that the row declares
	messages []string
}

// lacks notes a message about the row's file.
func (l *law) lacks(format string, args ...any) {
	l.messages = append(l.messages, displayed(apiFolder, l.row.Name, factsFile)+": "+fmt.Sprintf(format, args...))
}

func (l *law) check() {
	if left := regexp.MustCompile(`\{[^}]*\}`).FindString(ownPath(l.row)); left != "" {
		l.messages = append(l.messages, l.row.Name+": ownIDs has no value for "+left+" of the row's path")
	}
	written, ok := l.book.rows[l.row.Name]
	if !ok {
		l.lacks("is missing")
	}
	for _, problem := range l.book.problems[l.row.Name] {
		l.lacks("%s", problem)
	}
	f := written
	if twin := written.AliasOf; twin != "" {
		if f, ok = l.book.rows[twin]; !ok || f.AliasOf != "" {
			l.lacks("alias_of: %s is no row with expectations of its own", twin)
			return
		}
	}
	l.checkHead(f)
	l.checkWrite(f)
	l.checkCases(f)
	l.checkErrors(f)
}

func (l *law) checkHead(f rowFacts) {
	if f.Level == "" {
		l.lacks("level is missing: the least that the documents ask for, or none")
	} else if l.row.Session == nil && f.Level == noLevel {
		l.lacks("level is none, and the row asks for one")
	}
	if f.Documented != "" {
		if _, err := os.Stat(filepath.Join(contractFolder, f.Documented+".http")); err != nil {
			l.lacks("documented: there is no %s.http", displayed(contractFolder, f.Documented))
		}
	}
	if l.declares(errcode.NotAvailableInRelease.Name) != (f.Since != 0) {
		l.lacks("since is %d, and the row declares %s: %t", f.Since, errcode.NotAvailableInRelease.Name, f.Since == 0)
	}
}

func (l *law) checkCases(f rowFacts) {
	there := map[string]bool{}
	for _, name := range foldersIn(l.book.files, l.row.Name) {
		there[name] = true
		if _, ok := f.Cases[name]; !ok {
			l.lacks("cases.%s is missing, and there is a folder of that name", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Cases)) {
		l.checkFiles(name)
	}
	if !hasCommands(l.row) {
		return
	}
	good, ok := f.Cases[f.goodCase()]
	switch {
	case !ok && f.Documented == "":
		l.lacks("no case has a good answer: cases.documented for the example that documented names, or cases.example for one of our own")
	case !ok:
		l.lacks("no case has the documents' example: cases.documented")
	case good.Error != "":
		l.lacks("cases.%s: its answer is to be good", f.goodCase())
	}
	for _, name := range slices.Sorted(maps.Keys(f.Cases)) {
		if c := f.Cases[name]; f.Documented == "" && c.Error == "" && c.Body == "" {
			l.lacks("cases.%s.body is missing: the documents have no example of the answer", name)
		}
	}
	if _, ok := f.Cases["answer_lost"]; l.row.Change != nil && !ok {
		l.lacks("no case has the answer to a write that was done lost: cases.answer_lost")
	}
	l.checkRefusal(f)
}

// checkFiles demands the files of a case.
func (l *law) checkFiles(name string) {
	isMissing := func(file string) bool {
		_, err := fs.Stat(l.book.files, path.Join(l.row.Name, name, file))
		return err != nil
	}
	of := displayed(apiFolder, l.row.Name, name)
	if isMissing("request.json") {
		l.messages = append(l.messages, of+"/request.json is missing: write it")
		return // nothing can be recorded yet
	}
	var missing []string
	for _, file := range recordedFiles {
		if isMissing(file) {
			missing = append(missing, file)
		}
	}
	if len(missing) > 0 {
		l.messages = append(l.messages, of+": "+strings.Join(missing, ", ")+" missing: record with go test ./gateway -run TestQuartets -update, and read")
	}
}

// checkErrors demands that each error of the row is provoked in one way, and no
// other error is.
func (l *law) checkErrors(f rowFacts) {
	by := map[string]string{} // a case, by its error
	for _, name := range slices.Sorted(maps.Keys(f.Cases)) {
		c := f.Cases[name]
		by[c.Error] = name
		if c.Error != "" && !l.declares(c.Error) && !slices.ContainsFunc(gateway.CommonErrors(), named(c.Error)) {
			l.lacks("cases.%s: %s is not among the errors of the row", name, c.Error)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Provoked)) {
		if !l.declares(name) {
			l.lacks("provoked.%s is not among the errors of the row", name)
		} else if by[name] != "" {
			l.lacks("provoked.%s: cases.%s provokes it", name, by[name])
		}
	}
	for _, code := range l.errors {
		if _, ok := f.Provoked[code.Name]; ok || by[code.Name] != "" {
			continue
		}
		if hasCommands(l.row) {
			l.lacks("no case provokes %s, nor does provoked.%s say how", code.Name, code.Name)
		} else {
			l.lacks("provoked.%s is missing", code.Name)
		}
	}
}

func (l *law) declares(name string) bool { return slices.ContainsFunc(l.errors, named(name)) }

func named(name string) func(*errcode.Code) bool {
	return func(c *errcode.Code) bool { return c.Name == name }
}

// copied is testdata/api in memory: all names, and the files that are written by hand.
func copied(t *testing.T) fstest.MapFS {
	t.Helper()
	files, on := fstest.MapFS{}, os.DirFS(apiFolder)
	must(t, fs.WalkDir(on, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[name] = &fstest.MapFile{}
		}
		if base := path.Base(name); err == nil && (base == factsFile || base == requestFile) {
			files[name].Data, err = fs.ReadFile(on, name)
		}
		return err
	}))
	return files
}

// made is a row as if somebody had just added it, with the work of another.
func made(t *testing.T, like string, errors ...*errcode.Code) declaredRow {
	t.Helper()
	row, ok := rowNamed(like)
	if !ok {
		t.Fatalf("there is no row %s", like)
	}
	row.Name, row.Path = "made_up", strings.TrimSuffix(row.Path, "/")+"/made_up/"
	return declaredRow{row, errors}
}

// A row that is added makes the tests ask for its file, and for each key, case
// and recording, by name.
func TestANewRowIsAskedForWhatItLacks(t *testing.T) {
	const file = "testdata/api/made_up/expectations.yaml: "
	write := func(text string) func(fstest.MapFS) {
		return func(files fstest.MapFS) { files["made_up/"+factsFile] = &fstest.MapFile{Data: []byte(text)} }
	}
	list := func() declaredRow {
		return made(t, "itc_numbers_list", errcode.InvalidParameters, errcode.ServiceNotAssigned)
	}
	session := made(t, "login", errcode.PlatformTimeout)
	session.Path = "/made_up/{something}/"
	for name, c := range map[string]struct {
		row    declaredRow
		change func(fstest.MapFS)
		want   []string
	}{
		"a list without a folder": {row: list(), want: []string{
			file + "is missing",
			file + "level is missing: the least that the documents ask for, or none",
			file + "no case has a good answer: cases.documented for the example that documented names, or cases.example for one of our own",
			file + "no case provokes INVALID_PARAMETERS, nor does provoked.INVALID_PARAMETERS say how",
			file + "no case provokes SERVICE_NOT_ASSIGNED, nor does provoked.SERVICE_NOT_ASSIGNED say how",
		}},
		"a write without a folder": {row: made(t, "itc_numbers_assign", errcode.OutcomeUnknown), want: []string{
			file + "is missing",
			file + "level is missing: the least that the documents ask for, or none",
			file + "write is missing: a good request about one entry",
			file + "no case has a good answer: cases.documented for the example that documented names, or cases.example for one of our own",
			file + "no case has the answer to a write that was done lost: cases.answer_lost",
			file + "no case is refused by a check: " + refusalNeeds,
			file + "no case provokes OUTCOME_UNKNOWN, nor does provoked.OUTCOME_UNKNOWN say how",
		}},
		"a session's row without a folder": {row: session, want: []string{
			"made_up: ownIDs has no value for {something} of the row's path",
			file + "is missing",
			file + "level is missing: the least that the documents ask for, or none",
			file + "provoked.PLATFORM_TIMEOUT is missing",
		}},
		"a write with half of its keys": {
			row: made(t, "itc_numbers_assign", errcode.NotAvailableInRelease),
			change: write("level: Tenant Admin\nwrite: {body: '{}', entry: {given: x}, again: NO, shown: {by: nowhere}}\n" +
				"cases: {example: {error: FORBIDDEN, status: 403}, answer_lost: {sent: 1}}\nprovoked: {NOT_AVAILABLE_IN_RELEASE: {by: magic}}"),
			want: []string{
				file + `provoked.NOT_AVAILABLE_IN_RELEASE.by: there is no way "magic"; there are: broken journal, half of a command, held entries, key of a running request, ` +
					`key of a write that was not done, key of another path, long body`,
				file + "since is 0, and the row declares NOT_AVAILABLE_IN_RELEASE: true",
				file + "write.command is missing",
				file + "write.entry.kind is missing",
				file + "write.entry.before is missing",
				file + "write.entry.after is missing",
				file + "write.shown.by: there is no row nowhere",
				file + "write.shown.before and write.shown.after are missing: one of them says what is to be seen",
				file + "write.again: there is no error NO",
				"testdata/api/made_up/answer_lost/request.json is missing: write it",
				"testdata/api/made_up/example/request.json is missing: write it",
				file + "cases.example: its answer is to be good",
				file + "cases.answer_lost.body is missing: the documents have no example of the answer",
				file + "no case is refused by a check: " + refusalNeeds,
			},
		},
		"a list of our own with a case too many and one too few": {
			row: list(),
			change: func(files fstest.MapFS) {
				write("level: Group Admin\ncases: {example: {status: 200, body: '{}'}, refused: {status: 404, error: GROUP_NOT_FOUND}}\n" +
					"provoked: {INVALID_PARAMETERS: {query: x=y}, PLATFORM_TIMEOUT: {}}")(files)
				for _, name := range []string{"example/request.json", "example/command.xml", "example/response.json", "other/request.json"} {
					files["made_up/"+name] = &fstest.MapFile{}
				}
			},
			want: []string{
				file + "cases.other is missing, and there is a folder of that name",
				"testdata/api/made_up/example: reply.xml missing: record with go test ./gateway -run TestQuartets -update, and read",
				"testdata/api/made_up/refused/request.json is missing: write it",
				file + "cases.refused: GROUP_NOT_FOUND is not among the errors of the row",
				file + "provoked.PLATFORM_TIMEOUT is not among the errors of the row",
				file + "no case provokes SERVICE_NOT_ASSIGNED, nor does provoked.SERVICE_NOT_ASSIGNED say how",
			},
		},
		"an example that the documents do not have": {
			row: made(t, "itc_numbers_list"), change: write("level: Group Admin\ndocumented: 09-made_up"),
			want: []string{
				file + "documented: there is no testdata/contract/09-made_up.http",
				file + "no case has the documents' example: cases.documented",
			},
		},
		"an alias of an alias": {
			row: list(), change: write("alias_of: itc_numbers_remove_by_post"),
			want: []string{file + "alias_of: itc_numbers_remove_by_post is no row with expectations of its own"},
		},
		"a level for everybody": {
			row: made(t, "operations_list"), change: write("level: none"),
			want: []string{file + "level is none, and the row asks for one"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := copied(t)
			if c.change != nil {
				c.change(files)
			}
			if diff := cmp.Diff(c.want, lacking(append(declaredRows(), c.row), readBook(files))); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

// edited changes a piece of a row's file.
func edited(t *testing.T, row, old, becomes string) func(fstest.MapFS) {
	return func(files fstest.MapFS) {
		file := files[path.Join(row, factsFile)]
		text := string(file.Data)
		if !strings.Contains(text, old) {
			t.Fatalf("%s has no %q", row, old)
		}
		file.Data = []byte(strings.Replace(text, old, becomes, 1))
	}
}

// What is there for no row, or twice, is named as well.
func TestFoldersThatFitNoRow(t *testing.T) {
	edit := func(row, old, becomes string) func(fstest.MapFS) { return edited(t, row, old, becomes) }
	for name, c := range map[string]struct {
		change func(fstest.MapFS)
		want   []string
	}{
		"a folder": {
			func(files fstest.MapFS) { files["itc_old/documented/request.json"] = &fstest.MapFile{} },
			[]string{"testdata/api/itc_old: no row has this name"},
		},
		"an example of the documents": {
			edit("itc_numbers_list", "01-itc_numbers_list", "05-itc_prefixes_list"),
			[]string{"testdata/contract/01-itc_numbers_list.http: no expectations.yaml names it under documented"},
		},
		"a write of a list": {
			edit("itc_numbers_list", "cases:", "write: {}\ncases:"),
			[]string{"testdata/api/itc_numbers_list/expectations.yaml: write: the row changes nothing"},
		},
		"an answer of a row that reports nothing": {
			edit("itc_numbers_assign", "  half:", "  half:\n    answer: '{}'"),
			[]string{`testdata/api/itc_numbers_assign/expectations.yaml: write.half.answer is "{}", and the row reports its entries: false`},
		},
		"an error that a case has": {
			edit("itc_numbers_list", "provoked:", "provoked:\n  GROUP_NOT_FOUND: {}"),
			[]string{"testdata/api/itc_numbers_list/expectations.yaml: provoked.GROUP_NOT_FOUND: cases.group_not_found provokes it"},
		},
		"a case of a twin": {
			func(files fstest.MapFS) { delete(files, "itc_numbers_remove_by_post/documented/request.json") },
			[]string{"testdata/api/itc_numbers_remove_by_post/documented/request.json is missing: write it"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := copied(t)
			c.change(files)
			if diff := cmp.Diff(c.want, lacking(declaredRows(), readBook(files))); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

// A file is read strictly.
func TestFilesOfExpectationsThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"levl: Group Admin":                                                      "field levl not found",
		"level: Group Admin\nlevel: none":                                        "already defined",
		"level: Group Admin\n---\nlevel: none":                                   "there is more than one document",
		"level: Group admin":                                                     `level: there is no "Group admin"`,
		"alias_of: a\nlevel: none":                                               "alias_of: stands beside other keys",
		"assumed: {ranges: [{begin: x}]}":                                        "assumed: ",
		"cases: {a: {error: NO_SUCH, status: 400}}":                              "cases.a: there is no error NO_SUCH",
		"cases: {a: {error: FORBIDDEN}}":                                         "cases.a: an error needs its status",
		"cases: {a: {status: 200}}":                                              "cases.a: status and body stand together",
		"cases: {a: {entries: [x]}}":                                             "cases.a: entries, places, reasons and words are those of an error",
		"cases: {a: {sent: 1, applied: 2}}":                                      "cases.a: more is applied than sent",
		"cases: {a: {on: {21: '{}'}}}":                                           "cases.a: on stands beside body",
		"cases: {a: {error: FORBIDDEN, status: 403, on: {21: '{}'}}}":            "cases.a: the body of an error is checked by its parts",
		"provoked: {FORBIDDEN: {by: long body, version: '20'}}":                  "provoked.FORBIDDEN.by: stands beside other keys",
		"cases: {a: {senT: 1}}":                                                  "field senT not found",
		"provoked: {NO_SUCH: {}}":                                                "provoked.NO_SUCH: there is no such error",
		"provoked: {FORBIDDEN: {by: long body, body: '1'}}":                      "provoked.FORBIDDEN.by: stands beside other keys",
		"cases: {a: {error: FORBIDDEN, status: 403, places: [b], reasons: [c]}}": "cases.a: places stand beside reasons",
		"cases: {a: {error: FORBIDDEN, status: 403, body: '{}'}}":                "cases.a: the body of an error is checked by its parts",
	} {
		if _, problems := parseFacts([]byte(text)); len(problems) != 1 || !strings.Contains(problems[0], want) {
			t.Errorf("%s\nis answered %q, want %q", text, problems, want)
		}
	}
	if _, problems := parseFacts(nil); len(problems) != 0 {
		t.Errorf("an empty file: %q", problems)
	}
}

// The facts of an alias are its twin's.
func TestFactsOfAnAlias(t *testing.T) {
	files := fstest.MapFS{}
	for name, text := range map[string]string{"a": "level: none", "b": "alias_of: a", "c": "alias_of: nobody"} {
		files[path.Join(name, factsFile)] = &fstest.MapFile{Data: []byte(text)}
	}
	b := readBook(files)
	for name, want := range map[string]bool{"a": true, "b": true, "c": false, "d": false} {
		if f, ok := b.of(name); ok != want || ok && f.Level != noLevel {
			t.Errorf("%s: %t, %+v", name, ok, f)
		}
	}
}
