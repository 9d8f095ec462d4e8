package oci

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Refusals of documents: each is counted once, by its reason. To add a reason, add a document
// to the table.

// Every document that is refused is counted once, by its reason, and closes
// its session.
func TestEveryRefusalIsCountedOnce(t *testing.T) {
	success := func(r asked) string {
		return fmt.Sprintf(`<command echo=%q xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`, r.echoes[0])
	}
	elements := func(inside string) func(c *link, r asked) {
		return func(c *link, r asked) { c.reply(r, "SystemGetResponse", inside) }
	}
	for name, test := range map[string]struct {
		answer func(c *link, r asked)
		why    Refusal // empty for none
	}{
		"a document of too many bytes": {elements("<t>" + columns(1) + strings.Repeat("<row><col/></row>", 1<<16) + "</t>"), RefusedTooLarge},
		"too many inner elements":      {elements("<a>" + strings.Repeat("<b/>", maxElements) + "</a>"), RefusedElements},
		"too many elements":            {elements(strings.Repeat("<a/>", maxElements+1)), RefusedElements},
		"too many columns":             {elements("<t>" + columns(maxColumns+1) + "</t>"), RefusedElements},
		"too many attributes":          {elements("<a" + manyAttributes(maxAttributes+1) + "/>"), RefusedElements},
		"a text too long":              {elements("<a>" + strings.Repeat("x", maxText+1) + "</a>"), RefusedText},
		"markup too long":              {elements("<!--" + strings.Repeat("x", scanBuffer) + "-->"), RefusedText},
		"too deep":                     {elements(strings.Repeat("<a>", maxDepth)), RefusedDepth},
		"no XML":                       {func(c *link, _ asked) { _, _ = c.Write([]byte("no XML")) }, RefusedNotXML},
		"a document type":              {func(c *link, _ asked) { _, _ = c.Write([]byte("<!DOCTYPE a>")) }, RefusedNotXML},
		"another root":                 {func(c *link, _ asked) { _, _ = c.Write([]byte("<html/>")) }, RefusedNotOCI},
		"text between elements":        {elements("<a/>x"), RefusedNotOCI},
		"a row too short":              {elements("<t><colHeading>a</colHeading><row/></t>"), RefusedNotOCI},
		"a heading twice":              {elements("<t><colHeading>a</colHeading><colHeading>a</colHeading></t>"), RefusedTwice},
		"another session":              {func(c *link, r asked) { c.write("other", r.tracking, success(r)) }, RefusedForeign},
		"an empty session":             {func(c *link, r asked) { c.write("", r.tracking, success(r)) }, RefusedForeign},
		"another tracking id":          {func(c *link, r asked) { c.write(r.session, "other", success(r)) }, RefusedForeign},
		"an empty tracking id":         {func(c *link, r asked) { c.write(r.session, "\n", success(r)) }, RefusedForeign},
		"another echo":                 {func(c *link, r asked) { r.echoes[0] = "other"; c.write(r.session, r.tracking, success(r)) }, RefusedForeign},
		"an empty echo":                {func(c *link, r asked) { r.echoes[0] = ""; c.write(r.session, r.tracking, success(r)) }, RefusedForeign},
		"an answer too many":           {func(c *link, r asked) { c.write(r.session, r.tracking, success(r)+success(r)) }, RefusedMismatch},
		"no answer":                    {func(c *link, r asked) { c.write(r.session, r.tracking, "") }, RefusedMismatch},
		"another answer":               {func(c *link, r asked) { c.reply(r, "UserGetResponse", "") }, RefusedMismatch},
		"two documents": {func(c *link, r asked) {
			c.write(r.session, r.tracking, success(r))
			c.write(r.session, r.tracking, success(r))
		}, RefusedUnsolicited},
		"half a document":    {func(c *link, _ asked) { _, _ = c.Write([]byte("<BroadsoftDocument")); _ = c.Close() }, ""},
		"a forced logout":    {func(c *link, r asked) { c.write(r.session, "", `<command xsi:type="LogoutRequest" xmlns=""/>`) }, ""},
		"a good answer":      {func(c *link, r asked) { c.write(r.session, r.tracking, success(r)) }, ""},
		"a closed line":      {func(c *link, _ asked) { _ = c.Close() }, ""},
		"an answer too late": {func(c *link, r asked) { time.Sleep(time.Minute); c.write(r.session, r.tracking, success(r)) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := &platform{}
			p.answer = func(p *platform, c *link, r asked) {
				if r.commands[0] == change.Name() {
					test.answer(c, r)
					return
				}
				wellAnswered(p, c, r)
			}
			counted, broken := map[Refusal]int{}, 0
			run(t, p, func(o *Options) {
				o.MaxReplyBytes = 1 << 20
				o.Trace.ReplyRefused = func(endpoint string, why Refusal) {
					if broken > 0 || endpoint != "primary" {
						t.Errorf("counted for %s, behind the end of the session: %t", endpoint, broken > 0)
					}
					counted[why]++
				}
				o.Trace.SessionClosed = func(_ string, why CloseReason, _ error) {
					if why == ClosedBroken {
						broken++
					}
				}
			}, func(t *testing.T, c *Client) {
				// A write: it is never sent twice, so there is one answer.
				_, err := c.Write(WithTrackingID(t.Context(), "t-1"), change, nil)
				if NotDone(err) {
					t.Errorf("it counts as not done: %v", err)
				}
				synctest.Wait()
				want := map[Refusal]int{}
				if test.why != "" {
					want[test.why] = 1
					if broken != 1 {
						t.Errorf("%d sessions ended", broken)
					}
					if err == nil && test.why != RefusedUnsolicited {
						t.Error("the write is answered")
					}
				}
				if diff := cmp.Diff(want, counted); diff != "" {
					t.Errorf("counted (-want +got), %v:\n%s", err, diff)
				}
			})
		})
	}
}

func TestRefusalsAreAllThatAreCounted(t *testing.T) {
	known := map[Refusal]bool{}
	for _, why := range Refusals() {
		if known[why] || why == "" {
			t.Errorf("%q is listed twice, or empty", why)
		}
		known[why] = true
	}
	for name, document := range refused {
		if _, err := ParseReplies([]byte(document)); err != nil {
			if why, ok := whyRefused(err); !ok || !known[why] {
				t.Errorf("%s: %v is counted as %q", name, err, why)
			}
		}
	}
}
