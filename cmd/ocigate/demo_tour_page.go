package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// tourWidth is the width of the text of a tour. Commands are longer, so that they can be
// copied.
const tourWidth = 80

// tourIndent is the width of the names of items.
const tourIndent = 11

// maxTourBody is how much of a body is shown.
const maxTourBody = 300

// tourPage prints a tour. Its err is that of the first write that failed.
type tourPage struct {
	to  io.Writer
	err error
}

func (p *tourPage) print(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.to, text)
	}
}

// heading prints the title of a stage.
func (p *tourPage) heading(text string) {
	p.print("\n" + text + "\n" + strings.Repeat("=", min(len(text), tourWidth)) + "\n")
}

// text prints a paragraph.
func (p *tourPage) text(text string) { p.print(wrap(text, 0) + "\n\n") }

// item prints a text with its name, empty for that of the item before.
func (p *tourPage) item(name, text string) {
	p.print(fmt.Sprintf("%-*s", tourIndent, name) + wrap(text, tourIndent) + "\n")
}

// command prints a command with its name.
func (p *tourPage) command(name, line string) {
	p.print(fmt.Sprintf("%-*s$ %s\n", tourIndent, name, line))
}

// answer prints what a caller gets.
func (p *tourPage) answer(a demoAnswer) {
	status := []string{fmt.Sprintf("status %d", a.status)}
	for _, name := range []string{"Operation-Outcome", "Retry-After", "Idempotency-Replayed"} {
		if value := a.header.Get(name); value != "" {
			status = append(status, name+": "+value)
		}
	}
	p.item("caller", strings.Join(status, ", "))
	body := string(bytes.TrimSpace(a.body))
	if len(body) > maxTourBody {
		body = strings.ToValidUTF8(body[:maxTourBody], "") + "…"
	}
	if body != "" {
		p.item("", body)
	}
}

// operation prints what the gateway knows about a write.
func (p *tourPage) operation(a demoAnswer) {
	var op struct {
		State   string `json:"state"`
		KnownBy string `json:"known_by"`
	}
	if err := json.Unmarshal(a.body, &op); err != nil {
		p.item("operation", err.Error())
		return
	}
	p.item("operation", fmt.Sprintf("state: %s, known by: %s", op.State, cmp.Or(op.KnownBy, "nothing yet")))
}

// wrap breaks a text between words, and words that are longer than a line, and indents all
// lines but the first.
func wrap(text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range shortWords(text, tourWidth-indent) {
		switch {
		case i == 0:
		case column+1+utf8.RuneCountInString(word) > tourWidth:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += utf8.RuneCountInString(word)
	}
	return b.String()
}

// shortWords returns the words of a text, and longer ones in parts.
func shortWords(text string, longest int) []string {
	var words []string
	for word := range strings.FieldsSeq(text) {
		letters := []rune(word)
		for ; len(letters) > longest; letters = letters[longest:] {
			words = append(words, string(letters[:longest]))
		}
		words = append(words, string(letters))
	}
	return words
}
