package oci

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Which documents are the same, and what joining costs a caller who is alone. To add a
// case, add a document to documents: all of them must have different keys.

// documents all differ, some only in where a text ends or an element is.
var documents = map[string][]Read{
	"no element":              {NewRead("A")},
	"another name":            {NewRead("B")},
	"twice":                   {NewRead("A"), NewRead("A")},
	"one group":               {NewRead("A", Text("sp", "x"), Text("group", "yz"))},
	"another group":           {NewRead("A", Text("sp", "xy"), Text("group", "z"))},
	"the other way round":     {NewRead("A", Text("group", "yz"), Text("sp", "x"))},
	"another element":         {NewRead("A", Text("sp", "x"), Text("department", "yz"))},
	"a text in the name":      {NewRead("A", Text("spx", ""), Text("group", "yz"))},
	"a mark in the first":     {NewRead("A", Text("a", "b\x00c"), Text("d", "e"))},
	"a mark in the second":    {NewRead("A", Text("a", "b"), Text("c", "d\x00e"))},
	"nothing in it":           {NewRead("A", Text("a", ""))},
	"nil":                     {NewRead("A", Nil("a"))},
	"a child":                 {NewRead("A", Parent("a", Text("b", "")))},
	"a sibling":               {NewRead("A", Text("a", ""), Text("b", ""))},
	"a sibling in the second": {NewRead("A", Text("a", "")), NewRead("b")},
	"a nil child":             {NewRead("A", Parent("a", Nil("b")))},
	"two children":            {NewRead("A", Parent("a", Text("b", ""), Text("c", "")))},
	"a grandchild":            {NewRead("A", Parent("a", Parent("b", Text("c", ""))))},
	"a child and a sibling":   {NewRead("A", Parent("a", Text("b", "")), Text("c", ""))},
	"a long text":             {NewRead("A", Text("a", strings.Repeat("x", 300)))},
	"a longer one":            {NewRead("A", Text("a", strings.Repeat("x", 1000)))},
}

func TestDocumentsThatDifferHaveDifferentKeys(t *testing.T) {
	names := map[string]string{}
	for name, document := range documents {
		key := documentKey(document)
		if other, taken := names[key]; taken {
			t.Errorf("%q and %q have one key", name, other)
		}
		names[key] = name
		if again := documentKey(append([]Read(nil), document...)); again != key {
			t.Errorf("%q has two keys", name)
		}
	}
}

func TestReadsThatDifferAreNotJoined(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if strings.HasPrefix(r.commands[0], "System") {
			time.Sleep(2 * time.Second)
		}
		wellAnswered(p, c, r)
	}}
	group := func(id string) []Element { return []Element{Text("serviceProviderId", "sp"), Text("groupId", id)} }
	reads := [][]Read{
		{NewRead("SystemGetRequest", group("one")...)},
		{NewRead("SystemGetRequest", group("two")...)},
		{NewRead("SystemGetListRequest", group("one")...)},
		{NewRead("SystemGetRequest", Parent("both", group("one")...))},
		{NewRead("SystemGetRequest", group("one")...), NewRead("SystemGetListRequest", group("one")...)},
	}
	run(t, p, func(o *Options) { o.MaxSessions = len(reads) }, func(t *testing.T, c *Client) {
		a := newAudience(c)
		for _, read := range reads {
			a.ask(t.Context(), read...)
		}
		if busy := c.Stats().Endpoints[0].Busy; busy != len(reads) {
			t.Errorf("%d sessions are in use", busy)
		}
		a.readers.Wait()
	})
}

// FuzzDocumentKey compares keys, and the documents themselves: both must be equal or differ.
func FuzzDocumentKey(f *testing.F) {
	f.Add([]byte("/Aeat b"), []byte("/Aea tb"))
	f.Add([]byte("/Aea<eb>eab"), []byte("/Aea<eb>\x00eab"))
	f.Add([]byte("/A/A"), []byte("/A"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		first, second := grow(a), grow(b)
		same := cmp.Equal(first, second, cmp.AllowUnexported(Read{}, request{}), cmpopts.EquateEmpty())
		if (documentKey(first) == documentKey(second)) != same {
			t.Errorf("the same is %t of\n%#v\n%#v", same, first, second)
		}
	})
}

// grow makes a document: '/' begins a command, 'e' an element, '<' goes into
// it and '>' out of it; ' ' ends its name, and 0 makes it nil.
func grow(from []byte) []Read {
	var commands []Read
	lists := []*[]Element{new([]Element)}
	var text *string
	for _, b := range from {
		list := lists[len(lists)-1]
		last := len(*list) - 1
		switch {
		case b == '/' || len(commands) == 0:
			commands = append(commands, Read{})
			added := &commands[len(commands)-1]
			lists, text = []*[]Element{&added.elements}, &added.name
		case b == 'e':
			*list = append(*list, Element{})
			text = &(*list)[last+1].Name
		case b == '<' && last >= 0:
			lists = append(lists, &(*list)[last].Children)
		case b == '>' && len(lists) > 1:
			lists = lists[:len(lists)-1]
		case b == ' ' && last >= 0:
			text = &(*list)[last].Text
		case b == 0 && last >= 0:
			(*list)[last].Nil = true
		default:
			*text += string(rune(b))
		}
	}
	return commands
}

// aLoneRead does what joining does with a read that is not shared.
func aLoneRead(j *joiner, at *endpoint, commands []Read) {
	f, _ := j.join(documentKey(commands))
	j.markSent(f, at)
	f.share(nil, nil)
	j.finish(f)
}

func TestJoiningCostsALoneReadTwoAllocations(t *testing.T) {
	j, at := newJoiner(), &endpoint{}
	commands := []Read{NewRead("GroupGetRequest22V5", Text("serviceProviderId", "sp"), Text("groupId", "group"))}
	if got := testing.AllocsPerRun(100, func() { aLoneRead(j, at, commands) }); got > 2 { // the key and the flight
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkJoiningALoneRead(b *testing.B) {
	j, at := newJoiner(), &endpoint{}
	commands := []Read{NewRead("GroupGetRequest22V5", Text("serviceProviderId", "sp"), Text("groupId", "group"))}
	b.ReportAllocs()
	for b.Loop() {
		aLoneRead(j, at, commands)
	}
}
