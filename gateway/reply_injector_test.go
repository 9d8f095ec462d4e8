package gateway_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ocigate/oci"
)

// A proxy that replaces replies of the platform, for the catalogue of hostile replies.

// replyInjector is a proxy between the gateway and the platform that replies to some
// commands instead of the platform.
type replyInjector struct {
	testing.TB
	with    hostileReply
	dial    func(context.Context, string, string) (net.Conn, error)
	serving sync.WaitGroup

	mu       sync.Mutex // guards what follows
	commands []string   // that the gateway has sent, without those about sessions
	written  int        // bytes that the gateway got
	injected int        // documents that got an injected reply
}

func (m *replyInjector) over(o *oci.Options) {
	m.dial, o.Dial = o.Dial, func(ctx context.Context, network, address string) (net.Conn, error) {
		platform, err := m.dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		ours, theirs := net.Pipe()
		m.serving.Go(func() {
			defer func() { _ = theirs.Close() }()
			defer func() { _ = platform.Close() }()
			m.serve(theirs, platform)
		})
		return ours, nil
	}
}

var (
	commandName = regexp.MustCompile(`<command xsi:type="([^"]*)"`)
	echoValue   = regexp.MustCompile(` echo="([^"]*)"`)
	idValue     = regexp.MustCompile(`<(sessionId|trackingId) xmlns="">([^<]*)<`)
	ofSession   = regexp.MustCompile(`^(Authentication|Login|Logout|SystemSoftwareVersion|VerifySession)`)
)

// serve forwards documents until either side closes.
func (m *replyInjector) serve(gateway, platform net.Conn) {
	fromGateway, fromPlatform := &documentReader{from: gateway}, &documentReader{from: platform}
	for {
		asked, err := fromGateway.next()
		if err != nil {
			return
		}
		injects, forwards := m.receive(asked)
		if forwards {
			if _, err := platform.Write(asked); err != nil || bytes.Contains(asked, []byte(`"LogoutRequest"`)) {
				return
			}
			reply, err := fromPlatform.next()
			if err != nil {
				return
			}
			if !injects && !m.write(gateway, reply) {
				return
			}
		}
		if injects && !m.reply(gateway, asked) {
			return
		}
	}
}

// receive notes a document of the gateway. It reports whether the document gets an
// injected reply, and whether the platform gets the document.
func (m *replyInjector) receive(asked []byte) (injects, forwards bool) {
	var names []string
	for _, match := range commandName.FindAllSubmatch(asked, -1) {
		names = append(names, string(match[1]))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	passed := m.with.after == "" || slices.Contains(m.commands, m.with.after)
	for _, name := range names {
		if !ofSession.MatchString(name) {
			m.commands = append(m.commands, name)
		}
	}
	if !passed || !slices.Contains(names, m.with.answers) || m.with.times > 0 && m.injected == m.with.times {
		return false, true
	}
	m.injected++
	return true, m.with.carriedOut
}

func (m *replyInjector) write(to net.Conn, b []byte) bool {
	n, err := to.Write(b)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.written += n
	return err == nil
}

// documentReader reads complete documents.
type documentReader struct {
	from    io.Reader
	pending []byte
}

func (d *documentReader) next() ([]byte, error) {
	const end = "</BroadsoftDocument>"
	chunk := make([]byte, 4096)
	for {
		if document, rest, whole := bytes.Cut(d.pending, []byte(end)); whole {
			d.pending = bytes.TrimLeft(rest, "\n")
			return append(bytes.Clone(document), end+"\n"...), nil
		}
		n, err := d.from.Read(chunk)
		if err != nil {
			return nil, err
		}
		d.pending = append(d.pending, chunk[:n]...)
	}
}

// placeholder is a part of a reply that is made when it is sent.
var placeholder = regexp.MustCompile(`(?s)\{([a-z/]+)(?: ([0-9a-f]+))?(?:\|([^}]*))?\}`)

const (
	xsiSpace   = "http://www.w3.org/2001/XMLSchema-instance"
	replyStart = `<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n" + `<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="` + xsiSpace + `">`
)

// shorthand has the parts that many replies have in common.
var shorthand = map[string]string{
	"start":      replyStart,
	"head":       replyStart + `<sessionId xmlns="">{session}</sessionId>{tracked}`,
	"tail":       `</BroadsoftDocument>` + "\n",
	"tenant":     `<command echo="{echo 1}" xsi:type="ServiceProviderGetResponse17sp1" xmlns=""><useCustomRoutingProfile>false</useCustomRoutingProfile></command>`,
	"authorized": `<command echo="{echo 2}" xsi:type="GroupServiceGetAuthorizationResponse" xmlns=""><authorized>true</authorized></command>`,
	"numbers":    `<command echo="{echo 3}" xsi:type="GroupRouteListEnterpriseTrunkNumberRangeGetSummaryListResponse" xmlns="">`,
	"prefixes":   `<command echo="{echo 3}" xsi:type="GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListResponse" xmlns="">`,
	"ranges":     `<numberRangeSummaryTable><colHeading>Number Range Start</colHeading><colHeading>Number Range End</colHeading><colHeading>Last Name</colHeading><colHeading>Is Active</colHeading>`,
	"/ranges":    `</numberRangeSummaryTable></command>`,
	"free":       `<command echo="{echo 4}" xsi:type="ServiceProviderRouteListEnterpriseTrunkNumberRangeGetAvailableListResponse" xmlns=""><availableNumberRangeTable><colHeading>Number Range Start</colHeading><colHeading>Is Active</colHeading>`,
	"/free":      `</availableNumberRangeTable></command>`,
	"success":    `<command echo="{echo 1}" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`,
	"refusal":    `<command type="Error" echo="{echo 1}" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">`,
	"login":      `<command echo="{echo 1}" xsi:type="LoginResponse14sp4" xmlns="">`,
	"challenge":  `<command echo="{echo 1}" xsi:type="AuthenticationResponse" xmlns="">`,
	"/command":   `</command>`,
}

// reply writes the injected reply. It reports whether the connection stays open.
func (m *replyInjector) reply(to net.Conn, asked []byte) bool {
	ids := map[string]string{}
	for _, match := range idValue.FindAllSubmatch(asked, -1) {
		ids[string(match[1])] = string(match[2])
	}
	echoes := echoValue.FindAllSubmatch(asked, -1)
	var text bytes.Buffer
	flush := func() bool {
		defer text.Reset()
		return m.write(to, text.Bytes())
	}
	var expand func(reply string) bool
	expand = func(reply string) bool {
		at := 0
		for _, found := range placeholder.FindAllStringSubmatchIndex(reply, -1) {
			text.WriteString(reply[at:found[0]])
			at = found[1]
			part := func(i int) string {
				if found[2*i] < 0 {
					return ""
				}
				return reply[found[2*i]:found[2*i+1]]
			}
			name, number, inside := part(1), part(2), part(3)
			switch name {
			case "session":
				text.WriteString(ids["sessionId"])
			case "tracking":
				text.WriteString(ids["trackingId"])
			case "tracked":
				if id, ok := ids["trackingId"]; ok {
					text.WriteString(`<trackingId xmlns="">` + id + `</trackingId>`)
				}
			case "echo":
				i, err := strconv.Atoi(number)
				if err != nil || i > len(echoes) {
					m.Errorf("%s: there is no echo %s", m.with.name, number)
					return false
				}
				text.Write(echoes[i-1][1])
			case "byte":
				b, err := strconv.ParseUint(number, 16, 8)
				if err != nil {
					m.Errorf("%s: %v", m.with.name, err)
				}
				text.WriteByte(byte(b))
			case "close":
				flush()
				return false
			case "repeat":
				if !flush() || !m.repeat(to, number, inside) {
					return false
				}
			default:
				if shorthand[name] == "" {
					m.Errorf("%s: there is no %q", m.with.name, name)
				}
				if !expand(shorthand[name]) {
					return false
				}
			}
		}
		text.WriteString(reply[at:])
		return true
	}
	return expand(m.with.reply) && flush()
}

// repeat writes a text that many times, in pieces.
func (m *replyInjector) repeat(to net.Conn, number, inside string) bool {
	left, err := strconv.Atoi(number)
	if err != nil {
		m.Errorf("%s: %v", m.with.name, err)
	}
	at := min(left, 1+32<<10/len(inside))
	many := []byte(strings.Repeat(inside, at))
	for ; left > 0; left -= at {
		if !m.write(to, many[:min(left, at)*len(inside)]) {
			return false
		}
	}
	return true
}
