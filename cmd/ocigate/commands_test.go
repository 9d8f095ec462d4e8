package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ocigate/config"
	"ocigate/oci"
)

// These tests specify the output and the refusals of commands. To add an output, add an
// entry to the map of TestCommandsWrite: the arguments, and a pattern of the output.

// execute runs a command line and returns its output.
func execute(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(args)
	err = root.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

func TestCommandsWrite(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string // a pattern
	}{
		"the version":            {[]string{"version"}, `^ocigate \S+\n(revision: .+\n)?go: go\S+\nplatform: \w+/\w+\n$`},
		"an example":             {[]string{"config", "init"}, `(?m)^platform:$`},
		"the faults":             {[]string{"simulate", "faults"}, `(?m)^drop-after-apply `},
		"the seed":               {[]string{"simulate", "seed"}, `(?m)^  - id: ApioSpTest$`},
		"a completion":           {[]string{"completion", "bash"}, `__start_ocigate`},
		"help without a command": {nil, `(?m)^  demo `},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, err := execute(t, "", test.args...)
			if err != nil || !regexp.MustCompile(test.want).MatchString(out) || errs != "" {
				t.Errorf("%v, wrote:\n%s\nand as errors:\n%s", err, out, errs)
			}
		})
	}
}

func TestMistypedCommandsFail(t *testing.T) {
	for _, line := range []string{"serv", "config chek", "simulate faul", "simulate fault ad", "serve now", "version 2", "demo --chek", "demo --available-from user"} {
		t.Run(line, func(t *testing.T) {
			if out, _, err := execute(t, "", strings.Fields(line)...); err == nil {
				t.Errorf("no error, wrote:\n%s", out)
			}
		})
	}
}

func TestFlagsWithoutEffectAreRefused(t *testing.T) {
	for _, line := range []string{"simulate --write-cert x.pem", "demo --check --listen 127.0.0.1:0", "demo --check --available-from tenant", "demo --check --fault down"} {
		t.Run(line, func(t *testing.T) {
			if _, _, err := execute(t, "", strings.Fields(line)...); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestConfigCommands(t *testing.T) {
	t.Setenv("PLATFORM_PASSWORD", "hunter2")
	example, _, err := execute(t, "", "config", "init")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ocigate.yaml")
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, err := execute(t, "", "config", "check", "--config", path); err != nil || out != "The configuration is valid.\n" {
		t.Errorf("check: %v, %q", err, out)
	}
	out, _, err := execute(t, "", "config", "print", "--config", path)
	if err != nil || strings.Contains(out, "hunter2") || !strings.Contains(out, "[redacted]") {
		t.Errorf("print: %v\n%s", err, out)
	}
	if err := os.WriteFile(path, []byte(example+"\nbogus: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"config", "check"}, {"config", "print"}, {"serve"}} {
		_, _, err := execute(t, "", append(command, "--config", path)...)
		if _, ok := errors.AsType[*config.Problems](err); !ok || !strings.Contains(err.Error(), "bogus") {
			t.Errorf("%v with an unknown key: %v", command, err)
		}
	}
}

func TestHashIsAcceptedInAConfiguration(t *testing.T) {
	out, _, err := execute(t, "a secret\n", "hash")
	if err != nil || !strings.HasPrefix(out, "$argon2id$") {
		t.Errorf("%v, wrote %q", err, out)
	}
	if _, _, err := execute(t, "", "hash"); err == nil {
		t.Error("nothing was hashed")
	}
}

func TestDemoAnswersAsDocumented(t *testing.T) {
	t.Parallel() // it waits most of the time
	out, errs, err := execute(t, "", "demo", "--check")
	if err != nil || strings.Count(out, ", not as documented: 0\n") != len(availableLists)+len(demoFaults) {
		t.Errorf("%v\n%s\n%s", err, out, errs)
	}
	if !strings.Contains(out, "list the number ranges that can be assigned") {
		t.Errorf("what can be assigned is not listed:\n%s", out)
	}
}

func TestDemoCheckDetectsAnotherResponse(t *testing.T) {
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	var out bytes.Buffer
	if err := checkDemo(t.Context(), "http://"+l.Addr().String(), demoCalls(config.AvailableFromGroup), &out); err == nil {
		t.Errorf("no error:\n%s", &out)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

func TestDemoShowsEveryCall(t *testing.T) {
	for _, from := range availableLists {
		t.Run("with available from "+string(from), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var out output
			base := ""
			d := &demo{api: "127.0.0.1:0", admin: "127.0.0.1:0", platform: "127.0.0.1:0", availableFrom: from}
			err := runDemo(ctx, d, &out, func(_ context.Context, api, admin, platform net.Addr) error {
				defer cancel()
				base = "http://" + api.String()
				return d.printBanner(&out, "http://"+api.String(), "http://"+admin.String(), platform.String())
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range demoCalls(from) {
				if !strings.Contains(out.String(), "\n"+call.curl(base)+"\n") {
					t.Errorf("%s %s is not shown", call.method, call.path)
				}
			}
			if !strings.Contains(out.String(), "can be assigned") {
				t.Error("the banner does not explain how to list entries that can be assigned")
			}
		})
	}
}

func TestDemoCheckDetectsAnEntryThatIsNotListed(t *testing.T) {
	const list = `{"available_numbers":[{"minPhoneNumber":"+321","maxPhoneNumber":"+329","active":true,"extensionLength":""}]}`
	for body, listed := range map[string]bool{
		`{"numbers":[{"minPhoneNumber":"+321","maxPhoneNumber":"+329"}]}`:                                                 true,
		`{"numbers":[{"minPhoneNumber":"+321","maxPhoneNumber":"+328"}]}`:                                                 false,
		`{"numbers":[{"minPhoneNumber":"+322","maxPhoneNumber":"+329"}]}`:                                                 false,
		`{"prefixes":[{"prefix":"+32-03"}]}`:                                                                              false,
		`{"numbers":[{"minPhoneNumber":"+321","maxPhoneNumber":"+329"},{"minPhoneNumber":"+33","maxPhoneNumber":"+33"}]}`: false,
	} {
		if err := listedIn([]byte(list), body); (err == nil) != listed {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestSimulateServesOtherClients(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	certificate := filepath.Join(t.TempDir(), "sim.pem")
	s := &simulation{listen: "127.0.0.1:0", secured: true, cert: certificate, faults: []string{"slow delay=1ms"}}
	seed, err := s.load()
	if err != nil || len(seed.Faults) != 1 {
		t.Fatalf("%v, faults %v", err, seed.Faults)
	}
	root := newRoot()
	var out output
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs([]string{"simulate", "--listen", "127.0.0.1:0", "--tls", "--write-cert", certificate, "--fault", "slow delay=1ms"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	pattern := regexp.MustCompile(`listens on (127\.0\.0\.1:\d+)\.`)
	waitFor(t, func() bool { return pattern.MatchString(out.String()) || len(ended) > 0 })
	found := pattern.FindStringSubmatch(out.String())
	if found == nil {
		t.Fatalf("it ended: %v", <-ended)
	}
	secured, _, err := readEndpointTLS(config.EndpointTLS{Enabled: true, CAFile: certificate})
	if err != nil {
		t.Fatal(err)
	}
	client, err := oci.New(oci.Options{Endpoints: []oci.Endpoint{{Address: found[1], TLS: secured, UserID: "gateway", Password: "gateway-demo"}}})
	if err != nil {
		t.Fatal(err)
	}
	replies, err := client.Read(t.Context(), oci.NewRead("SystemSoftwareVersionGetRequest"))
	if err != nil || replies[0].Err() != nil {
		t.Errorf("%v, %v", replies, err)
	}
	if err := client.Close(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestSimulateRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(bad, []byte("bogus: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"an unknown fault": {"--fault", "nonsense"},
		"a missing seed":   {"--seed", bad + "x"},
		"a bad seed":       {"--seed", bad},
		"a bad address":    {"--listen", "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := execute(t, "", append([]string{"simulate"}, args...)...); err == nil {
				t.Error("no error")
			}
		})
	}
}
