package oci

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A generator of documents. It specifies in which ways a platform may write a document of
// OCI-P: every document that it writes is legal, and both the scanner and the etree reader
// must read the same content from it. grammar_streams_test.go has the tests.
//
// The generator makes choices with dice, that is, with the bytes of a fuzz input or of a
// random source. The choice 0 is always the plainest spelling, so that a short input is a
// short, plain document. With oddness, a test sets how often another spelling is chosen.
//
// To add a spelling that platforms may use, find the function of the part that it belongs
// to (document, declaration, element, attribute, command, table, text, character), and add
// a choice to it: if g.odd() { … }. The tests then cover it in combination with all others.
// The spelling must be legal XML with namespaces. Documents that must be refused belong
// into the tables of scan_test.go and decode_test.go instead.

// dice makes the choices of a grammar from bytes, so that a fuzz test can search for
// documents by their choices. When the bytes are used up, every roll
// is 0, which is always the plainest choice and the end of every list.
type dice struct{ bytes []byte }

// roll returns a number from 0 to sides-1. A roll of up to 256 sides costs one byte.
func (d *dice) roll(sides int) int {
	n := 0
	for rest := sides - 1; rest > 0; rest >>= 8 {
		if len(d.bytes) == 0 {
			return 0
		}
		n = n<<8 | int(d.bytes[0])
		d.bytes = d.bytes[1:]
	}
	return n % sides
}

func pick[T any](d *dice, from ...T) T { return from[d.roll(len(from))] }

// grammar writes documents of OCI-P in all the ways in which a platform may
// spell them. What it writes is legal XML with namespaces, so both
// readers must accept it.
type grammar struct {
	dice
	to       bytes.Buffer
	encoding Encoding
	oddness  int                 // percent of the choices that are not the plainest
	scopes   []map[string]string // the namespace of each prefix, in each open element
}

// odd reports whether something is to be written in another way than the
// plainest.
func (g *grammar) odd() bool { return g.roll(100) >= 100-g.oddness }

// session writes several documents one after the other, and returns where each
// begins and ends. They have much in common, like those of a platform.
func (g *grammar) session() (stream []byte, documents [][]byte) {
	var places [][2]int
	for range 1 + g.roll(6) {
		g.blanks(0)
		g.oddness = pick(&g.dice, 0, 2, 30)
		start := g.to.Len()
		g.document()
		places = append(places, [2]int{start, g.to.Len()})
	}
	g.blanks(0)
	stream = g.to.Bytes()
	for _, place := range places {
		documents = append(documents, bytes.TrimLeft(stream[place[0]:place[1]], blanks))
	}
	return stream, documents
}

func (g *grammar) document() {
	g.declaration()
	g.between()
	g.scopes = []map[string]string{{}}
	root := [][2]string{{"protocol", "OCI"}}
	prefix := ""
	if g.odd() {
		prefix = g.prefix()
	}
	root = append(root, [2]string{bindingOf(prefix), namespaceC})
	if !g.odd() {
		root = append(root, [2]string{"xmlns:xsi", namespaceXSI})
	}
	g.element(prefix, "BroadsoftDocument", root, func() {
		if g.roll(16) == 15 {
			return // the document is empty, and may be one tag
		}
		g.between()
		g.leaf("sessionId", "s1")
		if g.roll(2) == 1 {
			g.between()
			g.leaf("trackingId", "t-"+g.word())
		}
		for range g.roll(4) {
			g.between()
			g.command()
		}
		g.between()
	})
}

// bindingOf returns the name of the attribute that binds a prefix.
func bindingOf(prefix string) string {
	if prefix == "" {
		return "xmlns"
	}
	return "xmlns:" + prefix
}

func (g *grammar) prefix() string { return pick(&g.dice, "c", "C", "o", "ns-1", "x.y_", "xsi2") }

// declaration writes the XML declaration of a document, and so chooses its encoding. Most
// documents of a session have the same one.
func (g *grammar) declaration() {
	g.encoding = Encoding{}
	if g.odd() {
		return
	}
	names := []string{"ISO-8859-1", "UTF-8"}
	if g.odd() {
		names = []string{"iso-8859-1", "utf-8", "US-ASCII", "ISO-8859-2", "ISO-8859-3", "ISO-8859-6", "ISO-8859-8", "ISO-8859-15", "ISO-8859-16"}
	}
	name := pick(&g.dice, names...)
	g.encoding, _ = EncodingByName(name)
	quote := g.quote()
	g.to.WriteString("<?xml" + g.blank() + "version=" + quote + "1.0" + quote + g.blank() + "encoding=" + quote + name + quote)
	if g.odd() {
		g.to.WriteString(g.blank() + "standalone='" + pick(&g.dice, "yes", "no") + "'")
	}
	g.blanks(0)
	g.to.WriteString("?>")
	if !g.odd() {
		g.to.WriteString("\n")
	}
}

func (g *grammar) quote() string {
	if g.odd() {
		return "'"
	}
	return `"`
}

// blank returns required white space.
func (g *grammar) blank() string {
	if g.odd() {
		return pick(&g.dice, "  ", "\n", "\r\n", "\t", " \r\n\t ")
	}
	return " "
}

// blanks writes optional white space, at least that many times.
func (g *grammar) blanks(least int) {
	for range least {
		g.to.WriteString(g.blank())
	}
	for g.odd() {
		g.to.WriteString(g.blank())
	}
}

// between writes what may be between elements.
func (g *grammar) between() {
	for g.odd() {
		switch kind := g.roll(6); {
		case kind == 1:
			g.comment()
		case kind == 2:
			g.instruction()
		case kind == 3 && len(g.scopes) > 1:
			g.to.WriteString("<![CDATA[" + pick(&g.dice, "", " ", "\r\n") + "]]>")
		case kind == 4 && len(g.scopes) > 1:
			g.to.WriteString(pick(&g.dice, "&#32;", "&#x9;", "&#13;", "&#00010;"))
		default:
			g.blanks(1)
		}
	}
}

func (g *grammar) comment() {
	g.to.WriteString("<!--" + pick(&g.dice, "", " x ", "<a>", "</BroadsoftDocument>", "&amp", "]]>", "- - ", "\r\n", "'", `"`) + "-->")
}

func (g *grammar) instruction() {
	g.to.WriteString("<?" + pick(&g.dice, "a", "xml-stylesheet", "x.y") + pick(&g.dice, "", " ", " b='>'", " </BroadsoftDocument>", "\n?") + "?>")
}

// element writes an element of that name. The prefix must be bound to C, or be
// empty, by what is open or by the attributes. If there is nothing inside,
// the tag may close the element immediately.
func (g *grammar) element(prefix, local string, attributes [][2]string, inside func()) {
	g.scopes = append(g.scopes, g.bound(attributes))
	name := local
	if prefix != "" {
		name = prefix + ":" + local
	}
	g.to.WriteString("<" + name)
	for g.odd() && len(attributes) < maxAttributes-1 {
		attributes = append(attributes, [2]string{"a" + strconv.Itoa(len(attributes)), g.word()})
	}
	for len(attributes) > 0 {
		i := 0
		if g.odd() {
			i = g.roll(len(attributes))
		}
		g.attribute(attributes[i])
		attributes = slices.Delete(slices.Clone(attributes), i, i+1)
	}
	g.blanks(0)
	tag := g.to.Len()
	g.to.WriteString(">")
	begun := g.to.Len()
	if inside != nil {
		inside()
	}
	if g.to.Len() == begun && !g.odd() {
		g.to.Truncate(tag)
		g.to.WriteString("/>")
	} else {
		g.to.WriteString("</" + name)
		g.blanks(0)
		g.to.WriteString(">")
	}
	g.scopes = g.scopes[:len(g.scopes)-1]
}

// bound returns the namespace of each prefix inside an element with those attributes.
func (g *grammar) bound(attributes [][2]string) map[string]string {
	scope := maps.Clone(g.scopes[len(g.scopes)-1])
	for _, a := range attributes {
		if a[0] == "xmlns" {
			scope[""] = a[1]
		} else if p, ok := strings.CutPrefix(a[0], "xmlns:"); ok {
			scope[p] = a[1]
		}
	}
	return scope
}

func (g *grammar) attribute(a [2]string) {
	g.blanks(1)
	g.to.WriteString(a[0])
	g.blanks(0)
	g.to.WriteString("=")
	g.blanks(0)
	quote := g.quote()
	g.to.WriteString(quote)
	for _, r := range a[1] {
		g.character(r, "<&"+quote)
	}
	g.to.WriteString(quote)
}

// named chooses how to write an element that is in no namespace or in C: the
// prefix, and the bindings that it needs.
func (g *grammar) named() (prefix string, attributes [][2]string) {
	scope := g.scopes[len(g.scopes)-1]
	if g.odd() {
		switch p := g.prefix(); {
		case g.roll(2) == 1:
			return p, [][2]string{{"xmlns:" + p, namespaceC}}
		case scope[p] == namespaceC:
			return p, nil
		}
	}
	if g.odd() {
		// Bound but not used, perhaps in place of another binding.
		attributes = append(attributes, [2]string{"xmlns:" + g.prefix(), pick(&g.dice, "D", namespaceXSI, namespaceC)})
	}
	plain := scope[""] == namespaceC
	if plain != g.odd() {
		attributes = append(attributes, [2]string{"xmlns", ""})
	}
	return "", attributes
}

// leaf writes an element that holds only text.
func (g *grammar) leaf(local, text string) {
	prefix, attributes := g.named()
	g.element(prefix, local, attributes, func() { g.text(text) })
}

// command writes a reply to a command.
func (g *grammar) command() {
	prefix, attributes := g.named()
	bound := g.bound(attributes)
	bind := func(p, space string) string {
		for bound[p] != "" && bound[p] != space {
			p += "1"
		}
		if bound[p] == "" {
			bound[p] = space
			attributes = append(attributes, [2]string{bindingOf(p), space})
		}
		return p
	}
	name := pick(&g.dice, successResponse, errorResponse, "GroupGetResponse22V5", "LogoutRequest", "A")
	value := name
	if name == successResponse || name == errorResponse || g.odd() {
		value = bind("c", namespaceC) + ":" + name
	}
	if g.odd() {
		value = pick(&g.dice, " ", "\n", "\t ") + value + pick(&g.dice, "", " ")
	}
	attributes = append(attributes, [2]string{bind(pick(&g.dice, "xsi", "xsi", "i"), namespaceXSI) + ":type", value})
	if g.roll(2) == 1 {
		attributes = append(attributes, [2]string{"echo", g.word()})
	}
	if name == errorResponse && g.roll(2) == 1 {
		attributes = append(attributes, [2]string{"type", pick(&g.dice, "Error", "Warning", "Info")})
	}
	g.element(prefix, "command", attributes, func() {
		g.between()
		if name == errorResponse {
			g.leaf("summary", "[Error 4962] "+g.word())
			g.between()
			g.leaf("summaryEnglish", g.word())
			g.between()
		}
		for range g.roll(4) {
			g.child()
			g.between()
		}
	})
}

func (g *grammar) child() {
	switch g.roll(4) {
	case 1, 2:
		g.table()
	case 3:
		g.structure(1)
	default:
		g.leaf(g.name(), g.word())
	}
}

// structure writes an element of elements, of which one, though not the first,
// may be named like a heading.
func (g *grammar) structure(depth int) {
	prefix, attributes := g.named()
	g.element(prefix, g.name(), attributes, func() {
		g.between()
		for i := range 1 + g.roll(3) {
			switch kind := g.roll(8); {
			case kind == 1 && depth < 8:
				g.structure(depth + 1)
			case kind == 2:
				g.table()
			case kind == 3 && i > 0:
				g.leaf(headingElement, g.word())
			default:
				g.leaf(g.name(), g.word())
			}
			g.between()
		}
	})
}

func (g *grammar) name() string {
	return pick(&g.dice, "a", "serviceProviderId", "row", "col", "command", "x-1", "detail", "a.very_long.name-"+strings.Repeat("n", maxTermLength))
}

// tableHeadings holds lists of headings, some of which begin like others.
var tableHeadings = [][]string{
	{"Number Prefix", "Is Active"},
	{"Number Prefix"},
	{"Number Suffix"},
	{"Number Prefix", "Is Active", "Extension Range Start"},
	{"Number Prefix Is Active"},
	{""},
	{"", "Is Active"},
	{"Number Prefix", ""},
	{"Number Prefix", "é]&<"},
	{"é]&<", "Number Prefix"},
}

func (g *grammar) table() {
	headings := pick(&g.dice, tableHeadings...)
	prefix, attributes := g.named()
	g.element(prefix, pick(&g.dice, "groupTable", "t"), attributes, func() {
		for _, heading := range headings {
			g.between()
			g.leaf(headingElement, heading)
		}
		g.between()
		rows := g.roll(4)
		if g.roll(64) == 63 {
			rows = 2000 // beyond the buffer, and beyond a block
		}
		cell := g.word()
		for i := range rows {
			prefix, attributes := g.named()
			g.element(prefix, rowElement, attributes, func() {
				g.between()
				for range headings {
					if i < 4 {
						cell = g.word()
					}
					g.leaf(cellElement, cell)
					g.between()
				}
			})
			g.between()
		}
	})
}

var words = []string{
	"", "+32-2612", "true", "a b", "Café", "Ďurišová €", "x&y<z>", "]]>", "]]", "]", ">", "\r\n", "\r", " lead", "\ttab\n",
	"'quoted' \"twice\"", "😀\u0085\u2028\ufffd", "&lt;", "<![CDATA[x]]>", "</col>", "<col/>", strings.Repeat("long ", 50),
}

func (g *grammar) word() string { return pick(&g.dice, words...) }

// text writes character data.
func (g *grammar) text(text string) {
	for text != "" {
		if g.odd() {
			switch g.roll(4) {
			case 1:
				g.comment()
			case 2:
				g.instruction()
			case 3:
				text = g.cdata(text)
				continue
			default:
				g.lineEnd()
			}
		}
		r, n := utf8.DecodeRuneInString(text)
		g.character(r, "<&")
		text = text[n:]
	}
}

// lineEnd writes a line end in one of its forms, or a byte that may not
// be in the encoding.
func (g *grammar) lineEnd() {
	if g.encoding.single != nil && g.odd() {
		g.to.WriteByte(byte(0x80 + g.roll(0x80)))
		return
	}
	g.to.WriteString(pick(&g.dice, "\n", "\r\n", "\r", "\n\r"))
}

// cdata writes a CDATA section with the head of a text, and returns the rest
// of it.
func (g *grammar) cdata(text string) string {
	g.to.WriteString("<![CDATA[")
	for range g.roll(8) {
		r, n := utf8.DecodeRuneInString(text)
		if n == 0 || !g.encoding.CanEncode(text[:n]) || r == '>' && bytes.HasSuffix(g.to.Bytes(), []byte("]]")) {
			break
		}
		g.to.Write(g.encoding.appendRune(nil, r))
		text = text[n:]
	}
	g.to.WriteString("]]>")
	return text
}

var entityOf = map[rune]string{'<': "&lt;", '>': "&gt;", '&': "&amp;", '\'': "&apos;", '"': "&quot;"}

// character writes one character, which represents itself unless it is among
// the escaped ones.
func (g *grammar) character(r rune, escaped string) {
	must := strings.ContainsRune(escaped, r) || r == '\r' || r == '>' && bytes.HasSuffix(g.to.Bytes(), []byte("]]"))
	entity, named := entityOf[r]
	switch {
	case !must && !g.odd():
		g.to.Write(g.encoding.appendRune(nil, r))
	case named && g.roll(2) == 0:
		g.to.WriteString(entity)
	default:
		fmt.Fprintf(&g.to, pick(&g.dice, "&#%d;", "&#x%x;", "&#x%X;", "&#00%d;"), r)
	}
}
