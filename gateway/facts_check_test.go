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

// The check of testdata/api: every route has its folder, with an expectations.yaml and the
// cases that its kind needs. TestWhatANewRouteLacksIsReported specifies the messages: add
// a requirement to folderCheck, and a case to that table.

// recordedFiles are the files of a case that are recorded. Its request.json is written by
// hand.
var recordedFiles = []string{"command.xml", "reply.xml", "response.json"}

// TestEveryRouteHasWhatItNeeds names what a route lacks in its folder.
func TestEveryRouteHasWhatItNeeds(t *testing.T) {
	for _, missing := range folderProblems(declaredRoutes(), facts()) {
		t.Error(missing)
	}
}

// folderProblems returns messages about what the folders lack for these routes, and about
// what does not belong to one.
func folderProblems(routes []declaredRoute, b book) []string {
	var messages []string
	known, documented := map[string]bool{}, map[string]bool{}
	for _, e := range routes {
		known[e.Name] = true
		l := folderCheck{book: b, route: e.Route, errors: e.errors}
		l.check()
		messages = append(messages, l.messages...)
		documented[b.routes[e.Name].Documented] = true
	}
	for _, name := range foldersIn(b.files, ".") {
		if !known[name] {
			messages = append(messages, displayed(apiFolder, name)+": no route has this name")
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

// declaredRoute is a route and the errors that it declares.
type declaredRoute struct {
	gateway.Route
	errors []*errcode.Code
}

func declaredRoutes() []declaredRoute {
	var routes []declaredRoute
	for _, route := range apiRoutes() {
		routes = append(routes, declaredRoute{route, route.Describe().Errors})
	}
	return routes
}

// folderCheck checks the folder of one route.
type folderCheck struct {
	book     book
	route    gateway.Route
	errors   []*errcode.Code // that the route declares
	messages []string
}

// report notes a problem of the route's file.
func (l *folderCheck) report(format string, args ...any) {
	l.messages = append(l.messages, displayed(apiFolder, l.route.Name, factsFile)+": "+fmt.Sprintf(format, args...))
}

func (l *folderCheck) check() {
	if left := regexp.MustCompile(`\{[^}]*\}`).FindString(ownPath(l.route)); left != "" {
		l.messages = append(l.messages, l.route.Name+": ownIDs has no value for "+left+" of the route's path")
	}
	written, ok := l.book.routes[l.route.Name]
	if !ok {
		l.report("is missing")
	}
	for _, problem := range l.book.problems[l.route.Name] {
		l.report("%s", problem)
	}
	f := written
	if twin := written.AliasOf; twin != "" {
		if f, ok = l.book.routes[twin]; !ok || f.AliasOf != "" {
			l.report("alias_of: %s is no route with expectations of its own", twin)
			return
		}
	}
	l.checkHead(f)
	l.checkWrite(f)
	l.checkCases(f)
	l.checkErrors(f)
}

func (l *folderCheck) checkHead(f routeFacts) {
	if f.Level == "" {
		l.report("level is missing: the least that the documents ask for, or none")
	} else if l.route.Session == nil && f.Level == noLevel {
		l.report("level is none, and the route asks for one")
	}
	if f.Documented != "" {
		if _, err := os.Stat(filepath.Join(contractFolder, f.Documented+".http")); err != nil {
			l.report("documented: there is no %s.http", displayed(contractFolder, f.Documented))
		}
	}
	if l.declares(errcode.NotAvailableInRelease.Name) != (f.Since != 0) {
		l.report("since is %d, and the route declares %s: %t", f.Since, errcode.NotAvailableInRelease.Name, f.Since == 0)
	}
}

func (l *folderCheck) checkCases(f routeFacts) {
	there := map[string]bool{}
	for _, name := range foldersIn(l.book.files, l.route.Name) {
		there[name] = true
		if _, ok := f.Cases[name]; !ok {
			l.report("cases.%s is missing, and there is a folder of that name", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Cases)) {
		l.checkFiles(name)
	}
	if !hasCommands(l.route) {
		return
	}
	good, ok := f.Cases[f.goodCase()]
	switch {
	case !ok && f.Documented == "":
		l.report("no case has a good answer: cases.documented for the example that documented names, or cases.example for one of our own")
	case !ok:
		l.report("no case has the documents' example: cases.documented")
	case good.Error != "":
		l.report("cases.%s: its answer is to be good", f.goodCase())
	}
	for _, name := range slices.Sorted(maps.Keys(f.Cases)) {
		if c := f.Cases[name]; f.Documented == "" && c.Error == "" && c.Body == "" {
			l.report("cases.%s.body is missing: the documents have no example of the answer", name)
		}
	}
	if _, ok := f.Cases["answer_lost"]; l.route.Change != nil && !ok {
		l.report("no case has the answer to a write that was done lost: cases.answer_lost")
	}
	l.checkRefusal(f)
}

// checkFiles checks the files of a case.
func (l *folderCheck) checkFiles(name string) {
	isMissing := func(file string) bool {
		_, err := fs.Stat(l.book.files, path.Join(l.route.Name, name, file))
		return err != nil
	}
	of := displayed(apiFolder, l.route.Name, name)
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

// checkErrors checks that each error of the route is provoked in one way, and no
// other error is.
func (l *folderCheck) checkErrors(f routeFacts) {
	by := map[string]string{} // a case, by its error
	for _, name := range slices.Sorted(maps.Keys(f.Cases)) {
		c := f.Cases[name]
		by[c.Error] = name
		if c.Error != "" && !l.declares(c.Error) && !slices.ContainsFunc(gateway.CommonErrors(), named(c.Error)) {
			l.report("cases.%s: %s is not among the errors of the route", name, c.Error)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Provoked)) {
		if !l.declares(name) {
			l.report("provoked.%s is not among the errors of the route", name)
		} else if by[name] != "" {
			l.report("provoked.%s: cases.%s provokes it", name, by[name])
		}
	}
	for _, code := range l.errors {
		if _, ok := f.Provoked[code.Name]; ok || by[code.Name] != "" {
			continue
		}
		if hasCommands(l.route) {
			l.report("no case provokes %s, nor does provoked.%s say how", code.Name, code.Name)
		} else {
			l.report("provoked.%s is missing", code.Name)
		}
	}
}

func (l *folderCheck) declares(name string) bool { return slices.ContainsFunc(l.errors, named(name)) }

func named(name string) func(*errcode.Code) bool {
	return func(c *errcode.Code) bool { return c.Name == name }
}

// copied returns testdata/api in memory: all names, and the files that are written by hand.
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

// made returns a route as if it were new, with the work of another one.
func made(t *testing.T, like string, errors ...*errcode.Code) declaredRoute {
	t.Helper()
	route, ok := routeNamed(like)
	if !ok {
		t.Fatalf("there is no route %s", like)
	}
	route.Name, route.Path = "made_up", strings.TrimSuffix(route.Path, "/")+"/made_up/"
	return declaredRoute{route, errors}
}

// For a new route, the check names the missing file, and each missing key, case and
// recording.
func TestWhatANewRouteLacksIsReported(t *testing.T) {
	const file = "testdata/api/made_up/expectations.yaml: "
	write := func(text string) func(fstest.MapFS) {
		return func(files fstest.MapFS) { files["made_up/"+factsFile] = &fstest.MapFile{Data: []byte(text)} }
	}
	list := func() declaredRoute {
		return made(t, "itc_numbers_list", errcode.InvalidParameters, errcode.ServiceNotAssigned)
	}
	session := made(t, "login", errcode.PlatformTimeout)
	session.Path = "/made_up/{something}/"
	for name, c := range map[string]struct {
		route  declaredRoute
		change func(fstest.MapFS)
		want   []string
	}{
		"a list without a folder": {route: list(), want: []string{
			file + "is missing",
			file + "level is missing: the least that the documents ask for, or none",
			file + "no case has a good answer: cases.documented for the example that documented names, or cases.example for one of our own",
			file + "no case provokes INVALID_PARAMETERS, nor does provoked.INVALID_PARAMETERS say how",
			file + "no case provokes SERVICE_NOT_ASSIGNED, nor does provoked.SERVICE_NOT_ASSIGNED say how",
		}},
		"a write without a folder": {route: made(t, "itc_numbers_assign", errcode.OutcomeUnknown), want: []string{
			file + "is missing",
			file + "level is missing: the least that the documents ask for, or none",
			file + "write is missing: a good request about one entry",
			file + "no case has a good answer: cases.documented for the example that documented names, or cases.example for one of our own",
			file + "no case has the answer to a write that was done lost: cases.answer_lost",
			file + "no case is refused by a check: " + refusalNeeds,
			file + "no case provokes OUTCOME_UNKNOWN, nor does provoked.OUTCOME_UNKNOWN say how",
		}},
		"a session's route without a folder": {route: session, want: []string{
			"made_up: ownIDs has no value for {something} of the route's path",
			file + "is missing",
			file + "level is missing: the least that the documents ask for, or none",
			file + "provoked.PLATFORM_TIMEOUT is missing",
		}},
		"a write with half of its keys": {
			route: made(t, "itc_numbers_assign", errcode.NotAvailableInRelease),
			change: write("level: Tenant Admin\nwrite: {body: '{}', entry: {given: x}, again: NO, shown: {by: nowhere}}\n" +
				"cases: {example: {error: FORBIDDEN, status: 403}, answer_lost: {sent: 1}}\nprovoked: {NOT_AVAILABLE_IN_RELEASE: {by: magic}}"),
			want: []string{
				file + `provoked.NOT_AVAILABLE_IN_RELEASE.by: there is no way "magic"; there are: broken journal, endless body, half of a command, held entries, key of a running request, ` +
					`key of a write that was not done, key of another path, long body`,
				file + "since is 0, and the route declares NOT_AVAILABLE_IN_RELEASE: true",
				file + "write.command is missing",
				file + "write.entry.kind is missing",
				file + "write.entry.before is missing",
				file + "write.entry.after is missing",
				file + "write.shown.by: there is no route nowhere",
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
			route: list(),
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
				file + "cases.refused: GROUP_NOT_FOUND is not among the errors of the route",
				file + "provoked.PLATFORM_TIMEOUT is not among the errors of the route",
				file + "no case provokes SERVICE_NOT_ASSIGNED, nor does provoked.SERVICE_NOT_ASSIGNED say how",
			},
		},
		"an example that the documents do not have": {
			route: made(t, "itc_numbers_list"), change: write("level: Group Admin\ndocumented: 09-made_up"),
			want: []string{
				file + "documented: there is no testdata/contract/09-made_up.http",
				file + "no case has the documents' example: cases.documented",
			},
		},
		"an alias of an alias": {
			route: list(), change: write("alias_of: itc_numbers_remove_by_post"),
			want: []string{file + "alias_of: itc_numbers_remove_by_post is no route with expectations of its own"},
		},
		"no level": {
			route: made(t, "operations_list"), change: write("level: none"),
			want: []string{file + "level is none, and the route asks for one"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := copied(t)
			if c.change != nil {
				c.change(files)
			}
			if diff := cmp.Diff(c.want, folderProblems(append(declaredRoutes(), c.route), readBook(files))); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

// edited changes a piece of a route's file.
func edited(t *testing.T, route, old, becomes string) func(fstest.MapFS) {
	return func(files fstest.MapFS) {
		file := files[path.Join(route, factsFile)]
		text := string(file.Data)
		if !strings.Contains(text, old) {
			t.Fatalf("%s has no %q", route, old)
		}
		file.Data = []byte(strings.Replace(text, old, becomes, 1))
	}
}

// A folder without a route, or that is named twice, is reported, too.
func TestFoldersWithoutARoute(t *testing.T) {
	edit := func(route, old, becomes string) func(fstest.MapFS) { return edited(t, route, old, becomes) }
	for name, c := range map[string]struct {
		change func(fstest.MapFS)
		want   []string
	}{
		"a folder": {
			func(files fstest.MapFS) { files["itc_old/documented/request.json"] = &fstest.MapFile{} },
			[]string{"testdata/api/itc_old: no route has this name"},
		},
		"an example of the documents": {
			edit("itc_numbers_list", "01-itc_numbers_list", "05-itc_prefixes_list"),
			[]string{"testdata/contract/01-itc_numbers_list.http: no expectations.yaml names it under documented"},
		},
		"a write of a list": {
			edit("itc_numbers_list", "cases:", "write: {}\ncases:"),
			[]string{"testdata/api/itc_numbers_list/expectations.yaml: write: the route changes nothing"},
		},
		"an answer of a route that reports nothing": {
			edit("itc_numbers_assign", "  half:", "  half:\n    answer: '{}'"),
			[]string{`testdata/api/itc_numbers_assign/expectations.yaml: write.half.answer is "{}", and the route reports its entries: false`},
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
			if diff := cmp.Diff(c.want, folderProblems(declaredRoutes(), readBook(files))); diff != "" {
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
		"alias_of: a\nlevel: none":                                               "alias_of: must be the only key",
		"assumed: {ranges: [{begin: x}]}":                                        "assumed: ",
		"cases: {a: {error: NO_SUCH, status: 400}}":                              "cases.a: there is no error NO_SUCH",
		"cases: {a: {error: FORBIDDEN}}":                                         "cases.a: an error needs its status",
		"cases: {a: {status: 200}}":                                              "cases.a: status and body must be given together",
		"cases: {a: {entries: [x]}}":                                             "cases.a: entries, places, reasons and words are those of an error",
		"cases: {a: {sent: 1, applied: 2}}":                                      "cases.a: more is applied than sent",
		"cases: {a: {on: {21: '{}'}}}":                                           "cases.a: on needs body",
		"cases: {a: {error: FORBIDDEN, status: 403, on: {21: '{}'}}}":            "cases.a: the body of an error is checked by its parts",
		"provoked: {FORBIDDEN: {by: long body, version: '20'}}":                  "provoked.FORBIDDEN.by: must be the only key",
		"cases: {a: {senT: 1}}":                                                  "field senT not found",
		"provoked: {NO_SUCH: {}}":                                                "provoked.NO_SUCH: there is no such error",
		"provoked: {FORBIDDEN: {by: long body, body: '1'}}":                      "provoked.FORBIDDEN.by: must be the only key",
		"cases: {a: {error: FORBIDDEN, status: 403, places: [b], reasons: [c]}}": "cases.a: places and reasons cannot be given together",
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
