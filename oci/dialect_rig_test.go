package oci

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A platform that supports only some commands, for the tests of the dialect and of the
// verification of credentials. To write a test, call withPicky with a picky platform, call
// its method lacks with what it does not support, and check with wantSent what it was sent.

// The commands of these tests, in short.
const (
	tenantGet   = "ServiceProviderGetRequest17sp1"
	tenantGet22 = "ServiceProviderGetRequest22V4"
	authorized  = "GroupServiceGetAuthorizationRequest"
	services    = "GroupServiceGetAuthorizationListRequest"
	departments = "GroupDepartmentGetListRequest18"
	prefixList  = "GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest"
	assignPfx   = "GroupRouteListEnterpriseTrunkNumberPrefixAssignListRequest"
	versionGet  = "SystemSoftwareVersionGetRequest"
	versionRI   = "SystemSoftwareVersionGetRequestRI"
	verify22V4  = "AuthenticationVerifyRequest22V4"
	verify14sp8 = "AuthenticationVerifyRequest14sp8"
)

// The ways in which a platform refuses what it does not support.
const (
	inPlace     = "in the command's place"
	asDocument  = "the complete document"
	closesThere = "by closing the connection"
)

// picky is a platform that does not support some commands and elements. It records the
// documents that it receives after logins, except probes of sessions: the names of their
// commands, with a "+" before the first if they have a tracking id.
type picky struct {
	platform
	way     string
	version string // the reply to the version command; with "" it is refused for lack of rights

	lock      sync.Mutex
	unknown   []string
	documents []string
}

func (p *picky) lacks(names ...string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.unknown = names
}

func (p *picky) sent() []string {
	p.lock.Lock()
	defer p.lock.Unlock()
	sent := p.documents
	p.documents = nil
	return sent
}

func (p *picky) act(_ *platform, c *link, r asked) {
	p.lock.Lock()
	unknown := func(name string) bool { return slices.Contains(p.unknown, name) }
	if !strings.HasPrefix(r.commands[0], "Log") && r.commands[0] != "AuthenticationRequest" && r.commands[0] != "VerifySessionIsValidRequest" {
		mark := ""
		if r.tracking != "" {
			mark = "+"
		}
		p.documents = append(p.documents, mark+strings.Join(r.commands, " "))
	}
	lacking := slices.DeleteFunc(slices.Clone(r.commands), func(name string) bool { return !unknown(name) })
	tracked := r.tracking != "" && unknown("trackingId")
	way, version := p.way, p.version
	p.lock.Unlock()
	switch {
	case len(lacking) == 0 && !tracked:
		p.answerAll(c, r, nil, version)
	case way == closesThere:
		_ = c.Close()
	case way == asDocument || tracked:
		c.write(r.session, r.tracking, refusalOf("6004"))
	default:
		p.answerAll(c, r, lacking, version)
	}
}

func refusalOf(number string) string {
	return `<command type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>[Error ` + number + `] no</summary><summaryEnglish/></command>`
}

// answerAll answers each command, those that are not supported with 6004.
func (p *picky) answerAll(c *link, r asked, lacking []string, version string) {
	if r.commands[0] == "AuthenticationRequest" || strings.HasPrefix(r.commands[0], "LoginRequest14") || r.commands[0] == "LogoutRequest" {
		if len(lacking) == 0 {
			wellAnswered(&p.platform, c, r)
			return
		}
	}
	var b strings.Builder
	for i, name := range r.commands {
		switch {
		case slices.Contains(lacking, name):
			b.WriteString(refusalOf("6004"))
		case (name == versionGet || name == versionRI) && version == "":
			b.WriteString(refusalOf("5404"))
		case name == versionGet || name == versionRI:
			fmt.Fprintf(&b, `<command echo=%q xsi:type=%q xmlns=""><version>%s</version></command>`, r.echoes[i], responseName(name), version)
		case strings.HasPrefix(name, "Authentication") || strings.HasPrefix(name, "Login"):
			fmt.Fprintf(&b, `<command echo=%q xsi:type=%q xmlns=""><loginType>System</loginType><isEnterprise>false</isEnterprise></command>`, r.echoes[i], responseName(name))
		default:
			fmt.Fprintf(&b, `<command echo=%q xsi:type=%q xmlns=""/>`, r.echoes[i], responseName(name))
		}
	}
	c.write(r.session, r.tracking, b.String())
}

// withPicky runs a test against such a platform.
func withPicky(t *testing.T, p *picky, change func(*Options), test func(t *testing.T, c *Client)) {
	t.Helper()
	p.answer = p.act
	run(t, &p.platform, change, test)
}

func detects(o *Options) { o.Release = ReleaseUnknown }

func (p *picky) wantSent(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, p.sent()); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

var group2 = []Element{Text("serviceProviderId", "t"), Text("groupId", "g")}

// contextReads returns the commands that a request of the API begins with.
func contextReads() []Read {
	return []Read{
		NewRead(tenantGet, Text("serviceProviderId", "t")),
		NewRead(authorized, append(slices.Clone(group2), Text("userServiceName", "Route List"))...),
		NewRead(question.Name()),
	}
}

// answersOf reads, and returns the names of the replies.
func answersOf(t *testing.T, c *Client, commands ...Read) string {
	t.Helper()
	replies, err := c.Read(WithTrackingID(t.Context(), "t-1"), commands...)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	names := make([]string, len(replies))
	for i, r := range replies {
		names[i] = r.Name()
		if r.Endpoint() == "" {
			t.Errorf("reply %d has no endpoint", i)
		}
	}
	return strings.Join(names, " ")
}

// prefixesOf lists the prefixes of a group.
func prefixesOf(groupID string) Read {
	return NewRead(prefixList, Text("serviceProviderId", "t"), Text("groupId", groupID))
}

func wantUnsupported(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*UnsupportedError](err); !ok {
		t.Errorf("got %v", err)
	}
}

// wantVerified compares the documents that verify credentials.
func (p *picky) wantVerified(t *testing.T, want []string) {
	t.Helper()
	got := slices.DeleteFunc(p.sent(), func(d string) bool { return !strings.Contains(d, "AuthenticationVerify") })
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

// verifyOver is [Client.Verify] without the need for TLS, which platform_test.go tests.
func verifyOver(c *Client, ctx context.Context) (Identity, error) {
	who, err := c.VerifyByCommand(ctx, "user", "their password")
	if _, unsupported := errors.AsType[*UnsupportedError](err); unsupported {
		return c.Authenticate(ctx, "user", "their password")
	}
	return who, err
}
