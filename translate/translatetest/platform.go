// Package translatetest holds what the tests of the engine and of the services
// need: a platform in memory whose answers are prepared, and the XML of answers.
package translatetest

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"ocigate/oci"
)

// Platform is a Reader with a prepared answer for each command. It is for one
// goroutine at a time.
type Platform struct {
	T testing.TB
	// Answers are the commands of reply documents, by the name of the command
	// that they answer. A command without one is refused.
	Answers map[string]string
	// Err is returned in place of an answer to the command of that name.
	Err map[string]error
	// Asked are the commands that came, those of one document joined by "+".
	Asked []string
	Sent  []oci.Read
}

// Read answers a document.
func (p *Platform) Read(_ context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	p.T.Helper()
	var names []string
	var body strings.Builder
	for _, c := range commands {
		names = append(names, c.Name())
		answer, ok := p.Answers[c.Name()]
		if !ok {
			answer = Refusal("Error", 9999, "no answer is prepared for "+c.Name())
		}
		body.WriteString(answer)
	}
	p.Asked = append(p.Asked, strings.Join(names, "+"))
	p.Sent = append(p.Sent, commands...)
	for _, name := range names {
		if err := p.Err[name]; err != nil {
			return nil, err
		}
	}
	return Replies(p.T, body.String()), nil
}

// Replies reads a document that holds those commands.
func Replies(t testing.TB, commands string) []oci.Reply {
	t.Helper()
	document := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<sessionId xmlns="">1</sessionId>` + commands + `</BroadsoftDocument>` + "\n"
	parsed, err := oci.ParseReplies([]byte(document))
	if err != nil {
		t.Fatalf("the test's own document: %v\n%s", err, document)
	}
	return parsed
}

// One reads a document that holds that command alone.
func One(t testing.TB, command string) oci.Reply {
	t.Helper()
	return Replies(t, command)[0]
}

// Success is the answer to a write that was done.
const Success = `<command echo="" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`

// Refusal is an ErrorResponse, whose summary has the number at its head.
func Refusal(severity string, number int, summary string) string {
	return fmt.Sprintf(`<command type=%q echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">`+
		`<summary>[Error %d] %s</summary><summaryEnglish>[Error %d] %s</summaryEnglish></command>`,
		severity, number, Escape(summary), number, Escape(summary))
}

// Answer is a response to a command that holds elements, given as XML.
func Answer(command, elements string) string {
	return fmt.Sprintf(`<command echo="" xsi:type="%s" xmlns="">%s</command>`,
		strings.Replace(command, "Request", "Response", 1), elements)
}

// Table is an OCITable; headings and cells are separated by "|".
func Table(element, headings string, rows ...string) string {
	var b strings.Builder
	b.WriteString("<" + element + ">")
	for h := range strings.SplitSeq(headings, "|") {
		b.WriteString("<colHeading>" + Escape(h) + "</colHeading>")
	}
	for _, row := range rows {
		b.WriteString("<row>")
		for cell := range strings.SplitSeq(row, "|") {
			b.WriteString("<col>" + Escape(cell) + "</col>")
		}
		b.WriteString("</row>")
	}
	b.WriteString("</" + element + ">")
	return b.String()
}

// Escape is a text as it is written in XML.
func Escape(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.String()
}

// WriteXML spells elements as they are sent, without name spaces.
func WriteXML(elements []oci.Element) string {
	var b strings.Builder
	for _, e := range elements {
		b.WriteString("<" + e.Name + ">" + Escape(e.Text) + WriteXML(e.Children) + "</" + e.Name + ">")
	}
	return b.String()
}
