//go:build linux

package assets_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// These tests specify the image: how it is built, and that an engine runs it with
// everything taken away that it does not need.

const containerfile = "container/Containerfile"

// TestContainerfileIsPinned compares the version of Go with that of the module's toolchain.
func TestContainerfileIsPinned(t *testing.T) {
	text := read(t, containerfile)
	toolchain := regexp.MustCompile(`(?m)^toolchain go(\S+)$`).FindStringSubmatch(read(t, filepath.Join(moduleRoot, "go.mod")))
	pinned := regexp.MustCompile(`(?m)^ARG GO_VERSION=(\S+)$`).FindStringSubmatch(text)
	if toolchain == nil || pinned == nil || toolchain[1] != pinned[1] {
		t.Errorf("the image is built with Go %v, and releases with %v", pinned, toolchain)
	}
	for _, from := range regexp.MustCompile(`(?m)^FROM .*$`).FindAllString(text, -1) {
		if !strings.Contains(from, "scratch") && !strings.Contains(from, ":${GO_VERSION}-") {
			t.Errorf("%s has no version", from)
		}
	}
	if !strings.Contains(text, "\nUSER 65532:65532\n") {
		t.Error("the user is not the number that the chart has")
	}
}

// imageContent runs the build of the container file on this machine, and returns the folder
// that has the results as /image and /state. All belong to the user of the test, as engines
// take the files of a folder: the image must not depend on their owners.
func imageContent(t *testing.T) string {
	t.Helper()
	text := strings.ReplaceAll(read(t, containerfile), "\\\n", "")
	runs := regexp.MustCompile(`(?m)^RUN (.*-o /image/.*)$`).FindStringSubmatch(text)
	if runs == nil {
		t.Fatal("no instruction makes /image")
	}
	folder := t.TempDir()
	build := exec.CommandContext(t.Context(), "sh", "-ec", strings.NewReplacer("/image/", folder+"/image/", "/state/", folder+"/state/").Replace(runs[1]))
	build.Dir = moduleRoot
	build.Env = append(os.Environ(), "VERSION=v1.0.0", "TARGETOS=linux", "TARGETARCH=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return folder
}

// engineScript builds and runs the image. A private mount namespace hides control groups
// that the runtime may not understand; the container has none of its own.
const engineScript = `
set -euo pipefail
umount -l -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null || mount -t tmpfs none /sys/fs/cgroup
storage=(--root "$STORE/root" --runroot "$STORE/run" --storage-driver vfs)
engine() { podman "${storage[@]}" --cgroup-manager cgroupfs --log-level=error "$@"; }
buildah "${storage[@]}" bud --quiet --isolation chroot --format docker --build-context "build=$CONTENT" \
  --build-arg VERSION=v1.0.0 --file "$CONTAINERFILE" --tag ocigate:test "$EMPTY"
limits=$(ulimit -Hn)
step() { printf '== %s\n' "$1"; shift; "$@" || printf 'status %s\n' "$?"; }
trap 'engine rm --force --time 0 --all >/dev/null 2>&1 || :' EXIT
engine run --detach --name gateway --read-only --read-only-tmpfs=false --cap-drop=ALL --security-opt=no-new-privileges \
  --network host --cgroups=disabled --ulimit "nofile=$limits:$limits" --ulimit nproc=4096:4096 \
  --volume ocigate-journal:/var/lib/ocigate --volume "$ETC:/etc/ocigate:ro" ocigate:test
ready() {
  for ((i = 0; i < 300; i++)); do
    if engine exec gateway /usr/bin/ocigate health --ready --config /etc/ocigate/ocigate.yaml 2>/dev/null; then return; fi
    sleep 0.1
  done
  return 1
}
step ready ready
step healthcheck engine healthcheck run gateway
step version engine exec gateway /usr/bin/ocigate version
step doctor engine exec gateway /usr/bin/ocigate doctor --config /etc/ocigate/ocigate.yaml
step size engine images --format '{{.Size}}' ocigate:test
step image engine inspect --type image --format '{{json .Config}}' ocigate:test
step journal ls "$(engine volume inspect --format '{{.Mountpoint}}' ocigate-journal)/journal"
step stop engine stop --time 70 gateway
step exit engine inspect --format '{{.State.ExitCode}}' gateway
step log engine logs gateway
`

func TestContainerImage(t *testing.T) {
	tool(t, "buildah")
	tool(t, "podman")
	if os.Getuid() != 0 {
		missing(t, "only root runs the engine here")
	}
	platform := startTool(t, exec.Command(binary(t), "simulate", "--listen", "127.0.0.1:0"), regexp.MustCompile(`listens on ([0-9.:]+)\.\n`))
	folder := t.TempDir()
	etc := filepath.Join(folder, "etc")
	write(t, filepath.Join(etc, "ocigate.yaml"), fmt.Sprintf(`
http: {listen: %q, drain: 0s}
admin: {listen: %q}
platform:
  endpoints: [{name: simulated, address: %q, tls: {enabled: false}}]
  user_id: gateway
  password: {file: /etc/ocigate/platform}
`, freeAddress(t), freeAddress(t), platform.found[1]))
	write(t, filepath.Join(etc, "platform"), "gateway-demo\n")
	engine := exec.CommandContext(t.Context(), "unshare", "--mount", "bash", "-c", engineScript)
	absolute, err := filepath.Abs(containerfile)
	if err != nil {
		t.Fatal(err)
	}
	engine.Env = append(os.Environ(), "STORE="+filepath.Join(folder, "store"), "CONTENT="+imageContent(t), "ETC="+etc, "EMPTY="+t.TempDir(), "CONTAINERFILE="+absolute)
	out, err := engine.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	parts := map[string]string{}
	for _, part := range strings.Split(string(out), "\n== ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		parts[name] = strings.TrimSpace(text)
	}
	for name, want := range map[string]string{
		"ready": `^ready$`, "healthcheck": `^$`, "version": `^ocigate v1\.0\.0\n`, "doctor": `(?s)runs and is ready.*No check has failed\.`,
		"size": `^\d+(\.\d+)? MB$`, "journal": `operations\.db`, "stop": `gateway$`, "exit": `^0$`, "log": `"msg":"stopped"`,
		"image": `"User":"65532:65532".*"Volumes":{"/var/lib/ocigate":{}}.*"StopSignal":"SIGTERM"`,
	} {
		if !regexp.MustCompile(want).MatchString(parts[name]) {
			t.Errorf("%s: not %s:\n%s", name, want, parts[name])
		}
	}
	t.Logf("the image has %s", parts["size"])
	if t.Failed() {
		t.Logf("%s", out)
	}
}
