// Package translatetest provides what the tests of the engine and of the services
// need: a platform in memory with prepared replies, and the XML of replies.
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

// A Platform is a Reader with a prepared reply for each command. It must be used
// by one goroutine at a time.
type Platform struct {
	T testing.TB
	// Answers are the XML of replies, by the name of the command. The reply to
	// any other command is an error.
	Answers map[string]string
	// Err is returned instead of a reply to the command of that name.
	Err map[string]error
	// Asked are the names of the commands that were read; those of one document
	// are joined by "+".
	Asked []string
	Sent  []oci.Read
}

// Read implements the Reader.
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

// Replies parses a document that has those commands.
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

// One parses a document that has that command alone.
func One(t testing.TB, command string) oci.Reply {
	t.Helper()
	return Replies(t, command)[0]
}

// Success is the reply to a write that was done.
const Success = `<command echo="" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`

// Refusal returns an ErrorResponse, whose summary begins with the number.
func Refusal(severity string, number int, summary string) string {
	return fmt.Sprintf(`<command type=%q echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">`+
		`<summary>[Error %d] %s</summary><summaryEnglish>[Error %d] %s</summaryEnglish></command>`,
		severity, number, Escape(summary), number, Escape(summary))
}

// Answer returns the response to a command with those elements, which are XML.
func Answer(command, elements string) string {
	return fmt.Sprintf(`<command echo="" xsi:type="%s" xmlns="">%s</command>`,
		strings.Replace(command, "Request", "Response", 1), elements)
}

// Table returns an OCITable. Headings and cells are separated by "|".
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

// Escape returns a text as it is written in XML.
func Escape(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err) // a buffer returns no error
	}
	return b.String()
}

// WriteXML returns the XML of elements without name spaces.
func WriteXML(elements []oci.Element) string {
	var b strings.Builder
	for _, e := range elements {
		b.WriteString("<" + e.Name + ">" + Escape(e.Text) + WriteXML(e.Children) + "</" + e.Name + ">")
	}
	return b.String()
}
