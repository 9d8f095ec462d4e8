package oci

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// These tests specify Diagnose with the scripted platform of rig_test.go. What the program
// makes of the findings, and faults of real connections, are in the tests of cmd/ocigate.

// diagnose examines the endpoint of options over a dial function.
func diagnose(t *testing.T, o Options, d DiagnoseOptions) []Finding {
	t.Helper()
	findings, err := Diagnose(t.Context(), o, 0, d)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(findings)
}

func stages(findings []Finding) string {
	var names []string
	for _, f := range findings {
		name := string(f.Stage)
		if f.Err != nil {
			name += " failed"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// diagnosed are the options of an endpoint with a numeric address.
func diagnosed(dial func(context.Context, string, string) (net.Conn, error)) Options {
	return Options{Dial: dial, Endpoints: []Endpoint{{Name: "primary", Address: "192.0.2.1:2208", UserID: "gateway", Password: "secret"}}}
}

func TestDiagnoseGoesThroughAllStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{}
		found := diagnose(t, diagnosed(p.Dial), DiagnoseOptions{Reads: []Read{NewRead("ServiceProviderGetRequest17sp1"), NewRead("GroupGetRequest")}})
		if got := stages(found); got != "dns, dial, tls, login, version, read, read" {
			t.Error(got)
		}
		synctest.Wait()
		p.serving.Wait()
		if p.logins != 1 || p.logouts != 1 || p.open != 0 {
			t.Errorf("%d logins, %d logouts, %d open connections", p.logins, p.logouts, p.open)
		}
	})
}

func TestDiagnoseEndsWithTheRange(t *testing.T) {
	for i, last := range []Stage{StageDNS, StageDial, StageTLS, StageLogin, StageVersion, StageRead} {
		synctest.Test(t, func(t *testing.T) {
			p := &platform{}
			findings, err := Diagnose(t.Context(), diagnosed(p.Dial), 0, DiagnoseOptions{Reads: []Read{NewRead("GroupGetRequest"), NewRead("GroupGetRequest")}})
			if err != nil {
				t.Fatal(err)
			}
			for f := range findings {
				if f.Stage == last {
					break
				}
			}
			synctest.Wait()
			p.serving.Wait()
			if p.open != 0 || p.logins != p.logouts || i < 2 && p.logins > 0 {
				t.Errorf("%s: %d open connections, %d logins, %d logouts", last, p.open, p.logins, p.logouts)
			}
		})
	}
}

func TestDiagnoseSkipsTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{}
		if got := stages(diagnose(t, diagnosed(p.Dial), DiagnoseOptions{SkipLogin: true})); got != "dns, dial, tls" {
			t.Error(got)
		}
		p.serving.Wait()
		if p.logins != 0 {
			t.Error("it has logged in")
		}
	})
}

// TestDiagnoseAsksForTheVersionLast: a platform that closes the connection when it is asked
// for its version must be read before, if the release is set because of that.
func TestDiagnoseAsksForTheVersionLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{answer: func(p *platform, c *link, r asked) {
			if strings.HasPrefix(r.commands[0], "SystemSoftwareVersion") {
				_ = c.Close()
				return
			}
			wellAnswered(p, c, r)
		}}
		o := diagnosed(p.Dial)
		o.Release = 22
		found := diagnose(t, o, DiagnoseOptions{Reads: []Read{NewRead("GroupGetRequest")}})
		if got := stages(found); got != "dns, dial, tls, login, version, read" {
			t.Fatal(got)
		}
		if v := found[4]; !v.Dialect.Set || v.Dialect.Release != 22 || v.Reported != "" || found[5].Reply.Name() == "" {
			t.Errorf("%+v", found[4:])
		}
		p.serving.Wait()
		if p.logins != 1 {
			t.Errorf("%d logins", p.logins)
		}
	})
}

// TestDiagnoseOfOtherServers checks what is reported of a server that is no platform. A
// beginning of a document is not, because it may repeat a password.
func TestDiagnoseOfOtherServers(t *testing.T) {
	for name, test := range map[string]struct {
		peer      func(net.Conn)
		beginning string
		cause     error
	}{
		"another protocol":           {says("SSH-2.0-Test\r\n"), "SSH-2.0-Test\r\n", nil},
		"a document":                 {says("\r\n<html>secret"), "", nil},
		"nothing":                    {silent, "", context.DeadlineExceeded},
		"the end of the connection":  {func(c net.Conn) { _, _ = c.Read(make([]byte, 64<<10)) }, "", io.EOF},
		"a beginning that is longer": {says(strings.Repeat("x", 100)), strings.Repeat("x", maxBeginning), nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var peers sync.WaitGroup
				defer peers.Wait()
				found := diagnose(t, diagnosed(dialPeer(&peers, test.peer)), DiagnoseOptions{})
				f := found[len(found)-1]
				if got := stages(found); got != "dns, dial, tls, login failed" || string(f.Beginning) != test.beginning || f.Refused {
					t.Errorf("%s, begins with %q", got, f.Beginning)
				}
				if test.cause != nil && !errors.Is(f.Err, test.cause) {
					t.Error(f.Err)
				}
			})
		})
	}
}

// TestDiagnoseTriesEveryAddress uses the hosts file, which names localhost.
func TestDiagnoseTriesEveryAddress(t *testing.T) {
	p := &platform{}
	o := diagnosed(func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "localhost:2208" {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
		}
		return p.Dial(ctx, network, address)
	})
	o.Endpoints[0].Address = "localhost:2208"
	found := diagnose(t, o, DiagnoseOptions{})
	if len(found) < 2 || len(found[0].Addresses) == 0 || len(found[1].Unreachable) != len(found[0].Addresses) {
		t.Errorf("%+v", found)
	}
	p.serving.Wait()
}

func TestDiagnoseRefusesOptions(t *testing.T) {
	if _, err := Diagnose(t.Context(), Options{}, 0, DiagnoseOptions{}); err == nil {
		t.Error("no error without endpoints")
	}
	if _, err := Diagnose(t.Context(), diagnosed(nil), 1, DiagnoseOptions{}); err == nil {
		t.Error("no error for an endpoint that is not there")
	}
}

// TestDiagnoseReportsTheIdentity also checks the time of a step.
func TestDiagnoseReportsTheIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{answer: func(p *platform, c *link, r asked) {
			if r.commands[0] == "LoginRequest14sp4" {
				time.Sleep(time.Second)
			}
			wellAnswered(p, c, r)
		}}
		found := diagnose(t, diagnosed(p.Dial), DiagnoseOptions{})
		if f := found[3]; f.Took != time.Second || f.Identity.LoginType == "" || f.Identity.UserID != "gateway" {
			t.Errorf("%+v", f)
		}
		if f := found[4]; f.Took != 0 {
			t.Errorf("%+v", f)
		}
		p.serving.Wait()
	})
}
