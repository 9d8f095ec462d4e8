package oci

import (
	"fmt"
	"iter"
)

// node is an element of a reply, with its text, its table or the number of elements in
// it. The nodes of a reply are one list, in the order of the document: each element is
// followed by all elements below it. A list needs less memory than a tree: 48 bytes for
// each element, its text, and its name unless that is a term (see [scanner.term]).
type node struct {
	name  string
	text  string
	table *Table
	below uint32 // how many of the nodes that follow are below it
	isNil bool
}

// nodes is a list of elements, each followed by those below it.
type nodes []node

// all iterates over the outermost elements.
func (n nodes) all(yield func(nodes) bool) {
	for len(n) > 0 {
		size := 1 + int(n[0].below)
		if !yield(n[:size:size]) {
			return
		}
		n = n[size:]
	}
}

// named iterates over the outermost elements of that name. reply is the name of the
// reply that they belong to.
func (n nodes) named(reply, name string) iter.Seq[ReplyElement] {
	return func(yield func(ReplyElement) bool) {
		for one := range n.all {
			if one[0].name == name && !yield(ReplyElement{reply, one}) {
				return
			}
		}
	}
}

// one returns the only outermost element of that name. present reports whether there is
// one. If there are several, it returns an error.
func (n nodes) one(reply, parent, name string) (found ReplyElement, present bool, err error) {
	for element := range n.named(reply, name) {
		if present {
			return ReplyElement{}, false, twice("%s has element %s twice", parent, name)
		}
		found, present = element, true
	}
	return found, present, nil
}

// ReplyElement is an element of a [Reply], at any depth. It holds text, or a
// table, or other elements, or none of these. The zero value is an empty element
// without a name.
type ReplyElement struct {
	reply string // the reply's name
	nodes nodes  // its own node first
}

// own returns the node of the element itself.
func (e ReplyElement) own() node {
	if len(e.nodes) == 0 {
		return node{}
	}
	return e.nodes[0]
}

// inside returns the nodes of the elements in the element.
func (e ReplyElement) inside() nodes {
	if len(e.nodes) == 0 {
		return nil
	}
	return e.nodes[1:]
}

// Name returns the element's name without its namespace.
func (e ReplyElement) Name() string { return e.own().name }

// Text returns the text of the element, or "" if it holds anything else.
func (e ReplyElement) Text() string { return e.own().text }

// Bool returns the text of the element as an xs:boolean. The error says that it is not
// one.
func (e ReplyElement) Bool() (bool, error) {
	switch e.Text() {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("oci: %s: element %s is not a boolean: %.32q", e.reply, e.Name(), e.Text())
}

// IsNil reports whether the element is marked xsi:nil="true", so that it has no value.
// Such an element is empty.
func (e ReplyElement) IsNil() bool { return e.own().isNil }

// Table returns the OCITable in the element. The error says that it holds none.
func (e ReplyElement) Table() (*Table, error) {
	if table := e.own().table; table != nil {
		return table, nil
	}
	return nil, errNoTable(e.reply, e.Name())
}

// Element returns the only element of that name directly in the element. present
// reports whether there is one. If there are several, the error is a [*ProtocolError].
func (e ReplyElement) Element(name string) (element ReplyElement, present bool, err error) {
	return e.inside().one(e.reply, e.Name(), name)
}

// Elements iterates over the elements of that name directly in the element, in the
// order of the document.
func (e ReplyElement) Elements(name string) iter.Seq[ReplyElement] {
	return e.inside().named(e.reply, name)
}

// All iterates over all elements directly in the element, in the order of the document,
// except the rows and cells of a table.
func (e ReplyElement) All() iter.Seq[ReplyElement] { return e.inside().each(e.reply) }

// each iterates over the outermost elements. reply is the name of the reply that they
// belong to.
func (n nodes) each(reply string) iter.Seq[ReplyElement] {
	return func(yield func(ReplyElement) bool) {
		n.all(func(one nodes) bool { return yield(ReplyElement{reply, one}) })
	}
}

func errNoTable(reply, element string) error {
	return fmt.Errorf("oci: %s holds no table %s", reply, element)
}
