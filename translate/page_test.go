package translate_test

// This file specifies pages of a list: which entries the parameters choose, which
// are refused, tags, and that a page costs no objects. A new case is an entry of a
// table with a query. What random queries return is in listmodel_test.go.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

// pagedRows are the rows of the cases, with the columns pagedColumns.
var pagedRows = []string{
	`+32-2000|+32-2009|+32-01|G1|kim@x|Straße|Sales \ West|true|`,
	`+32-3000|+32-3000|+32-015|G2|||Sales|false|`,
	`+32-20|||G1|Kim@x|STRASSE||true|`,
	`2005|2006|02|g1|zoe@x|Zoë||false|`,
	`+32-200000|+32-209999|+32-02||KIM@X|ZOË|sales|true|`,
}

func readPage(t testing.TB, rows []string, query string) (*translate.Page, error) {
	t.Helper()
	_, list := pagedQuery(t, pagedColumns, rows)
	params, ok := paramsOf(query, list.Describe().Params)
	if !ok {
		t.Fatalf("?%s is not valid", query)
	}
	got, err := list.Read(t.Context(), testGroup, params)
	if err != nil {
		return nil, err
	}
	page, ok := got.(*translate.Page)
	if !ok {
		t.Fatalf("?%s: the body is a %T", query, got)
	}
	return page, nil
}

func TestParametersChooseEntries(t *testing.T) {
	const first, second, third, fourth, fifth = "+322000", "+323000", "+3220", "2005", "+32200000"
	for query, want := range map[string][]string{
		// Texts: the letter case matters or not; by characters, not by languages.
		"sensitiveUserIdStarts=kim":              {first},
		"insensitiveUserIdStarts=kim":            {first, third, fifth},
		"insensitiveUserIdStarts=%E2%84%AAim":    {first, third, fifth}, // the sign for kelvin
		"sensitiveUserIdContains=m%40":           {first, third},
		"insensitiveUserIdContains=M%40X":        {first, third, fifth},
		"sensitiveUserLastNameEquals=Zo%C3%AB":   {fourth},
		"insensitiveUserLastNameEquals=zo%C3%8B": {fourth, fifth},
		"insensitiveUserLastNameEquals=zo":       {},
		"insensitiveUserLastNameEquals=strasse":  {third}, // ß is one character
		"sensitiveGroupIdEquals=G1":              {first, third},
		"insensitiveGroupIdEquals=G1":            {first, third, fourth},

		// The path of a department as the response has it.
		"sensitiveDepartmentFullPathStarts=Sales+%5C":  {first},
		"sensitiveDepartmentFullPathEquals=Sales":      {second},
		"insensitiveDepartmentFullPathContains=SALES+": {first},

		// A range holds the numbers of its own length only.
		"phoneNumber=%2B322005":       {first},
		"phoneNumber=+32-20+05":       {first}, // + is a blank in a query
		"phoneNumber=322005":          {},
		"phoneNumber=2006":            {fourth},
		"phoneNumber=%2B323000":       {second},
		"phoneNumber=%2B3220":         {third}, // a row without an end is one number
		"phoneNumber=%2B32205000":     {fifth},
		"phoneNumber=%2B322010":       {},
		"beginsWith=%2B320155":        {first, second},
		"beginsWith=%2B32014":         {first},
		"beginsWith=%2B32":            {},
		"prefix=%2B32+01":             {first},
		"prefix=02":                   {fourth},
		"active=false":                {second, fourth},
		"assigned=false":              {second},
		"assigned=true&active=false":  {fourth},
		"active=true&phoneNumber=999": {},

		// Orders: numbers by length, prefixes by digit, ties as the platform has them.
		"sortOrders=sensitiveAscendingMinPhoneNumber":                                {third, first, second, fifth, fourth},
		"sortOrders=insensitiveDescendingMinPhoneNumber":                             {fourth, fifth, second, first, third},
		"sortOrders=sensitiveAscendingMaxPhoneNumber":                                {third, first, second, fifth, fourth},
		"sortOrders=sensitiveAscendingPrefix":                                        {third, first, second, fifth, fourth},
		"sortOrders=sensitiveAscendingUserId":                                        {second, fifth, third, first, fourth},
		"sortOrders=insensitiveAscendingUserId":                                      {second, first, third, fifth, fourth},
		"sortOrders=insensitiveDescendingUserId":                                     {fourth, first, third, fifth, second},
		"sortOrders=insensitiveAscendingGroupId,sensitiveDescendingUserId":           {fifth, fourth, first, third, second},
		"sortOrders=insensitiveAscendingGroupId,insensitiveAscendingMinPhoneNumber":  {fifth, third, first, fourth, second},
		"sortOrders=sensitiveDescendingDepartmentFullPath&active=true":               {fifth, first, third},
		"sortOrders=insensitiveAscendingUserLastName&insensitiveUserIdContains=%40x": {third, first, fourth, fifth},

		// Pages: filter, sort, limit, page.
		"startIndex=1":                                {first, second, third, fourth, fifth},
		"startIndex=4":                                {fourth, fifth},
		"pageSize=2":                                  {first, second},
		"startIndex=2&pageSize=2":                     {second, third},
		"startIndex=5&pageSize=2":                     {fifth},
		"startIndex=6&pageSize=2":                     {},
		"startIndex=1000000000&pageSize=1000000000":   {},
		"responseSizeLimit=2":                         {first, second},
		"responseSizeLimit=9":                         {first, second, third, fourth, fifth},
		"responseSizeLimit=3&startIndex=2&pageSize=9": {second, third},
		"responseSizeLimit=3&startIndex=4":            {},
		"active=true&startIndex=2&pageSize=1":         {third},
		"active=true&responseSizeLimit=2":             {first, third},
		"active=true&responseSizeLimit=1&sortOrders=sensitiveDescendingPrefix": {fifth},
		"startIndex=2&pageSize=2&sortOrders=sensitiveAscendingPrefix":          {first, second},
	} {
		page, err := readPage(t, pagedRows, query)
		if err != nil {
			t.Errorf("?%s: %v", query, err)
			continue
		}
		if got := numbersOf(t, page); got != fmt.Sprint(want) {
			t.Errorf("?%s chooses %v, want %v", query, got, want)
		}
	}
}

// Total counts all that match; the other pages are those that have entries.
func TestOtherPages(t *testing.T) {
	for query, want := range map[string]string{
		"pageSize=2":                                  "of 5, next 3",
		"startIndex=3&pageSize=2":                     "of 5, next 5, previous 1",
		"startIndex=5&pageSize=2":                     "of 5, previous 3",
		"startIndex=4&pageSize=2":                     "of 5, previous 2",
		"startIndex=2&pageSize=4":                     "of 5, previous 1", // the pages overlap
		"pageSize=5":                                  "of 5",
		"startIndex=6&pageSize=2":                     "of 5, previous 4",
		"startIndex=90&pageSize=2":                    "of 5, previous 4",
		"startIndex=3":                                "of 5",
		"active=true":                                 "of 3",
		"active=true&pageSize=2":                      "of 3, next 3",
		"responseSizeLimit=2":                         "of 5",
		"responseSizeLimit=3&pageSize=2":              "of 5, next 3",
		"responseSizeLimit=2&pageSize=2":              "of 5",
		"responseSizeLimit=2&startIndex=9&pageSize=2": "of 5, previous 1",
		"phoneNumber=9&startIndex=3&pageSize=1":       "of 0",
		"sortOrders=sensitiveAscendingUserId&startIndex=2&pageSize=1": "of 5, next 3, previous 1",
	} {
		page, err := readPage(t, pagedRows, query)
		if err != nil {
			t.Errorf("?%s: %v", query, err)
			continue
		}
		got := fmt.Sprintf("of %d", page.Total())
		if next, ok := page.Next(); ok {
			got += fmt.Sprintf(", next %d", next)
		}
		if previous, ok := page.Previous(); ok {
			got += fmt.Sprintf(", previous %d", previous)
		}
		if got != want {
			t.Errorf("?%s: %s, want %s", query, got, want)
		}
	}
}

// problemsOf returns the problems of an error for parameters.
func problemsOf(t testing.TB, err error) []string {
	t.Helper()
	refused, ok := errors.AsType[*errcode.Error](err)
	if !ok || refused.Code != errcode.InvalidParameters {
		t.Errorf("the error is %v", err)
		return nil
	}
	var problems []string
	for _, p := range refused.Problems {
		problems = append(problems, p.String())
	}
	return problems
}

// Parameters of which one makes another meaningless are refused before anything is
// read.
func TestContradictions(t *testing.T) {
	for query, want := range map[string][]string{
		"sensitiveUserIdEquals=a&insensitiveUserIdEquals=a":                                         {"insensitiveUserIdEquals must not be given together with sensitiveUserIdEquals"},
		"sensitiveUserIdEquals=a&insensitiveUserIdStarts=a":                                         nil,
		"sensitiveUserIdStarts=a&sensitiveGroupIdStarts=b":                                          nil,
		"assigned=true&sensitiveUserIdStarts=a":                                                     nil,
		"assigned=false&sensitiveUserIdStarts=a":                                                    {"sensitiveUserIdStarts must not be given if assigned is false: the text is empty then"},
		"assigned=false&sensitiveGroupIdStarts=a":                                                   nil,
		"sortOrders=sensitiveAscendingUserId,insensitiveDescendingUserId,sensitiveAscendingGroupId": {"sortOrders must have only one order of UserId"},
	} {
		p, list := pagedQuery(t, pagedColumns, pagedRows)
		params, ok := paramsOf(query, list.Describe().Params)
		if !ok {
			t.Fatalf("?%s is not valid", query)
		}
		_, err := list.Read(t.Context(), testGroup, params)
		if want == nil {
			if err != nil {
				t.Errorf("?%s: %v", query, err)
			}
			continue
		}
		if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
			t.Errorf("?%s (-want +got)\n%s", query, diff)
		}
		if len(p.Asked) > 0 {
			t.Errorf("?%s: the platform was asked", query)
		}
	}
}

// A member that the table does not have cannot be what a list is filtered by. Of a
// member that is not optional, the response shows the empty text.
func TestMembersThatTheTableDoesNotHave(t *testing.T) {
	const columns = "Number Range Start|Last Name"
	for query, want := range map[string][]string{
		"sensitiveDepartmentFullPathEquals=x":                                      {"sensitiveDepartmentFullPathEquals depends on the member department, which the platform does not have in this list"},
		"sortOrders=sensitiveAscendingUserId,sensitiveAscendingDepartmentFullPath": {"sortOrders depends on the member department, which the platform does not have in this list"},
		"assigned=true":                              nil,
		"sensitiveUserIdContains=a":                  nil,
		"sensitiveGroupIdEquals=ApioGrpTest":         {}, // the group of the path
		"active=false&sensitiveUserLastNameEquals=b": {},
	} {
		_, list := pagedQuery(t, columns, []string{"+1|b"})
		params, ok := paramsOf(query, list.Describe().Params)
		if !ok {
			t.Fatalf("?%s is not valid", query)
		}
		got, err := list.Read(t.Context(), testGroup, params)
		switch {
		case len(want) > 0:
			if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
				t.Errorf("?%s (-want +got)\n%s", query, diff)
			}
		case err != nil:
			t.Errorf("?%s: %v", query, err)
		default:
			if numbers := numbersOf(t, got); (numbers == "[+1]") != (want != nil) {
				t.Errorf("?%s chooses %s", query, numbers)
			}
		}
	}
}

// A caller of Read who has not validated the parameters does not get a list that
// ignores one.
func TestParametersThatTheListDoesNotHave(t *testing.T) {
	_, list := pagedQuery(t, pagedColumns, pagedRows)
	for _, name := range []string{"x", "absent", "UserIdEquals", "sensitiveNoteEquals", "sensitiveEquals", "sensitivePrefixEquals", "sensitiveUserId", "Equals", ""} {
		_, err := list.Read(t.Context(), testGroup, translate.Params{name: "1"})
		code(t, err, errcode.Internal)
		if slices.ContainsFunc(list.Describe().Params, func(p translate.Param) bool { return p.Name == name }) {
			t.Errorf("the parameter %s is declared", name)
		}
	}
}

// A tag depends on the chosen entries only, and on their order. A page that has all
// entries as the platform has them has the tag of the complete list, and no other
// page has it.
func TestTagsOfPages(t *testing.T) {
	_, list := pagedQuery(t, pagedColumns, pagedRows)
	complete, err := list.Read(t.Context(), testGroup, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{} // the first query with a tag
	for _, same := range [][]string{
		{"startIndex=1", "pageSize=5", "responseSizeLimit=9"},
		{"active=false", "active=false&startIndex=1&pageSize=2", "sortOrders=sensitiveAscendingMinPhoneNumber&active=false&responseSizeLimit=2"},
		{"active=false&sortOrders=sensitiveDescendingMinPhoneNumber"},
		{"active=true"},
		{"pageSize=1", "phoneNumber=%2B322001", "beginsWith=%2B3201&startIndex=1"},
		{"phoneNumber=9", "startIndex=9", "startIndex=3&responseSizeLimit=2"},
	} {
		for _, query := range same {
			page, err := readPage(t, pagedRows, query)
			if err != nil {
				t.Fatalf("?%s: %v", query, err)
			}
			tag := page.ETag()
			if first, known := seen[tag]; known != (query != same[0]) || known && first != same[0] {
				t.Errorf("?%s has the tag of ?%s", query, first)
			}
			if _, known := seen[tag]; !known {
				seen[tag] = query
			}
			if (tag == complete.ETag()) != (same[0] == "startIndex=1") {
				t.Errorf("?%s has the tag %s, the complete list %s", query, tag, complete.ETag())
			}
		}
	}
	// The empty list, complete or as a page, is the same content.
	_, empty := pagedQuery(t, pagedColumns, nil)
	nothing, err := empty.Read(t.Context(), testGroup, nil)
	if err != nil {
		t.Fatal(err)
	}
	if page, err := readPage(t, pagedRows, "phoneNumber=9"); err != nil || page.ETag() != nothing.ETag() {
		t.Errorf("a page without entries does not have the tag of the empty list: %v", err)
	}
}

// Pages of a large list, which consists of many blocks, are written in pieces and
// without objects for the rows.
func TestPagesOfALargeList(t *testing.T) {
	const size = 20_000
	rows := make([]string, size)
	for i := range rows {
		rows[i] = fmt.Sprintf("+32-2%06d|+32-2%06d||G%d|user%05d@example.com|Test|Sales|%t|", i*10, i*10+9, i%7, size-i, i%2 == 0)
	}
	for query, want := range map[string]string{
		"phoneNumber=%2B322123456":                                      "[+322123450]",
		"startIndex=19999":                                              "[+322199980 +322199990]",
		"sortOrders=sensitiveAscendingUserId&pageSize=2":                "[+322199990 +322199980]",
		"insensitiveUserIdStarts=USER10000&active=true":                 "[+322100000]",
		"sortOrders=sensitiveDescendingGroupId&pageSize=1&active=false": "[+322000130]",
	} {
		page, err := readPage(t, rows, query)
		if err != nil {
			t.Fatalf("?%s: %v", query, err)
		}
		if got := numbersOf(t, page); got != want {
			t.Errorf("?%s chooses %s, want %s", query, got, want)
		}
	}
	page, err := readPage(t, rows, "active=true&sortOrders=insensitiveDescendingUserId")
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(io.Discard, 32<<10)
	allocations := testing.AllocsPerRun(3, func() {
		if err := page.WriteJSON(w); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 5 {
		t.Errorf("%v allocations for %d rows", allocations, page.Total())
	}
	to := &receiver{takes: 2}
	if err := page.WriteJSON(bufio.NewWriterSize(to, 8<<10)); !errors.Is(err, errGone) || len(to.sizes) != 3 {
		t.Errorf("after a failed write: %v, written in pieces of %v", err, to.sizes)
	}
}

// Without parameters, a list is the same body as ever.
func TestNoParametersMakeNoPage(t *testing.T) {
	_, list := pagedQuery(t, pagedColumns, pagedRows)
	for _, params := range []translate.Params{nil, {}} {
		got, err := list.Read(t.Context(), testGroup, params)
		if err != nil {
			t.Fatal(err)
		}
		if _, isAnswer := got.(*translate.Answer); !isAnswer {
			t.Errorf("the body is a %T", got)
		}
	}
}

// BenchmarkLists measures a read of a list that the platform has already replied
// to, and the writing of its body.
func BenchmarkLists(b *testing.B) {
	for _, size := range []int{2, 10_000, 100_000} {
		random := rand.New(rand.NewPCG(1, 1))
		rows := make([]string, size)
		for i := range rows {
			rows[i] = fmt.Sprintf("+32-2%07d|+32-2%07d||G%d|User%06d@example.com|Test|Sales|%t|", i*10, i*10+9, i%7, random.IntN(1_000_000), i%2 == 0)
		}
		for _, query := range []string{
			"", "startIndex=1&pageSize=50", "phoneNumber=%2B3220000015", "insensitiveUserIdContains=123",
			"sortOrders=insensitiveAscendingUserId&pageSize=50", "sortOrders=sensitiveDescendingMinPhoneNumber",
		} {
			b.Run(fmt.Sprintf("%d rows/%s", size, strings.ReplaceAll(query, "%2B", "+")), func(b *testing.B) {
				p, list := pagedQuery(b, pagedColumns, rows)
				reply := one(b, p.Answers[ownNumbers])
				table, err := translate.TableOf(reply, testListing.Table, testListing.Key, testListing.KeyKind)
				if err != nil {
					b.Fatal(err)
				}
				params, ok := paramsOf(query, list.Describe().Params)
				if !ok {
					b.Fatal("the query is not valid")
				}
				engine := p.engine(longTTL)
				w := bufio.NewWriterSize(io.Discard, 32<<10)
				b.ReportAllocs()
				for b.Loop() {
					got, err := translate.ListBody(b.Context(), engine, testGroup, pagedShape, table, pagedFilters, params)
					if err != nil {
						b.Fatal(err)
					}
					if err := got.WriteJSON(w); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
