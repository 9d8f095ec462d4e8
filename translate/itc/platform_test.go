package itc_test

// This file has the platform, the service and the helpers that the other tests of
// this package use.

import (
	"bufio"
	"bytes"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/itc"
	"ocigate/translate/scope"
	"ocigate/translate/translatetest"
)

// platform is a Reader with a prepared reply for each command.
type platform struct{ *translatetest.Platform }

const success = translatetest.Success

var (
	one      = translatetest.One
	refusal  = translatetest.Refusal
	answer   = translatetest.Answer
	table    = translatetest.Table
	escape   = translatetest.Escape
	writeXML = translatetest.WriteXML
)

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

// newPlatform has the entries of the examples in the API's documents, and a range
// and a prefix of another group.
func newPlatform(t testing.TB) *platform {
	const user = "ApioUserTest@sip.netaxis.be|Test|Test|||"
	const rest = `|4000|test_department_parent_1 \ test_department_initial|test_mail@test.netaxis.be||true|`
	p := &platform{&translatetest.Platform{T: t, Err: map[string]error{}, Answers: map[string]string{
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
			"+32-06|true||", "+32-07|false|100|199")),
		allNumbers: answer(allNumbers, table("numberRangeSummaryTable", allNumberColumns,
			"+32-26127000|+32-26127002|ApioGrpTest|true|", "+32-26127007|+32-26127009|ApioGrpTest|true|",
			"+32-25126999|+32-25126999||true|", "+32-25127000|+32-25127999||false|4",
			"+32-25129000|+32-25129009|ApioGrpOther|true|")),
		allPrefixes: answer(allPrefixes, table("prefixSummaryTable", allPrefixColumns,
			"+32-01|ApioGrpTest|true||", "+32-03||true|100|199", "+32-04|ApioGrpOther|true||")),
	}}}
	maps.Copy(p.Answers, userAnswers())
	return p
}

// options are those of the engine and of the service.
type options struct {
	ContextTTL    time.Duration
	Charset       scope.Charset
	AvailableFrom itc.AvailableFrom
	MaxEntries    int
	// PlatformErrors are the usual ones if it is the zero value.
	PlatformErrors translate.PlatformErrors
}

// service is the service over the platform.
func (p *platform) service(o options) *itc.Service {
	p.T.Helper()
	return o.service(p.T, p)
}

func (o options) service(t testing.TB, reader translate.Reader) *itc.Service {
	t.Helper()
	engine := translate.New(translate.Options{Reader: reader, ContextTTL: o.ContextTTL, Charset: o.Charset, PlatformErrors: o.PlatformErrors, MaxEntries: o.MaxEntries})
	service, err := itc.New(engine, itc.Options{AvailableFrom: o.AvailableFrom})
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// longTTL has a ContextTTL longer than any test.
var longTTL = options{ContextTTL: time.Hour}

// body returns the JSON of a response without the line feed at its end.
func body(t testing.TB, list translate.Body) string {
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

// An errorSummary has the parts of an errcode.Error that tests compare.
type errorSummary struct {
	Code     string
	Text     string
	Entries  []string
	Platform []errcode.Platform
}

func summarize(t *testing.T, err error) errorSummary {
	t.Helper()
	if err == nil {
		t.Fatal("there is no error")
	}
	e := errcode.Of(err)
	return errorSummary{Code: e.Code.Name, Text: e.Text(), Entries: e.Entries, Platform: e.Platform}
}

// code checks the code of an error.
func code(t *testing.T, err error, want *errcode.Code) {
	t.Helper()
	if err == nil || errcode.Of(err).Code != want {
		t.Errorf("the error is %v, want %s", err, want.Name)
	}
}
