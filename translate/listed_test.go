package translate_test

// This file specifies existence questions of a context, the messages of its
// errors, and optional lists. A new case is an entry of a table with a reply.

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

const groupList = "GroupGetListInServiceProviderRequest"

// listedContext is a context of one existence question, about the group.
var listedContext = &translate.Context{
	Questions: []translate.Question{{Name: "group", Lists: translate.GroupExistence, About: translate.TenantExistence}},
	Messages:  map[*errcode.Code]string{errcode.GroupNotFound: "Which one?"},
}

// An existence question may be a question of the context itself.
func TestTargetMustBeListed(t *testing.T) {
	listing := func(ids ...string) string {
		return answer(groupList, table("groupTable", "Group Name|Group Id", ids...))
	}
	for name, test := range map[string]struct {
		reply, tenants string
		want           *errcode.Code // nil for none
		message        string
	}{
		"listed":                    {listing("x|other", "y|ApioGrpTest"), "", nil, ""},
		"not listed":                {listing("ApioGrpTest|apiogrptest", "ApioGrpTest|ApioGrpTest2"), "", errcode.GroupNotFound, "Which one?"},
		"an empty list":             {listing(), "", errcode.GroupNotFound, "Which one?"},
		"a blank id":                {listing("x|ApioGrpTest", "x| "), "", errcode.PlatformError, ""},
		"no list":                   {answer(groupList, ""), "", errcode.PlatformError, ""},
		"success only":              {success, "", errcode.PlatformError, ""},
		"refused, without a tenant": {refusal("Error", 4999, "no"), answer(tenantList, table("serviceProviderTable", "Service Provider Id")), errcode.TenantNotFound, ""},
		"refused, with a tenant":    {refusal("Error", 4999, "no"), answer(tenantList, table("serviceProviderTable", "Service Provider Id", "ApioSpTest")), errcode.PlatformError, ""},
		"refused by a known number": {refusal("Error", 4152, "no"), "", errcode.GroupNotFound, "Which one?"},
		"refused by an error of another question": {refusal("Error", 4410, "no"), "", errcode.ServiceNotAssigned, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[groupList], p.Answers[tenantList], p.Answers[things] = test.reply, test.tenants, answer(things, "")
			replies, _, err := p.engine(longTTL).ReadInContext(t.Context(), testGroup, listedContext, thingsOf)
			if test.want == nil {
				if err != nil || len(replies) != 1 {
					t.Fatalf("got %v, %v", replies, err)
				}
				return
			}
			if code(t, err, test.want); replies != nil {
				t.Errorf("got %v with the error", replies)
			}
			if apiError := errcode.Of(err); apiError.Message != test.message {
				t.Errorf("the message is %q", apiError.Message)
			}
		})
	}
	if diff := cmp.Diff([]string{groupList, tenantList}, listedContext.Reads()); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]*errcode.Code{errcode.GroupNotFound, errcode.TenantNotFound}, listedContext.Errors()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

// An error in the reply to a command has the message of the context, too.
func TestErrorsInAContextHaveItsMessages(t *testing.T) {
	engine := newPlatform(t).engine(translate.Options{})
	for number, want := range map[int]string{4152: "Which one?", 4410: errcode.ServiceNotAssigned.Text} {
		err := engine.ResultInContext(one(t, refusal("Error", number, "no")), testGroup, listedContext)
		if err == nil || errcode.Of(err).Text() != want {
			t.Errorf("%d: %v", number, err)
		}
	}
	if err := engine.ResultInContext(one(t, answer(things, "")), testGroup, listedContext); err != nil {
		t.Error(err)
	}
}

// A list that a release does not have is left out if it is optional.
func TestAnOptionalList(t *testing.T) {
	shape := &translate.Shape{Fields: []translate.Field{
		{Key: "prefixes", Kind: translate.List, Source: "prefixTable", Optional: true, Item: &translate.Shape{Fields: []translate.Field{
			{Key: "prefix", Kind: translate.Prefix, Source: "Number Prefix"},
		}}},
	}}
	engine := newPlatform(t).engine(translate.Options{})
	tags := map[string]bool{}
	for elements, want := range map[string]string{"": `{}`, noPrefixes: `{"prefixes":[]}`} {
		got, err := engine.ReplyAnswer(t.Context(), testGroup, shape, one(t, answer(things, elements)))
		if err != nil {
			t.Fatal(err)
		}
		if text := body(t, got); text != want {
			t.Errorf("got %s, want %s", text, want)
		}
		tags[got.ETag()] = true
	}
	if len(tags) != 2 {
		t.Error("an absent list has the tag of an empty one")
	}
	for _, elements := range []string{"<prefixTable/>", noPrefixes + noPrefixes} {
		_, err := engine.ReplyAnswer(t.Context(), testGroup, shape, one(t, answer(things, elements)))
		code(t, err, errcode.PlatformError)
	}
}
