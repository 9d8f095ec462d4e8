package oci

import (
	"fmt"
	"io"
)

// A Command is one OCI-P request: its type name and its elements in the
// order of the platform's schema. Only [Read] and [Write] are commands; which
// of the two a command is decides whether it may ever be sent twice.
type Command interface {
	// Name is the command's type, for example "GroupGetRequest22V5".
	Name() string
	// Elements are the command's children, in schema order.
	Elements() []Element

	sealed()
}

// Element is one child of a command. It holds text, or children, or, with
// Nil, neither: an element marked xsi:nil="true", which empties what it names
// (an element left out leaves it as it is).
type Element struct {
	Name     string
	Text     string
	Children []Element
	Nil      bool
}

// Text is an element that holds a value.
func Text(name, value string) Element { return Element{Name: name, Text: value} }

// Texts is one element of the same name for each value, as the schema's
// repeated elements are written.
func Texts(name string, values []string) []Element {
	elements := make([]Element, len(values))
	for i, v := range values {
		elements[i] = Text(name, v)
	}
	return elements
}

// Parent is an element that holds other elements.
func Parent(name string, children ...Element) Element {
	return Element{Name: name, Children: children}
}

// Nil is an element that empties what it names.
func Nil(name string) Element { return Element{Name: name, Nil: true} }

type request struct {
	name     string
	elements []Element
}

// Format prints the name alone, whatever the verb: elements may hold
// passwords.
func (r request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.name) }

func (r request) Name() string        { return r.name }
func (r request) Elements() []Element { return r.elements }
func (request) sealed()               {}

// Read is a command that changes nothing on the platform. It may be sent
// again when its answer was lost, and one answer may serve several callers.
type Read struct{ request }

// NewRead is a command that only reads. Whoever calls it promises that.
func NewRead(name string, elements ...Element) Read {
	return Read{request{name: name, elements: elements}}
}

// Write is a command that may change the platform. It is never sent again
// where it may have been done.
type Write struct{ request }

// NewWrite is a command that may change the platform.
func NewWrite(name string, elements ...Element) Write {
	return Write{request{name: name, elements: elements}}
}
