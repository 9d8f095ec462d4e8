package translate_test

// This file specifies entity tags: equal for equal content and shape, different
// otherwise. A new case is an entry of a table with two bodies.

import (
	"fmt"
	"regexp"
	"testing"

	"ocigate/translate"
	"ocigate/translate/scope"
)

var strongTag = regexp.MustCompile(`^"[A-Za-z0-9_-]{22}"$`)

// Tags are equal exactly if the contents are, in every process.
func TestEntityTagsDependOnTheContent(t *testing.T) {
	const columns = "Number Range Start|Group Id|User Id|Last Name|Department"
	type content struct {
		columns string
		rows    []string
		names   string // the platform's departments
		target  scope.Target
	}
	plain := content{columns, []string{`+1|g|a|b|A \ B \ C`, "+2||a|b|"}, departmentsOf(`C|A \ B \ C`), testGroup}
	changed := func(change func(*content)) content {
		c := plain
		c.rows = append([]string(nil), plain.rows...)
		change(&c)
		return c
	}
	tag := func(c content) string {
		p := newPlatform(t)
		p.Answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", c.columns, c.rows...))
		p.Answers[departments] = c.names
		text, tag := read(t, p.query(translate.Options{}), c.target)
		if !strongTag.MatchString(tag) {
			t.Errorf("%s has the tag %s", text, tag)
		}
		return tag
	}
	first := tag(plain)
	if again := tag(plain); again != first {
		t.Errorf("the same content has the tags %s and %s", first, again)
	}
	seen := map[string]string{first: "the plain content"}
	for name, c := range map[string]content{
		"another cell":             changed(func(c *content) { c.rows[1] = "+2||a|c|" }),
		"a cell in another column": changed(func(c *content) { c.rows[1] = "+2||ab||" }),
		"a cell of another row":    changed(func(c *content) { c.rows[0], c.rows[1] = `+1|g|a||A \ B \ C`, "+2||a|bb|" }),
		"another order":            changed(func(c *content) { c.rows[0], c.rows[1] = c.rows[1], c.rows[0] }),
		"one row less":             changed(func(c *content) { c.rows = c.rows[:1] }),
		"no rows":                  changed(func(c *content) { c.rows = nil }),
		"a row twice":              changed(func(c *content) { c.rows = append(c.rows, c.rows[1]) }),
		"another department":       changed(func(c *content) { c.rows[0] = `+1|g|a|b|A \ B \ D` }),
		"another group":            changed(func(c *content) { c.target.GroupID = "x" }),
		"another tenant":           changed(func(c *content) { c.target.TenantID = "x" }),
		"no column of groups":      {"Number Range Start|User Id|Last Name|Department", []string{`+1|a|b|A \ B \ C`, "+2|a|b|"}, plain.names, testGroup},
		"an empty column of those": changed(func(c *content) { c.rows[0] = `+1||a|b|A \ B \ C` }),
	} {
		if other, twice := seen[tag(c)]; twice {
			t.Errorf("%s has the tag of %s", name, other)
		}
		seen[tag(c)] = name
	}
	for name, c := range map[string]content{
		"another name of a department":   changed(func(c *content) { c.names = departmentsOf(`B \ C|A \ B \ C`) }),
		"names that are parts of paths":  changed(func(c *content) { c.names = refusal("Error", 5404, "no") }),
		"departments that are not shown": changed(func(c *content) { c.names = departmentsOf(`C|A \ B \ C`, "x|y") }),
	} {
		if tag(c) != first {
			t.Errorf("%s change the tag", name)
		}
	}
}

// A program that writes the same content in another form has another tag for it.
func TestEntityTagsDependOnTheShape(t *testing.T) {
	seen := map[string]bool{}
	for _, shape := range []*translate.Shape{
		{Fields: []translate.Field{{Key: "a", Kind: translate.List, Item: &translate.Shape{Fields: []translate.Field{{Key: "x", Source: "Number Range Start"}}}}}},
		{Fields: []translate.Field{{Key: "b", Kind: translate.List, Item: &translate.Shape{Fields: []translate.Field{{Key: "x", Source: "Number Range Start"}}}}}},
		{Fields: []translate.Field{{Key: "a", Kind: translate.List, Item: &translate.Shape{Fields: []translate.Field{{Key: "y", Source: "Number Range Start"}}}}}},
		{Fields: []translate.Field{{Key: "a", Kind: translate.List, Item: &translate.Shape{Fields: []translate.Field{{Key: "x", Kind: translate.PhoneNumber, Source: "Number Range Start"}}}}}},
	} {
		p := newPlatform(t)
		query := &translate.ListQuery{Engine: p.engine(translate.Options{}), Context: testContext, Listing: testListing, Response: shape}
		_, tag := read(t, query, testGroup)
		if seen[tag] {
			t.Errorf("%+v has the tag of another shape", shape.Fields)
		}
		seen[tag] = true
	}
}

func BenchmarkETag(b *testing.B) {
	for _, rows := range []int{2, 10_000} {
		b.Run(fmt.Sprintf("%d rows", rows), func(b *testing.B) {
			list := numbers(b, rows)
			b.ReportAllocs()
			for b.Loop() {
				list.ETag()
			}
		})
	}
}
