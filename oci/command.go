package oci

import (
	"fmt"
	"io"
)

// A Command is one OCI-P request: its type name and its elements in the order of
// the platform's schema. [Read] and [Write] are the only commands. A read may be
// sent twice, a write may not.
type Command interface {
	// Name returns the command's type, for example "GroupGetRequest22V5".
	Name() string
	// Elements returns the command's children, in schema order.
	Elements() []Element

	sealed()
}

// Element is one child of a command. It holds text, or children. With Nil it holds
// neither, and is marked xsi:nil="true": that removes the value of what it names. (If
// an element is left out, the value is not changed.)
type Element struct {
	Name     string
	Text     string
	Children []Element
	Nil      bool
}

// Text returns an element that holds a value.
func Text(name, value string) Element { return Element{Name: name, Text: value} }

// Texts returns one element of the same name for each value, as the schema's
// repeated elements are written.
func Texts(name string, values []string) []Element {
	elements := make([]Element, len(values))
	for i, v := range values {
		elements[i] = Text(name, v)
	}
	return elements
}

// Parent returns an element that holds other elements.
func Parent(name string, children ...Element) Element {
	return Element{Name: name, Children: children}
}

// Nil returns an element that removes the value of what it names.
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

// Read is a command that changes nothing on the platform. It may be sent again if its
// reply was lost, and several callers may share one reply.
type Read struct{ request }

// NewRead returns a command that only reads. The caller must be sure of that.
func NewRead(name string, elements ...Element) Read {
	return Read{request{name: name, elements: elements}}
}

// Write is a command that may change the platform. It is never sent again if it may
// have been done.
type Write struct{ request }

// NewWrite returns a command that may change the platform.
func NewWrite(name string, elements ...Element) Write {
	return Write{request{name: name, elements: elements}}
}
