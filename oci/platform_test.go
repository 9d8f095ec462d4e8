package oci_test

import (
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// These tests run the client against the simulated platform, which shares no
// code with it.

const summary = "GroupRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"

func group() []oci.Element {
	return []oci.Element{oci.Text("serviceProviderId", "ApioSpTest"), oci.Text("groupId", "ApioGrpTest")}
}

func assign(start string) oci.Write {
	return oci.NewWrite("GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest",
		append(group(), oci.Text("numberRangeStart", start))...)
}

// connect returns a client of a platform.
func connect(t *testing.T, platform *ocisim.Server, change func(*oci.Options)) *oci.Client {
	t.Helper()
	o := oci.Options{
		Release:        24,
		Endpoints:      []oci.Endpoint{{Name: "primary", Address: platform.Addr, UserID: "gateway", Password: "gateway-demo"}},
		CommandTimeout: 10 * time.Second,
	}
	if change != nil {
		change(&o)
	}
	c, err := oci.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(t.Context()); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	return c
}

func serve(t *testing.T, platform *ocisim.Server) *ocisim.Server {
	t.Helper()
	t.Cleanup(func() { _ = platform.Close() }) // never fails
	return platform
}

// names returns the commands that the platform was sent, except logouts.
func names(platform *ocisim.Server) []string {
	var all []string
	for _, entry := range platform.Ledger() {
		if entry.Command != "LogoutRequest" {
			all = append(all, entry.Command)
		}
	}
	return all
}

func TestLoginByTransportAndRelease(t *testing.T) {
	signed := []string{"AuthenticationRequest", "LoginRequest14sp4"}
	for name, test := range map[string]struct {
		secured bool
		login   oci.LoginMethod
		without []string // commands that the release does not support
		want    []string
	}{
		"signs without TLS":                       {want: signed},
		"signs if configured":                     {secured: true, login: oci.LoginSigned, want: signed},
		"sends the password over TLS":             {secured: true, want: []string{"LoginRequest22V5"}},
		"uses the older command if configured":    {secured: true, login: oci.LoginPlain22V2, want: []string{"LoginRequest22V2"}},
		"falls back to what the release knows":    {secured: true, without: []string{"LoginRequest22V5"}, want: []string{"LoginRequest22V5", "LoginRequest22V2"}},
		"falls back to signing in an old release": {secured: true, without: []string{"LoginRequest22*"}, want: append([]string{"LoginRequest22V5", "LoginRequest22V2"}, signed...)},
	} {
		t.Run(name, func(t *testing.T) {
			seed := ocisim.DemoSeed()
			seed.Platform.Without = test.without
			var platform *ocisim.Server
			if test.secured {
				platform = serve(t, ocisim.NewTLSServer(seed))
			} else {
				platform = serve(t, ocisim.NewServer(seed))
			}
			c := connect(t, platform, func(o *oci.Options) {
				o.Endpoints[0].Login = test.login
				if test.secured {
					o.Endpoints[0].TLS = &tls.Config{RootCAs: platform.CertPool()}
				}
			})
			if c.Secure() != test.secured {
				t.Errorf("Secure is %t", c.Secure())
			}
			if _, err := c.Read(t.Context(), oci.NewRead(summary, group()...)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append(test.want, summary), names(platform)); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConnectErrorsNameTheStep(t *testing.T) {
	platform := serve(t, ocisim.NewTLSServer(ocisim.DemoSeed()))
	for name, test := range map[string]struct {
		change func(*oci.Endpoint)
		stage  oci.Stage
		number int
	}{
		"no listener":           {func(e *oci.Endpoint) { e.Address = "127.0.0.1:1" }, oci.StageDial, 0},
		"an unknown authority":  {func(e *oci.Endpoint) { e.TLS = &tls.Config{} }, oci.StageTLS, 0},
		"another server's name": {func(e *oci.Endpoint) { e.TLS.ServerName = "other.example.com" }, oci.StageTLS, 0},
		"a wrong password":      {func(e *oci.Endpoint) { e.Password = "wrong" }, oci.StageLogin, 4962},
		"an unknown account":    {func(e *oci.Endpoint) { e.UserID = "nobody" }, oci.StageLogin, 4008},
		"a disabled account":    {func(e *oci.Endpoint) { e.UserID, e.Password = "disabled", "disabled-demo" }, oci.StageLogin, 5202},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, platform, func(o *oci.Options) {
				o.Endpoints[0].TLS = &tls.Config{RootCAs: platform.CertPool()}
				test.change(&o.Endpoints[0])
			})
			_, err := c.Read(t.Context(), oci.NewRead(summary, group()...))
			failed, ok := errors.AsType[*oci.ConnectError](err)
			if !ok || failed.Stage != test.stage || failed.Endpoint != "primary" || !oci.NotDone(err) {
				t.Errorf("got %v", err)
			}
			refused, _ := errors.AsType[*oci.ErrorReply](err)
			if refused == nil && test.number != 0 || refused != nil && refused.Number != test.number {
				t.Errorf("the platform's number is not %d: %v", test.number, err)
			}
		})
	}
}

func TestCharactersSurviveEveryEncoding(t *testing.T) {
	for _, name := range []string{"ISO-8859-1", "ISO-8859-2", "ISO-8859-15", "UTF-8"} {
		t.Run(name, func(t *testing.T) {
			seed := ocisim.DemoSeed()
			seed.Platform.Encoding = name
			seed.Tenants[0].Groups[0].Users[0].LastName = "Ďurišová €"
			platform := serve(t, ocisim.NewServer(seed))
			encoding, err := oci.EncodingByName(name)
			if err != nil {
				t.Fatal(err)
			}
			c := connect(t, platform, func(o *oci.Options) { o.Encoding = encoding })
			replies, err := c.Read(t.Context(), oci.NewRead(summary, group()...))
			if err != nil {
				t.Fatal(err)
			}
			table, err := replies[0].Table("numberRangeSummaryTable")
			if err != nil {
				t.Fatal(err)
			}
			for row := range table.Rows() {
				if got := row.Cell(table.Column("Last Name")); got != "Ďurišová €" {
					t.Errorf("got %q", got)
				}
				break
			}
		})
	}
}

func TestSlowAndOddAnswersAreTakenForWhatTheyAre(t *testing.T) {
	for _, fault := range []string{"late-newline delay=1ms", "drip delay=10us", "slow delay=1ms", "huge-table rows=2000"} {
		t.Run(fault, func(t *testing.T) {
			parsed, err := ocisim.ParseFault(fault)
			if err != nil {
				t.Fatal(err)
			}
			seed := ocisim.DemoSeed()
			seed.Faults = []ocisim.Fault{parsed}
			platform := serve(t, ocisim.NewServer(seed))
			c := connect(t, platform, func(o *oci.Options) { o.MaxSessions = 1 })
			for range 3 {
				if _, err := c.Read(t.Context(), oci.NewRead(summary, group()...)); err != nil {
					t.Fatal(err)
				}
			}
			if got := names(platform); len(got) != 5 {
				t.Errorf("the session was not kept: %v", got)
			}
		})
	}
}

func TestAReplyAboveTheLimitEndsTheSession(t *testing.T) {
	seed := ocisim.DemoSeed()
	seed.Faults = []ocisim.Fault{{Kind: ocisim.HugeTable, Rows: 2000}}
	platform := serve(t, ocisim.NewServer(seed))
	c := connect(t, platform, func(o *oci.Options) { o.MaxReplyBytes = 64 << 10 })
	_, err := c.Read(t.Context(), oci.NewRead(summary, group()...))
	if !errors.Is(err, oci.ErrReplyTooLarge) {
		t.Errorf("got %v", err)
	}
	if got := names(platform); len(got) != 3 {
		t.Errorf("it was asked for again: %v", got)
	}
}

func TestAWriteIsSentOnceWhateverHappens(t *testing.T) {
	for fault, applied := range map[string]bool{
		"drop-before-apply":        false,
		"drop-after-apply":         true,
		"reset-before-apply":       false,
		"reset-after-apply":        true,
		"apply-late delay=1ms":     true,
		"half-reply bytes=100":     true,
		"foreign-session":          true,
		"foreign-echo":             true,
		"garbage":                  true,
		"wrong-document":           true,
		"forced-logout-instead":    false,
		"stall":                    false,
		"stall-after-apply":        true,
		"error-after-apply":        true,
		"error-before-apply":       false,
		"foreign-tracking":         true,
		"late-newline delay=1ms":   true,
		"forced-logout reason=Bye": true,
	} {
		t.Run(fault, func(t *testing.T) {
			parsed, err := ocisim.ParseFault(fault + " command=*AssignListRequest")
			if err != nil {
				t.Fatal(err)
			}
			seed := ocisim.DemoSeed()
			seed.Faults = []ocisim.Fault{parsed}
			platform := serve(t, ocisim.NewServer(seed))
			c := connect(t, platform, func(o *oci.Options) { o.CommandTimeout = 200 * time.Millisecond })
			asked := 0
			reply, err := c.Write(oci.WithTrackingID(t.Context(), "track"), assign("+3225126999"), func(string) error { asked++; return nil })
			if asked != 1 {
				t.Errorf("it was tried %d times", asked)
			}
			writes := platform.Writes()
			if len(writes) != 1 || writes[0].Applied != applied {
				t.Fatalf("the platform's ledger: %+v", writes)
			}
			done := err == nil && reply.Err() == nil
			if done && !applied {
				t.Error("it is reported as done and was not")
			}
			if applied && oci.NotDone(err) {
				t.Errorf("it is reported as not done and was: %v", err)
			}
		})
	}
}
