package translate_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// platform is a Reader with a prepared answer for each command.
type platform struct {
	t testing.TB
	// answers are the commands of reply documents, by the name of the command
	// they answer.
	answers map[string]string
	// err is returned in place of an answer to the command of that name.
	err map[string]error
	// asked are the commands that came, those of one document joined by "+".
	asked []string
	sent  []oci.Read
}

func (p *platform) Read(_ context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	p.t.Helper()
	var names []string
	var body strings.Builder
	for _, c := range commands {
		names = append(names, c.Name())
		answer, ok := p.answers[c.Name()]
		if !ok {
			answer = refusal("Error", 9999, "no answer is prepared for "+c.Name())
		}
		body.WriteString(answer)
	}
	p.asked = append(p.asked, strings.Join(names, "+"))
	p.sent = append(p.sent, commands...)
	for _, name := range names {
		if err := p.err[name]; err != nil {
			return nil, err
		}
	}
	return replies(p.t, body.String()), nil
}

// replies reads a document that holds those commands.
func replies(t testing.TB, commands string) []oci.Reply {
	t.Helper()
	document := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<sessionId xmlns="">1</sessionId>` + commands + `</BroadsoftDocument>` + "\n"
	parsed, err := oci.ParseReplies([]byte(document))
	if err != nil {
		t.Fatalf("the test's own document: %v\n%s", err, document)
	}
	return parsed
}

func one(t testing.TB, command string) oci.Reply {
	t.Helper()
	return replies(t, command)[0]
}

const success = `<command echo="" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`

func refusal(severity string, number int, summary string) string {
	return fmt.Sprintf(`<command type=%q echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">`+
		`<summary>[Error %d] %s</summary><summaryEnglish>[Error %d] %s</summaryEnglish></command>`,
		severity, number, escape(summary), number, escape(summary))
}

// answer is a response that holds elements, given as XML.
func answer(command, elements string) string {
	return fmt.Sprintf(`<command echo="" xsi:type="%s" xmlns="">%s</command>`,
		strings.Replace(command, "Request", "Response", 1), elements)
}

// table is an OCITable; headings and cells are separated by "|".
func table(element, headings string, rows ...string) string {
	var b strings.Builder
	b.WriteString("<" + element + ">")
	for h := range strings.SplitSeq(headings, "|") {
		b.WriteString("<colHeading>" + escape(h) + "</colHeading>")
	}
	for _, row := range rows {
		b.WriteString("<row>")
		for cell := range strings.SplitSeq(row, "|") {
			b.WriteString("<col>" + escape(cell) + "</col>")
		}
		b.WriteString("</row>")
	}
	b.WriteString("</" + element + ">")
	return b.String()
}

func escape(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err)
	}
	return b.String()
}

const (
	tenantGet     = "ServiceProviderGetRequest17sp1"
	authorization = "GroupServiceGetAuthorizationRequest"
	inContext     = tenantGet + "+" + authorization + "+" // and a list, in one document
	tenantList    = "ServiceProviderGetListRequest"
	groupList     = "GroupGetListInServiceProviderRequest"
	departments   = "GroupDepartmentGetListRequest18"

	ownNumbers    = "GroupRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"
	groupNumbers  = "GroupRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest"
	tenantNumbers = "ServiceProviderRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest"
	allNumbers    = "ServiceProviderRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"

	ownPrefixes    = "GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest"
	groupPrefixes  = "GroupRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest"
	tenantPrefixes = "ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest"
	allPrefixes    = "ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest"

	numberColumns = "Number Range Start|Number Range End|User Id|Last Name|First Name|Hiragana Last Name|Hiragana First Name|" +
		"Phone Number|Extension|Department|Email Address|Enterprise Trunk|Is Active|Extension Length"
	prefixColumns = "Number Prefix|User Id|Last Name|First Name|Hiragana Last Name|Hiragana First Name|" +
		"Phone Number|Extension|Department|Email Address|Enterprise Trunk|Is Active|Extension Range Start|Extension Range End"
	freeNumberColumns = "Number Range Start|Number Range End|Is Active|Extension Length"
	freePrefixColumns = "Number Prefix|Is Active|Extension Range Start|Extension Range End"
	allNumberColumns  = "Number Range Start|Number Range End|Group Id|Is Active|Extension Length"
	allPrefixColumns  = "Number Prefix|Group Id|Is Active|Extension Range Start|Extension Range End"
)

var testGroup = scope.Target{TenantID: "ApioSpTest", GroupID: "ApioGrpTest"}

// newPlatform holds what the API's documents have in their examples, and a
// range and a prefix of another group.
func newPlatform(t testing.TB) *platform {
	const user = "ApioUserTest@sip.netaxis.be|Test|Test|||"
	const rest = `|4000|test_department_parent_1 \ test_department_initial|test_mail@test.netaxis.be||true|`
	return &platform{t: t, err: map[string]error{}, answers: map[string]string{
		tenantGet:     answer(tenantGet, `<useCustomRoutingProfile>false</useCustomRoutingProfile><defaultDomain>sip.netaxis.be</defaultDomain>`),
		authorization: answer(authorization, `<authorized>true</authorized><authorizedQuantity><unlimited>true</unlimited></authorizedQuantity>`),
		departments: answer(departments, table("departmentTable", "Is Enterprise Department|Department Name|Full Path Name",
			"false|test_department_parent_1|test_department_parent_1",
			`false|test_department_initial|test_department_parent_1 \ test_department_initial`)),
		ownNumbers: answer(ownNumbers, table("numberRangeSummaryTable", numberColumns,
			"+32-26127000|+32-26127002|"+user+rest,
			"+32-26127007|+32-26127009||||||||||"+"|true|")),
		groupNumbers: answer(groupNumbers, table("availableNumberRangeTable", freeNumberColumns,
			"+32-26127000|+32-26127002|true|")),
		tenantNumbers: answer(tenantNumbers, table("availableNumberRangeTable", freeNumberColumns,
			"+32-25126999|+32-25126999|true|", "+32-25127000|+32-25127999|false|4")),
		ownPrefixes: answer(ownPrefixes, table("numberPrefixSummaryTable", prefixColumns,
			"+32-01|"+user+rest+"|", "+32-02||||||||||"+"|true||")),
		groupPrefixes: answer(groupPrefixes, table("availableNumberPrefixTable", freePrefixColumns, "+32-01|true||")),
		tenantPrefixes: answer(tenantPrefixes, table("availableNumberPrefixTable", freePrefixColumns,
			"+32-01|true||", "+32-02|false|100|199")),
		allNumbers: answer(allNumbers, table("numberRangeSummaryTable", allNumberColumns,
			"+32-26127000|+32-26127002|ApioGrpTest|true|", "+32-26127007|+32-26127009|ApioGrpTest|true|",
			"+32-25126999|+32-25126999||true|", "+32-25127000|+32-25127999||false|4",
			"+32-25129000|+32-25129009|ApioGrpOther|true|")),
		allPrefixes: answer(allPrefixes, table("prefixSummaryTable", allPrefixColumns,
			"+32-01|ApioGrpTest|true||", "+32-03||true|100|199", "+32-04|ApioGrpOther|true||")),
	}}
}

// service is an ITC over the platform, with the other options as they are.
func (p *platform) service(o translate.Options) *translate.ITC {
	p.t.Helper()
	o.Reader = p
	itc, err := translate.NewITC(o)
	if err != nil {
		p.t.Fatal(err)
	}
	return itc
}

// remembering keeps a context for longer than any test lasts.
var remembering = translate.Options{ContextTTL: time.Hour}

// writeXML spells elements as they are sent, without name spaces.
func writeXML(elements []oci.Element) string {
	var b strings.Builder
	for _, e := range elements {
		b.WriteString("<" + e.Name + ">" + escape(e.Text) + writeXML(e.Children) + "</" + e.Name + ">")
	}
	return b.String()
}

// body is the JSON of an answer, which ends with a line feed.
func body(t testing.TB, list *translate.List) string {
	t.Helper()
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	if err := errors.Join(list.WriteJSON(w), w.Flush()); err != nil {
		t.Fatal(err)
	}
	text, whole := strings.CutSuffix(b.String(), "\n")
	if !whole {
		t.Errorf("the body does not end with a line feed: %q", text)
	}
	return text
}

// judged is what a test sees of an errcode.Error.
type judged struct {
	Code     string
	Text     string
	Entries  []string
	Platform []errcode.Platform
}

func judge(t *testing.T, err error) judged {
	t.Helper()
	if err == nil {
		t.Fatal("there is no error")
	}
	e := errcode.Of(err)
	return judged{Code: e.Code.Name, Text: e.Text(), Entries: e.Entries, Platform: e.Platform}
}

// code checks the code of an error.
func code(t *testing.T, err error, want *errcode.Code) {
	t.Helper()
	if err == nil || errcode.Of(err).Code != want {
		t.Errorf("the error is %v, want %s", err, want.Name)
	}
}
