package ocisim_test

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/text/encoding/charmap"

	"ocigate/oci/ocisim"
)

// This file has the client of the tests in this package. It does not share code with
// package oci, so that an error in one does not hide the same error in the other.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newPlatform returns a platform with the demonstration's seed after the edits. It
// is closed at the end of the test.
func newPlatform(t *testing.T, edits ...func(*ocisim.Seed)) *ocisim.Platform {
	t.Helper()
	seed := ocisim.DemoSeed()
	for _, edit := range edits {
		edit(&seed)
	}
	p, err := ocisim.New(seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// inject injects a fault that is given in its text form.
func inject(t *testing.T, p *ocisim.Platform, text string) *ocisim.Injection {
	t.Helper()
	f, err := ocisim.ParseFault(text)
	if err != nil {
		t.Fatal(err)
	}
	i, err := p.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// client is a client that shares no code with package oci: it sends strings.
type client struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	id   string
}

func connect(t *testing.T, p *ocisim.Platform) *client {
	t.Helper()
	conn, err := p.Dial(t.Context(), "tcp", "anything")
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn)
}

func newClient(t *testing.T, conn net.Conn) *client {
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t: t, conn: conn, r: bufio.NewReader(conn), id: "s-1"}
}

// login returns a client that is connected and logged in as a user of the
// demonstration.
func login(t *testing.T, p *ocisim.Platform, user string) *client {
	t.Helper()
	c := connect(t, p)
	if reply := c.login(user, user+"-demo"); reply.number() != 0 {
		t.Fatalf("login of %s: %s", user, reply.get("summary"))
	}
	return c
}

// login logs in with a signed password and returns the reply.
func (c *client) login(user, password string) element {
	c.t.Helper()
	nonce := c.one("AuthenticationRequest", text("userId", user)).get("nonce")
	return c.one("LoginRequest14sp4", text("userId", user)+text("signedPassword", sign(nonce, password)))
}

func sign(nonce, password string) string {
	inner := sha1.Sum([]byte(password))
	outer := md5.Sum([]byte(nonce + ":" + hex.EncodeToString(inner[:])))
	return hex.EncodeToString(outer[:])
}

// document returns a document with commands in the form that most clients use.
func (c *client) document(commands string) string {
	return `<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n" +
		`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<sessionId xmlns="">` + c.id + `</sessionId>` + commands + `</BroadsoftDocument>`
}

func command(name, inner string) string {
	return `<command xsi:type="` + name + `" xmlns="">` + inner + `</command>`
}

func text(name, value string) string { return "<" + name + ">" + value + "</" + name + ">" }

func texts(name string, values ...string) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(text(name, v))
	}
	return b.String()
}

func ids(tenant, group string) string {
	return text("serviceProviderId", tenant) + text("groupId", group)
}

// one sends one command and returns the reply.
func (c *client) one(name, inner string) element {
	c.t.Helper()
	return c.exchange(c.document(command(name, inner))).all("command")[0]
}

// exchange sends bytes and returns the document of replies.
func (c *client) exchange(raw string) element {
	c.t.Helper()
	c.send(raw)
	return parse(c.t, c.read())
}

func (c *client) send(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, raw); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
}

// read reads a document and the newline after it.
func (c *client) read() []byte {
	c.t.Helper()
	document, err := c.tryRead()
	if err != nil {
		c.t.Fatalf("reading: %v after %q", err, document)
	}
	if b, err := c.r.ReadByte(); err != nil || b != '\n' {
		c.t.Fatalf("after the document: %q, %v, want a newline", b, err)
	}
	return document
}

// tryRead reads a document up to its end tag. The detail of an error may have
// another end tag in CDATA.
func (c *client) tryRead() ([]byte, error) {
	var document []byte
	inCDATA := func() bool {
		return bytes.LastIndex(document, []byte("<![CDATA[")) > bytes.LastIndex(document, []byte("]]>"))
	}
	for !bytes.HasSuffix(document, []byte("</BroadsoftDocument>")) || inCDATA() {
		b, err := c.r.ReadByte()
		if err != nil {
			return document, err
		}
		document = append(document, b)
	}
	return document, nil
}

// mustBeClosed fails the test unless the platform closes the connection without
// sending another byte.
func (c *client) mustBeClosed() {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if err != nil || len(rest) > 0 {
		c.t.Fatalf("read %q, %v, want the end of the connection", rest, err)
	}
}

// element is an element of a reply.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

func parse(t *testing.T, document []byte) element {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(document))
	decoder.CharsetReader = func(label string, r io.Reader) (io.Reader, error) {
		set := map[string]*charmap.Charmap{"ISO-8859-1": charmap.ISO8859_1, "ISO-8859-2": charmap.ISO8859_2}[label]
		return set.NewDecoder().Reader(r), nil
	}
	var root element
	if err := decoder.Decode(&root); err != nil {
		t.Fatalf("%v in %q", err, document)
	}
	return root
}

func (e element) all(name string) []element {
	var found []element
	for _, c := range e.Children {
		if c.XMLName.Local == name {
			found = append(found, c)
		}
	}
	return found
}

func (e element) get(name string) string {
	for _, c := range e.all(name) {
		return c.Text
	}
	return ""
}

func (e element) attr(space, name string) string {
	for _, a := range e.Attrs {
		if a.Name.Space == space && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// kind returns the xsi:type.
func (e element) kind() string { return e.attr("http://www.w3.org/2001/XMLSchema-instance", "type") }

// number returns the number of an error; 0 for other replies.
func (e element) number() (n int) {
	if e.kind() == "c:ErrorResponse" {
		_, _ = fmt.Sscanf(e.get("summary"), "["+e.attr("", "type")+" %d]", &n)
	}
	return n
}

// reason returns the reason in the detail of an error, which the refused text
// follows.
func (e element) reason() string {
	reason, _, _ := strings.Cut(e.get("detail"), "\n")
	return reason
}

// rows returns a table's rows with cells joined by "|".
func (e element) rows(table string) []string {
	found := []string{}
	for _, t := range e.all(table) {
		for _, row := range t.all("row") {
			found = append(found, row.joined("col"))
		}
	}
	return found
}

func (e element) headings(table string) string {
	for _, t := range e.all(table) {
		return t.joined("colHeading")
	}
	return ""
}

func (e element) joined(name string) string {
	var cells []string
	for _, c := range e.all(name) {
		cells = append(cells, c.Text)
	}
	return strings.Join(cells, "|")
}
