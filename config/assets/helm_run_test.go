//go:build linux

package assets_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestChartRuns runs the pod of the chart as far as that is possible without a cluster: its
// arguments, with its ConfigMap, Secret and volume where the pod mounts them, in a read-only
// root and as its user, and asks what its probes ask.
func TestChartRuns(t *testing.T) {
	tool(t, "helm")
	platform := startTool(t, exec.Command(binary(t), "simulate", "--listen", "127.0.0.1:0"), regexp.MustCompile(`listens on ([0-9.:]+)\.\n`))
	ports := map[string]string{"api": portOf(t, freeAddress(t)), "admin": portOf(t, freeAddress(t))}
	objects := rendered(t, append(releases["a trial"],
		"--set", "config.platform.endpoints[0].address="+platform.found[1], "--set", "config.platform.endpoints[0].tls.enabled=false",
		"--set", "config.platform.endpoints[1].address=localhost:1", "--set", "config.platform.endpoints[1].tls.enabled=false",
		"--set", "config.platform.user_id=gateway", "--set", "secret.data.platform-password=gateway-demo", "--set", "config.http.drain=0s",
		"--set", "ports.api="+ports["api"], "--set", "ports.admin="+ports["admin"])...)
	pod, _ := podTemplate(t, objects)
	container := at(pod, "spec", "containers", 0)

	r := newEmptyRoot(t, "")
	r.need()
	mounts := map[string]string{}
	for _, mount := range at(container, "volumeMounts").([]any) {
		mounts[at(mount, "name").(string)] = at(mount, "mountPath").(string)
	}
	if mounts["journal"] != "/var/lib/ocigate" {
		t.Fatalf("the volume is at %s", mounts["journal"])
	}
	for name, text := range plain(at(objects["ConfigMap/ocigate"], "data")).(map[string]any) {
		write(t, filepath.Join(r.folder, mounts["config"], name), text.(string))
	}
	for name, encoded := range plain(at(objects["Secret/ocigate"], "data")).(map[string]any) {
		text, err := base64.StdEncoding.DecodeString(encoded.(string))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(r.folder, mounts["secrets"], name), string(text))
	}
	if os.Getuid() == 0 { // as the kubelet gives a volume to fsGroup
		for _, err := range []error{os.Chown(r.journal, 0, at(pod, "spec", "securityContext", "fsGroup").(int)), os.Chmod(r.journal, 0o775|os.ModeSetgid)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	var args []string
	for _, arg := range at(container, "args").([]any) {
		args = append(args, arg.(string))
	}
	serve := r.command(args...)
	serve.Env = nil // the pod sets none
	startTool(t, serve, regexp.MustCompile(`"msg":"serving"`))
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		get := at(container, probe, "httpGet")
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%s%s", ports[at(get, "port").(string)], at(get, "path")))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body) // only shown
		_ = response.Body.Close()            // it was read
		if response.StatusCode != http.StatusOK {
			t.Errorf("the %s gets %d %s", probe, response.StatusCode, body)
		}
	}
	// The command of the notes.
	if out, err := r.command("doctor", "--config", args[len(args)-1]).CombinedOutput(); !strings.Contains(string(out), "runs and is ready") {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	if journal := snapshot(t, filepath.Join(r.journal, "journal")); len(journal) < 2 {
		t.Errorf("the volume has only %v", journal)
	}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
