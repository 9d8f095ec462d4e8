package oci

import (
	"fmt"
	"html"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Secrets in the platform's texts. To add a case, add a text with the word canary in the
// secret, and the text that may be returned.

func TestSecretsAreRemovedFromThePlatformsTexts(t *testing.T) {
	for name, test := range map[string]struct{ said, want string }{
		"nothing":                   {"", ""},
		"no secret":                 {"Group not found: <groupId>a</groupId>", "Group not found: <groupId>a</groupId>"},
		"a name without an element": {"[Error 4962] Invalid password", "[Error 4962] Invalid password"},
		"an element":                {"<userId>a</userId><password>canary</password><x>b</x>", "<userId>a</userId><password>[redacted]</password><x>b</x>"},
		"with attributes":           {`<signedPassword xsi:type="x">canary</signedPassword >.`, `<signedPassword>[redacted]</signedPassword >.`},
		"with a prefix":             {"<c:newPassword>canary</c:newPassword>", "<c:newPassword>[redacted]</c:newPassword>"},
		"in capitals":               {"<PASSWORD>canary</Password>", "<PASSWORD>[redacted]</Password>"},
		"escaped":                   {"&lt;password&gt;canary&lt;/password&gt;!", "&lt;password>[redacted]&lt;/password&gt;!"},
		"escaped twice":             {"&amp;lt;password&amp;gt;canary&amp;lt;/password&amp;gt;!", "&amp;lt;password>[redacted]&amp;lt;/password&amp;gt;!"},
		"escaped by number":         {"&#38;lt;password&#38;gt;canary&#38;lt;/password&#38;gt;!", "&#38;lt;password>[redacted]&#38;lt;/password&#38;gt;!"},
		"by numbers":                {"&#60;password&#62;canary&#x3C;/password&#62;!", "&#60;password>[redacted]&#x3C;/password&#62;!"},
		"cut short":                 {"x <password>can", "x <password>[redacted]"},
		"cut in its tag":            {"x <passwordcanary", "x <passwordcanary>[redacted]"},
		"other end tags":            {"<password>can</x>ary</password>.", "<password>[redacted]</password>."},
		"its own end tag":           {"<password>can</password>ary</password>.", "<password>[redacted]</password>."},
		"in another":                {"<sipPassword><value>canary</value></sipPassword>", "<sipPassword>[redacted]</sipPassword>"},
		"empty":                     {"<password></password><a>b</a>", "<password>[redacted]</password><a>b</a>"},
		"an attribute":              {`<user password="canary" id="a"/>`, `<user password=[redacted] id="a"/>`},
		"single quotes":             {`<user password='can"ary' id="a"/>`, `<user password=[redacted] id="a"/>`},
		"without quotes":            {`token=canary&id=a password = canary`, `token=[redacted] password = [redacted]`},
		"escaped quotes":            {`password=&quot;can ary&quot; id=&quot;a&quot;`, `password=[redacted]`},
		"other secrets":             {"<passcode>canary</passcode><nonce>canary</nonce><loginToken>canary</loginToken>", "<passcode>[redacted]</passcode><nonce>[redacted]</nonce><loginToken>[redacted]</loginToken>"},
		"over several lines":        {"<password>\ncan\nary\n</password>\n", "<password>[redacted]</password>\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, withoutSecrets(test.said)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLongTextsThatNameSecretsAreCut(t *testing.T) {
	long := "<password>a</password>" + strings.Repeat("é", maxSearched)
	if got := withoutSecrets(long); len(got) > maxSearched+len(redacted)+10 || !strings.HasSuffix(got, "é…") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-10:])
	}
}

func TestARefusalOfALoginKeepsNothingThatMayRepeatIt(t *testing.T) {
	const canary = `hunter2&<">-canary`
	for _, repeated := range []string{canary, xmlEscaped(canary), html.EscapeString(canary), html.EscapeString(html.EscapeString(canary))} {
		r := Reply{failure: &ErrorReply{Summary: "no '" + repeated + "'"}}
		r.refuse(NewRead("LoginRequest22V5", Text("userId", "a"), Text("password", canary)))
		if r.failure.Summary != "no '[redacted]'" {
			t.Errorf("%s becomes %s", repeated, r.failure.Summary)
		}
	}
	said := ErrorReply{Number: 6004, Severity: SeverityError, Summary: "[Error 6004] " + canary, SummaryEnglish: "no " + canary, Detail: "x " + canary}
	for _, command := range []Command{
		NewRead("LoginRequest22V5", Text("userId", "a"), Text("password", canary)),
		NewRead("LoginRequest14sp4", Text("userId", "a"), Text("signedPassword", canary)),
		NewWrite("AuthenticationVerifyRequest22V4", Text("userId", "a"), Text("password", canary)),
		NewWrite("AuthenticationVerifyRequest14sp8", Text("userId", "a"), Parent("sipCredentials", Text("password", canary))),
	} {
		r := Reply{failure: &said, children: []node{{name: "detail", text: canary}}}
		r.refuse(command)
		if r.failure.Detail != "" || strings.Contains(r.failure.Summary+r.failure.SummaryEnglish, canary) || len(r.children) > 0 {
			t.Errorf("%s: %+v", command.Name(), r.failure)
		}
	}
	if said.Detail == "" {
		t.Error("the refusal of other commands lost its detail")
	}
}

func TestMoreSecretsThanAReplyHoldsAreRemoved(t *testing.T) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "<password%d>canary</password%d>", i, i)
	}
	if got := withoutSecrets(text.String()); strings.Contains(got, "canary") {
		t.Errorf("got %s", got)
	}
}

// The content of a password element is removed, whatever is around it.
func FuzzWithoutSecrets(f *testing.F) {
	for _, seed := range []string{"", "<a>", "</password>", "&lt;", "password=", "<password>", "]]>", "<!--", `"`, "<password"} {
		f.Add(seed, "password", seed)
	}
	f.Fuzz(func(t *testing.T, before, name, after string) {
		if !isSecret(name) || startTag.FindString("<"+name) != "<"+name {
			return
		}
		const canary = "CANARY0451"
		if strings.Contains(before+name+after, canary) || len(before)+len(after) > maxSearched/2 {
			return
		}
		for _, brackets := range [][2]string{{"<", ">"}, {"&lt;", "&gt;"}, {"&amp;lt;", "&amp;gt;"}} {
			text := before + brackets[0] + name + brackets[1] + canary + brackets[0] + "/" + name + brackets[1] + after
			if got := withoutSecrets(text); strings.Contains(got, canary) {
				t.Errorf("%q becomes %q", text, got)
			}
		}
	})
}
