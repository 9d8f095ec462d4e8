package oci_test

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// These tests run the client over TLS against each release of the simulated
// platform and each way in which it refuses what it does not support.

// overTLS returns a client that detects the release of a platform.
func overTLS(t *testing.T, platform *ocisim.Server, change func(*oci.Options)) *oci.Client {
	t.Helper()
	return connect(t, platform, func(o *oci.Options) {
		o.Release = oci.ReleaseUnknown
		o.Endpoints[0].TLS = &tls.Config{RootCAs: platform.CertPool(), MinVersion: tls.VersionTLS12}
		o.BackoffInitial, o.BackoffMax = time.Millisecond, 10*time.Millisecond
		if change != nil {
			change(o)
		}
	})
}

func release(number int, way ocisim.RefusalMode) ocisim.Seed {
	seed := ocisim.DemoSeed()
	seed.Platform.Release, seed.Platform.Version, seed.Platform.Refusal = number, "", way
	return seed
}

// untilRead reads until the platform answers.
func untilRead(t *testing.T, c *oci.Client) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := c.Read(t.Context(), oci.NewRead(summary, group()...))
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// logins are the commands of a ledger that log in or ask for the version.
func logins(entries []ocisim.Entry) []string {
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Command, "Login") || strings.HasPrefix(e.Command, "Authentication") || strings.HasPrefix(e.Command, "System") {
			names = append(names, e.Command)
		}
	}
	return names
}

// A session is logged in with a command that the release supports, and the next one
// with the same.
func TestLoginsTeachWhichOfThemThePlatformHas(t *testing.T) {
	const version = "SystemSoftwareVersionGetRequest"
	signed := []string{"AuthenticationRequest", "LoginRequest14sp4"}
	for _, way := range ocisim.RefusalModes() {
		for _, number := range ocisim.Releases() {
			t.Run(fmt.Sprintf("release %d that refuses by %s", number, way), func(t *testing.T) {
				platform := serve(t, ocisim.NewTLSServer(release(number, way)))
				c := overTLS(t, platform, func(o *oci.Options) { o.MaxSessions = 1 })
				untilRead(t, c)
				first := logins(platform.Ledger())
				good := map[bool][]string{true: {"LoginRequest22V5"}, false: {"LoginRequest22V2"}}[number >= 24]
				if number == 21 {
					good = signed
				}
				if tail := append(slices.Clone(good), version); !cmp.Equal(first[len(first)-len(tail):], tail) {
					t.Errorf("logged in by %v", first)
				}
				before := len(platform.Ledger())
				platform.Restart()
				untilRead(t, c)
				if diff := cmp.Diff(append(slices.Clone(good), version), logins(platform.Ledger()[before:])); diff != "" {
					t.Errorf("the second time (-want +got):\n%s", diff)
				}
				if got := c.Stats().Endpoints[0].Dialect.Release; got != oci.Release(number) {
					t.Errorf("release %d is taken for %d", number, got)
				}
			})
		}
	}
}

// Verification uses the command that the release supports. Nothing is learned if the
// credentials violate the schema.
func TestVerificationByRelease(t *testing.T) {
	for _, way := range []ocisim.RefusalMode{ocisim.RefusalCommand, ocisim.RefusalDocument} {
		for number, want := range map[int]string{21: "AuthenticationVerifyRequest14sp8", 23: "AuthenticationVerifyRequest14sp8", 24: "AuthenticationVerifyRequest22V4"} {
			t.Run(fmt.Sprintf("release %d that refuses by %s", number, way), func(t *testing.T) {
				platform := serve(t, ocisim.NewTLSServer(release(number, way)))
				c := overTLS(t, platform, nil)
				long := oci.Secret(strings.Repeat("x", 61)) // the schema has 60 characters
				for range 2 {
					if _, err := c.Verify(t.Context(), "groupadmin", long); err == nil {
						t.Error("a password that does not fit is good")
					}
				}
				before := len(platform.Ledger())
				who, err := c.Verify(t.Context(), "groupadmin", "groupadmin-demo")
				if err != nil || who.LoginType != "Group" || who.GroupID != "ApioGrpTest" {
					t.Fatalf("got %+v, %v", who, err)
				}
				if diff := cmp.Diff([]string{want}, logins(platform.Ledger()[before:])); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				before = len(platform.Ledger())
				_, err = c.Verify(t.Context(), "groupadmin", long)
				if got := logins(platform.Ledger()[before:]); err == nil || len(got) != 1 {
					t.Errorf("a command that is supported is refused for its content: %v, asked %v", err, got)
				}
			})
		}
	}
}

// Without a command for it, a separate login verifies the credentials.
func TestVerificationWithoutACommand(t *testing.T) {
	seed := release(24, ocisim.RefusalDocument)
	seed.Platform.Without = []string{"AuthenticationVerify*"}
	platform := serve(t, ocisim.NewTLSServer(seed))
	c := overTLS(t, platform, nil)
	for range 2 {
		who, err := c.Verify(t.Context(), "groupadmin", "groupadmin-demo")
		if err != nil || who.LoginType != "Group" {
			t.Fatalf("got %+v, %v", who, err)
		}
	}
	if _, err := c.VerifyByCommand(t.Context(), "groupadmin", "groupadmin-demo"); err == nil {
		t.Error("a command verifies nevertheless")
	}
}

// Commands about users are sent in the newest form that the release supports, and the
// replies to each form have what callers need.
func TestUsersAreReadInTheFormOfTheRelease(t *testing.T) {
	const someone = "ApioUserTest@sip.netaxis.be"
	for _, number := range ocisim.Releases() {
		for _, way := range ocisim.RefusalModes() {
			t.Run(fmt.Sprintf("release %d that refuses by %s", number, way), func(t *testing.T) {
				platform := serve(t, ocisim.NewTLSServer(release(number, way)))
				c := overTLS(t, platform, func(o *oci.Options) { o.MaxSessions = 1 })
				untilRead(t, c)
				before := len(platform.Ledger())
				replies, err := c.Read(t.Context(), oci.NewRead("UserGetRequest22", oci.Text("userId", someone)), oci.NewRead("UserRouteListGetRequest24", oci.Text("userId", someone)))
				if err != nil {
					t.Fatal(err)
				}
				user, list := replies[0], replies[1]
				if got, _, err := user.Text("groupId"); got != "ApioGrpTest" || err != nil {
					t.Errorf("the user's group is %q, %v", got, err)
				}
				if table, err := list.Table("assignedNumberRangeTable"); err != nil || table.Len() != 1 {
					t.Errorf("the ranges are %v, %v", table, err)
				}
				if _, present, _ := list.Element("assignedNumberPrefixTable"); present != (number >= 22) {
					t.Errorf("prefixes present: %t", present)
				}
				want := []string{"UserGetRequest22", "UserRouteListGetRequest24"}
				switch {
				case number == 21:
					want = []string{"UserGetRequest21sp1", "UserRouteListGetRequest"}
				case number < 24:
					want[1] = "UserRouteListGetRequest22"
				}
				var sent []string
				for _, e := range platform.Ledger()[before:] {
					sent = append(sent, e.Command)
				}
				if diff := cmp.Diff(want, sent); diff != "" {
					t.Errorf("sent (-want +got):\n%s", diff)
				}
			})
		}
	}
}
