// Package translatetest supports tests of the engine (package translate) and of the
// services below it. [Platform] is a platform in memory with prepared replies.
// [Answer], [Table], [Refusal] and [Success] build the XML of replies, [Replies] and
// [One] parse it.
//
//	p := &translatetest.Platform{T: t, Answers: map[string]string{
//		"ServiceProviderGetRequest17sp1": translatetest.Answer("ServiceProviderGetRequest17sp1", "<isEnterprise>true</isEnterprise>"),
//	}}
//	// Use p as the Reader of the code under test, then check p.Asked.
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

// Platform is a Reader with a prepared reply to each command. It is not safe for
// concurrent use.
type Platform struct {
	T testing.TB
	// Answers are the replies by the name of the command, as elements command of a
	// reply document. The reply to any other command is the error 9999.
	Answers map[string]string
	// Err are the errors that Read returns, by the name of the command.
	Err map[string]error
	// Asked are the names of the received commands. Those of one document are
	// joined by "+".
	Asked []string
	// Sent are the received commands.
	Sent []oci.Read
}

// Read returns the prepared replies to the commands of one document.
func (p *Platform) Read(_ context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	p.T.Helper()
	var names []string
	var body strings.Builder
	for _, c := range commands {
		names = append(names, c.Name())
		reply, ok := p.Answers[c.Name()]
		if !ok {
			reply = Refusal("Error", 9999, "no answer is prepared for "+c.Name())
		}
		body.WriteString(reply)
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

// Replies parses a document that has those elements command, and fails the test if
// they are not valid.
func Replies(t testing.TB, commands string) []oci.Reply {
	t.Helper()
	document := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<sessionId xmlns="">1</sessionId>` + commands + `</BroadsoftDocument>` + "\n"
	parsed, err := oci.ParseReplies([]byte(document))
	if err != nil {
		t.Fatalf("the document of the test is not valid: %v\n%s", err, document)
	}
	return parsed
}

// One parses a document that has that element command only.
func One(t testing.TB, command string) oci.Reply {
	t.Helper()
	return Replies(t, command)[0]
}

// Success is the reply to a write that was carried out.
const Success = `<command echo="" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`

// Refusal returns an ErrorResponse, whose summary has the number at its beginning.
func Refusal(severity string, number int, summary string) string {
	return fmt.Sprintf(`<command type=%q echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">`+
		`<summary>[Error %d] %s</summary><summaryEnglish>[Error %d] %s</summaryEnglish></command>`,
		severity, number, Escape(summary), number, Escape(summary))
}

// Answer returns a response to a command. Its elements are given as XML.
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
		panic(err) // writing to a buffer does not fail
	}
	return b.String()
}

// WriteXML returns elements as they are sent, without namespaces.
func WriteXML(elements []oci.Element) string {
	var b strings.Builder
	for _, e := range elements {
		b.WriteString("<" + e.Name + ">" + Escape(e.Text) + WriteXML(e.Children) + "</" + e.Name + ">")
	}
	return b.String()
}
