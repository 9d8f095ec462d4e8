package ocisim_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"

	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// This file specifies that clients can use every release in every mode: the client of
// the tests, and the client of package oci. A new login command is an entry of the
// table of each test.

// TestLoginsOfReleases logs in with every login command of a release, and then reads
// and writes with commands that all releases have.
func TestLoginsOfReleases(t *testing.T) {
	eachRelease(t, func(t *testing.T, release int, mode ocisim.RefusalMode) {
		for name, since := range map[string]int{
			"LoginRequest14sp4": 21, "LoginRequest22": 22, "LoginRequest22V2": 22,
			"LoginRequest22V3": 23, "LoginRequest22V4": 23, "LoginRequest22V5": 24,
		} {
			if since > release {
				continue
			}
			t.Run(name, func(t *testing.T) {
				p := newPlatform(t, ofRelease(release, mode))
				c := connect(t, p)
				var reply element
				if name == "LoginRequest14sp4" {
					reply = c.login("gateway", "gateway-demo")
				} else {
					reply = c.one(name, text("userId", "gateway")+text("password", "gateway-demo"))
				}
				if reply.get("loginType") != "System" {
					t.Fatalf("replied %+v", reply)
				}
				if got := c.one("SystemSoftwareVersionGetRequest", "").number(); got != 0 {
					t.Errorf("error %d", got)
				}
				c.exchange(c.document(assignCommand()))
				if got := p.Ranges("ApioSpTest")[2].Group; got != "ApioGrpTest" {
					t.Errorf("the range is assigned to the group %q", got)
				}
			})
		}
	})
}

// TestClientOfThisModule uses the client of package oci with every release and
// mode, with every form of login of the release.
func TestClientOfThisModule(t *testing.T) {
	eachRelease(t, func(t *testing.T, release int, mode ocisim.RefusalMode) {
		for method, since := range map[oci.LoginMethod]int{oci.LoginSigned: 21, oci.LoginPlain22V2: 22, oci.LoginPlain22V5: 24} {
			if since > release {
				continue
			}
			t.Run(string(method), func(t *testing.T) {
				seed := ocisim.DemoSeed()
				ofRelease(release, mode)(&seed)
				s := ocisim.NewTLSServer(seed)
				defer func() { _ = s.Close() }() // never fails
				c := moduleClient(t, s, method, release < 24)
				defer func() {
					if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
						t.Error(err)
					}
				}()
				readsAndWrites(t, c)
				if got := s.Ranges("ApioSpTest")[2].Group; got != "ApioGrpTest" {
					t.Errorf("the range is assigned to the group %q", got)
				}
			})
		}
	})
}

func moduleClient(t *testing.T, s *ocisim.Server, method oci.LoginMethod, omitTrackingID bool) *oci.Client {
	t.Helper()
	c, err := oci.New(oci.Options{
		Endpoints: []oci.Endpoint{{
			Address: s.Addr, TLS: &tls.Config{RootCAs: s.CertPool()},
			UserID: "gateway", Password: "gateway-demo", Login: method,
		}},
		OmitTrackingID: omitTrackingID,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func readsAndWrites(t *testing.T, c *oci.Client) {
	t.Helper()
	group := []oci.Element{oci.Text("serviceProviderId", "ApioSpTest"), oci.Text("groupId", "ApioGrpTest")}
	ctx := oci.WithTrackingID(t.Context(), "t-1")
	replies, err := c.Read(ctx, oci.NewRead("SystemSoftwareVersionGetRequest"), oci.NewRead("GroupServiceGetAuthorizationListRequest", group...))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range replies {
		if r.Err() != nil {
			t.Errorf("%s: %v", r.Name(), r.Err())
		}
	}
	write := oci.NewWrite(groupRange+"AssignListRequest", append(group, oci.Text("numberRangeStart", "+3225126999"))...)
	if reply, err := c.Write(ctx, write, nil); err != nil || reply.Err() != nil {
		t.Errorf("%v, %v", err, reply)
	}
}

// TestClientReadsRefusals checks that the client of package oci can read an error
// whose detail has the text that it sent, in the command's place and as the only
// reply.
func TestClientReadsRefusals(t *testing.T) {
	for _, mode := range []ocisim.RefusalMode{ocisim.RefusalCommand, ocisim.RefusalDocument} {
		t.Run(string(mode), func(t *testing.T) {
			seed := ocisim.DemoSeed()
			ofRelease(24, mode)(&seed)
			s := ocisim.NewTLSServer(seed)
			defer func() { _ = s.Close() }() // never fails
			c := moduleClient(t, s, oci.LoginPlain22V5, false)
			defer func() {
				if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			}()
			replies, err := c.Read(t.Context(), oci.NewRead("GroupGetRequest99", oci.Text("groupId", "]]>")))
			if err != nil {
				t.Fatal(err)
			}
			if got := numberOf(replies[0].Err()); got != 6004 {
				t.Errorf("error %d", got)
			}
		})
	}
}

func numberOf(err error) int {
	refused, _ := errors.AsType[*oci.ErrorReply](err)
	if refused == nil {
		return 0
	}
	return refused.Number
}
