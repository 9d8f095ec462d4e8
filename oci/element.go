package oci

import (
	"fmt"
	"iter"
)

// node is an element of a reply: its text, or the table or the elements that it
// holds. The nodes of a reply are one list, in the order of the document: behind
// each element come all that are below it. A list costs less than a tree, and
// nothing for an element that holds none: 48 bytes for each, its text, and its
// name where that is not a term (see [scanner.term]).
type node struct {
	name  string
	text  string
	table *Table
	below uint32 // how many of the nodes behind it are below it
	isNil bool
}

// nodes are elements, each with those below it behind it.
type nodes []node

// all goes through the outermost elements.
func (n nodes) all(yield func(nodes) bool) {
	for len(n) > 0 {
		size := 1 + int(n[0].below)
		if !yield(n[:size:size]) {
			return
		}
		n = n[size:]
	}
}

// named goes through the outermost elements of that name. They are those of the
// reply.
func (n nodes) named(reply, name string) iter.Seq[ReplyElement] {
	return func(yield func(ReplyElement) bool) {
		for one := range n.all {
			if one[0].name == name && !yield(ReplyElement{reply, one}) {
				return
			}
		}
	}
}

// one is the only outermost element of that name, if there is any. That there are
// several is an error, since none of them counts more than the others.
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
// table, or other elements, or none of these. The zero value is an element
// without a name that holds nothing.
type ReplyElement struct {
	reply string // the reply's name
	nodes nodes  // its own first
}

// own is the node of the element itself.
func (e ReplyElement) own() node {
	if len(e.nodes) == 0 {
		return node{}
	}
	return e.nodes[0]
}

// inside are the nodes of the elements inside.
func (e ReplyElement) inside() nodes {
	if len(e.nodes) == 0 {
		return nil
	}
	return e.nodes[1:]
}

// Name is the element's name without its namespace.
func (e ReplyElement) Name() string { return e.own().name }

// Text is the text of the element: "" where it holds anything else.
func (e ReplyElement) Text() string { return e.own().text }

// Bool reads the text of the element as an xs:boolean. The error says that it is
// none.
func (e ReplyElement) Bool() (bool, error) {
	switch e.Text() {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("oci: %s: element %s is not a boolean: %.32q", e.reply, e.Name(), e.Text())
}

// IsNil reports whether the element is marked xsi:nil="true", and so has no
// value. It is then empty.
func (e ReplyElement) IsNil() bool { return e.own().isNil }

// Table is the OCITable in the element. An error says that it holds none.
func (e ReplyElement) Table() (*Table, error) {
	if table := e.own().table; table != nil {
		return table, nil
	}
	return nil, errNoTable(e.reply, e.Name())
}

// Element is the only element of that name directly inside the element. The
// error, a [*ProtocolError], says that there are several.
func (e ReplyElement) Element(name string) (element ReplyElement, present bool, err error) {
	return e.inside().one(e.reply, e.Name(), name)
}

// Elements goes through the elements of that name directly inside the element,
// in the order of the document.
func (e ReplyElement) Elements(name string) iter.Seq[ReplyElement] {
	return e.inside().named(e.reply, name)
}

// All goes through all elements directly inside the element, in the order of the
// document. It has no rows and cells of a table.
func (e ReplyElement) All() iter.Seq[ReplyElement] { return e.inside().each(e.reply) }

// each goes through the outermost elements. They are those of the reply.
func (n nodes) each(reply string) iter.Seq[ReplyElement] {
	return func(yield func(ReplyElement) bool) {
		n.all(func(one nodes) bool { return yield(ReplyElement{reply, one}) })
	}
}

func errNoTable(reply, element string) error {
	return fmt.Errorf("oci: %s holds no table %s", reply, element)
}
