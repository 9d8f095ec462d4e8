package ocisim_test

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies documents: the forms that the platform accepts, the form of its
// replies, and what it does with documents that are not valid. A new case is a
// row of the test with the matching name.

const wrapper = `<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`

// TestDocumentsOfOtherClients sends the same request in the forms that XML allows
// and that the published clients use.
func TestDocumentsOfOtherClients(t *testing.T) {
	const plain = `<sessionId xmlns="">s-1</sessionId><command xsi:type="AuthenticationRequest" xmlns=""><userId>gateway</userId></command></BroadsoftDocument>`
	for name, raw := range map[string]string{
		"no declaration":               wrapper + plain,
		"a newline after the document": wrapper + plain + "\r\n",
		"white space before":           " \r\n\t" + wrapper + plain,
		"UTF-8":                        `<?xml version="1.0" encoding="UTF-8"?>` + wrapper + plain,
		"ISO-8859-2 in lower case":     `<?xml version='1.0' encoding='iso-8859-2'?>` + wrapper + plain,
		"apostrophes":                  strings.ReplaceAll(wrapper+plain, `"`, `'`),
		"attributes in another order": `<BroadsoftDocument xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns="C" protocol="OCI">` +
			`<sessionId xmlns="">s-1</sessionId><command xmlns="" echo="" xsi:type="AuthenticationRequest"><userId>gateway</userId></command></BroadsoftDocument>`,
		"a prefixed root": `<c:BroadsoftDocument protocol="OCI" xmlns:c="C"><sessionId>s-1</sessionId>` +
			`<command i:type="AuthenticationRequest" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><userId>gateway</userId></command></c:BroadsoftDocument>`,
		"C as the prefix of xsi": `<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:C="http://www.w3.org/2001/XMLSchema-instance">` +
			`<sessionId xmlns="">s-1</sessionId><command C:type="AuthenticationRequest" xmlns=""><userId>gateway</userId></command></BroadsoftDocument>`,
		"a prefixed type": `<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:o="">` +
			`<sessionId xmlns="">s-1</sessionId><command xsi:type="o:AuthenticationRequest" xmlns=""><userId>gateway</userId></command></BroadsoftDocument>`,
		"indentation, a comment and blanks in values": wrapper + "\n  <sessionId xmlns=\"\">\n s-1 </sessionId>\n  <!-- hello -->\n  " +
			"<command xsi:type=\" AuthenticationRequest \" xmlns=\"\">\n    <userId>\n gateway\t</userId>\n  </command>\n</BroadsoftDocument>",
		"CDATA and references": wrapper + `<sessionId xmlns="">s&#45;1</sessionId><command xsi:type="AuthenticationRequest" xmlns=""><userId><![CDATA[gate]]>wa&#x79;</userId></command></BroadsoftDocument>`,
	} {
		t.Run("accepts "+name, func(t *testing.T) {
			c := connect(t, newPlatform(t))
			for range 2 { // the second shows that no byte of the first is left unread
				reply := c.exchange(raw)
				got := reply.all("command")[0]
				if reply.get("sessionId") != "s-1" || got.kind() != "AuthenticationResponse" || got.get("userId") != "gateway" {
					t.Errorf("replied %+v", reply)
				}
			}
		})
	}
}

func TestDocumentInPieces(t *testing.T) {
	c := connect(t, newPlatform(t))
	for _, b := range []byte(c.document(command("AuthenticationRequest", text("userId", "gateway")))) {
		c.send(string(b))
	}
	if got := parse(t, c.read()).all("command")[0].kind(); got != "AuthenticationResponse" {
		t.Errorf("replied %s", got)
	}
}

func TestDocumentsSentAhead(t *testing.T) {
	s := ocisim.NewServer(ocisim.DemoSeed())
	defer func() { _ = s.Close() }() // never fails
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, conn)
	document := c.document(command("AuthenticationRequest", text("userId", "gateway")))
	c.send(document + document)
	c.read()
	c.read()
}

func TestFormOfReplies(t *testing.T) {
	authentication := command("AuthenticationRequest", text("userId", "gateway"))
	failing := `<command xsi:type="NoSuchRequest" echo="a&lt;&quot;é" xmlns=""/>`
	latin1 := strings.ReplaceAll(failing, "é", "\xe9")
	const references = `<command xsi:type="NoSuchRequest" echo="&#337;&#241;" xmlns=""/>`
	const head = `<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><sessionId xmlns="">s-1</sessionId>`
	const failure = `xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">`
	const summary = `<summary>[Error 6004] OCI XML Request validation error</summary><summaryEnglish>[Error 6004] OCI XML Request validation error</summaryEnglish><detail><![CDATA[Invalid xsi:type qname: 'NoSuchRequest' in element BroadsoftDocument@C` + "\n"
	const end = `]]></detail></command></BroadsoftDocument>`
	for _, tt := range []struct {
		name     string
		settings func(*ocisim.Settings)
		commands string
		want     string
	}{
		{
			name:     "success is one line after the declaration",
			commands: command("LogoutRequest", text("userId", "gateway")),
			want:     `<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n" + head + `<command echo="" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/></BroadsoftDocument>`,
		}, {
			name:     "an error has its number in the summary and the echo as it was sent",
			commands: failing,
			want:     `<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n" + head + `<command type="Error" echo="a&lt;&quot;` + "\xe9" + `" ` + failure + summary + latin1 + end,
		}, {
			name:     "UTF-8 and errorCode",
			settings: func(s *ocisim.Settings) { s.Encoding, s.ErrorCode = "UTF-8", true },
			commands: failing,
			want:     `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + head + `<command type="Error" echo="a&lt;&quot;é" ` + failure + "<errorCode>6004</errorCode>" + summary + failing + end,
		}, {
			name:     "characters outside of the encoding are references",
			settings: func(s *ocisim.Settings) { s.Encoding = "ISO-8859-2" },
			commands: references,
			want:     `<?xml version="1.0" encoding="ISO-8859-2"?>` + "\n" + head + `<command type="Error" echo="` + "\xf5" + `&#241;" ` + failure + summary + references + end,
		}, {
			name:     "the tracking id is returned",
			commands: `<trackingId xmlns="">t-7</trackingId>` + failing,
			want: `<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n" + head + `<trackingId xmlns="">t-7</trackingId>` +
				`<command type="Error" echo="a&lt;&quot;` + "\xe9" + `" ` + failure + summary + latin1 + end,
		}, {
			name:     "echo and tracking id are omitted as configured",
			settings: func(s *ocisim.Settings) { s.OmitEcho, s.OmitTracking = true, true },
			commands: `<trackingId xmlns="">t-7</trackingId>` + failing,
			want:     `<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n" + head + `<command type="Error" ` + failure + summary + latin1 + end,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, newPlatform(t, func(s *ocisim.Seed) {
				if tt.settings != nil {
					tt.settings(&s.Platform)
				}
			}))
			raw := strings.Replace(c.document(tt.commands), "ISO-8859-1", "UTF-8", 1)
			c.send(raw)
			if diff := cmp.Diff(tt.want, string(c.read())); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("several commands have their replies in order", func(t *testing.T) {
		c := connect(t, newPlatform(t))
		var got []string
		for _, a := range c.exchange(c.document(authentication + failing + authentication)).all("command") {
			got = append(got, a.kind())
		}
		if diff := cmp.Diff([]string{"AuthenticationResponse", "c:ErrorResponse", "AuthenticationResponse"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// writes is a connection that reports the size of each write.
type writes struct {
	net.Conn
	sizes chan int
}

func (w writes) Write(b []byte) (int, error) {
	w.sizes <- len(b)
	return w.Conn.Write(b)
}

func TestOneWritePerDocument(t *testing.T) {
	p := newPlatform(t)
	near, far := net.Pipe()
	sizes := make(chan int, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.ServeConn(writes{far, sizes})
	}()
	c := newClient(t, near)
	c.send(c.document(command("AuthenticationRequest", text("userId", "gateway"))))
	document := c.read()
	_ = near.Close()
	<-ended
	close(sizes)
	if first := <-sizes; first != len(document)+1 {
		t.Errorf("the first write had %d bytes, document and newline have %d", first, len(document)+1)
	}
	if more, ok := <-sizes; ok {
		t.Errorf("there was another write of %d bytes", more)
	}
}

func TestInvalidDocuments(t *testing.T) {
	one := command("AuthenticationRequest", text("userId", "gateway"))
	session := `<sessionId xmlns="">s-1</sessionId>`
	for _, tt := range []struct{ name, raw, detail string }{
		{"another root", `<Hello/>`, "the root element is not BroadsoftDocument in the namespace C"},
		{"a root without the namespace", `<BroadsoftDocument protocol="OCI" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` + session + one + `</BroadsoftDocument>`, "the root element is not BroadsoftDocument in the namespace C"},
		{"another protocol", strings.Replace(wrapper, `"OCI"`, `"OCX"`, 1) + session + one + `</BroadsoftDocument>`, "the attribute protocol is not OCI"},
		{"no session id", wrapper + one + `</BroadsoftDocument>`, "element sessionId is missing, empty or in another namespace"},
		{"a session id in another namespace", wrapper + `<sessionId xmlns="D">s-1</sessionId>` + one + `</BroadsoftDocument>`, "element sessionId is missing, empty or in another namespace"},
		{"no command", wrapper + session + `</BroadsoftDocument>`, "a document must hold a command"},
		{"sixteen commands", wrapper + session + strings.Repeat(one, 16) + `</BroadsoftDocument>`, "a document must not hold more than 15 commands"},
		{"an element that is not a command", wrapper + session + one + `<other xmlns=""/></BroadsoftDocument>`, "element other is not expected in a document"},
		{"a command in another namespace", wrapper + session + `<command xsi:type="AuthenticationRequest" xmlns="D"/></BroadsoftDocument>`, "element command is in another namespace"},
		{"a command without a type", wrapper + session + `<command xmlns=""/></BroadsoftDocument>`, "a command has no xsi:type, or one with an unknown prefix"},
		{"a type with an unknown prefix", wrapper + session + command("x:AuthenticationRequest", "") + `</BroadsoftDocument>`, "a command has no xsi:type, or one with an unknown prefix"},
		{"text beside elements", wrapper + session + command("AuthenticationRequest", "hello "+text("userId", "gateway")) + `</BroadsoftDocument>`, "element command holds text beside elements"},
		{"an element in another namespace", wrapper + session + `<command xsi:type="AuthenticationRequest" xmlns=""><userId xmlns="D">gateway</userId></command></BroadsoftDocument>`, "element userId is in another namespace"},
	} {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			c := connect(t, newPlatform(t))
			replies := c.exchange(tt.raw).all("command")
			if len(replies) != 1 || replies[0].number() != 6004 || replies[0].reason() != tt.detail {
				t.Fatalf("replied %+v", replies)
			}
			if got := c.one("AuthenticationRequest", text("userId", "gateway")).kind(); got != "AuthenticationResponse" {
				t.Errorf("the reply to the next document is %s", got)
			}
		})
	}
	t.Run("accepts a document with all elements in the namespace C", func(t *testing.T) {
		c := connect(t, newPlatform(t))
		replies := c.exchange(wrapper + `<sessionId>s-1</sessionId><command xsi:type="AuthenticationRequest"><userId>gateway</userId></command></BroadsoftDocument>`).all("command")
		if len(replies) != 1 || replies[0].kind() != "AuthenticationResponse" {
			t.Errorf("replied %+v", replies)
		}
	})
	t.Run("accepts fifteen commands", func(t *testing.T) {
		c := connect(t, newPlatform(t))
		if got := len(c.exchange(wrapper + session + strings.Repeat(one, 15) + `</BroadsoftDocument>`).all("command")); got != 15 {
			t.Errorf("%d replies", got)
		}
	})
}

func TestUnreadableDocuments(t *testing.T) {
	for name, raw := range map[string]string{
		"text":                       `hello`,
		"text before the root":       `<?xml version="1.0"?>hello<a/>`,
		"tags that do not match":     `<a><b></a></b>`,
		"a DOCTYPE":                  `<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`,
		"a DOCTYPE without entities": `<!DOCTYPE a><a/>`,
		"an unknown entity":          `<a>&x;</a>`,
		"an unknown encoding":        `<?xml version="1.0" encoding="EBCDIC"?><a/>`,
		"bytes that are not UTF-8":   "<a>\xff</a>",
		"a document without end":     wrapper + strings.Repeat("<a>x</a>", 1000),
	} {
		t.Run("closes the connection after "+name, func(t *testing.T) {
			c := connect(t, newPlatform(t, func(s *ocisim.Seed) { s.Platform.MaxDocument = 1000 }))
			// The platform may close the connection before it has read everything.
			go func() { _, _ = c.conn.Write([]byte(raw)) }()
			c.mustBeClosed()
		})
	}
}

func TestSessionID(t *testing.T) {
	p := newPlatform(t)
	c := login(t, p, "gateway")
	c.id = "s-2"
	if got := c.one("VerifySessionIsValidRequest", "").number(); got != 9901 {
		t.Errorf("another session id on the connection: %d", got)
	}
	c.id = "s-1"
	if got := c.one("VerifySessionIsValidRequest", "").number(); got != 0 {
		t.Errorf("the connection's session id: %d", got)
	}
}
