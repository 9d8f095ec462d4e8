package translate_test

// This file has the platform, the context and the list that the other tests of
// this package use.

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
	"ocigate/translate/translatetest"
)

// platform is a Reader with a prepared reply for each command.
type platform struct{ *translatetest.Platform }

const success = translatetest.Success

var (
	one     = translatetest.One
	refusal = translatetest.Refusal
	answer  = translatetest.Answer
	table   = translatetest.Table
)

const (
	tenantGet   = "TenantGetRequest"
	tenantList  = "ServiceProviderGetListRequest"
	departments = "GroupDepartmentGetListRequest18"
	ownNumbers  = "GroupNumbersGetListRequest"
	inContext   = tenantGet + "+" + ownNumbers

	numberColumns = "Number Range Start|Number Range End|User Id|Last Name|First Name|Hiragana Last Name|Hiragana First Name|" +
		"Phone Number|Extension|Department|Email Address|Enterprise Trunk|Is Active|Extension Length"
)

var testGroup = scope.Target{TenantID: "ApioSpTest", GroupID: "ApioGrpTest"}

// testContext is a context of one question: the fact is the color of the tenant,
// which must not be red.
var testContext = &translate.Context{Questions: []translate.Question{{
	Name:    "tenant",
	Command: func(t scope.Target) oci.Read { return oci.NewRead(tenantGet, translate.TenantElements(t)...) },
	Check: func(reply oci.Reply) (string, error) {
		color, _, err := reply.Text("color")
		if err == nil && color == "red" {
			err = errcode.New(errcode.ServiceNotAssigned)
		}
		return color, err
	},
	About:  translate.TenantExistence,
	Errors: []*errcode.Code{errcode.ServiceNotAssigned},
}}}

// testList has fields of every kind.
var testList = &translate.Shape{Fields: []translate.Field{{Key: "numbers", Kind: translate.List, Item: &translate.Shape{Fields: []translate.Field{
	{Key: "minPhoneNumber", Kind: translate.PhoneNumber, Source: "Number Range Start"},
	{Key: "maxPhoneNumber", Kind: translate.PhoneNumber, Source: "Number Range End"},
	{Key: "groupId", Kind: translate.GroupID, Source: "Group Id"},
	{Key: "userId", Source: "User Id"},
	{Key: "lastName", Source: "Last Name"},
	{Key: "firstName", Source: "First Name"},
	{Key: "phoneNumber", Kind: translate.PhoneNumber, Source: "Phone Number"},
	{Key: "extension", Source: "Extension"},
	{Key: "department", Kind: translate.Department, Source: "Department", Optional: true, Item: translate.DepartmentShape},
	{Key: "emailAddress", Source: "Email Address"},
	{Key: "enterpriseTrunk", Source: "Enterprise Trunk"},
	{Key: "active", Kind: translate.Boolean, Source: "Is Active"},
	{Key: "extensionLength", Source: "Extension Length"},
}}}}}

var testListing = translate.Listing{
	Command: ownNumbers, Elements: translate.GroupElements,
	Table: "numberRangeSummaryTable", Key: "Number Range Start", KeyKind: translate.PhoneNumber,
}

func newPlatform(t testing.TB) *platform {
	return &platform{&translatetest.Platform{T: t, Err: map[string]error{}, Answers: map[string]string{
		tenantGet:   answer(tenantGet, `<color>green</color>`),
		departments: answer(departments, table("departmentTable", "Department Name|Full Path Name", `West|Sales \ West`)),
		ownNumbers:  answer(ownNumbers, table("numberRangeSummaryTable", numberColumns, numberRows(2)...)),
	}}}
}

// engine returns an engine with the options, whose Reader is the platform.
func (p *platform) engine(o translate.Options) *translate.Engine {
	o.Reader = p
	return translate.New(o)
}

// query returns the query that lists the numbers.
func (p *platform) query(o translate.Options) translate.Query {
	return &translate.ListQuery{Engine: p.engine(o), Context: testContext, Listing: testListing, Response: testList}
}

// body returns the JSON of a response without the line feed at its end.
func body(t testing.TB, of translate.Body) string {
	t.Helper()
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	if err := errors.Join(of.WriteJSON(w), w.Flush()); err != nil {
		t.Fatal(err)
	}
	text, whole := strings.CutSuffix(b.String(), "\n")
	if !whole {
		t.Errorf("the body does not end with a line feed: %q", text)
	}
	return text
}

// code checks the code of an error.
func code(t *testing.T, err error, want *errcode.Code) {
	t.Helper()
	if err == nil || errcode.Of(err).Code != want {
		t.Errorf("the error is %v, want %s", err, want.Name)
	}
}
