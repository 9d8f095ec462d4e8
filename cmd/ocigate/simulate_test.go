package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// These tests specify the flags of the simulated platform. To add a refused value, add an
// entry to the map of TestSimulateRefusesValuesThatAreNotAllowed.

// writeSeed writes a seed with one administrator and those settings.
func writeSeed(t *testing.T, settings string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seed.yaml")
	seed := "platform: {" + settings + "}\nadministrators: [{id: gateway, password: gateway-demo, type: System}]\n"
	if err := os.WriteFile(path, []byte(seed), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSimulateFlagsOverrideTheSeed(t *testing.T) {
	for name, test := range map[string]struct {
		settings string
		flags    []string
		release  int
		refusal  ocisim.RefusalMode
	}{
		"nothing given":      {"", nil, 0, ""},
		"the seed's":         {"release: 22, refusal: document", nil, 22, ocisim.RefusalDocument},
		"the flags'":         {"", []string{"--release", "21", "--refusal", "close"}, 21, ocisim.RefusalClose},
		"flags over a seed":  {"release: 22, refusal: document", []string{"--release", "25", "--refusal", "command"}, 25, ocisim.RefusalCommand},
		"a release alone":    {"release: 22, refusal: document", []string{"--release", "23"}, 23, ocisim.RefusalDocument},
		"a refusal alone":    {"release: 22, refusal: document", []string{"--refusal", "close"}, 22, ocisim.RefusalClose},
		"the last one given": {"", []string{"--release", "21", "--release", "23"}, 23, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var s simulation
			c := &cobra.Command{}
			s.addFlags(c)
			if err := c.ParseFlags(append([]string{"--seed", writeSeed(t, test.settings)}, test.flags...)); err != nil {
				t.Fatal(err)
			}
			seed, err := s.load()
			if err != nil || seed.Platform.Release != test.release || seed.Platform.Refusal != test.refusal {
				t.Errorf("%v, release %d, refusal %q", err, seed.Platform.Release, seed.Platform.Refusal)
			}
		})
	}
}

// simulate runs the command until the test has ended, and returns its listening address.
func simulate(t *testing.T, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	root := newRoot()
	var out output
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"simulate", "--listen", "127.0.0.1:0"}, flags...))
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	pattern := regexp.MustCompile(`listens on (127\.0\.0\.1:\d+)\.`)
	waitFor(t, func() bool { return pattern.MatchString(out.String()) || len(ended) > 0 })
	found := pattern.FindStringSubmatch(out.String())
	if found == nil {
		t.Fatalf("it ended: %s", out.String())
	}
	return found[1]
}

func TestSimulateHasTheReleaseAndRefusesInTheMode(t *testing.T) {
	const unknown = "ServiceProviderGetRequest22V4" // first in 24
	for name, test := range map[string]struct {
		flags   []string
		version string
		refused bool // with a reply
	}{
		"by command":  {[]string{"--release", "22", "--refusal", "command"}, "22", true},
		"by document": {[]string{"--release", "21", "--refusal", "document"}, "21sp1", true},
		"by close":    {[]string{"--release", "23", "--refusal", "close"}, "23", false},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := oci.New(oci.Options{
				Endpoints:      []oci.Endpoint{{Address: simulate(t, test.flags...), UserID: "gateway", Password: "gateway-demo"}},
				OmitTrackingID: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := client.Close(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			}()
			replies, err := client.Read(t.Context(), oci.NewRead("SystemSoftwareVersionGetRequest"))
			if err != nil {
				t.Fatal(err)
			}
			if version, _, _ := replies[0].Text("version"); version != test.version {
				t.Errorf("version %q", version)
			}
			replies, err = client.Read(t.Context(), oci.NewRead(unknown, oci.Text("serviceProviderId", "ApioSpTest")))
			if _, lost := errors.AsType[*oci.LostError](err); lost == test.refused {
				t.Fatalf("%v", err)
			}
			if test.refused {
				if refusal, ok := errors.AsType[*oci.ErrorReply](replies[0].Err()); !ok || refusal.Number != 6004 {
					t.Errorf("answered %v", replies[0].Err())
				}
			}
		})
	}
}

func TestSimulateRefusesValuesThatAreNotAllowed(t *testing.T) {
	const releases, modes = "is not one of 21, 22, 23, 24, 25", "is not one of command, document, close"
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"an unknown release":        {[]string{"--release", "20"}, []string{"--release", `"20"`, releases}},
		"a release that is a word":  {[]string{"--release", "latest"}, []string{"--release", `"latest"`, releases}},
		"no release":                {[]string{"--release", "0"}, []string{"--release", releases}},
		"an unknown mode":           {[]string{"--refusal", "drop"}, []string{"--refusal", `"drop"`, modes}},
		"an empty mode":             {[]string{"--refusal="}, []string{"--refusal", modes}},
		"a seed's unknown release":  {[]string{"--seed", writeSeed(t, "release: 20")}, []string{"platform.release: 20 " + releases}},
		"a seed's unknown mode":     {[]string{"--seed", writeSeed(t, "refusal: drop")}, []string{`platform.refusal: "drop" ` + modes}},
		"a bad seed under the flag": {[]string{"--seed", writeSeed(t, "release: 20"), "--release", "24"}, []string{"platform.release: 20 " + releases}},
	} {
		t.Run(name, func(t *testing.T) {
			certificate := filepath.Join(t.TempDir(), "sim.pem")
			args := append([]string{"simulate", "--listen", "127.0.0.1:0", "--tls", "--write-cert", certificate}, test.args...)
			out, errs, err := execute(t, "", args...)
			if err == nil || out != "" || errs != "" {
				t.Fatalf("%v, wrote %q and as errors %q", err, out, errs)
			}
			for _, words := range test.want {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q is not in the error %q", words, err)
				}
			}
			if _, err := os.Stat(certificate); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the certificate was written: %v", err)
			}
		})
	}
}
