package oci

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Secrets in the documents of a trace. To add a case, add the inside of a reply with the
// word canary in each secret, and what the trace may have instead.

const wireHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
	`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`

// answeredWith returns a reply with that inside.
func answeredWith(inside string) string {
	return wireHead + `<sessionId xmlns="">mine</sessionId><command xsi:type="XResponse" xmlns="">` + inside + `</command></BroadsoftDocument>`
}

func TestSecretsAreRemovedFromTracedReplies(t *testing.T) {
	for name, test := range map[string]struct{ inside, want string }{
		"nothing":          {"<a>b</a>", "<a>b</a>"},
		"references":       {"<a>&#233; &amp; é</a><b/>", "<a>&#233; &amp; é</a><b/>"},
		"an element":       {"<a>b</a><password>canary</password><c>d</c>", "<a>b</a><password>[redacted]</password><c>d</c>"},
		"two of a name":    {"<pwd>canary</pwd><a>b</a><pwd>canary</pwd>", "<pwd>[redacted]</pwd><a>b</a><pwd>[redacted]</pwd>"},
		"an empty one":     {"<password/><a>b</a>", "<password/><a>b</a>"},
		"a nil one":        {`<password xsi:nil="true"/><a>b</a>`, `<password xsi:nil="true"/><a>b</a>`},
		"with elements":    {"<sipPassword><a><b>canary</b><c/></a></sipPassword><d/>", "<sipPassword>[redacted]</sipPassword><d/>"},
		"CDATA":            {"<password><![CDATA[canary</password>canary]]></password><a/>", "<password>[redacted]</password><a/>"},
		"comments in it":   {"<password>can<!-- -->ary</password>", "<password>[redacted]</password>"},
		"an attribute":     {`<a password="canary" b="c">d</a>`, `<a password="[redacted]" b="c">d</a>`},
		"single quotes":    {`<a password='can"ary>' b="c"/>`, `<a password="[redacted]" b="c"/>`},
		"XML in a text":    {"<detail>&lt;password&gt;canary&lt;/password&gt; &lt;a/&gt;</detail>", "<detail>&lt;password&gt;[redacted]&lt;/password&gt; &lt;a/&gt;</detail>"},
		"XML in CDATA":     {"<detail><![CDATA[<password>canary</password>]]></detail><b/>", "<detail>&lt;password&gt;[redacted]&lt;/password&gt;</detail><b/>"},
		"cut XML in CDATA": {"<detail><![CDATA[<password>canary]]></detail><b/>", "<detail>&lt;password&gt;[redacted]</detail><b/>"},
		"a hidden name":    {"<detail>&lt;p&#97;ssword&gt;canary&lt;/p&#97;ssword&gt;</detail>", "<detail>&lt;password&gt;[redacted]&lt;/password&gt;</detail>"},
		"an XML attribute": {`<a b="&lt;password&gt;canary"/>`, `<a b="&lt;password&gt;[redacted]"/>`},
		"XML interrupted":  {"<detail>&lt;password&gt;can<!-- x -->ary&lt;/password&gt;</detail>", "<detail>&lt;password&gt;[redacted]&lt;/password&gt;</detail>"},
		"a comment":        {"<!-- &lt;password>canary</password> --><a/>", "<a/>"},
		"another comment":  {"<!-- fine --><a/>", "<!-- fine --><a/>"},
		"what was sent":    {"<a>it is sent-canary, isn't it</a>", "<a>it is [redacted], isn't it</a>"},
		"it by numbers":    {"<a>it is sent&#45;canary</a>", "<a>it is [redacted]</a>"},
		"it in a value":    {`<a b="sent-canary"/>`, `<a b="[redacted]"/>`},
		"the session id":   {"<a>of mine</a>", "<a>of " + pseudonym("mine") + "</a>"},
		"a column": {
			"<t><colHeading>User Id</colHeading><colHeading>SIP Pass code</colHeading><row><col>u</col><col>canary</col></row><row><col/><col><![CDATA[canary]]></col></row></t>" +
				"<t><colHeading/><colHeading>b</colHeading><row><col>c</col><col>d</col></row></t>",
			"<t><colHeading>User Id</colHeading><colHeading>SIP Pass code</colHeading><row><col>u</col><col>[redacted]</col></row><row><col/><col>[redacted]</col></row></t>" +
				"<t><colHeading/><colHeading>b</colHeading><row><col>c</col><col>d</col></row></t>",
		},
	} {
		t.Run(name, func(t *testing.T) {
			to := outgoing{sessionID: "mine", commands: []Command{NewRead("XRequest", Text("password", "sent-canary"))}}
			document := []byte(answeredWith(test.inside))
			if _, err := ParseReplies(document); err != nil {
				t.Fatalf("the reply is not one that a session accepts: %v", err)
			}
			got := wireReply(document, to, true)
			want := strings.ReplaceAll(answeredWith(test.want), ">mine<", ">"+pseudonym("mine")+"<")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := ParseReplies([]byte(got)); err != nil {
				t.Errorf("the result is not a document: %v", err)
			}
			for end := range document { // wherever it is cut
				if got := wireReply(document[:end], to, true); strings.Contains(got, "canary") {
					t.Fatalf("cut at %d: %s", end, got)
				}
				if got := wireReply(document[:end], to, false); name != "a column" && strings.Contains(got, "canary") {
					t.Fatalf("refused at %d: %s", end, got)
				}
			}
		})
	}
}

func TestSecretsAreRemovedFromRefusedReplies(t *testing.T) {
	to := outgoing{sessionID: "mine", commands: []Command{NewRead("XRequest")}}
	for name, document := range map[string]string{
		"UTF-16":            "<\x00p\x00a\x00s\x00s\x00w\x00o\x00r\x00d\x00>\x00c\x00a\x00n\x00a\x00r\x00y\x00",
		"a hidden name":     "<a>&lt;pass&#119;ord>canary",
		"a foreign session": `<x><sessionId xmlns="">canary</sessionId>`,
		"a prefix":          `<p:nonce xmlns:p="u">canary</p:nonce>`,
		"a wrong end tag":   `<password></b>canary</password>`,
		"an encoding":       `<?xml version="1.0" encoding="windows-1252"?><password>canary`,
	} {
		t.Run(name, func(t *testing.T) {
			if got := wireReply([]byte(document), to, false); strings.Contains(got, "canary") {
				t.Error(got)
			}
		})
	}
}

func TestSecretsAreRemovedFromTracedRequests(t *testing.T) {
	document := outgoing{sessionID: "mine", commands: []Command{
		NewWrite("XRequest",
			Text("userId", "hunter2-canary is the user"), Text("password", "hunter2-canary"),
			Parent("auth", Parent("secretQuestion", Text("answer", "canary")), Nil("nonce"), Text("b", "<pwd>canary</pwd>")),
			Text("empty", "")),
		NewWrite("YRequest", Text("password", "canary"), Text("a", "b<")),
	}}
	got := wireRequest(document, Encoding{})
	if strings.Contains(got, "canary") || strings.Contains(got, "mine") {
		t.Error(got)
	}
	for _, kept := range []string{
		"<userId>[redacted] is the user</userId><password>[redacted]</password>", "<secretQuestion>[redacted]</secretQuestion>",
		`<nonce xsi:nil="true"/>`, "<b>&lt;pwd&gt;[redacted]&lt;/pwd&gt;</b>", "<empty/>", "<a>b&lt;</a></command></BroadsoftDocument>",
	} {
		if !strings.Contains(got, kept) {
			t.Errorf("%s is not in %s", kept, got)
		}
	}
	if document.commands[0].Elements()[1].Text != "hunter2-canary" {
		t.Error("the command was changed")
	}
}

// Whatever a document holds, what is in an element with a secret's name is not in the
// trace, and a document stays one that a session accepts.
func FuzzWireReply(f *testing.F) {
	f.Add([]byte(answeredWith("<a>b</a><password>canary1canary</password>")))
	f.Add([]byte(answeredWith(`<t><colHeading>Password</colHeading><row><col>canary1canary</col></row></t><x pwd='"'/><!-- -->`)))
	f.Add([]byte(answeredWith("<detail><![CDATA[<password>canary1canary]]></detail><b/>")))
	const canary = "canary1canary"
	f.Fuzz(func(t *testing.T, document []byte) {
		to := outgoing{sessionID: "mine", commands: []Command{NewRead("XRequest", Text("password", canary))}}
		_, err := ParseReplies(document)
		got := wireReply(document, to, err == nil)
		if strings.Contains(got, canary) {
			t.Errorf("the secret is in %q", got)
		}
		if _, after := ParseReplies([]byte(got)); err == nil && after != nil && len(document) < MaxWireText/8 && !bytes.Contains(document, []byte("encoding=")) {
			t.Errorf("%q became %q: %v", document, got, after)
		}
	})
}
