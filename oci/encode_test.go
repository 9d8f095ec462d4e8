package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"
)

// Documents that the client writes. To add a case, add a document and the bytes that it must
// be written as.

func TestEncodeWritesTheDocumentedForm(t *testing.T) {
	document := outgoing{
		sessionID: "SESSION", trackingID: "track", echoes: []string{"7"},
		commands: []Command{NewWrite("GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest",
			append([]Element{Text("serviceProviderId", "ApioSpTest"), Text("groupId", "R&D <é>")},
				Texts("numberRangeStart", []string{"+3226127000", "+3226127007"})...)...)},
	}
	got, err := document.encode(Encoding{})
	if err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>` +
		`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<sessionId xmlns="">SESSION</sessionId><trackingId xmlns="">track</trackingId>` +
		`<command xsi:type="GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest" xmlns="" echo="7">` +
		`<serviceProviderId>ApioSpTest</serviceProviderId><groupId>R&amp;D &lt;é&gt;</groupId>` +
		`<numberRangeStart>+3226127000</numberRangeStart><numberRangeStart>+3226127007</numberRangeStart>` +
		`</command></BroadsoftDocument>`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEncodeWritesNilAndNested(t *testing.T) {
	document := outgoing{sessionID: "1", commands: []Command{
		NewWrite("UserRouteListModifyRequest", Nil("assignedNumberRangeStartList"),
			Parent("assignedNumberPrefixList", Text("numberPrefix", "+32-01"))),
	}}
	got, err := document.encode(Encoding{})
	if err != nil {
		t.Fatal(err)
	}
	want := `<sessionId xmlns="">1</sessionId><command xsi:type="UserRouteListModifyRequest" xmlns="">` +
		`<assignedNumberRangeStartList xsi:nil="true"/><assignedNumberPrefixList><numberPrefix>+32-01</numberPrefix></assignedNumberPrefixList></command>`
	if !strings.Contains(string(got), want) {
		t.Errorf("got %s", got)
	}
}

func TestEncodeRefuses(t *testing.T) {
	many := make([]Command, MaxCommands+1)
	for i := range many {
		many[i] = NewRead("XRequest")
	}
	if _, err := (outgoing{sessionID: "1", commands: many[1:]}).encode(Encoding{}); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	for name, commands := range map[string][]Command{
		"no command":          nil,
		"too many commands":   many,
		"a control character": {NewRead("XRequest", Text("a", "x\x00"))},
		"a carriage return":   {NewRead("XRequest", Text("a", "x\r"))},
		"half a surrogate":    {NewRead("XRequest", Text("a", "x\xed\xa0\x80"))},
		"a noncharacter":      {NewRead("XRequest", Parent("b", Text("a", "\uFFFE")))},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := (outgoing{sessionID: "1", commands: commands}).encode(Encoding{}); err == nil {
				t.Errorf("wrote %s", got)
			}
		})
	}
}

func TestEncodingsReadWhatTheyWrite(t *testing.T) {
	const text = "Müller ąęł\t€ 電話 \U0001F4DE \U00100000"
	for _, name := range []string{"UTF-8", "iso-8859-1", "ISO-8859-2", "ISO-8859-15"} {
		t.Run(name, func(t *testing.T) {
			encoding, err := EncodingByName(name)
			if err != nil {
				t.Fatal(err)
			}
			document := outgoing{sessionID: "1", commands: []Command{NewRead("XRequest", Text("a", text))}}
			encoded, err := document.encode(encoding)
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("encoding=%q", strings.ToUpper(name)); !bytes.Contains(encoded, []byte(want)) {
				t.Errorf("%s is not declared in %s", want, encoded)
			}
			tree := etree.NewDocument()
			tree.ReadSettings.CharsetReader = charsetReader
			if err := tree.ReadFromBytes(encoded); err != nil {
				t.Fatal(err)
			}
			if got := tree.FindElement("//a").Text(); got != text {
				t.Errorf("got %q, want %q", got, text)
			}
		})
	}
	if _, err := EncodingByName("UTF-16"); err == nil {
		t.Error("UTF-16 was accepted, in which a document's end cannot be found")
	}
}

// FuzzEncode compares what is written with what etree reads from it.
func FuzzEncode(f *testing.F) {
	for i, text := range []string{"ApioSpTest", "R&D <é> \"'", "]]>", " \t\n", "電話", "\x00", "\r", "\xff", ""} {
		f.Add("session", text, "nested", uint8(i))
	}
	encodings := []string{"UTF-8", "ISO-8859-1", "ISO-8859-2", "ISO-8859-15"}
	f.Fuzz(func(t *testing.T, session, text, nested string, which uint8) {
		encoding, err := EncodingByName(encodings[int(which)%len(encodings)])
		if err != nil {
			t.Fatal(err)
		}
		document := outgoing{sessionID: session, trackingID: text, echoes: []string{"1"}, commands: []Command{
			NewRead("XRequest", Text("a", text), Parent("b", Text("c", nested), Nil("d"))),
		}}
		encoded, err := document.encode(encoding)
		good := checkText(session) == nil && checkText(text) == nil && checkText(nested) == nil
		if good != (err == nil) {
			t.Fatalf("texts are good: %t, got %v", good, err)
		}
		if !good {
			return
		}
		tree := etree.NewDocument()
		tree.ReadSettings.CharsetReader = charsetReader
		if err := tree.ReadFromBytes(encoded); err != nil {
			t.Fatalf("%v in %q", err, encoded)
		}
		for path, want := range map[string]string{"//sessionId": session, "//trackingId": text, "//a": text, "//b/c": nested, "//b/d": ""} {
			e := tree.FindElement(path)
			if e == nil && path == "//trackingId" && want == "" {
				continue
			}
			if e == nil || e.Text() != want || len(e.ChildElements()) > 0 {
				t.Fatalf("%s is not %q in %q", path, want, encoded)
			}
		}
	})
}

func TestCanEncode(t *testing.T) {
	latin1, err := EncodingByName("ISO-8859-1")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"": true, "Müller": true, "ąę": false, "\xff": false} {
		if got := latin1.CanEncode(text); got != want {
			t.Errorf("%q: got %t", text, got)
		}
	}
	if !(Encoding{}).CanEncode("ąę電") {
		t.Error("UTF-8 cannot hold what it can")
	}
	if (Encoding{}).CanEncode("\xff") {
		t.Error("UTF-8 can hold what it cannot")
	}
}

func TestSignPassword(t *testing.T) {
	if got := SignPassword("1493661742798", "secret"); got != "0da3b25417a4ad1fdc162645208f211a" {
		t.Errorf("got %s", got)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	endpoint := Endpoint{Address: "x:1", Password: "hunter2"}
	if text, err := json.Marshal(endpoint.Password); err != nil || string(text) != `"[redacted]"` {
		t.Errorf("JSON has %s, %v", text, err)
	}
	login := NewRead("LoginRequest22V5", Text("password", "hunter2"))
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{endpoint, &endpoint, endpoint.Password, []Secret{"hunter2"}, login, []Command{login}} {
			got := fmt.Sprintf(format, value)
			if strings.Contains(got, "hunter2") || strings.Contains(got, fmt.Sprintf("%x", "hunter2")) {
				t.Errorf("%s prints %s", format, got)
			}
		}
	}
}

func TestNotDone(t *testing.T) {
	lost := &LostError{Err: errors.New("x")}
	_, unwritable := (&session{endpoint: newEndpoint(Endpoint{}, &Options{})}).newExchange(outgoing{commands: []Command{NewWrite("X", Text("a", "\x00"))}})
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"nothing was sent":                     {fmt.Errorf("y: %w", &UnsentError{Err: errors.New("x")}), true},
		"the answer is lost":                   {fmt.Errorf("y: %w", lost), false},
		"the client is closed":                 {ErrClosed, true},
		"all sessions are busy":                {fmt.Errorf("%w: %w", ErrBusy, context.Canceled), true},
		"refused, not logged in":               {fmt.Errorf("%w: %w", ErrNotLoggedIn, &ErrorReply{Number: 1}), true},
		"no session":                           {&UnavailableError{}, true},
		"no session, since a login was lost":   {&UnavailableError{Err: &ConnectError{Err: lost}}, true},
		"what is not XML":                      {unwritable, true},
		"lost when the client was closed":      {&LostError{Err: ErrClosed}, false},
		"lost, beside one that was not sent":   {errors.Join(&UnsentError{Err: errors.New("x")}, lost), false},
		"lost, behind one that was not sent":   {&UnsentError{Err: lost}, false},
		"lost, beside no session":              {errors.Join(&UnavailableError{Err: lost}, lost), false},
		"lost, and a sentinel wrapped with it": {fmt.Errorf("%w: %w", ErrNotLoggedIn, lost), false},
		"an unknown error":                     {errors.New("x"), false},
		"an unknown error that wraps none":     {fmt.Errorf("x: %w", error(nil)), false},
		"the end of a context":                 {context.DeadlineExceeded, false},
		"a refusal":                            {&ErrorReply{Number: 1}, false},
		"a failed try to log in":               {&ConnectError{Err: errors.New("x")}, false},
		"no error":                             {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := NotDone(test.err); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
