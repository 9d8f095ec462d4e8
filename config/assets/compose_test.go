//go:build linux

package assets_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ocigate/gateway/operation/postgres/postgrestest"
)

// These tests specify the compose file. No engine runs it here: its services are checked
// one by one, and the gateway and the simulated platform run as processes with its commands
// and files.

func composeServices(t *testing.T) (project object, services map[string]any) {
	t.Helper()
	project = documents(t, read(t, "compose/compose.yaml"))[0]
	return project, plain(project["services"]).(map[string]any)
}

func TestComposeServicesAreHardened(t *testing.T) {
	project, services := composeServices(t)
	for name, s := range services {
		if at(s, "read_only") != true || at(s, "cap_drop", 0) != "ALL" || at(s, "security_opt", 0) != "no-new-privileges:true" || at(s, "privileged") != nil {
			t.Errorf("%s is not hardened: %v", name, s)
		}
		if at(s, "healthcheck", "test") == nil && at(s, "healthcheck", "disable") != true {
			t.Errorf("%s has no health check", name)
		}
		image := at(s, "image").(string)
		if strings.HasSuffix(image, ":latest") || !strings.Contains(image, ":") {
			t.Errorf("%s has the image %s without a version", name, image)
		}
		ports, _ := at(s, "ports").([]any)
		for _, port := range ports {
			if !strings.HasPrefix(port.(string), "127.0.0.1:") {
				t.Errorf("%s publishes %s", name, port)
			}
		}
		secrets, _ := at(s, "secrets").([]any)
		for _, secret := range secrets {
			if at(project, "secrets", secret, "file") == nil {
				t.Errorf("%s has the secret %s, which is none", name, secret)
			}
		}
	}
}

// TestComposeFilesExist requires every file that is mounted or is a secret or configuration.
func TestComposeFilesExist(t *testing.T) {
	project, services := composeServices(t)
	var files []string
	for _, kind := range []string{"secrets", "configs"} {
		for _, of := range plain(project[kind]).(map[string]any) {
			files = append(files, at(of, "file").(string))
		}
	}
	for _, s := range services {
		volumes, _ := at(s, "volumes").([]any)
		for _, v := range volumes {
			from, _, _ := strings.Cut(v.(string), ":")
			switch {
			case strings.HasPrefix(from, "."):
				files = append(files, from)
			case at(project["volumes"], from) == nil:
				t.Errorf("there is no volume %s", from)
			}
		}
	}
	if len(files) < 9 {
		t.Errorf("only %v", files)
	}
	for _, file := range files {
		if strings.HasPrefix(file, "../grafana/") && !chartHas("dashboard.json") || strings.HasPrefix(file, "../prometheus/") && !chartHas("rules.yaml") {
			continue
		}
		if _, err := os.Stat(filepath.Join("compose", file)); err != nil {
			t.Error(err)
		}
	}
}

// TestComposeLoads has the library of Compose load the project: interpolation, references
// and what belongs together.
func TestComposeLoads(t *testing.T) {
	c := exec.CommandContext(t.Context(), tool(t, "compose-spec"), "compose.yaml")
	c.Dir = "compose"
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "host_ip: 127.0.0.1") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestComposePrometheus has promtool check the configuration of Prometheus, with the rules.
func TestComposePrometheus(t *testing.T) {
	promtool := tool(t, "promtool")
	if !chartHas("rules.yaml") {
		t.Skip("there are no rules")
	}
	folder := t.TempDir()
	write(t, filepath.Join(folder, "prometheus.yaml"), read(t, "compose/prometheus.yaml"))
	write(t, filepath.Join(folder, "rules.yaml"), read(t, "prometheus/rules.yaml"))
	run(t, promtool, "check", "config", filepath.Join(folder, "prometheus.yaml"))
}

// TestComposeRuns runs the simulated platform and the gateway with their commands, files and
// secrets, on a PostgreSQL server of this machine. Only addresses and folders are adapted.
func TestComposeRuns(t *testing.T) {
	server, err := postgrestest.New()
	if errors.Is(err, postgrestest.ErrNotInstalled) {
		missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	_, services := composeServices(t)
	folder := t.TempDir()
	secrets, err := os.ReadDir("compose/secrets")
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		write(t, filepath.Join(folder, secret.Name()), read(t, filepath.Join("compose/secrets", secret.Name())))
	}
	write(t, filepath.Join(folder, "postgres-url"), server.URL(postgrestest.User, postgrestest.Password, "postgres"))
	command := func(service string, adapt *strings.Replacer) *exec.Cmd {
		var args []string
		for _, arg := range at(services[service], "command").([]any) {
			args = append(args, adapt.Replace(arg.(string)))
		}
		return exec.Command(binary(t), args...)
	}
	platform := startTool(t, command("platform", strings.NewReplacer("0.0.0.0:2208", "127.0.0.1:0")), regexp.MustCompile(`listens on ([0-9.:]+)\.\n`))
	file := filepath.Join(folder, "ocigate.yaml")
	admin := freeAddress(t)
	write(t, file, strings.NewReplacer("/run/secrets", folder, "platform:2208", platform.found[1], `":8080"`, `"127.0.0.1:0"`, `":9090"`, `"`+admin+`"`).Replace(read(t, "compose/ocigate.yaml")))
	run(t, binary(t), "config", "check", "--config", file)
	serve := command("gateway", strings.NewReplacer("/etc/ocigate/ocigate.yaml", file))
	serve.Env = append(os.Environ(), "OCIGATE_HTTP_DRAIN=0s")
	gateway := startTool(t, serve, regexp.MustCompile(`"api":"([0-9.:]+)"`))
	var health []string
	for _, arg := range at(services["gateway"], "healthcheck", "test").([]any)[2:] {
		health = append(health, strings.ReplaceAll(arg.(string), "/etc/ocigate/ocigate.yaml", file))
	}
	if out := run(t, binary(t), health...); out != "ready\n" {
		t.Error(out)
	}
	// The path of the call at the beginning of the compose file.
	path := regexp.MustCompile(`http://127\.0\.0\.1:8080(/\S+)`).FindStringSubmatch(read(t, "compose/compose.yaml"))[1]
	if status, body := callAs(t, "portal:demo", "GET", "http://"+gateway.found[1]+path, ""); status != 200 || !strings.Contains(body, `"numbers":[{`) {
		t.Errorf("%d %s", status, body)
	}
}
