package itc_test

// This file specifies the query parameters of each list. A new list is an entry of
// TestParametersOfLists.

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ocigate/translate"
)

// The words of the texts of each list, and of what else it can be sorted by. The
// names are those of the API family and persist in portals.
func TestParametersOfLists(t *testing.T) {
	const (
		page       = "startIndex pageSize responseSizeLimit sortOrders "
		owner      = "GroupId UserId UserLastName UserFirstName Extension DepartmentFullPath EmailAddress EnterpriseTrunk "
		everyOwner = "GroupId UserId UserLastName UserFirstName UserPhoneNumber Extension DepartmentFullPath EmailAddress EnterpriseTrunk "
	)
	ranges := struct{ others, texts, orders string }{
		"phoneNumber active assigned " + page, owner + "ExtensionLength", "MinPhoneNumber MaxPhoneNumber " + everyOwner + "ExtensionLength",
	}
	prefixes := struct{ others, texts, orders string }{
		"phoneNumber prefix active assigned " + page, owner + "ExtensionRangeStart ExtensionRangeEnd",
		"Prefix " + everyOwner + "ExtensionRangeStart ExtensionRangeEnd",
	}
	freeRanges := struct{ others, texts, orders string }{
		"phoneNumber active " + page, "ExtensionLength", "MinPhoneNumber MaxPhoneNumber ExtensionLength",
	}
	freePrefixes := struct{ others, texts, orders string }{
		"phoneNumber prefix active " + page, "ExtensionRangeStart ExtensionRangeEnd", "Prefix ExtensionRangeStart ExtensionRangeEnd",
	}
	service := newPlatform(t).service(options{})
	for name, test := range map[string]struct {
		query translate.Query
		want  struct{ others, texts, orders string }
	}{
		"numbers":                           {service.Numbers(), ranges},
		"prefixes":                          {service.Prefixes(), prefixes},
		"available numbers":                 {service.AvailableNumbers(), freeRanges},
		"available prefixes":                {service.AvailablePrefixes(), freePrefixes},
		"numbers of a tenant":               {service.TenantNumbers(), ranges},
		"prefixes of a tenant":              {service.TenantPrefixes(), prefixes},
		"available numbers of a tenant":     {service.TenantAvailableNumbers(), freeRanges},
		"available prefixes of a tenant":    {service.TenantAvailablePrefixes(), freePrefixes},
		"the user, whose lists are no such": {service.User(), struct{ others, texts, orders string }{}},
	} {
		var names, orders []string
		for _, p := range test.query.Describe().Params {
			names = append(names, p.Name)
			if p.Doc == "" {
				t.Errorf("%s: %s has no description", name, p.Name)
			}
			if p.Name == "sortOrders" {
				orders = p.Values
			}
		}
		want := strings.Fields(test.want.others)
		for word := range strings.FieldsSeq(test.want.texts) {
			for _, letterCase := range []string{"sensitive", "insensitive"} {
				for _, how := range []string{"Starts", "Contains", "Equals"} {
					want = append(want, letterCase+word+how)
				}
			}
		}
		if diff := cmp.Diff(want, names, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: parameters (-want +got)\n%s", name, diff)
		}
		var wantOrders []string
		for word := range strings.FieldsSeq(test.want.orders) {
			wantOrders = append(wantOrders, "sensitiveAscending"+word, "sensitiveDescending"+word, "insensitiveAscending"+word, "insensitiveDescending"+word)
		}
		if diff := cmp.Diff(wantOrders, orders); diff != "" {
			t.Errorf("%s: orders (-want +got)\n%s", name, diff)
		}
	}
}

// Each parameter that a list declares works: the list has it, and it chooses by the
// member that its description names.
func TestEveryParameterOfAListIsEvaluated(t *testing.T) {
	p := newPlatform(t)
	service := p.service(options{})
	for name, query := range queries(service) {
		for _, param := range query.Describe().Params {
			for _, value := range []string{"true", "1", "+32-01", "x"} {
				values := []string{value}
				if param.Kind == translate.ChoicesParam {
					values = param.Values
				}
				for _, value := range values {
					if param.Problem(value) != "" {
						continue
					}
					if _, err := query.Read(t.Context(), testGroup, translate.Params{param.Name: value}); err != nil {
						t.Errorf("%s: ?%s=%s: %v", name, param.Name, value, err)
					}
				}
			}
		}
	}
	if !slices.Contains(p.Asked, inContext+ownNumbers) {
		t.Error("the platform was not asked")
	}
}
