package ocisim

import (
	"slices"
	"strings"
)

// node is one element of a received or sent command. It holds text, children, a
// table or nothing.
type node struct {
	name     string
	text     string
	children []node
	table    *table
	null     bool // marked xsi:nil="true"
	cdata    bool // the text is written in CDATA sections
}

// table is an OCITable.
type table struct {
	headings []string
	rows     [][]string
}

// leaf returns an element with text.
func leaf(name, text string) node { return node{name: name, text: text} }

// flag returns an element with a boolean.
func flag(name string, value bool) node { return leaf(name, boolText(value)) }

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// leafUnlessEmpty appends an optional element if there is a text.
func leafUnlessEmpty(nodes []node, name, text string) []node {
	if text == "" {
		return nodes
	}
	return append(nodes, leaf(name, text))
}

// child returns the first child with the name, or nil.
func (n *node) child(name string) *node {
	i := slices.IndexFunc(n.children, func(c node) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return &n.children[i]
}

// get returns the text of the first child with the name, or "".
func (n *node) get(name string) string {
	if c := n.child(name); c != nil {
		return c.text
	}
	return ""
}

// all returns the children with the name.
func (n *node) all(name string) []node {
	var found []node
	for _, c := range n.children {
		if c.name == name {
			found = append(found, c)
		}
	}
	return found
}

// texts returns the texts of the children with the name.
func (n *node) texts(name string) []string {
	var found []string
	for _, c := range n.all(name) {
		found = append(found, c.text)
	}
	return found
}

// walk visits the node and all nodes below it except elements that hold a secret
// and the nodes below those: a request that does not fit the schema may have
// elements there.
func (n *node) walk(visit func(*node)) {
	visit(n)
	for i := range n.children {
		if !isSecret(n.children[i].name) {
			n.children[i].walk(visit)
		}
	}
}

// redacted returns a copy for a log: the content of each element below the node
// whose name is that of a secret is replaced.
func (n node) redacted() node {
	children := make([]node, len(n.children))
	for i, c := range n.children {
		if isSecret(c.name) {
			c = leaf(c.name, "***")
		}
		children[i] = c.redacted()
	}
	n.children = children
	return n
}

// isSecret reports whether an element of that name may hold a secret. It returns
// true for some that do not, such as "passwordAlgorithm".
func isSecret(element string) bool {
	lower := strings.ToLower(element)
	for _, word := range []string{"password", "passcode", "nonce", "token"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// collapse collapses white space as XML Schema does in an xs:token.
func collapse(s string) string { return strings.Join(strings.FieldsFunc(s, isXMLSpace), " ") }

func isXMLSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// pad fills a table up to a number of rows with copies of its last row or, if it
// has none, with empty rows.
func (n *node) pad(rows int) {
	if n.table == nil {
		return
	}
	filler := make([]string, len(n.table.headings))
	if len(n.table.rows) > 0 {
		filler = n.table.rows[len(n.table.rows)-1]
	}
	for len(n.table.rows) < rows {
		n.table.rows = append(n.table.rows, filler)
	}
}

// hide removes columns from a table.
func (n *node) hide(headings []string) {
	if n.table == nil || len(headings) == 0 {
		return
	}
	visible := func(cells []string) (kept []string) {
		for i, heading := range n.table.headings {
			if !slices.Contains(headings, heading) {
				kept = append(kept, cells[i])
			}
		}
		return kept
	}
	for i, cells := range n.table.rows {
		n.table.rows[i] = visible(cells)
	}
	n.table.headings = visible(n.table.headings)
}
