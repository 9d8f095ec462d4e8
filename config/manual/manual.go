// Package manual writes manual pages: text with the macros of man(7), as groff and mandoc
// read it. The generators of the pages use it; it is not a part of the binary.
package manual

import (
	"fmt"
	"strings"
)

// A Page is a manual page that is being written. Its methods append to it.
type Page struct{ b strings.Builder }

// New begins a page, such as ocigate-serve(1): its name, its section, and what it
// describes in a few words, without a period.
func New(name string, section int, brief string) *Page {
	var p Page
	fmt.Fprintf(&p.b, ".\\\" \"make generate\" writes this page.\n.TH %s %d \"\" ocigate \"ocigate manual\"\n.nh\n.ad l\n", Escape(strings.ToUpper(name)), section)
	p.Heading("Name")
	fmt.Fprintf(&p.b, "%s \\- %s\n", Escape(name), Escape(brief))
	return &p
}

// Heading begins a section.
func (p *Page) Heading(title string) {
	fmt.Fprintf(&p.b, ".SH %s\n", quote(strings.ToUpper(title)))
}

// Part begins a part of a section.
func (p *Page) Part(title string) { fmt.Fprintf(&p.b, ".SS %s\n", quote(title)) }

// Text adds paragraphs, which empty lines separate. The lines of a paragraph are filled;
// those of one in which a line begins with blanks are kept, as an example or a table.
func (p *Page) Text(text string) {
	for paragraph := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		if strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\n ") {
			p.literal(paragraph)
			continue
		}
		p.b.WriteString(".PP\n" + lines(paragraph))
	}
}

func (p *Page) literal(text string) {
	p.b.WriteString(".PP\n.EX\n" + lines(text) + ".EE\n")
}

// Item adds an entry of a list: a tag, made of [Bold], [Italic] and [Escape], and
// paragraphs about it.
func (p *Page) Item(tag, text string) {
	p.b.WriteString(".TP\n" + tag + "\n")
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if i > 0 {
			p.b.WriteString(".IP\n")
		}
		p.b.WriteString(lines(paragraph))
	}
}

// Line adds a paragraph of marked text: [Bold], [Italic] and [Escape] make it.
func (p *Page) Line(marked string) { p.b.WriteString(".PP\n" + marked + "\n") }

// Bytes returns the page.
func (p *Page) Bytes() []byte { return []byte(p.b.String()) }

// Bold marks a text that is typed as it stands.
func Bold(text string) string { return `\fB` + Escape(text) + `\fR` }

// Italic marks a text that stands for another one.
func Italic(text string) string { return `\fI` + Escape(text) + `\fR` }

// Escape returns a text in which nothing is a request or an escape of roff. Other
// characters than ASCII are named by their code points.
func Escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r == '…':
			b.WriteString("...")
		case r > 126:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	if strings.HasPrefix(b.String(), ".") {
		return `\&` + b.String()
	}
	return b.String()
}

func quote(text string) string { return `"` + strings.ReplaceAll(Escape(text), `"`, `\(dq`) + `"` }

func lines(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString(Escape(strings.TrimRight(line, " ")) + "\n")
	}
	return b.String()
}
