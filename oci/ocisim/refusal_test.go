package ocisim_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies how the platform refuses documents and commands in each mode, and
// that the refused text is returned to the client only. A new reason for a refusal
// is a row of TestRefusals.

// TestRefusals sends a document with an invalid command, and with a write before and
// after it.
func TestRefusals(t *testing.T) {
	assignments := ids("ApioSpTest", "ApioGrpTest")
	before := command(groupRange+"AssignListRequest", assignments+text("numberRangeStart", "+3225126999"))
	after := command(groupPrefix+"AssignListRequest", assignments+text("numberPrefix", "+32-03"))
	const document, closed = "refused entirely", "closed"
	for _, tt := range []struct {
		name, head, invalid, reason string
		release                     int
		want                        map[ocisim.RefusalMode]string
	}{
		{
			name: "an unknown command", invalid: command("GroupGetRequest99", text("groupId", "g")),
			reason: "Invalid xsi:type qname: 'GroupGetRequest99' in element BroadsoftDocument@C",
			want:   map[ocisim.RefusalMode]string{ocisim.RefusalCommand: "0 6004 0", ocisim.RefusalDocument: document, ocisim.RefusalClose: closed},
		}, {
			name: "a command of a later release", release: 23, invalid: command("UserRouteListGetRequest24", text("userId", apioUser)),
			reason: "Invalid xsi:type qname: 'UserRouteListGetRequest24' in element BroadsoftDocument@C",
			want:   map[ocisim.RefusalMode]string{ocisim.RefusalCommand: "0 6004 0", ocisim.RefusalDocument: document, ocisim.RefusalClose: closed},
		}, {
			name: "an element that is not expected", invalid: command("VerifySessionIsValidRequest", text("colour", "red")),
			reason: "element colour is not expected at this place in VerifySessionIsValidRequest",
			want:   map[ocisim.RefusalMode]string{ocisim.RefusalCommand: "0 6004 0", ocisim.RefusalDocument: document, ocisim.RefusalClose: closed},
		}, {
			name: "a value that is too long", invalid: command("UserRouteListGetRequest24", text("userId", strings.Repeat("x", 162))),
			reason: "element UserRouteListGetRequest24/userId must have at most 161 characters",
			want:   map[ocisim.RefusalMode]string{ocisim.RefusalCommand: "0 6004 0", ocisim.RefusalDocument: document, ocisim.RefusalClose: closed},
		}, {
			name: "a tracking id before 24", release: 23, head: text("trackingId", "t"), invalid: command("VerifySessionIsValidRequest", ""),
			reason: "Element not allowed: trackingId in element BroadsoftDocument@C",
			want:   map[ocisim.RefusalMode]string{ocisim.RefusalCommand: document, ocisim.RefusalDocument: document, ocisim.RefusalClose: closed},
		}, {
			name: "a refusal for another reason than the schema", invalid: command("UserRouteListGetRequest24", text("userId", "unknown")),
			want: map[ocisim.RefusalMode]string{ocisim.RefusalCommand: "0 4008 0", ocisim.RefusalDocument: "0 4008 0", ocisim.RefusalClose: "0 4008 0"},
		},
	} {
		for _, mode := range ocisim.RefusalModes() {
			t.Run(tt.name+" by "+string(mode), func(t *testing.T) {
				p := newPlatform(t, ofRelease(tt.release, mode))
				c := login(t, p, "gateway")
				fault := inject(t, p, "slow delay=1ns")
				raw := c.document(tt.head + before + tt.invalid + after)
				c.send(raw)
				want := tt.want[mode]
				switch want {
				case closed:
					c.mustBeClosed()
				case document:
					refusedEntirely(t, parse(t, c.read()), tt.reason+"\n"+raw)
				default:
					got := parse(t, c.read()).all("command")
					if diff := cmp.Diff(want, numbers(got)); diff != "" {
						t.Error(diff)
					}
					if tt.reason != "" && got[1].get("detail") != tt.reason+"\n"+tt.invalid {
						t.Error(cmp.Diff(tt.reason+"\n"+tt.invalid, got[1].get("detail")))
					}
				}
				done := want != document && want != closed
				if got := p.Ranges("ApioSpTest")[2].Group == "ApioGrpTest"; got != done {
					t.Errorf("the first write was carried out: %v", got)
				}
				if got := p.Prefixes("ApioSpTest")[2].Group == "ApioGrpTest"; got != done {
					t.Errorf("the last write was carried out: %v", got)
				}
				checkEntries(t, p.Ledger()[2:], done)
				if got := fault.Hits() == 3; got != done {
					t.Errorf("the fault acted on %d commands", fault.Hits())
				}
			})
		}
	}
}

// numbers returns the numbers of the errors in replies, 0 for other replies.
func numbers(replies []element) string {
	var all []string
	for _, a := range replies {
		all = append(all, fmt.Sprint(a.number()))
	}
	return strings.Join(all, " ")
}

// refusedEntirely fails the test unless the reply is one error with the detail.
func refusedEntirely(t *testing.T, reply element, detail string) {
	t.Helper()
	replies := reply.all("command")
	if reply.get("sessionId") != "s-1" || len(replies) != 1 || replies[0].number() != 6004 {
		t.Fatalf("replied %+v", reply)
	}
	if diff := cmp.Diff(detail, replies[0].get("detail")); diff != "" {
		t.Error(diff)
	}
}

// checkEntries fails the test unless the ledger has the three commands: all of them
// refused or, if done, the two writes carried out.
func checkEntries(t *testing.T, entries []ocisim.Entry, done bool) {
	t.Helper()
	if len(entries) != 3 {
		t.Fatalf("the ledger has %d entries: %+v", len(entries), entries)
	}
	for i, e := range entries {
		write := i != 1
		if e.Write != write || e.Login != "gateway" || e.Connection != 1 {
			t.Errorf("entry %d: %+v", i, e)
		}
		if !done && (e.Applied || e.Error != 6004 || len(e.Faults) > 0) {
			t.Errorf("entry %d: %+v", i, e)
		}
		if done && (e.Applied != write || (e.Error == 0) != write) {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	if diff := cmp.Diff([]string{"+3225126999"}, entries[0].Numbers); diff != "" {
		t.Error(diff)
	}
}

func TestConnectionStaysOpenAfterARefusedDocument(t *testing.T) {
	p := newPlatform(t, ofRelease(24, ocisim.RefusalDocument))
	c := login(t, p, "gateway")
	c.one("GroupGetRequest99", "")
	if got := c.one("VerifySessionIsValidRequest", "").number(); got != 0 {
		t.Errorf("error %d", got)
	}
}

func TestRefusalsBeforeLoginAreInTheirPlaces(t *testing.T) {
	for _, mode := range ocisim.RefusalModes() {
		t.Run(string(mode), func(t *testing.T) {
			c := connect(t, newPlatform(t, ofRelease(24, mode)))
			replies := c.exchange(c.document(command("VerifySessionIsValidRequest", "") + command("AuthenticationRequest", text("userId", "gateway")))).all("command")
			if got := numbers(replies); got != "9900 0" {
				t.Errorf("replied %s", got)
			}
		})
	}
}

func TestDocumentsThatAreNotRequestsByMode(t *testing.T) {
	for _, mode := range ocisim.RefusalModes() {
		t.Run(string(mode), func(t *testing.T) {
			p := newPlatform(t, ofRelease(24, mode))
			c := login(t, p, "gateway")
			raw := c.document(assignCommand() + "<other/>")
			c.send(raw)
			if mode == ocisim.RefusalClose {
				c.mustBeClosed()
			} else {
				refusedEntirely(t, parse(t, c.read()), "element other is not expected in a document\n"+raw)
			}
			if len(p.Writes()) != 0 || p.Ranges("ApioSpTest")[2].Group != "" {
				t.Errorf("the ledger has %+v", p.Writes())
			}
		})
	}
}

// TestRefusedTextIsReturnedAsReceived sends commands in forms that a CDATA section
// cannot hold unchanged.
func TestRefusedTextIsReturnedAsReceived(t *testing.T) {
	for name, raw := range map[string]string{
		"a CDATA section":                 `<command xsi:type="X" xmlns=""><a><![CDATA[b]]></a></command>`,
		"ends of CDATA sections":          `<command xsi:type="X" xmlns=""><![CDATA[]]]]><![CDATA[>]]><![CDATA[]]></command>`,
		"references and other quotes":     `<command  xsi:type='X' a='&lt;&#x41;"' xmlns=''></command >`,
		"a password":                      `<command xsi:type="X" xmlns=""><password>hunter2</password></command>`,
		"line ends and tabs":              "<command\r\n\txsi:type=\"X\" xmlns=\"\">\r\n\r</command>",
		"characters outside the encoding": `<command xsi:type="X" xmlns="">ő€日本 é</command>`,
		"a prefix and an empty tag":       `<p:command xmlns:p="" xsi:type="X"/>`,
		"comments and tags within":        `<command xsi:type="X" xmlns=""><!-- </command> --><b><command/></b></command>`,
		"the end of a document within":    `<command xsi:type="X" xmlns=""><![CDATA[</BroadsoftDocument>]]></command>`,
	} {
		for _, encoding := range []string{"ISO-8859-1", "ISO-8859-2", "UTF-8"} {
			t.Run(name+" in "+encoding, func(t *testing.T) {
				c := connect(t, newPlatform(t, func(s *ocisim.Seed) { s.Platform.Encoding = encoding }))
				known := command("AuthenticationRequest", text("userId", "gateway"))
				document := strings.Replace(c.document("<!-- é -->"+known+raw+known), "ISO-8859-1", "UTF-8", 1)
				replies := c.exchange(document).all("command")
				if len(replies) != 3 || numbers(replies) != "0 6004 0" {
					t.Fatalf("replied %+v", replies)
				}
				if diff := cmp.Diff(unknownType+" 'X' in element BroadsoftDocument@C\n"+raw, replies[1].get("detail")); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
	t.Run("in the encoding of the request", func(t *testing.T) {
		c := connect(t, newPlatform(t))
		raw := command("X", "<a>\xe9</a>")
		replies := c.exchange(c.document(command("Y", "<b>\xe9\xe8</b>") + raw)).all("command")
		if got, want := replies[1].get("detail"), unknownType+" 'X' in element BroadsoftDocument@C\n"+command("X", "<a>é</a>"); got != want {
			t.Error(cmp.Diff(want, got))
		}
	})
	t.Run("except characters that XML cannot hold", func(t *testing.T) {
		c := connect(t, newPlatform(t))
		reply := c.one("X", "<!-- \x01 -->")
		if got, want := reply.get("detail"), unknownType+" 'X' in element BroadsoftDocument@C\n"+command("X", "<!-- \uFFFD -->"); got != want {
			t.Error(cmp.Diff(want, got))
		}
	})
}

// TestRefusedSecretsStayOutOfLogAndLedger sends secrets in every place that a
// refusal returns.
func TestRefusedSecretsStayOutOfLogAndLedger(t *testing.T) {
	const canary = "canary-7c1f"
	secret := text("password", canary)
	documents := map[string]string{
		"an unknown command":         command("LoginRequest99", text("userId", "gateway")+secret),
		"a value too long":           command("LoginRequest22V5", text("userId", "gateway")+text("password", canary+strings.Repeat("x", 60))),
		"an element too many":        command("VerifySessionIsValidRequest", secret+text("signedPassword", canary)+text("nonce", canary)),
		"elements within a secret":   command("LoginRequest22V5", text("userId", "gateway")+text("password", text("userId", canary)+text("numberPrefix", canary))),
		"a tracking id":              text("trackingId", "t") + command("LoginRequest22V5", text("userId", "gateway")+secret),
		"a document of other things": command("LoginRequest22V5", text("userId", "gateway")+secret) + text("other", canary),
		"another session":            "<sessionId/>" + command("LoginRequest22V5", secret),
	}
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		for _, mode := range ocisim.RefusalModes() {
			for name, commands := range documents {
				t.Run(fmt.Sprintf("%s by %s at %s", name, mode, level), func(t *testing.T) {
					var log bytes.Buffer
					seed := ocisim.DemoSeed()
					ofRelease(23, mode)(&seed)
					p, err := ocisim.New(seed, ocisim.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))))
					if err != nil {
						t.Fatal(err)
					}
					c := connect(t, p)
					c.send(c.document(commands))
					reply, _ := c.tryRead()
					_ = p.Close()
					if sent := bytes.Contains(reply, []byte(canary)); sent == (mode == ocisim.RefusalClose) {
						t.Errorf("the client was sent the secret: %v", sent)
					}
					if log.Len() == 0 || strings.Contains(log.String(), canary) {
						t.Errorf("the log has %s", log.String())
					}
					if printed := fmt.Sprintf("%+v", p.Ledger()); strings.Contains(printed, canary) {
						t.Errorf("the ledger has %s", printed)
					}
					if mode != ocisim.RefusalCommand && !strings.Contains(log.String(), "detail=") {
						t.Errorf("the log has no reason: %s", log.String())
					}
				})
			}
		}
	}
}

// TestRefusalOverTCP closes a TCP connection while bytes of the client are unread.
func TestRefusalOverTCP(t *testing.T) {
	seed := ocisim.DemoSeed()
	ofRelease(21, ocisim.RefusalClose)(&seed)
	s := ocisim.NewServer(seed)
	defer func() { _ = s.Close() }() // never fails
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, conn)
	c.send(c.document(command("LoginRequest22V5", "")) + strings.Repeat("\n", 1000))
	c.mustBeClosed()
}
