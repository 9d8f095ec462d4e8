//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/oci/ocisim"
)

// shell returns a command for sh, in the folder of the page.
func (s *pageShell) shell(ctx context.Context, command string) *exec.Cmd {
	c := exec.CommandContext(ctx, "sh", "-c", command)
	c.Dir = s.folder
	c.Env = append(os.Environ(), s.variables...)
	return c
}

// start runs a server in the background in the place of the one before, and waits
// until it is ready.
func (s *pageShell) start(command string) {
	s.Helper()
	s.end()
	kind, _ := runsOn(command)
	// The context of the test ends before end is called.
	c := s.shell(context.WithoutCancel(s.Context()), "exec "+strings.TrimSpace(command)+servers[kind].flags)
	s.out = &output{}
	log, err := os.OpenFile(filepath.Join(s.folder, "ocigate.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = log.Close() }) // it was written by the process
	written := io.MultiWriter(s.out, log)
	c.Stdout, c.Stderr = written, written
	s.server, s.process = command, startBound(s.T, c)
	s.Cleanup(s.end)
	ready := servers[kind].ready
	waitFor(s.T, func() bool {
		select {
		case <-s.process.ended:
			s.Fatalf("%s ends: %v\n%s", command, s.process.failure, s.out)
		default:
		}
		return ready.MatchString(s.out.String())
	})
	found := ready.FindStringSubmatch(s.out.String())
	s.api, s.admin = found[1], found[2]
}

// end stops the server in the background, if there is one.
func (s *pageShell) end() {
	if s.process == nil {
		return
	}
	_ = s.process.command.Process.Signal(syscall.SIGTERM) // it fails if the process has ended
	<-s.process.ended
	if s.process.failure != nil {
		s.Errorf("%s: %v\n%s", s.server, s.process.failure, s.out)
	}
	s.process = nil
}

// TestDemoShowsLinesForOperators runs the lines of the banner that are no calls of the API.
func TestDemoShowsLinesForOperators(t *testing.T) {
	t.Parallel() // it waits most of the time
	needsCurl(t)
	s := newPageShell(t)
	s.start("bin/ocigate demo")
	address := regexp.MustCompile(`simulated platform +([0-9.:]+) `)
	waitFor(t, func() bool { return strings.Contains(s.out.String(), "fault remove --all") }) // the end of the banner
	platform := address.FindStringSubmatch(s.out.String())[1]
	for i, want := range []string{"<title>", `"health":`, "ocigate_platform_endpoint_up{", "ready", "1", "drop-after-apply", "removed 1: "} {
		line := operatorLines("http://"+s.api, "http://"+s.admin, platform)[i].command
		if !strings.Contains(s.out.String(), "\n"+line+"\n") {
			t.Errorf("not shown: %s", line)
		}
		if got, err := s.run(line); err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %v, prints %s", line, err, got)
		}
	}
}

// prepareConfiguration has a platform for a reader who makes a configuration, and
// adapts that configuration before it is checked.
func (s *pageShell) prepareConfiguration() {
	platform := newPlatform(s.T)
	s.replace = strings.NewReplacer("PLATFORM_PASSWORD=…", "PLATFORM_PASSWORD=gateway-demo", "YourServiceProvider", "ApioSpTest", "YourGroup", "ApioGrpTest")
	s.variables = append(s.variables, "OCIGATE_HTTP_LISTEN=127.0.0.1:0", "OCIGATE_ADMIN_LISTEN=localhost:0")
	s.beforeCheck = func(s *pageShell) {
		file := filepath.Join(s.folder, "ocigate.yaml")
		var c, added map[string]any
		s.unmarshal(readFile(s.T, file), &c)
		block := blocks(pages(s.T)["config/README.md"], "yaml")[0]
		hash := s.seen["bin/ocigate hash < portal.secret            # the configuration has only this hash of it\n"]
		s.unmarshal(s.replace.Replace(strings.ReplaceAll(block, pagePlaceholder, hash)), &added)
		c["auth"] = added["auth"]
		c["platform"].(map[string]any)["user_id"] = "gateway"
		c["platform"].(map[string]any)["endpoints"] = []any{map[string]any{"name": "simulated", "address": platform.Addr, "tls": map[string]any{"enabled": false}}}
		c["journal"] = map[string]any{"folder": filepath.Join(s.folder, "journal")}
		adapted, err := yaml.Marshal(c)
		if err != nil {
			s.Fatal(err)
		}
		writeFile(s.T, file, string(adapted))
	}
}

func (s *pageShell) unmarshal(text string, into any) {
	s.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		s.Fatal(err)
	}
}

// prepareUnknownWrite runs a gateway with a write whose outcome is unknown, because the
// platform has lost it and refuses the lists.
func (s *pageShell) prepareUnknownWrite() {
	platform := newPlatform(s.T)
	writeFile(s.T, filepath.Join(s.folder, "ocigate.yaml"), fmt.Sprintf(`
http: {listen: "127.0.0.1:0"}
admin: {listen: "localhost:0"}
auth: {clients: [{id: portal, hash: %q, level: system}]}
journal: {folder: journal, settle: 10s}
platform:
  endpoints: [{name: simulated, address: %q, tls: {enabled: false}}]
  user_id: gateway
  password: gateway-demo
`, demoHash(s.T), platform.Addr))
	s.start("bin/ocigate serve")
	if _, err := platform.Inject(ocisim.Fault{Kind: ocisim.DropBeforeApply, Command: "GroupRouteList*NumberRangeAssignListRequest", Times: 1}); err != nil {
		s.Fatal(err)
	}
	if status, body := ask(s.T, "POST", "http://"+s.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`); status != http.StatusGatewayTimeout {
		s.Fatalf("%d %s", status, body)
	}
	if _, err := platform.Inject(ocisim.Fault{Kind: ocisim.ErrorBeforeApply, Command: "*NumberRangeGet*"}); err != nil {
		s.Fatal(err)
	}
	_, body := ask(s.T, "GET", "http://"+s.api+"/api/v1/operations/?state=unknown", "")
	var list struct{ Operations []struct{ ID string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Operations) != 1 {
		s.Fatalf("%v: %s", err, body)
	}
	s.id = list.Operations[0].ID
}

// demoHash is the hash of the secret that ask uses.
func demoHash(t *testing.T) string {
	t.Helper()
	hash, _, err := execute(t, demoSecret, "hash")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(hash)
}

// TestPageNginx has nginx check the configuration of the page.
func TestPageNginx(t *testing.T) {
	nginx, err := findNginx()
	if err != nil {
		t.Skipf("nginx is not installed: %v", err)
	}
	folder := t.TempDir()
	found := 0
	for page, text := range pages(t) {
		for _, block := range blocks(text, "nginx") {
			found++
			listening := strings.Replace(block, "server {\n", fmt.Sprintf("server {\n    listen unix:%s/socket;\n", folder), 1)
			file := filepath.Join(folder, "nginx.conf")
			writeFile(t, file, fmt.Sprintf("pid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;\n%[2]s}\n", folder, listening))
			if out, err := exec.CommandContext(t.Context(), nginx, "-t", "-p", folder, "-c", file, "-e", "stderr").CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", page, err, out)
			}
		}
	}
	if found == 0 {
		t.Error("no page has a configuration of nginx")
	}
}

// TestPageSQL makes role and database as the page of the journal says, and has the
// program make its tables there. TestPrivileges of package postgres checks the
// privileges of that page.
func TestPageSQL(t *testing.T) {
	server, err := postgrestest.New()
	if errors.Is(err, postgrestest.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	for statement := range strings.Lines(blocks(pages(t)["gateway/operation/README.md"], "sql")[0]) {
		server.Exec(t, server.URL(postgrestest.User, postgrestest.Password, "postgres"), statement)
	}
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	writeFile(t, file, fmt.Sprintf("journal: {store: postgres, postgres_url: %q}\n", server.URL("gateway", "secret", "ocigate")))
	out, errs, err := execute(t, "", "audit", "verify", "-c", file)
	if err != nil || !strings.Contains(out, "The audit trail has no lines.") {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
}
