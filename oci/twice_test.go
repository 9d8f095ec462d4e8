package oci

import (
	"errors"
	"strings"
	"testing"
)

// Elements, attributes and headings that a document holds twice. To add a case, add a document
// to the table.

// A value that is there twice could be read in two ways, so the document is refused,
// whichever of the two comes first.
func TestWhatIsStatedTwiceIsRefused(t *testing.T) {
	const summaries = `<summary>[Error 1] a</summary><summaryEnglish>a</summaryEnglish>`
	both := func(a, b string) []string { return []string{a + " " + b, b + " " + a} }
	command := func(attributes, elements string) string {
		return wrap(`<command ` + attributes + ` xmlns:c="C" xmlns="">` + elements + `</command>`)
	}
	documents := map[string][]string{
		"the session id": {
			strings.Replace(wrap(success), `>s1</sessionId>`, `>s1</sessionId><sessionId xmlns="">s1</sessionId>`, 1),
			strings.Replace(wrap(success), `>s1</sessionId>`, `>s1</sessionId><sessionId xmlns="">s2</sessionId>`, 1),
			strings.Replace(wrap(success), `</Broad`, `<sessionId xmlns=""/></Broad`, 1),
		},
		"the tracking id": {
			wrap(`<trackingId xmlns="">a</trackingId><trackingId xmlns="">b</trackingId>` + success),
			wrap(`<trackingId xmlns=""/>` + success + `<trackingId xmlns="">b</trackingId>`),
		},
		"the protocol": {
			strings.Replace(wrap(success), `protocol="OCI"`, `protocol="OCI" protocol="OCI"`, 1),
			strings.Replace(wrap(success), `protocol="OCI"`, `protocol="OCI" protocol="OSS"`, 1),
		},
		"a prefix": {
			command(`xsi:type="c:SuccessResponse" xmlns:d="D" xmlns:d="C"`, ""),
			strings.Replace(wrap(success), `xmlns="C"`, `xmlns="C" xmlns="D"`, 1),
			strings.Replace(wrap(success), `xmlns:xsi=`, `xmlns:xsi="D" xmlns:xsi=`, 1),
		},
		"a heading": {
			reply("<t><colHeading>a</colHeading><colHeading>a</colHeading></t>"),
			reply("<t><colHeading>a</colHeading><colHeading>b</colHeading><colHeading>a</colHeading><row><col/><col/><col/></row></t>"),
			reply("<t><colHeading>a&amp;</colHeading><colHeading><![CDATA[a&]]></colHeading></t>"),
			reply("<t><colHeading/><colHeading></colHeading></t>"),
		},
	}
	add := func(name string, attributes []string, elements string) {
		for _, a := range attributes {
			documents[name] = append(documents[name], command(a, elements))
		}
	}
	add("the type", both(`xsi:type="c:SuccessResponse"`, `xsi:type="c:ErrorResponse"`), "")
	add("the type, under two prefixes", both(`xmlns:i="`+namespaceXSI+`" xsi:type="c:SuccessResponse"`, `i:type="c:ErrorResponse"`), summaries)
	add("the type, under two prefixes, the same", both(`xmlns:i="`+namespaceXSI+`" xsi:type="c:SuccessResponse"`, `i:type="c:SuccessResponse"`), "")
	add("an attribute of another namespace", both(`xmlns:i="D" xmlns:j="D" i:a="1" xsi:type="c:SuccessResponse"`, `j:a="2"`), "")
	add("the severity", both(`xsi:type="c:ErrorResponse" type="Error"`, `type="Warning"`), summaries)
	add("the echo", both(`xsi:type="c:SuccessResponse" echo="1"`, `echo="2"`), "")
	for _, element := range []string{"errorCode", "summary", "summaryEnglish", "detail"} {
		rest := strings.NewReplacer("<summary>[Error 1] a</summary>", "", "<summaryEnglish>a</summaryEnglish>", "").Replace(summaries)
		one, two := "<"+element+">1</"+element+">", "<"+element+">2</"+element+">"
		documents["the "+element] = []string{
			command(`xsi:type="c:ErrorResponse"`, rest+one+two), command(`xsi:type="c:ErrorResponse"`, two+rest+"<x/>"+one),
			command(`xsi:type="c:ErrorResponse"`, one+"<c:"+element+"/>"),
		}
	}
	for name, each := range documents {
		t.Run(name, func(t *testing.T) {
			for _, document := range each {
				replies, err := ParseReplies([]byte(document))
				if why, _ := whyRefused(err); why != RefusedTwice {
					t.Errorf("got %+v, %v (%s) for\n%s", replies, err, why, document)
				}
			}
		})
	}
}

// A declaration is no attribute, whatever namespace its prefix is bound to.
func TestThePrefixesOfXMLKeepTheirMeaning(t *testing.T) {
	const rest = ` xmlns:c="C" xmlns=""><summary>[Error 1] a</summary><summaryEnglish>a</summaryEnglish></command>`
	for _, attributes := range []string{
		`xmlns:xmlns="` + namespaceXSI + `" xmlns:type="c:SuccessResponse" xsi:type="c:ErrorResponse"`,
		`xsi:type="c:ErrorResponse" xmlns:type="c:SuccessResponse" xmlns:xmlns="` + namespaceXSI + `"`,
		`xmlns:xmlns="http://www.w3.org/2000/xmlns/" xsi:type="c:ErrorResponse"`,
		`xmlns:xml="` + namespaceXSI + `" xml:type="c:SuccessResponse"`,
		`xmlns:xml="" xsi:type="c:SuccessResponse"`,
	} {
		replies, err := ParseReplies([]byte(wrap(`<command ` + attributes + rest)))
		if why, _ := whyRefused(err); why != RefusedNotXML {
			t.Errorf("%s: got %+v, %v", attributes, replies, err)
		}
	}
	replies, err := ParseReplies([]byte(wrap(`<command xmlns:xml="` + namespaceXML + `" xml:lang="en" xmlns:type="D" xsi:type="c:ErrorResponse"` + rest)))
	if err != nil || replies[0].Name() != errorResponse {
		t.Errorf("got %+v, %v", replies, err)
	}
}

func TestWhatOnlyLooksTheSameIsAccepted(t *testing.T) {
	for name, document := range map[string]string{
		"a name of two namespaces":           wrap(`<command xmlns:i="D" xmlns:j="E" i:a="1" j:a="2" a="3" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`),
		"a type of another namespace":        wrap(`<command xmlns:i="D" i:type="x" type="y" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`),
		"a prefix that is bound once more":   wrap(`<command xmlns:i="` + namespaceXSI + `" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`),
		"a prefix of another namespace":      wrap(`<command xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""><a xmlns:c="D" c:b="" xsi:b=""/></command>`),
		"an element that is not read, often": reply("<a>1</a><a>2</a><b/><a/>"),
		"a heading of two tables":            reply("<t><colHeading>a</colHeading></t><u><colHeading>a</colHeading></u>"),
		"headings of other letters":          reply("<t><colHeading>a</colHeading><colHeading>A</colHeading><colHeading/></t>"),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseReplies([]byte(document)); err != nil {
				t.Error(err)
			}
			compareReaders(t, []byte(document))
		})
	}
}

func TestAnElementThatIsReadMustBeTheOnlyOne(t *testing.T) {
	replies, err := ParseReplies([]byte(reply(
		"<a>true</a><a>true</a><b>true</b><t><colHeading>a</colHeading></t><t><colHeading>b</colHeading></t><u><colHeading>a</colHeading></u><u/>")))
	if err != nil {
		t.Fatal(err)
	}
	r := replies[0]
	_, _, ofText := r.Text("a")
	_, _, ofBool := r.Bool("a")
	_, ofTable := r.Table("t")
	_, ofOther := r.Table("u")
	for _, err := range []error{ofText, ofBool, ofTable, ofOther} {
		protocol, ok := errors.AsType[*ProtocolError](err)
		if !ok || protocol.Refusal != RefusedTwice {
			t.Errorf("got %v", err)
		}
	}
	if value, present, err := r.Bool("b"); !value || !present || err != nil {
		t.Errorf("got %t, %t, %v", value, present, err)
	}
}

func TestAnIdentityIsStatedOnce(t *testing.T) {
	const good = "<loginType>Group</loginType><userId>u</userId><serviceProviderId>s</serviceProviderId><groupId>g</groupId><isEnterprise>false</isEnterprise><passwordExpiresDays>3</passwordExpiresDays>"
	who := func(elements string) (Identity, error) {
		replies, err := ParseReplies([]byte(reply(elements)))
		if err != nil {
			t.Fatal(err)
		}
		return IdentityOf(replies[0], "me")
	}
	if got, err := who(good); err != nil || got.GroupID != "g" || got.UserID != "u" || *got.PasswordExpiresDays != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, element := range []string{"loginType", "userId", "serviceProviderId", "groupId", "isEnterprise", "passwordExpiresDays"} {
		if got, err := who(good + "<" + element + ">true</" + element + ">"); err == nil {
			t.Errorf("%s twice: got %+v", element, got)
		}
	}
}

// A session is logged in with values that the platform has sent once.
func TestALoginThatIsStatedTwiceIsRefused(t *testing.T) {
	for name, twice := range map[string]struct{ command, response, elements string }{
		"the nonce":      {"AuthenticationRequest", "AuthenticationResponse", "<nonce>1</nonce><nonce>2</nonce><passwordAlgorithm>MD5</passwordAlgorithm>"},
		"the algorithm":  {"AuthenticationRequest", "AuthenticationResponse", "<nonce>1</nonce><passwordAlgorithm>MD5</passwordAlgorithm><passwordAlgorithm>MD5</passwordAlgorithm>"},
		"the login type": {"LoginRequest14sp4", "LoginResponse14sp4", "<loginType>System</loginType><loginType>User</loginType>"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &platform{}
			p.answer = func(p *platform, c *link, r asked) {
				if r.commands[0] == twice.command {
					c.reply(r, twice.response, twice.elements)
					return
				}
				wellAnswered(p, c, r)
			}
			run(t, p, nil, func(t *testing.T, c *Client) {
				_, err := c.Read(t.Context(), question)
				if why, _ := whyRefused(err); why != RefusedTwice || !NotDone(err) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestAReplyWithAnEmptyEchoBelongsToAnotherRequest(t *testing.T) {
	asked := outgoing{sessionID: "s1", echoes: []string{"1"}, commands: []Command{change}}
	for name, test := range map[string]struct {
		command string
		good    bool
	}{
		"success":            {`<command echo="" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`, false},
		"a refusal":          {`<command echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>[Error 1] a</summary></command>`, false},
		"a warning":          {`<command type="Warning" echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>[Warning 6004] a</summary></command>`, false},
		"a validation error": {`<command echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>[Error 6004] a</summary></command>`, true},
		"without an echo":    {`<command xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`, true},
	} {
		t.Run(name, func(t *testing.T) {
			document := wrap(test.command)
			in, err := newScanner(strings.NewReader(document), len(document)+1).document()
			if err != nil {
				t.Fatal(err)
			}
			_, err = in.match(asked)
			if why, _ := whyRefused(err); (err == nil) != test.good || !test.good && why != RefusedForeign {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestASeverityThatIsEmptyIsNoError(t *testing.T) {
	replies, err := ParseReplies([]byte(wrap(`<command type="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>[Error 1] a</summary></command>`)))
	if err != nil {
		t.Fatal(err)
	}
	if failure, ok := errors.AsType[*ErrorReply](replies[0].Err()); !ok || failure.Severity == SeverityError {
		t.Errorf("got %+v", failure)
	}
}
