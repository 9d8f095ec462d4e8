package oci

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Documents of the platform: their replies, and how they are matched with requests. To add a
// case, add a document to the table of the test that it concerns; wrap makes a document.

// wrap puts commands into a document as a platform writes it.
func wrap(commands string) string {
	return `<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n" +
		`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<sessionId xmlns="">s1</sessionId>` + commands + `</BroadsoftDocument>`
}

const prefixTable = `<command echo="" xsi:type="GroupRouteListEnterpriseTrunkNumberPrefixGetAvailableListResponse" xmlns="">` +
	`<availableNumberPrefixTable><colHeading>Number Prefix</colHeading><colHeading>Is Active</colHeading>` +
	`<row><col>+32-01</col><col>true</col></row><row><col>+32-02</col><col/></row></availableNumberPrefixTable></command>`

func TestDecodeReadsATable(t *testing.T) {
	replies, err := ParseReplies([]byte(wrap(prefixTable) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := replies[0].Table("availableNumberPrefixTable")
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for row := range table.Rows() {
		got = append(got, []string{
			row.Cell(table.Column("Is Active")),
			row.Cell(table.Column("Number Prefix")),
			row.Cell(table.Column("Extension Range Start")),
		})
	}
	want := [][]string{{"true", "+32-01", ""}, {"", "+32-02", ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if table.Len() != 2 {
		t.Errorf("Len is %d", table.Len())
	}
	if _, err := replies[0].Table("other"); err == nil {
		t.Error("a table that is not there was found")
	}
	if table.Column("Number") != NoColumn {
		t.Error("a column was found by half its heading")
	}
	for row := range table.Rows() {
		if row.Cell(2) != "" {
			t.Error("a row has more cells than headings")
		}
		break // like a caller who needs no more
	}
}

// spellings are ways to write a document with one command that succeeded.
var spellings = map[string]string{
	"as real systems write": wrap(`<command echo="" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`),
	"single quotes":         `<BroadsoftDocument protocol='OCI' xmlns='C' xmlns:xsi='` + namespaceXSI + `'><sessionId xmlns=''>s1</sessionId><command xsi:type='c:SuccessResponse' xmlns:c='C' xmlns=''/></BroadsoftDocument>`,
	"another prefix for xsi": `<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:C="` + namespaceXSI + `"><sessionId xmlns="">s1</sessionId>` +
		`<command C:type="x:SuccessResponse" xmlns:x="C" xmlns=""/></BroadsoftDocument>`,
	"a prefix for the root": `<o:BroadsoftDocument protocol="OCI" xmlns:o="C" xmlns:xsi="` + namespaceXSI + `"><sessionId>s1</sessionId>` +
		`<command xsi:type="o:SuccessResponse"/></o:BroadsoftDocument>`,
	"everything in C": `<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="` + namespaceXSI + `"><sessionId>s1</sessionId>` +
		`<command xsi:type="SuccessResponse"></command></BroadsoftDocument>`,
	"blanks in tags":           strings.NewReplacer(" ", "\n  ", "/>", "\t/>").Replace(wrap(`<command echo="" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`))[len("<?xml\n  version=\"1.0\"\n  encoding=\"ISO-8859-1\"?>\n"):],
	"in US-ASCII":              strings.Replace(wrap(`<command xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`), "ISO-8859-1", "us-ascii", 1),
	"blanks in a type":         wrap(`<command xsi:type=" c:SuccessResponse " xmlns:c="C" xmlns=""/>`),
	"another attribute of xsi": wrap(`<command xsi:nil="false" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`),
	"comments between":         wrap(`<!-- x --><command xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""><!-- y --></command>`),
}

func TestDecodeTakesEverySpelling(t *testing.T) {
	for name, document := range spellings {
		t.Run(name, func(t *testing.T) {
			replies, err := ParseReplies([]byte(document))
			if err != nil {
				t.Fatalf("%v in\n%s", err, document)
			}
			if len(replies) != 1 || replies[0].Name() != "SuccessResponse" || replies[0].Err() != nil {
				t.Errorf("got %+v", replies)
			}
		})
	}
}

const success = `<command xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`

// refused holds documents that are not valid in OCI-P.
var refused = map[string]string{
	"another root":                  strings.ReplaceAll(wrap(success), "BroadsoftDocument", "OtherDocument"),
	"a root in another namespace":   strings.Replace(wrap(success), `xmlns="C"`, `xmlns="D"`, 1),
	"a root in no namespace":        strings.Replace(wrap(success), `xmlns="C"`, `xmlns=""`, 1),
	"another protocol":              strings.Replace(wrap(success), `protocol="OCI"`, `protocol="OSS"`, 1),
	"a command without a type":      wrap(`<command xmlns=""/>`),
	"a type outside xsi":            wrap(`<command type="SuccessResponse" xmlns=""/>`),
	"a type outside xsi, prefixed":  wrap(`<command d:type="c:SuccessResponse" xmlns:d="D" xmlns:c="C" xmlns=""/>`),
	"a row of other cells":          wrap(strings.Replace(prefixTable, "<col/>", "<cell/>", 1)),
	"a type without a prefix":       wrap(`<c:command type="SuccessResponse" xmlns:c="C" xmlns="` + namespaceXSI + `"/>`),
	"a type of another namespace":   wrap(`<command xsi:type="d:SuccessResponse" xmlns:d="D" xmlns=""/>`),
	"a type of a colon":             wrap(`<command xsi:type=":" xmlns=""/>`),
	"a type of a prefix":            wrap(`<command xsi:type="c:" xmlns:c="C" xmlns=""/>`),
	"a type of two names":           wrap(`<command xsi:type="a b" xmlns=""/>`),
	"an empty type":                 wrap(`<command xsi:type="" xmlns=""/>`),
	"a type of an unbound prefix":   wrap(`<command xsi:type="d:SuccessResponse" xmlns=""/>`),
	"a child of another namespace":  wrap(`<command xsi:type="XResponse" xmlns=""><a xmlns="D"/></command>`),
	"a child of an unbound prefix":  wrap(`<command xsi:type="XResponse" xmlns=""><d:a/></command>`),
	"too many commands":             wrap(strings.Repeat(success, MaxCommands+1)),
	"a child of an attribute":       wrap(`<command xsi:type="XResponse" d="C" xmlns=""><d:a/></command>`),
	"a session with children":       strings.Replace(wrap(success), ">s1<", "><a/><", 1),
	"a text between commands":       wrap("x" + success),
	"a text beside an element":      wrap(`<command xsi:type="XResponse" xmlns=""><a>x<b/></a></command>`),
	"a text behind an element":      wrap(`<command xsi:type="XResponse" xmlns=""><a><b/>x</a></command>`),
	"a text beside an inner one":    wrap(`<command xsi:type="XResponse" xmlns=""><a><b>x<c/></b></a></command>`),
	"a text behind an inner one":    wrap(`<command xsi:type="XResponse" xmlns=""><a><b><c/>x</b></a></command>`),
	"a text in a nil element":       wrap(`<command xsi:type="XResponse" xmlns=""><a xsi:nil="true">x</a></command>`),
	"an element in a nil one":       wrap(`<command xsi:type="XResponse" xmlns=""><a xsi:nil="true"><b/></a></command>`),
	"a table in a nil element":      wrap(`<command xsi:type="XResponse" xmlns=""><a xsi:nil="1"><colHeading>h</colHeading></a></command>`),
	"a nil that is no boolean":      wrap(`<command xsi:type="XResponse" xmlns=""><a xsi:nil="yes"/></command>`),
	"an inner one of another space": wrap(`<command xsi:type="XResponse" xmlns=""><a><b xmlns="D"/></a></command>`),
	"an inner table of odd rows":    wrap(`<command xsi:type="XResponse" xmlns=""><a><b/><t><colHeading>h</colHeading><row/></t></a></command>`),
	"an unknown child of the root":  wrap(`<other xmlns=""/>` + success),
	"too many attributes":           wrap(`<command ` + manyAttributes(maxAttributes+1) + ` xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`),
	"an attribute twice":            wrap(`<command xsi:type="c:SuccessResponse" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""/>`),
	"end tags in the wrong order":   wrap(`<command xsi:type="XResponse" xmlns=""><a><b></a></b></command>`),
	"an entity":                     wrap(`<command xsi:type="XResponse" xmlns=""><a>&secret;</a></command>`),
	"an unknown encoding":           strings.Replace(wrap(success), "ISO-8859-1", "UTF-16", 1),
	"invalid UTF-8":                 strings.Replace(wrap("<command xsi:type=\"XResponse\" xmlns=\"\"><a>\xff</a></command>"), "ISO-8859-1", "UTF-8", 1),
	"a control character":           wrap("<command xsi:type=\"XResponse\" xmlns=\"\"><a>\x01</a></command>"),
	"a row with too few cells":      wrap(strings.Replace(prefixTable, "<col>true</col>", "", 1)),
	"a row with too many cells":     wrap(strings.Replace(prefixTable, "<col/>", "<col/><col/>", 1)),
	"a heading behind a row":        wrap(strings.Replace(prefixTable, "</row></avail", "</row><colHeading>x</colHeading></avail", 1)),
	"an element behind a row":       wrap(strings.Replace(prefixTable, "</row></avail", "</row><other/></avail", 1)),
	"a text between rows":           wrap(strings.Replace(prefixTable, "</row><row>", "</row>x<row>", 1)),
	"a text in a row":               wrap(strings.Replace(prefixTable, "<row>", "<row>x", 1)),
	"a row of another namespace":    wrap(strings.Replace(prefixTable, "<row><col>+32-02</col><col/></row>", `<d:row xmlns:d="D"><col/><col/></d:row>`, 1)),
	"cells of another namespace":    wrap(strings.Replace(strings.Replace(prefixTable, "<row>", `<c:row xmlns:c="C" xmlns="D">`, 1), "</row>", "</c:row>", 1)),
	"a cell of another namespace":   wrap(strings.Replace(prefixTable, "<col/>", `<col/><d:col xmlns:d="D"/>`, 1)),
	"a cell too many with children": wrap(strings.Replace(prefixTable, "<col/>", "<col/><col><a/></col>", 1)),
	"cells behind an empty row":     wrap(strings.Replace(prefixTable, "<row>", "<row/><col/><col/><row>", 1)),
	"a heading that ends twice":     wrap(`<command xsi:type="XResponse" xmlns=""><t><colHeading/></colHeading></command>`),
	"a heading with children":       wrap(`<command xsi:type="XResponse" xmlns=""><t><colHeading><a/></colHeading></t></command>`),
	"a later heading with children": wrap(`<command xsi:type="XResponse" xmlns=""><t><colHeading>h</colHeading><colHeading><a/></colHeading></t></command>`),
	"a heading without its prefix":  wrap(strings.NewReplacer("<command", `<command xmlns:c="C"`, "<colHeading>Number", "<c:colHeading>Number").Replace(prefixTable)),
	"too deep a cell":               wrap(deepTable(maxDepth)),
	"a cell with children":          wrap(strings.Replace(prefixTable, "<col/>", "<col><a/></col>", 1)),
	"something behind the document": wrap(success) + "x",
	"half a document":               wrap(success)[:100],
	"nothing":                       "",
	"too deep a document":           wrap(`<command xsi:type="XResponse" xmlns="">` + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + `</command>`),
}

// deepTable returns a command with a table whose rows are at that depth.
func deepTable(depth int) string {
	const outside = 4 // the root, the command, the table and the row
	above, below := strings.Repeat("<a>", depth-outside), strings.Repeat("</a>", depth-outside)
	return `<command xsi:type="XResponse" xmlns="">` + above + `<t><colHeading>h</colHeading><row><col>c</col></row></t>` + below + `</command>`
}

func TestDecodeRefuses(t *testing.T) {
	for name, document := range refused {
		t.Run(name, func(t *testing.T) {
			replies, err := ParseReplies([]byte(document))
			if _, ok := errors.AsType[*ProtocolError](err); !ok {
				t.Errorf("got %+v and %v, want a ProtocolError", replies, err)
			}
		})
	}
}

// Without a prefix, a type is in the default namespace, whatever that of its
// element is.
func TestATypeIsNotTakenFromAnotherDefaultNamespace(t *testing.T) {
	for _, name := range []string{successResponse, errorResponse, "XResponse"} {
		document := strings.NewReplacer("{type}", name).Replace(
			wrap(`<c:command xmlns="D" xmlns:c="C" xsi:type="{type}"><c:summary/><c:summaryEnglish/></c:command>`))
		if replies, err := ParseReplies([]byte(document)); err == nil {
			t.Errorf("%s of another namespace is read as %+v", name, replies)
		}
		for _, space := range []string{"", "C"} {
			if _, err := ParseReplies([]byte(strings.Replace(document, `xmlns="D"`, `xmlns="`+space+`"`, 1))); err != nil {
				t.Errorf("%s of namespace %q: %v", name, space, err)
			}
		}
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d=""`, i)
	}
	return b.String()
}

func TestDecodeReadsErrors(t *testing.T) {
	for name, test := range map[string]struct {
		command string
		want    ErrorReply
	}{
		"the number at the head of the summary": {
			`<command type="Error" echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>[Error 4962] Mot de passe refus` + "\xe9" + `</summary><summaryEnglish>[Error 4962] Invalid password</summaryEnglish></command>`,
			ErrorReply{Number: 4962, Severity: SeverityError, Summary: "[Error 4962] Mot de passe refusé", SummaryEnglish: "[Error 4962] Invalid password"},
		},
		"the number of errorCode first": {
			`<command type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><errorCode> 4152
</errorCode><summary>[Error 1] x</summary><summaryEnglish>x</summaryEnglish></command>`,
			ErrorReply{Number: 4152, Severity: SeverityError, Summary: "[Error 1] x", SummaryEnglish: "x"},
		},
		"the number of the summary where errorCode is none": {
			`<command type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><errorCode>x</errorCode><summary>[Error 7] x</summary><summaryEnglish>x</summaryEnglish></command>`,
			ErrorReply{Number: 7, Severity: SeverityError, Summary: "[Error 7] x", SummaryEnglish: "x"},
		},
		"a warning without a number and with CDATA": {
			`<command type="Warning" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>no number</summary><summaryEnglish/><detail><![CDATA[<b>&]]> and <!-- x -->more</detail></command>`,
			ErrorReply{Severity: SeverityWarning, Summary: "no number", Detail: "<b>& and more"},
		},
		"no severity": {
			`<command xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>[Warning 12] x</summary><summaryEnglish/></command>`,
			ErrorReply{Number: 12, Severity: SeverityError, Summary: "[Warning 12] x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			replies, err := ParseReplies([]byte(wrap(test.command)))
			if err != nil {
				t.Fatal(err)
			}
			got, ok := errors.AsType[*ErrorReply](replies[0].Err())
			if !ok {
				t.Fatalf("Err is %v", replies[0].Err())
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNumberOfSummary(t *testing.T) {
	for summary, want := range map[string]int{
		"[Error 4962] Invalid password": 4962,
		" [Fehler 4962] Kennwort":       4962,
		"[4962]":                        4962,
		"Error 4962":                    0,
		"Error 4962] x":                 0,
		"[Error] x":                     0,
		"[Error -1] x":                  0,
		"[Error 4962":                   0,
		"":                              0,
	} {
		if got := numberOfSummary(summary); got != want {
			t.Errorf("%q: got %d, want %d", summary, got, want)
		}
	}
}

func TestReplyBool(t *testing.T) {
	replies, err := ParseReplies([]byte(wrap(`<command xsi:type="XResponse" xmlns=""><a>true</a><b>0</b><c>maybe</c><e>1</e><f>false</f></command>`)))
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		Value, Present, Failed bool
	}
	got := map[string]result{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		value, present, err := replies[0].Bool(name)
		got[name] = result{value, present, err != nil}
	}
	want := map[string]result{"a": {true, true, false}, "b": {false, true, false}, "c": {false, true, true}, "d": {}, "e": {true, true, false}, "f": {false, true, false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMatchRefusesAnAnswerThatIsNotOurs(t *testing.T) {
	asked := outgoing{
		sessionID: "s1", trackingID: "t1", echoes: []string{"1"},
		commands: []Command{NewRead("GroupGetRequest22V5")},
	}
	of := func(echo, name string) incomingReply {
		return incomingReply{Reply: Reply{name: name}, echo: stated{echo, true}}
	}
	for name, test := range map[string]struct {
		in   incoming
		good bool
	}{
		"takes all that came back":        {incoming{stated{"s1", true}, stated{"t1", true}, []incomingReply{of("1", "GroupGetResponse22V5")}}, true},
		"takes what a release leaves out": {incoming{stated{"s1", true}, stated{}, []incomingReply{{Reply: Reply{name: "GroupGetResponse22V5"}}}}, true},
		"takes success":                   {incoming{stated{"s1", true}, stated{}, []incomingReply{{Reply: Reply{name: successResponse}}}}, true},
		"another session":                 {incoming{stated{"s2", true}, stated{"t1", true}, []incomingReply{of("1", "GroupGetResponse22V5")}}, false},
		"no session":                      {incoming{stated{}, stated{"t1", true}, []incomingReply{of("1", "GroupGetResponse22V5")}}, false},
		"another tracking id":             {incoming{stated{"s1", true}, stated{"t2", true}, []incomingReply{of("1", "GroupGetResponse22V5")}}, false},
		"another echo":                    {incoming{stated{"s1", true}, stated{"t1", true}, []incomingReply{of("2", "GroupGetResponse22V5")}}, false},
		"an empty session":                {incoming{stated{"", true}, stated{"t1", true}, []incomingReply{of("1", successResponse)}}, false},
		"an empty tracking id":            {incoming{stated{"s1", true}, stated{"", true}, []incomingReply{of("1", successResponse)}}, false},
		"an empty echo":                   {incoming{stated{"s1", true}, stated{"t1", true}, []incomingReply{of("", successResponse)}}, false},
		"another type":                    {incoming{stated{"s1", true}, stated{"t1", true}, []incomingReply{of("1", "UserGetResponse22V5")}}, false},
		"no answer":                       {incoming{stated{"s1", true}, stated{"t1", true}, nil}, false},
		"two answers":                     {incoming{stated{"s1", true}, stated{"t1", true}, []incomingReply{of("1", successResponse), of("1", successResponse)}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.in.match(asked)
			if _, refused := errors.AsType[*ProtocolError](err); refused == test.good {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMatchTakesNoEchoThatWasNotGiven(t *testing.T) {
	asked := outgoing{sessionID: "s1", commands: []Command{NewRead("GroupGetRequest22V5")}}
	in := incoming{stated{"s1", true}, stated{}, []incomingReply{{Reply: Reply{name: successResponse}, echo: stated{"1", true}}}}
	if _, err := in.match(asked); err == nil {
		t.Error("a reply to another command was accepted")
	}
	in.commands[0].echo.text = ""
	in.trackingID = stated{"", true}
	if _, err := in.match(asked); err != nil {
		t.Errorf("empty ones are refused: %v", err)
	}
}

func TestDecodeTakesAsManyCommandsAsMayBe(t *testing.T) {
	replies, err := ParseReplies([]byte(wrap(strings.Repeat(success, MaxCommands))))
	if err != nil || len(replies) != MaxCommands {
		t.Errorf("got %d replies, %v", len(replies), err)
	}
}

func TestForcedLogoutIsTheOnlyCommand(t *testing.T) {
	logout := incomingReply{Reply: Reply{name: "LogoutRequest", children: []node{{name: "reason", text: "maintenance"}}}}
	for name, test := range map[string]struct {
		commands []incomingReply
		reason   string
		ok       bool
	}{
		"a logout":                    {[]incomingReply{logout}, "maintenance", true},
		"no command":                  {nil, "", false},
		"another command":             {[]incomingReply{{Reply: Reply{name: successResponse}}}, "", false},
		"a logout and something more": {[]incomingReply{logout, {Reply: Reply{name: successResponse}}}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			if reason, ok := (incoming{commands: test.commands}).forcedLogout(); reason != test.reason || ok != test.ok {
				t.Errorf("got %q, %t", reason, ok)
			}
		})
	}
}

func TestDecodeReadsBlanksAroundIDs(t *testing.T) {
	document := strings.Replace(wrap(""), `>s1<`, "> s1\n<", 1)
	document = strings.Replace(document, "</Broad", "<trackingId xmlns=\"\"> t1\n</trackingId></Broad", 1)
	in, err := newScanner(strings.NewReader(document), len(document)).document()
	if err != nil || in.sessionID.text != "s1" || in.trackingID.text != "t1" {
		t.Errorf("got %+v, %v", in, err)
	}
}

func TestReplyTellsEmptyFromAbsent(t *testing.T) {
	replies, err := ParseReplies([]byte(wrap(`<command xsi:type="XResponse" xmlns=""><a/><t/></command>`)))
	if err != nil {
		t.Fatal(err)
	}
	if text, ok, err := replies[0].Text("a"); text != "" || !ok || err != nil {
		t.Errorf("an empty element: %q, %t, %v", text, ok, err)
	}
	if _, ok, err := replies[0].Text("b"); ok || err != nil {
		t.Error("an absent element was found")
	}
	if _, err := replies[0].Table("t"); err == nil {
		t.Error("an empty element was returned as a table")
	}
}

func TestResponseName(t *testing.T) {
	for command, want := range map[string]string{
		"LoginRequest14sp4":             "LoginResponse14sp4",
		"SystemGetRequest":              "SystemGetResponse",
		"UserRequestListGetRequest22":   "UserRequestListGetResponse22",
		"SomethingOfAnotherDescription": "SomethingOfAnotherDescription",
	} {
		if got := responseName(command); got != want {
			t.Errorf("%s: got %s, want %s", command, got, want)
		}
	}
}
