package translate_test

// This file specifies what the parameters of a list mean by a model: it decodes the
// complete response, and filters, sorts and cuts it as JSON objects. A new kind of
// filter or member is an entry of modelTexts, modelNumbers or a case of
// modelHolds, and a column of modelRow.

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"ocigate/translate"
)

// pagedShape is a list with members of every kind that can have a word.
var pagedShape = &translate.Shape{Fields: []translate.Field{{Key: "numbers", Kind: translate.List, Item: &translate.Shape{Fields: []translate.Field{
	{Key: "minPhoneNumber", Kind: translate.PhoneNumber, Source: "Number Range Start", Word: "MinPhoneNumber"},
	{Key: "maxPhoneNumber", Kind: translate.PhoneNumber, Source: "Number Range End", Word: "MaxPhoneNumber"},
	{Key: "prefix", Kind: translate.Prefix, Source: "Number Prefix", Word: "Prefix"},
	{Key: "groupId", Kind: translate.GroupID, Source: "Group Id", Word: "GroupId"},
	{Key: "userId", Source: "User Id", Word: "UserId"},
	{Key: "lastName", Source: "Last Name", Word: "UserLastName"},
	{Key: "department", Kind: translate.Department, Source: "Department", Optional: true, Item: translate.DepartmentShape, Word: "DepartmentFullPath"},
	{Key: "active", Kind: translate.Boolean, Source: "Is Active"},
	{Key: "note", Source: "Note"},
}}}}}

var pagedFilters = []translate.Filter{
	{Name: "phoneNumber", Kind: translate.NumberIn, Key: "minPhoneNumber", EndKey: "maxPhoneNumber"},
	{Name: "beginsWith", Kind: translate.PrefixOf, Key: "prefix"},
	{Name: "prefix", Kind: translate.SameNumber, Key: "prefix"},
	{Name: "active", Kind: translate.IsTrue, Key: "active"},
	{Name: "assigned", Kind: translate.IsGiven, Key: "userId"},
	{Name: "absent", Kind: translate.IsGiven, Key: "x"},
	{Name: "absent", Kind: translate.NumberIn, Key: "prefix", EndKey: "x"},
}

const pagedColumns = "Number Range Start|Number Range End|Number Prefix|Group Id|User Id|Last Name|Department|Is Active|Note"

// pagedQuery returns the query of a list with these rows.
func pagedQuery(t testing.TB, columns string, rows []string) (*platform, translate.Query) {
	t.Helper()
	p := newPlatform(t)
	p.Answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", columns, rows...))
	return p, &translate.ListQuery{
		Engine: p.engine(longTTL), Context: testContext, Listing: testListing, Response: pagedShape, Filters: pagedFilters,
	}
}

// paramsOf returns the parameters of a query string, and whether all are valid.
func paramsOf(query string, declared []translate.Param) (translate.Params, bool) {
	values, err := url.ParseQuery(query)
	params := translate.Params{}
	for name, given := range values {
		i := slices.IndexFunc(declared, func(p translate.Param) bool { return p.Name == name })
		if i < 0 || declared[i].Problem(given[0]) != "" {
			return nil, false
		}
		params[name] = given[0]
	}
	return params, err == nil
}

// modelTexts and modelNumbers have the text of a member by its word.
var (
	modelTexts = map[string]func(map[string]any) string{
		"GroupId":            member("groupId"),
		"UserId":             member("userId"),
		"UserLastName":       member("lastName"),
		"DepartmentFullPath": func(entry map[string]any) string { return departmentOf(entry)("fullPathName") },
	}
	modelNumbers = map[string]func(map[string]any) string{
		"MinPhoneNumber": member("minPhoneNumber"), "MaxPhoneNumber": member("maxPhoneNumber"), "Prefix": member("prefix"),
	}
)

func member(key string) func(map[string]any) string {
	return func(entry map[string]any) string {
		text, _ := entry[key].(string)
		return text
	}
}

func departmentOf(entry map[string]any) func(key string) string {
	department, _ := entry["department"].(map[string]any)
	return func(key string) string { return member(key)(department) }
}

// modelText returns the text that a parameter is about, without its letter case and
// with an affix behind its word.
func modelText(name, affix string) (text func(map[string]any) string, ok bool) {
	word, found := strings.CutSuffix(name, affix)
	text, ok = modelTexts[word]
	return text, ok && found
}

// modelHolds reports whether an entry fulfils the condition of a parameter.
func modelHolds(name, value string, entry map[string]any) bool {
	switch name {
	case "active":
		return entry["active"] == (value == "true")
	case "assigned":
		return (member("userId")(entry) != "") == (value == "true")
	case "prefix":
		return digits(member("prefix")(entry)) == modelNumber(value)
	case "beginsWith":
		prefix := digits(member("prefix")(entry))
		return prefix != "" && strings.HasPrefix(modelNumber(value), prefix)
	case "phoneNumber":
		return modelRangeHolds(member("minPhoneNumber")(entry), member("maxPhoneNumber")(entry), modelNumber(value))
	}
	rest, ignoresCase := strings.CutPrefix(name, "insensitive")
	rest = strings.TrimPrefix(rest, "sensitive")
	equal := func(a, b string) bool { return a == b }
	if ignoresCase {
		equal = strings.EqualFold
	}
	if text, ok := modelText(rest, "Equals"); ok {
		return equal(text(entry), value)
	}
	if text, ok := modelText(rest, "Starts"); ok {
		got, length := []rune(text(entry)), len([]rune(value))
		return len(got) >= length && equal(string(got[:length]), value)
	}
	text, ok := modelText(rest, "Contains")
	if !ok {
		panic("the model has no parameter " + name)
	}
	got, length := []rune(text(entry)), len([]rune(value))
	for i := 0; i+length <= len(got); i++ {
		if equal(string(got[i:i+length]), value) {
			return true
		}
	}
	return false
}

// modelNumber returns the number that a caller means.
func modelNumber(value string) string {
	if strings.HasPrefix(value, " ") {
		value = "+" + value
	}
	return digits(value)
}

func digits(number string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("+0123456789", r) {
			return r
		}
		return -1
	}, number)
}

func modelRangeHolds(first, last, number string) bool {
	if last == "" {
		last = first
	}
	for _, end := range []string{first, last} {
		if len(end) != len(number) || strings.HasPrefix(end, "+") != strings.HasPrefix(number, "+") {
			return false
		}
	}
	return integer(first).Cmp(integer(number)) <= 0 && integer(number).Cmp(integer(last)) <= 0
}

func integer(number string) *big.Int {
	n := new(big.Int)
	n.SetString(strings.TrimPrefix(number, "+"), 10)
	return n
}

// modelCompare compares two entries by a sort order.
func modelCompare(order string, a, b map[string]any) int {
	rest, ignoresCase := strings.CutPrefix(order, "insensitive")
	rest = strings.TrimPrefix(rest, "sensitive")
	word, descends := strings.CutPrefix(rest, "Descending")
	word = strings.TrimPrefix(word, "Ascending")
	sign := 1
	if descends {
		sign = -1
	}
	if text, ok := modelTexts[word]; ok {
		x, y := text(a), text(b)
		if ignoresCase {
			x, y = lowestCase(x), lowestCase(y)
		}
		return sign * slices.Compare([]rune(x), []rune(y))
	}
	x, y := digits(modelNumbers[word](a)), digits(modelNumbers[word](b))
	if word == "Prefix" {
		return sign * strings.Compare(x, y)
	}
	rank := func(number string) int { // the empty number, those with a +, the others
		switch {
		case number == "":
			return 0
		case strings.HasPrefix(number, "+"):
			return 1
		}
		return 2
	}
	if c := rank(x) - rank(y); c != 0 {
		return sign * c
	}
	if c := len(x) - len(y); c != 0 {
		return sign * c
	}
	return sign * integer(x).Cmp(integer(y))
}

// lowestCase replaces each character by the one with the lowest number of those that
// differ from it in letter case only.
func lowestCase(text string) string {
	return strings.Map(func(r rune) rune {
		lowest := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			lowest = min(lowest, other)
		}
		return lowest
	}, text)
}

// modelPage returns the body that the model makes of the complete body, and how
// many entries match.
func modelPage(t testing.TB, complete string, params translate.Params) (page string, total int) {
	t.Helper()
	var raw struct{ Numbers []json.RawMessage }
	if err := json.Unmarshal([]byte(complete), &raw); err != nil {
		t.Fatal(err)
	}
	type entry struct {
		text    string
		members map[string]any
	}
	var kept []entry
	for _, text := range raw.Numbers {
		e := entry{text: string(text)}
		if err := json.Unmarshal(text, &e.members); err != nil {
			t.Fatal(err)
		}
		holds := true
		for name, value := range params {
			switch name {
			case "startIndex", "pageSize", "responseSizeLimit", "sortOrders":
			default:
				holds = holds && modelHolds(name, value, e.members)
			}
		}
		if holds {
			kept = append(kept, e)
		}
	}
	total = len(kept)
	if orders, sorted := params["sortOrders"]; sorted {
		slices.SortStableFunc(kept, func(a, b entry) int {
			for order := range strings.SplitSeq(orders, ",") {
				if c := modelCompare(order, a.members, b.members); c != 0 {
					return c
				}
			}
			return 0
		})
	}
	cut := func(name string, keep func(n int)) {
		if n, err := strconv.Atoi(params[name]); err == nil {
			keep(n)
		}
	}
	cut("responseSizeLimit", func(n int) { kept = kept[:min(n, len(kept))] })
	cut("startIndex", func(n int) { kept = kept[min(n-1, len(kept)):] })
	cut("pageSize", func(n int) { kept = kept[:min(n, len(kept))] })
	texts := make([]string, len(kept))
	for i, e := range kept {
		texts[i] = e.text
	}
	return `{"numbers":[` + strings.Join(texts, ",") + `]}`, total
}

// compareWithModel reads a list completely and with a query, and compares what the
// second reading returns with what the model makes of the first.
func compareWithModel(t testing.TB, rows []string, query string) (complete translate.Body, page *translate.Page) {
	t.Helper()
	_, list := pagedQuery(t, pagedColumns, rows)
	params, ok := paramsOf(query, list.Describe().Params)
	if !ok || len(params) == 0 {
		return nil, nil
	}
	complete, err := list.Read(t.Context(), testGroup, nil)
	if err != nil {
		return nil, nil // the platform's reply is not valid
	}
	got, err := list.Read(t.Context(), testGroup, params)
	if err != nil {
		return nil, nil // the parameters contradict each other; see TestContradictions
	}
	page, ok = got.(*translate.Page)
	if !ok {
		t.Fatalf("?%s: the body is a %T", query, got)
	}
	want, total := modelPage(t, body(t, complete), params)
	if text := body(t, got); text != want || page.Total() != total {
		t.Fatalf("?%s of\n%s\nreturns %d entries in all, want %d, and\n%s\nwant\n%s", query, strings.Join(rows, "\n"), page.Total(), total, text, want)
	}
	return complete, page
}

// Characters that are few, so that texts have much in common, and among which are
// those with several forms or with another length in another letter case.
var modelCharacters = []rune("aAbBkK\u212asS\u017fßẞéÉıiIİ1_\\ ")

func modelWord(random *rand.Rand) string {
	word := make([]rune, random.IntN(5))
	for i := range word {
		word[i] = modelCharacters[random.IntN(len(modelCharacters))]
	}
	return strings.Join(strings.Fields(string(word)), " ")
}

func modelPhone(random *rand.Rand) string {
	plus := "+"
	if random.IntN(4) == 0 {
		plus = ""
	}
	return plus + "3" + strings.Repeat("0", random.IntN(3)) + strconv.Itoa(random.IntN(30))
}

// modelRow returns a random row with the columns pagedColumns.
func modelRow(random *rand.Rand) string {
	first, last := modelPhone(random), modelPhone(random)
	switch random.IntN(4) {
	case 0:
		last = ""
	case 1:
		last = first
	}
	path := modelWord(random)
	if random.IntN(3) == 0 {
		path += ` \ ` + modelWord(random)
	}
	return strings.Join([]string{
		first, last, modelPhone(random), modelWord(random), modelWord(random), modelWord(random), strings.TrimSpace(path),
		strconv.FormatBool(random.IntN(2) == 0), strconv.Itoa(random.IntN(3)),
	}, "|")
}

// modelQuery returns a random query of the declared parameters.
func modelQuery(random *rand.Rand, declared []translate.Param) string {
	values := url.Values{}
	for range 1 + random.IntN(3) {
		p := declared[random.IntN(len(declared))]
		if random.IntN(2) == 0 { // one of the few that are not about a text
			p = declared[random.IntN(9)]
		}
		switch p.Kind {
		case translate.BooleanParam:
			values.Set(p.Name, strconv.FormatBool(random.IntN(2) == 0))
		case translate.IntegerParam:
			values.Set(p.Name, strconv.Itoa(1+random.IntN(12)))
		case translate.NumberParam:
			number := modelPhone(random)
			switch random.IntN(3) {
			case 0:
				number = strings.Replace(number, "+", " ", 1)
			case 1:
				number = strings.Replace(number, "3", "3-", 1)
			}
			values.Set(p.Name, number)
		case translate.ChoicesParam:
			orders := map[string]bool{}
			for range 1 + random.IntN(3) {
				orders[p.Values[random.IntN(len(p.Values))]] = true
			}
			values.Set(p.Name, strings.Join(slices.Sorted(maps.Keys(orders)), ","))
		case translate.TextParam, translate.ChoiceParam:
			values.Set(p.Name, modelWord(random))
		}
	}
	return values.Encode()
}

// Random queries return what the model returns. Their tags are equal exactly if
// their bodies are.
func TestListsAreFilteredSortedAndPagedAsTheModel(t *testing.T) {
	compared, chosen := 0, map[string]int{}
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 7))
		rows := make([]string, random.IntN(25))
		for i := range rows {
			rows[i] = modelRow(random)
		}
		_, list := pagedQuery(t, pagedColumns, nil)
		declared := list.Describe().Params
		tags, bodies := map[string]string{}, map[string]string{}
		add := func(of translate.Body) {
			text, tag := body(t, of), of.ETag()
			if known, ok := tags[text]; ok && known != tag {
				t.Errorf("one body has the tags %s and %s: %s", known, tag, text)
			}
			if known, ok := bodies[tag]; ok && known != text {
				t.Errorf("one tag has the bodies\n%s\n%s", known, text)
			}
			tags[text], bodies[tag] = tag, text
		}
		for range 40 {
			query := modelQuery(random, declared)
			complete, page := compareWithModel(t, rows, query)
			if page == nil {
				continue
			}
			compared++
			add(complete)
			add(page)
			values, _ := url.ParseQuery(query)
			if page.Total() > 0 && page.Total() < len(rows) {
				for name := range values {
					chosen[name]++
				}
			}
		}
	}
	if compared < 600 {
		t.Errorf("only %d queries were compared", compared)
	}
	for _, name := range []string{"phoneNumber", "beginsWith", "prefix", "active", "assigned", "startIndex", "pageSize", "responseSizeLimit", "sortOrders"} {
		if chosen[name] < 5 {
			t.Errorf("only %d queries with %s choose some of the entries", chosen[name], name)
		}
	}
	t.Logf("%d queries compared", compared)
}

// FuzzLists compares the list with the model for any cells and any query.
func FuzzLists(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	_, list := pagedQuery(f, pagedColumns, nil)
	for range 20 {
		var rows []string
		for range random.IntN(6) {
			rows = append(rows, modelRow(random))
		}
		f.Add(strings.Join(rows, "\n"), modelQuery(random, list.Describe().Params))
	}
	f.Add("+32-1|+32-9|+32-01||a@b|B||true|", "phoneNumber=%2B32+5&insensitiveUserIdContains=A%40")
	columns := strings.Count(pagedColumns, "|")
	f.Fuzz(func(t *testing.T, cells, query string) {
		var rows []string
		for row := range strings.SplitSeq(strings.ToValidUTF8(cells, ""), "\n") {
			row = strings.Map(func(r rune) rune {
				if r < ' ' || r == '\ufffe' || r == '\uffff' {
					return -1 // not in XML
				}
				return r
			}, row)
			parts := strings.SplitN(row+strings.Repeat("|", columns), "|", columns+1)
			parts[columns] = strings.ReplaceAll(parts[columns], "|", "")
			for i := range 3 {
				if strings.LastIndex(parts[i], "+") > 0 || len(parts[i]) > 100 {
					return // not a number
				}
			}
			rows = append(rows, strings.Join(parts, "|"))
		}
		complete, page := compareWithModel(t, rows, query)
		if page != nil && (complete.ETag() == page.ETag()) != (body(t, complete) == body(t, page)) && !strings.ContainsFunc(cells, isSpelling) {
			t.Errorf("?%s: the tags are %s and %s", query, complete.ETag(), page.ETag())
		}
	})
}

// isSpelling reports whether a character may be one that a phone number is shown
// without. Tags also depend on those.
func isSpelling(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("+|\n", r)
}

// numbersOf returns the starts of the ranges of a body, for short expectations.
func numbersOf(t testing.TB, of translate.Body) string {
	t.Helper()
	var list struct {
		Numbers []struct{ MinPhoneNumber string }
	}
	if err := json.Unmarshal([]byte(body(t, of)), &list); err != nil {
		t.Fatal(err)
	}
	var starts []string
	for _, n := range list.Numbers {
		starts = append(starts, n.MinPhoneNumber)
	}
	return fmt.Sprint(starts)
}
