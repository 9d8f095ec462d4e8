package oci

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Elements of replies at any depth. To add a case, add it to nested and check what a caller
// reads.

// nested is the content of a reply with elements in elements, several of one name, and
// some that are nil.
const nested = `<authorized>true</authorized><authorizedQuantity><unlimited>true</unlimited></authorizedQuantity>` +
	`<usedQuantity><quantity>12</quantity></usedQuantity><limit xsi:nil="true"/>` +
	`<criteria><mode>Contains</mode><value>a</value></criteria><criteria><mode>Equal To</mode><value>b</value><value>c</value></criteria>` +
	`<page><deep><deeper>bottom</deeper></deep><listTable><colHeading>h</colHeading><row><col>c</col></row></listTable></page><page/>`

func replyOf(t *testing.T, elements string) Reply {
	t.Helper()
	replies, err := ParseReplies([]byte(reply(elements)))
	if err != nil {
		t.Fatal(err)
	}
	return replies[0]
}

// elementAt returns the only element of that path.
func elementAt(t *testing.T, r Reply, path ...string) ReplyElement {
	t.Helper()
	e, present, err := r.Element(path[0])
	for _, name := range path[1:] {
		if err == nil {
			e, present, err = e.Element(name)
		}
	}
	if !present || err != nil {
		t.Fatalf("%v: present %t, %v", path, present, err)
	}
	return e
}

func TestAReplyHasElementsInElements(t *testing.T) {
	r := replyOf(t, nested)
	if value, err := elementAt(t, r, "authorizedQuantity", "unlimited").Bool(); !value || err != nil {
		t.Errorf("unlimited: %t, %v", value, err)
	}
	if got := elementAt(t, r, "usedQuantity", "quantity").Text(); got != "12" {
		t.Errorf("quantity is %q", got)
	}
	if got := elementAt(t, r, "usedQuantity").Text(); got != "" {
		t.Errorf("an element with elements has the text %q", got)
	}
	quantity := elementAt(t, r, "authorizedQuantity")
	if e, present, err := quantity.Element("quantity"); present || err != nil || e.Name() != "" {
		t.Errorf("an element of another one is found: %q, %t, %v", e.Name(), present, err)
	}
	if _, present, _ := r.Element("unlimited"); present {
		t.Error("an inner element is found as one of the command")
	}
}

func TestAnElementThatIsNilIsNotAnEmptyOne(t *testing.T) {
	r := replyOf(t, nested+`<other xsi:nil="false"/><a nil="true"/>`)
	for name, want := range map[string]bool{"limit": true, "other": false, "a": false, "authorized": false, "usedQuantity": false} {
		if got := elementAt(t, r, name).IsNil(); got != want {
			t.Errorf("%s: got %t", name, got)
		}
	}
	if text, present, err := r.Text("limit"); text != "" || !present || err != nil {
		t.Errorf("text %q, present %t, %v", text, present, err)
	}
}

func TestElementsOfOneNameAreAllRead(t *testing.T) {
	r := replyOf(t, nested)
	var got []string
	for e := range r.Elements("criteria") {
		got = append(got, e.Name())
		for value := range e.Elements("value") {
			got = append(got, value.Text())
		}
	}
	if diff := cmp.Diff([]string{"criteria", "a", "criteria", "b", "c"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	seen := 0
	for range r.Elements("criteria") {
		seen++
		break // like a caller who needs no more
	}
	if seen != 1 {
		t.Errorf("%d elements are read before the end", seen)
	}
}

func TestAllElementsComeInTheirOrder(t *testing.T) {
	var got []string
	for e := range replyOf(t, nested).All() {
		got = append(got, e.Name())
		for child := range e.All() {
			got = append(got, "."+child.Name())
		}
	}
	want := strings.Fields("authorized authorizedQuantity .unlimited usedQuantity .quantity limit " +
		"criteria .mode .value criteria .mode .value .value page .deep .listTable page")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnElementThatIsThereSeveralTimesIsNotTheOnlyOne(t *testing.T) {
	r := replyOf(t, nested)
	check := func(what string, err error) {
		t.Helper()
		if _, ok := errors.AsType[*ProtocolError](err); !ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, _, err := r.Element("criteria")
	check("an element", err)
	text, present, err := r.Text("page")
	check("a text", err)
	if text != "" || present {
		t.Errorf("got %q, %t", text, present)
	}
	_, _, err = r.Bool("page")
	check("a boolean", err)
	_, err = r.Table("page")
	check("a table", err)
	for e := range r.Elements("criteria") {
		_, present, err = e.Element("value")
	}
	check("an inner element", err)
	if present || !strings.Contains(err.Error(), "criteria has element value twice") {
		t.Errorf("present %t, %v", present, err)
	}
}

func TestATableMayBeInAnElement(t *testing.T) {
	r := replyOf(t, strings.ReplaceAll(nested, "<page/>", ""))
	table, err := elementAt(t, r, "page", "listTable").Table()
	if err != nil || table.Len() != 1 || table.Column("h") == NoColumn {
		t.Fatalf("%v, %v", table, err)
	}
	for range elementAt(t, r, "page", "listTable").All() {
		t.Error("a table has elements")
	}
	if _, err := elementAt(t, r, "page").Table(); err == nil {
		t.Error("an element beside a table is one")
	}
	if _, err := r.Table("listTable"); err == nil {
		t.Error("an inner table is found as one of the command")
	}
}

func TestAnElementThatIsNoBooleanIsNamed(t *testing.T) {
	r := replyOf(t, nested)
	_, err := elementAt(t, r, "usedQuantity", "quantity").Bool()
	if err == nil || !strings.Contains(err.Error(), "XResponse") || !strings.Contains(err.Error(), "quantity") {
		t.Errorf("got %v", err)
	}
}

func TestTheZeroElementHoldsNothing(t *testing.T) {
	var e ReplyElement
	if e.Name() != "" || e.Text() != "" || e.IsNil() {
		t.Errorf("%q, %q, %t", e.Name(), e.Text(), e.IsNil())
	}
	if _, present, err := e.Element(""); present || err != nil {
		t.Errorf("present %t, %v", present, err)
	}
	for range e.All() {
		t.Error("it has elements")
	}
	if _, err := e.Table(); err == nil {
		t.Error("it has a table")
	}
	if _, err := e.Bool(); err == nil {
		t.Error("it is a boolean")
	}
}

func TestReadingElementsAllocatesNothing(t *testing.T) {
	r := replyOf(t, nested)
	count := 0
	allocations := testing.AllocsPerRun(100, func() {
		if _, present, _ := r.Bool("authorized"); present {
			count++
		}
		quantity, _, _ := r.Element("authorizedQuantity")
		if _, present, _ := quantity.Element("unlimited"); present {
			count++
		}
		for e := range r.Elements("criteria") {
			count += len(e.Text())
		}
	})
	if allocations > 0 || count == 0 {
		t.Errorf("%v allocations", allocations)
	}
}
