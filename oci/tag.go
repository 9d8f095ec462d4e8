package oci

import (
	"bytes"
	"hash/maphash"
	"slices"
)

// element is an open element. Its name, followed by the prefixes that it binds, is in
// the scanner's names, from start on.
type element struct {
	start, end int
	bindings   int // number of bindings without its own
}

// binding is a prefix, in the scanner's names, and its namespace. The prefix of the
// default namespace is empty.
type binding struct {
	start, end int
	space      namespace
	hash       uint64 // of the name of another namespace
}

// namespace is a namespace that OCI-P uses, or another one.
type namespace int

const (
	noNamespace namespace = iota
	spaceC
	spaceXSI
	otherNamespace
)

// namespaces holds the namespaces that OCI-P uses.
var namespaces = map[string]namespace{"": noNamespace, namespaceC: spaceC, namespaceXSI: spaceXSI}

// tag is a start tag. It refers to the scanner's buffers, so it is valid until the
// scanner reads on.
type tag struct {
	prefix     []byte // empty if the name has none
	local      []byte
	name       []byte // both, as written
	attributes []attribute
	values     []byte
}

type attribute struct {
	name       []byte // as written
	start, end int    // of its value, in the tag's values
}

func (t *tag) value(a attribute) []byte { return t.values[a.start:a.end] }

// stated returns the value of the attribute of that name, without a prefix.
func (t *tag) stated(name string) stated {
	for _, a := range t.attributes {
		if string(a.name) == name {
			return stated{string(t.value(a)), true}
		}
	}
	return stated{}
}

var errName = &ReplyLimitError{RefusedText, "bytes in a name", maxName}

// splitName returns the prefix and the local part of a name. A name without a colon has
// no prefix.
func splitName(name []byte) (prefix, local []byte) {
	if prefix, local, ok := bytes.Cut(name, []byte{':'}); ok {
		return prefix, local
	}
	return nil, name
}

// nameBytes says of each byte whether a name may hold it, and whether a name may begin
// with it. The names of the schema are ASCII.
var nameBytes = func() (table [256]struct{ inside, first bool }) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_" {
		table[c].inside, table[c].first = true, true
	}
	for _, c := range "0123456789.-" {
		table[c].inside = true
	}
	return table
}()

// nameLength returns how many bytes at the head of b are a name, with or without a
// prefix: 0 if there is no valid name.
func nameLength(b []byte) int {
	first, prefixed := true, false
	for i, c := range b {
		switch {
		case first:
			if !nameBytes[c].first {
				return 0
			}
			first = false
		case c == ':' && !prefixed:
			first, prefixed = true, true
		case c == ':':
			return 0
		case !nameBytes[c].inside:
			return i
		}
	}
	if first {
		return 0
	}
	return len(b)
}

// startTag reads a start tag, opens its element, and checks that the element is in no
// namespace, as the schema defines, or in C, as without xmlns="".
func (s *scanner) startTag() error {
	all, err := s.markup(tagEnd)
	if err != nil {
		return err
	}
	s.at += len(all)
	inside := all[len("<") : len(all)-len(">")]
	inside, s.empty = bytes.CutSuffix(inside, []byte("/"))
	n := nameLength(inside)
	if n == 0 {
		return notXML("the document holds a tag without a valid name: %.32q", all)
	}
	if n > maxName {
		return errName
	}
	s.tag.name = inside[:n]
	s.tag.prefix, s.tag.local = splitName(s.tag.name)
	if err := s.readAttributes(inside[n:]); err != nil {
		return err
	}
	s.push()
	if err := s.checkAttributes(); err != nil {
		return err
	}
	if !s.ours(s.tag.prefix) {
		return protocolError("element %s is in another namespace than the schema's", s.tag.name)
	}
	if len(s.bindings) > maxBindings {
		return refusedAs(RefusedElements, "the document binds more than %d prefixes at a time", maxBindings)
	}
	if len(s.open) > maxDepth {
		return refusedAs(RefusedDepth, "the document is nested deeper than %d elements", maxDepth)
	}
	return nil
}

// readAttributes reads the part of a start tag after the name.
func (s *scanner) readAttributes(b []byte) error {
	t := &s.tag
	t.attributes, t.values = t.attributes[:0], t.values[:0]
	for {
		trimmed := trimLeft(b)
		if len(trimmed) == 0 {
			return nil
		}
		name := trimmed[:nameLength(trimmed)]
		quoted, ok := bytes.CutPrefix(trimLeft(trimmed[len(name):]), []byte("="))
		quoted = trimLeft(quoted)
		if len(trimmed) == len(b) || len(name) == 0 || !ok || len(quoted) == 0 || quoted[0] != '"' && quoted[0] != '\'' {
			return notXML("element %s has an attribute that is not well-formed", t.name)
		}
		value, rest, _ := bytes.Cut(quoted[1:], quoted[:1]) // tagEnd has found the second quote
		if err := s.addAttribute(name, value); err != nil {
			return err
		}
		b = rest
	}
}

// addAttribute adds an attribute to the tag.
func (s *scanner) addAttribute(name, value []byte) error {
	t := &s.tag
	if len(name) > maxName {
		return errName
	}
	for _, a := range t.attributes {
		if bytes.Equal(a.name, name) {
			return twice("element %s has attribute %s twice", t.name, name)
		}
	}
	if len(t.attributes) == maxAttributes {
		return refusedAs(RefusedElements, "element %s has more than %d attributes", t.name, maxAttributes)
	}
	start := len(t.values)
	var err error
	t.values, _, err = s.decode(t.values, value, inValue, true)
	t.attributes = append(t.attributes, attribute{name, start, len(t.values)})
	return err
}

// push opens the element of the tag and binds the prefixes that it declares.
func (s *scanner) push() {
	e := element{start: len(s.names), bindings: len(s.bindings)}
	s.names = append(s.names, s.tag.name...)
	e.end = len(s.names)
	s.open = append(s.open, e)
	for _, a := range s.tag.attributes {
		prefix, local := splitName(a.name)
		switch {
		case string(a.name) == "xmlns":
			local = nil
		case string(prefix) != "xmlns":
			continue
		}
		space, known := namespaces[string(s.tag.value(a))]
		hash := uint64(0)
		if !known {
			space, hash = otherNamespace, maphash.Bytes(hashSeed, s.tag.value(a))
		}
		start := len(s.names)
		s.names = append(s.names, local...)
		s.bindings = append(s.bindings, binding{start, len(s.names), space, hash})
	}
}

// pop closes the innermost element.
func (s *scanner) pop() {
	last := len(s.open) - 1
	e := s.open[last]
	s.open, s.names, s.bindings = s.open[:last], s.names[:e.start], s.bindings[:e.bindings]
}

// namespaceOf returns the namespace of a prefix in the innermost element: noNamespace
// if the prefix is not bound.
func (s *scanner) namespaceOf(prefix []byte) namespace { return s.bindingOf(prefix).space }

// bindingOf returns the binding of a prefix: the zero one if it is not bound.
func (s *scanner) bindingOf(prefix []byte) binding {
	for _, b := range slices.Backward(s.bindings) {
		if bytes.Equal(s.names[b.start:b.end], prefix) {
			return b
		}
	}
	return binding{}
}

// hashSeed is for headings and for the names of namespaces that OCI-P does not use. If
// two such names have the same hash, a document may be refused, nothing worse.
var hashSeed = maphash.MakeSeed()

// namespaceXML is the namespace of the prefix xml, which need not be bound.
const namespaceXML = "http://www.w3.org/XML/1998/namespace"

// checkAttributes refuses a tag that has an attribute twice, with two prefixes of one
// namespace, because readers could use either. (Attributes with the same prefix were
// refused before.) It also refuses a tag that binds the prefixes of XML itself to
// another namespace, which Namespaces in XML 1.0, section 3, forbids: a declaration
// would be an attribute as well.
func (s *scanner) checkAttributes() error {
	t := &s.tag
	var bound [maxAttributes]binding
	for i, a := range t.attributes {
		prefix, local := splitName(a.name)
		if string(a.name) == "xmlns:xmlns" || string(a.name) == "xmlns:xml" && string(t.value(a)) != namespaceXML {
			return notXML("element %s binds a prefix that XML reserves: %s", t.name, local)
		}
		if len(prefix) == 0 || string(prefix) == "xmlns" {
			continue // the attribute is in no namespace, or declares one
		}
		bound[i] = s.bindingOf(prefix)
		for j, other := range t.attributes[:i] {
			same := bound[i].space != noNamespace && bound[j].space == bound[i].space && bound[j].hash == bound[i].hash
			if _, otherLocal := splitName(other.name); same && bytes.Equal(local, otherLocal) {
				return twice("element %s has attribute %s twice, as %s and %s", t.name, local, other.name, a.name)
			}
		}
	}
	return nil
}

// ours reports whether an element with that prefix is in no namespace or in C.
func (s *scanner) ours(prefix []byte) bool {
	space := s.namespaceOf(prefix)
	return space == spaceC || space == noNamespace && len(prefix) == 0
}

// endTag reads the end tag of the innermost element.
func (s *scanner) endTag() error {
	all, err := s.markup(tagEnd)
	if err != nil {
		return err
	}
	s.at += len(all)
	if len(s.open) == 0 {
		return notXML("the document begins with an end tag")
	}
	e := s.open[len(s.open)-1]
	rest, ok := bytes.CutPrefix(all[len("</"):len(all)-len(">")], s.names[e.start:e.end])
	if !ok || !isBlank(rest) {
		return notXML("element %s ends with %.32q", s.names[e.start:e.end], all)
	}
	s.pop()
	return nil
}
