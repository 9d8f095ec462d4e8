package translate_test

// This file specifies lists that depend on a fact of the context, and the
// messages of contexts. The fact of these tests is a color; a new case is an
// entry of a table with the replies of the platform.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// The lists for the facts green and blue of the context.
const (
	greenList = "GreenThingsGetListRequest"
	blueList  = "BlueThingsGetListRequest"
	allLists  = tenantGet + "+" + greenList + "+" + blueList
)

var (
	byColor = translate.FactListings{Question: "tenant", Listings: []translate.FactListing{
		{Fact: "green", Listing: thingsListing(greenList)}, {Fact: "blue", Listing: thingsListing(blueList)},
	}}
	thingsShape = &translate.Shape{Fields: []translate.Field{{Key: "things", Kind: translate.List, Item: &translate.Shape{Fields: []translate.Field{
		{Key: "id", Source: "Id"},
		{Key: "size", Source: "Size", Optional: true},
		{Key: "on", Kind: translate.Boolean, Source: "On", Optional: true},
		{Key: "department", Kind: translate.EnterpriseDepartment, Source: "Department", Optional: true, Item: translate.DepartmentShape},
	}}}}}
)

func thingsListing(command string) translate.Listing {
	return translate.Listing{Command: command, Elements: translate.TenantElements, Table: "thingTable", Key: "Id"}
}

// byFact lists the things of targets by their colors.
func (p *platform) byFact(reader translate.Reader, listings translate.FactListings) *translate.FactListQuery {
	return &translate.FactListQuery{
		Engine:  translate.New(translate.Options{Reader: reader, ContextTTL: longTTL.ContextTTL}),
		Context: testContext, Listings: listings, Response: thingsShape, Errors: []*errcode.Code{errcode.NotAvailableInRelease},
	}
}

func thingRows(command string, rows ...string) string {
	return answer(command, table("thingTable", "Id", rows...))
}

// lacking is a Reader that does not support some commands: it sends nothing of a
// document with one of them.
type lacking struct {
	*platform
	without []string
}

func (l lacking) Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	for _, c := range commands {
		if slices.Contains(l.without, c.Name()) {
			return nil, fmt.Errorf("not sent: %w", &oci.UnsupportedError{Command: c.Name(), Release: 21})
		}
	}
	return l.platform.Read(ctx, commands...)
}

// An unsupported command does not fail a target that does not need it, and does not
// cost another document.
func TestUnsupportedListings(t *testing.T) {
	for name, test := range map[string]struct {
		color       string
		without     []string
		want        string
		missing     string // the command that the error names, "" for none
		cold, again []string
	}{
		"supports both, and the first applies":              {"green", nil, "g", "", []string{allLists}, []string{greenList}},
		"supports both, and the second applies":             {"blue", nil, "b", "", []string{allLists}, []string{blueList}},
		"does not support the first, which does not apply":  {"blue", []string{greenList}, "b", "", []string{tenantGet + "+" + blueList}, []string{blueList}},
		"does not support the second, which does not apply": {"green", []string{blueList}, "g", "", []string{tenantGet + "+" + greenList}, []string{greenList}},
		"does not support the first, which applies":         {"green", []string{greenList}, "", greenList, []string{tenantGet + "+" + blueList}, nil},
		"does not support the last, which applies":          {"blue", []string{blueList}, "", blueList, []string{tenantGet + "+" + greenList}, nil},
		"supports neither":                                  {"green", []string{greenList, blueList}, "", blueList, nil, nil},
		"does not support the question":                     {"green", []string{tenantGet}, "", tenantGet, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[tenantGet] = answer(tenantGet, "<color>"+test.color+"</color>")
			p.Answers[greenList], p.Answers[blueList] = thingRows(greenList, "g"), thingRows(blueList, "b")
			query := p.byFact(lacking{p, test.without}, byColor)
			for _, asked := range [][]string{test.cold, test.again} {
				got, err := query.Read(t.Context(), testGroup, nil)
				if test.missing != "" {
					unsupported, ok := errors.AsType[*oci.UnsupportedError](err)
					if !ok || unsupported.Command != test.missing || got != nil {
						t.Errorf("got %v, %v", got, err)
					}
				} else if err != nil || body(t, got) != `{"things":[{"id":"`+test.want+`"}]}` {
					t.Errorf("got %v, %v", got, err)
				}
				wantAsked(t, p, asked...)
			}
		})
	}
}

// A refusal of the listing that applies is the error; another one has no effect.
func TestOnlyTheListingOfTheFactIsUsed(t *testing.T) {
	for _, known := range []bool{false, true} {
		p := newPlatform(t)
		p.Answers[greenList], p.Answers[blueList] = thingRows(greenList, "g"), refusal("Error", 4410, "no")
		query := p.byFact(p, byColor)
		if known {
			read(t, query, testGroup)
		}
		p.Answers[greenList] = refusal("Error", 4410, "no")
		got, err := query.Read(t.Context(), testGroup, nil)
		if code(t, err, errcode.ServiceNotAssigned); got != nil {
			t.Errorf("got %v with the error", got)
		}
	}
}

func TestFactWithoutListingIsAnInternalError(t *testing.T) {
	p := newPlatform(t)
	p.Answers[tenantGet] = answer(tenantGet, "<color>pink</color>")
	p.Answers[greenList], p.Answers[blueList] = thingRows(greenList, "g"), thingRows(blueList, "b")
	query := p.byFact(p, byColor)
	for range 2 {
		got, err := query.Read(t.Context(), testGroup, nil)
		if code(t, err, errcode.Internal); got != nil {
			t.Errorf("got %v with the error", got)
		}
	}
}

func TestAQueryByFactDescribesAllItsCommands(t *testing.T) {
	got := newPlatform(t).byFact(nil, byColor).Describe()
	if diff := cmp.Diff([]string{blueList, greenList, tenantList, tenantGet}, got.Reads); diff != "" {
		t.Errorf("reads (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]*errcode.Code{errcode.ServiceNotAssigned, errcode.TenantNotFound, errcode.NotAvailableInRelease}, got.Errors); diff != "" {
		t.Errorf("errors (-want +got)\n%s", diff)
	}
}

func TestMessagesOfAContext(t *testing.T) {
	const own, words = "Not assigned here.", "Said by itself."
	said := errcode.New(errcode.GroupNotFound)
	said.Message = words
	c := &translate.Context{
		Questions: []translate.Question{{
			Name: "tenant", Command: testContext.Questions[0].Command,
			Check: func(reply oci.Reply) (string, error) {
				switch color, _, err := reply.Text("color"); color {
				case "red":
					return "", errcode.New(errcode.ServiceNotAssigned)
				case "black":
					return "", said
				default:
					return color, err
				}
			},
		}},
		Messages: map[*errcode.Code]string{errcode.ServiceNotAssigned: own, errcode.GroupNotFound: "Not said."},
	}
	for name, test := range map[string]struct{ color, list, want string }{
		"replace the text of a code":             {"red", thingRows(greenList), own},
		"not the text of another code":           {"green", refusal("Error", 4962, "?"), errcode.PlatformError.Text},
		"not the message of an error":            {"black", thingRows(greenList), words},
		"replace the text of a list's code, too": {"green", refusal("Error", 4410, "?"), own},
	} {
		p := newPlatform(t)
		p.Answers[tenantGet], p.Answers[greenList] = answer(tenantGet, "<color>"+test.color+"</color>"), test.list
		engine := p.engine(translate.Options{})
		_, err := engine.TableInContext(t.Context(), testGroup, c, thingsListing(greenList))
		_, byFact := byColor.Table(t.Context(), engine, testGroup, c)
		for _, err := range []error{err, byFact} {
			if err == nil || errcode.Of(err).Text() != test.want {
				t.Errorf("%s: got %v", name, err)
			}
		}
		reading, err := engine.ReadUncached(t.Context(), testGroup, c, thingsOf)
		if err != nil || test.color != "green" && errcode.Of(reading.Context).Text() != test.want {
			t.Errorf("%s, uncached: got %v, %+v", name, err, reading)
		}
	}
	if said.Message != words {
		t.Error("the error was changed")
	}
}

// An optional field is absent in every row if its column is.
func TestOptionalColumns(t *testing.T) {
	tags := map[string]string{}
	for columns, test := range map[string]struct{ row, want string }{
		"Id":         {"a", `{"id":"a"}`},
		"Id|Size":    {"a|true", `{"id":"a","size":"true"}`},
		"Id|On":      {"a|true", `{"id":"a","on":true}`},
		"On|Size|Id": {"false||a", `{"id":"a","size":"","on":false}`},
	} {
		p := newPlatform(t)
		p.Answers[greenList] = answer(greenList, table("thingTable", columns, test.row))
		text, tag := read(t, p.byFact(p, byColor), testGroup)
		if want := `{"things":[` + test.want + `]}`; text != want {
			t.Errorf("got %s, want %s", text, want)
		}
		if other := tags[tag]; other != "" {
			t.Errorf("%s has the tag of %s", text, other)
		}
		tags[tag] = text
	}
}

// Departments of an enterprise have the group of their row, or none, and cost no
// document.
func TestDepartmentsOfAnEnterprise(t *testing.T) {
	for name, test := range map[string]struct{ cell, group, wantGroup, wantName string }{
		"of a group":                             {"Sales (g)", "g", "g", "Sales"},
		"that is below another one":              {`Sales \ West (g)`, "g", "g", "West"},
		"of the enterprise":                      {"Headquarters", "g", "", "Headquarters"},
		"of the enterprise, below another one":   {`HQ \ Legal`, "g", "", "Legal"},
		"of a row without a group":               {"Sales (g)", "", "", "Sales (g)"},
		"of a row without a group, in blanks":    {"Sales ()", "", "", "Sales ()"},
		"of another group than the row's":        {"Sales (h)", "g", "", "Sales (h)"},
		"in another letter case than the row's":  {"Sales (G)", "g", "", "Sales (G)"},
		"whose group ends alike":                 {"Sales (xg)", "g", "", "Sales (xg)"},
		"whose name has parentheses":             {"Sales (west) (g)", "g", "g", "Sales (west)"},
		"whose name is in parentheses":           {"(west)", "west", "", "(west)"},
		"whose group has parentheses":            {"Sales (g (1))", "g (1)", "g (1)", "Sales"},
		"whose group has the separator":          {`Sales (a \ b)`, `a \ b`, `a \ b`, "Sales"},
		"without a blank before the parentheses": {"Sales(g)", "g", "", "Sales(g)"},
	} {
		p := newPlatform(t)
		p.Answers[greenList] = answer(greenList, table("thingTable", "Id|Group Id|Department", "a|"+test.group+"|"+test.cell, "b|g|"))
		got, err := p.byFact(p, byColor).Read(t.Context(), scope.Target{TenantID: "T"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`{"things":[{"id":"a","department":{"tenantId":"T","groupId":%q,"departmentName":%q,"fullPathName":%q}},{"id":"b"}]}`,
			test.wantGroup, test.wantName, test.cell)
		if diff := cmp.Diff(want, body(t, got)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		wantAsked(t, p, allLists)
	}
}

// The group of the row decides about a department even if it is not shown.
func TestTagsOfDepartmentsOfAnEnterprise(t *testing.T) {
	tags := map[string]string{}
	for _, groupID := range []string{"g", "h", ""} {
		p := newPlatform(t)
		p.Answers[greenList] = answer(greenList, table("thingTable", "Id|Group Id|Department", "a|"+groupID+"|Sales (g)"))
		_, tag := read(t, p.byFact(p, byColor), testGroup)
		if other, twice := tags[tag]; twice {
			t.Errorf("the group %q has the tag of %q", groupID, other)
		}
		tags[tag] = groupID
	}
}
