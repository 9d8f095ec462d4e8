package oci

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// The limits of a document: one that reaches a limit is read, one that exceeds it is refused.
// To add a limit, add both documents to the table.

// reply returns a document with one reply that holds those elements.
func reply(elements string) string {
	return wrap(`<command xsi:type="XResponse" xmlns="">` + elements + `</command>`)
}

func columns(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<colHeading>%d</colHeading>", i)
	}
	return b.String()
}

func TestADocumentAtALimitIsReadAndOneBeyondIsRefused(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	manyTexts := func(last int) string {
		return strings.Repeat("<a>"+x(maxText)+"</a>", maxTexts/maxText-1) + "<a>" + x(maxText-1) + "</a><a>" + x(last) + "</a>"
	}
	wide := func(n int) string {
		row := strings.Repeat("<col>"+x(maxCell)+"</col>", maxRow/maxCell-1) + "<col>" + x(maxCell-1) + "</col><col>" + x(n) + "</col>"
		return "<t>" + columns(maxRow/maxCell+1) + "<row>" + row + "</row></t>"
	}
	for name, test := range map[string]struct {
		good, bad string
		why       Refusal
	}{
		"elements":       {strings.Repeat("<a/>", maxElements), strings.Repeat("<a/>", maxElements+1), RefusedElements},
		"inner elements": {"<a>" + strings.Repeat("<b/>", maxElements-1) + "</a>", "<a>" + strings.Repeat("<b/>", maxElements) + "</a>", RefusedElements},
		"deep elements":  {strings.Repeat("<a><b><c/></b></a>", maxElements/3) + "<a/>", strings.Repeat("<a><b><c/></b></a>", maxElements/3) + "<a><b/></a>", RefusedElements},
		"inner tables": {
			"<a><b/>" + strings.Repeat("<t><colHeading/></t>", maxTables) + "</a>",
			"<a><b/>" + strings.Repeat("<t><colHeading/></t>", maxTables-1) + "</a>" + strings.Repeat("<t><colHeading/></t>", 2), RefusedElements,
		},
		"all inner texts": {"<b>" + manyTexts(1) + "</b>", "<b>" + manyTexts(2) + "</b>", RefusedText},
		"tables":          {strings.Repeat("<t><colHeading/></t>", maxTables), strings.Repeat("<t><colHeading/></t>", maxTables+1), RefusedElements},
		"columns":         {"<t>" + columns(maxColumns) + "</t>", "<t>" + columns(maxColumns+1) + "</t>", RefusedElements},
		"a text":          {"<a>" + x(maxText) + "</a>", "<a>" + x(maxText+1) + "</a>", RefusedText},
		"a CDATA section": {"<a><![CDATA[" + x(maxText) + "]]></a>", "<a><![CDATA[" + x(maxText+1) + "]]></a>", RefusedText},
		"a text inside":   {"<a><b>" + x(maxText) + "</b></a>", "<a><b>" + x(maxText+1) + "</b></a>", RefusedText},
		"all texts":       {manyTexts(1), manyTexts(2), RefusedText},
		"blanks":          {strings.Repeat(" ", maxText) + "<a/>", strings.Repeat(" ", maxText+1) + "<a/>", RefusedText},
		"a heading":       {"<t><colHeading>" + x(maxCell) + "</colHeading></t>", "<t><colHeading>" + x(maxCell+1) + "</colHeading></t>", RefusedText},
		"a cell":          {"<t>" + columns(1) + "<row><col>" + x(maxCell) + "</col></row></t>", "<t>" + columns(1) + "<row><col>" + x(maxCell+1) + "</col></row></t>", RefusedText},
		"a row":           {wide(1), wide(2), RefusedText},
		"a name":          {"<" + x(maxName) + "/>", "<" + x(maxName+1) + "/>", RefusedText},
		"an attribute":    {"<a " + x(maxName) + "=''/>", "<a " + x(maxName+1) + "=''/>", RefusedText},
	} {
		t.Run(name, func(t *testing.T) {
			compare := func(document string) bool {
				got, _, err := scanned(strings.NewReader(document), len(document)+1)
				return err == nil && len(got.Commands) == 1
			}
			if _, err := ParseReplies([]byte(reply(test.good))); err != nil || !compare(reply(test.good)) {
				t.Errorf("one less is refused: %v", err)
			}
			_, err := ParseReplies([]byte(reply(test.bad)))
			if why, _ := whyRefused(err); why != test.why || !errors.Is(err, ErrReplyTooLarge) {
				t.Errorf("got %v (%s), want %s", err, why, test.why)
			}
		})
	}
}

func TestATextOfARefusalIsCutIfItIsTooLong(t *testing.T) {
	refusal := func(summary string) string {
		return wrap(`<command type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>` + summary + `</summary><summaryEnglish>no</summaryEnglish></command>`)
	}
	long := strings.Repeat("x", 5<<20)
	for name, summary := range map[string]string{"text": long, "CDATA": "<![CDATA[" + long + "]]>"} {
		s := newScanner(strings.NewReader(refusal("[Error 7] "+summary)), 16<<20)
		in, err := s.document()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a := in.commands[0]
		if got := len(a.children[0].text); got > maxRefusalText {
			t.Errorf("%s: %d bytes are kept", name, got)
		}
		if a.failure.Number != 7 || a.failure.SummaryEnglish != "no" {
			t.Errorf("%s: number %d, in English %q", name, a.failure.Number, a.failure.SummaryEnglish)
		}
	}
	for _, mixed := range []string{"x<a/>", strings.Repeat(" ", maxRefusalText) + "x<a/>"} {
		if _, err := ParseReplies([]byte(refusal(mixed))); err == nil {
			t.Errorf("text beside an element is taken behind %d bytes", len(mixed))
		}
	}
}

// longAnswer answers with a document of that many bytes, most of them in elements that no
// caller reads.
func longAnswer(c *link, r asked, name, children string, size int) {
	long := "<b>" + strings.Repeat("x", 1000) + "</b>"
	c.reply(r, name, children+"<a>"+strings.Repeat(long, 1+size/len(long))+"</a>")
}

func TestAnswersAboutTheSessionAreSmall(t *testing.T) {
	const long = maxSessionReply + scanBuffer
	answers := map[string]string{
		"AuthenticationRequest":           "AuthenticationResponse",
		"LoginRequest14sp4":               "LoginResponse14sp4",
		"SystemSoftwareVersionGetRequest": "SystemSoftwareVersionGetResponse",
	}
	for command, name := range answers {
		t.Run(command, func(t *testing.T) {
			p := &platform{}
			p.answer = func(p *platform, c *link, r asked) {
				if r.commands[0] == command {
					longAnswer(c, r, name, "<nonce>1</nonce><loginType>System</loginType><version>24</version>", long)
					return
				}
				wellAnswered(p, c, r)
			}
			run(t, p, func(o *Options) { o.Release = ReleaseUnknown }, func(t *testing.T, c *Client) {
				_, err := c.Read(t.Context(), question)
				if !errors.Is(err, ErrReplyTooLarge) || !NotDone(err) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
	t.Run("a probe", func(t *testing.T) {
		p := &platform{}
		p.answer = func(p *platform, c *link, r asked) {
			if r.commands[0] == validityCommand {
				longAnswer(c, r, "c:SuccessResponse", "", long)
				return
			}
			wellAnswered(p, c, r)
		}
		ended := make(chan error, 1)
		run(t, p, func(o *Options) {
			o.Trace.SessionClosed = func(_ string, why CloseReason, err error) {
				if why == ClosedBroken {
					ended <- err
				}
			}
		}, func(t *testing.T, c *Client) {
			if _, err := c.Read(t.Context(), question); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			if err := <-ended; !errors.Is(err, ErrReplyTooLarge) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("a verification", func(t *testing.T) {
		p := &platform{}
		p.answer = func(p *platform, c *link, r asked) {
			if strings.HasPrefix(r.commands[0], "AuthenticationVerify") {
				longAnswer(c, r, responseName(r.commands[0]), "<loginType>System</loginType>", long)
				return
			}
			wellAnswered(p, c, r)
		}
		run(t, p, nil, func(t *testing.T, c *Client) {
			_, err := c.VerifyByCommand(t.Context(), "user", "secret")
			if !errors.Is(err, ErrReplyTooLarge) || NotDone(err) {
				t.Errorf("got %v", err)
			}
			if _, _, _, received := p.counts(); len(received) != 1 {
				t.Errorf("it was verified again: %v", received)
			}
		})
	})
	t.Run("any other answer", func(t *testing.T) {
		p := &platform{}
		p.answer = func(p *platform, c *link, r asked) {
			if r.commands[0] == question.Name() {
				longAnswer(c, r, "SystemGetResponse", "", 10*long)
				return
			}
			wellAnswered(p, c, r)
		}
		run(t, p, nil, func(t *testing.T, c *Client) {
			for range 2 { // the limit of one reply is not that of the next
				if _, err := c.Read(t.Context(), question); err != nil {
					t.Error(err)
				}
				time.Sleep(2 * time.Minute) // for a probe
			}
		})
	})
}

func TestAReplyBeyondALimitIsNotReadAgainAndClosesItsSession(t *testing.T) {
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) {
		if r.commands[0] == question.Name() || r.commands[0] == change.Name() {
			c.reply(r, "c:SuccessResponse", strings.Repeat("<a/>", maxElements+1))
			return
		}
		wellAnswered(p, c, r)
	}
	run(t, p, nil, func(t *testing.T, c *Client) {
		_, err := c.Read(t.Context(), question)
		limit, ok := errors.AsType[*ReplyLimitError](err)
		if !ok || limit.Refusal != RefusedElements || limit.Limit != maxElements || NotDone(err) {
			t.Errorf("read: %v", err)
		}
		_, err = c.Write(t.Context(), change, nil)
		if _, lost := errors.AsType[*LostError](err); !lost || !errors.Is(err, ErrReplyTooLarge) || NotDone(err) {
			t.Errorf("write: %v", err)
		}
		if logins, _, _, received := p.counts(); logins != 2 || len(received) != 2 {
			t.Errorf("%d logins, received %v", logins, received)
		}
	})
}
