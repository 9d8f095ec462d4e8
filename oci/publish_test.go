package oci

import (
	"errors"
	"html"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"unicode/utf8"
)

// The length of the platform's texts that the package returns. To add a case, add a text to
// the tables; a secret must not be visible wherever a text is cut.

func TestTextsOfThePlatformAreCutAndMarked(t *testing.T) {
	for name, text := range map[string]string{
		"letters":     strings.Repeat("x", 5<<20),
		"characters":  strings.Repeat("é", maxPublished),
		"others":      "x" + strings.Repeat("€", maxPublished),
		"one too far": strings.Repeat("x", maxPublished+1),
		"many secret": strings.Repeat("<password>x</password>é", maxPublished),
	} {
		got := publishable(text, nil)
		if len(got) > maxPublished || !utf8.ValidString(got) || !strings.HasSuffix(got, ellipsis) {
			t.Errorf("%s: %d bytes, valid: %t, ending in %q", name, len(got), utf8.ValidString(got), got[len(got)-10:])
		}
	}
	for _, text := range []string{"", "no", strings.Repeat("x", maxPublished), strings.Repeat("x", maxPublished-2) + "é"} {
		if got := publishable(text, nil); got != text {
			t.Errorf("%d bytes become %d", len(text), len(got))
		}
	}
}

// A secret may be across any of the places at which a text is cut.
func TestACutLeavesNothingOfASecret(t *testing.T) {
	const canary = "hunter2&canary"
	login := NewRead("LoginRequest22V5", Text("userId", "a"), Text("password", canary))
	for _, form := range []string{canary, html.EscapeString(canary), html.EscapeString(html.EscapeString(canary))} {
		for _, place := range []int{maxPublished, maxSearched, maxRefusalText} {
			for shift := range 2*len(form) + 8 {
				before := place - shift
				for kind, text := range map[string]string{
					"alone":               strings.Repeat("x", before) + form + strings.Repeat("y", len(form)),
					"in an element":       strings.Repeat("x", before-10) + "<password>" + form + "</password>" + strings.Repeat("y", len(form)),
					"behind what shrinks": "<password>" + strings.Repeat("x", before-21) + "</password>" + form + strings.Repeat("y", len(form)),
					"over and over":       strings.Repeat("x", before%len(form)) + strings.Repeat(form, before/len(form)+3),
				} {
					r := Reply{failure: &ErrorReply{Summary: text}}
					r.refuse(login)
					got := r.failure.Summary
					if strings.Contains(got, "hunt") || strings.Contains(got, "nary") || strings.Contains(got, "hun"+ellipsis) || len(got) > maxPublished {
						t.Fatalf("%s at %d: %d bytes, ending in %q", kind, before, len(got), got[max(0, len(got)-60):])
					}
				}
			}
		}
	}
}

// An element that holds a secret has its end tag after the cut.
func TestACutLeavesNothingOfASecretElement(t *testing.T) {
	for _, place := range []int{maxPublished, maxSearched} {
		text := strings.Repeat("x", place-20) + "<password>" + strings.Repeat("canary", maxSearched) + "</password>"
		if got := publishable(text, nil); strings.Contains(got, "cana") {
			t.Errorf("at %d: %q", place, got[len(got)-60:])
		}
	}
}

// long is longer than any text that is returned.
var long = strings.Repeat("x", 2*maxPublished)

func TestErrorsHaveTextsOfBoundedLength(t *testing.T) {
	refusal := `<command type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>[Error 7] ` + long +
		`</summary><summaryEnglish>` + long + `</summaryEnglish><detail><![CDATA[` + long + `]]></detail></command>`
	replies, err := ParseReplies([]byte(wrap(refusal)))
	if err != nil {
		t.Fatal(err)
	}
	failure, _ := errors.AsType[*ErrorReply](replies[0].Err())
	for _, text := range []string{failure.Summary, failure.SummaryEnglish, failure.Detail} {
		if len(text) > maxPublished || !strings.HasSuffix(text, ellipsis) {
			t.Errorf("%d bytes, ending in %q", len(text), text[len(text)-8:])
		}
	}
	if failure.Number != 7 || len(failure.Error()) > 2*maxPublished {
		t.Errorf("number %d, an error of %d bytes", failure.Number, len(failure.Error()))
	}
	odd, err := ParseReplies([]byte(wrap(strings.Replace(refusal, `type="Error"`, `type="`+long+`"`, 1))))
	if err != nil {
		t.Fatal(err)
	}
	if failure, _ = errors.AsType[*ErrorReply](odd[0].Err()); len(failure.Severity) > maxSeverity || len(failure.Error()) > 2*maxPublished {
		t.Errorf("a severity of %d bytes, an error of %d", len(failure.Severity), len(failure.Error()))
	}
	for name, document := range map[string]string{
		"a type":    wrap(`<command xsi:type="` + long + `" xmlns=""/>`),
		"a name":    reply("<" + long + "/>"),
		"a nesting": reply("<a><" + long[:200] + "></a>"),
	} {
		if _, err := ParseReplies([]byte(document)); err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: %.200v", name, err)
		}
	}
	if _, _, err := mustReply(t, "<a>"+long+"</a>").Bool("a"); err == nil || len(err.Error()) > 1000 {
		t.Errorf("a boolean: %.200v", err)
	}
	for _, element := range []string{"loginType", "userId", "serviceProviderId", "groupId", "passwordExpiresDays"} {
		if who, err := IdentityOf(mustReply(t, strings.Replace("<loginType>User</loginType>", "<loginType>User</loginType>", map[bool]string{true: "", false: "<loginType>User</loginType>"}[element == "loginType"], 1)+"<"+element+">"+long+"</"+element+">"), "me"); err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: an identity of %d bytes, %.200v", element, len(who.UserID+who.GroupID+who.ServiceProviderID+who.LoginType), err)
		}
	}
}

func mustReply(t *testing.T, elements string) Reply {
	t.Helper()
	replies, err := ParseReplies([]byte(reply(elements)))
	if err != nil {
		t.Fatal(err)
	}
	return replies[0]
}

func TestWhatEndsASessionAndWhatAVersionSaysIsCut(t *testing.T) {
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) {
		switch r.commands[0] {
		case "SystemSoftwareVersionGetRequest":
			c.reply(r, "SystemSoftwareVersionGetResponse", "<version>24"+long+"</version>")
		case question.Name():
			c.write(r.session, "", `<command xsi:type="LogoutRequest" xmlns=""><userId>a</userId><reason>`+long+`</reason></command>`)
		default:
			wellAnswered(p, c, r)
		}
	}
	var mu sync.Mutex // guards ended, since the first session and the next one may end at the same time
	var ended error
	run(t, p, func(o *Options) {
		o.Release = ReleaseUnknown
		o.Trace.SessionClosed = func(_ string, _ CloseReason, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				ended = err
			}
		}
	}, func(t *testing.T, c *Client) {
		_, err := c.Read(t.Context(), question)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		for _, err := range []error{err, ended} {
			forced, ok := errors.AsType[*ForcedLogoutError](err)
			if !ok || len(forced.Reason) > maxPublished || !strings.HasSuffix(forced.Reason, ellipsis) {
				t.Errorf("got %.200v", err)
			}
		}
		d := c.Stats().Endpoints[0].Dialect
		if d.Release != 24 || len(d.Version) > maxVersionLength || !strings.HasSuffix(d.Version, ellipsis) {
			t.Errorf("release %d, version %.100q", d.Release, d.Version)
		}
	})
}
