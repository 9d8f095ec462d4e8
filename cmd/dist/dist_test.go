package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"ocigate/config/assets"
)

func TestPackageVersion(t *testing.T) {
	versions := []struct{ git, want string }{ // from the oldest to the newest
		{"ce5b02a", "0.0.0+gce5b02a"},
		{"ce5b02a-dirty", "0.0.0+gce5b02a.dirty"},
		{"v1.0.0-rc.1", "1.0.0~rc.1"},
		{"v1.0.0-rc.1-2-gce5b02a", "1.0.0~rc.1+2.gce5b02a"},
		{"v1.0.0-rc-2", "1.0.0~rc.2"},
		{"v1.0.0", "1.0.0"},
		{"v1.0.0-dirty", "1.0.0+dirty"},
		{"v1.0.1", "1.0.1"},
		{"v1.0.1-3-gce5b02a", "1.0.1+3.gce5b02a"},
		{"v1.0.1-3-gce5b02a-dirty", "1.0.1+3.gce5b02a.dirty"},
		{"v1.10.0", "1.10.0"},
	}
	dpkg, err := exec.LookPath("dpkg")
	for i, v := range versions {
		if got := packageVersion(v.git); got != v.want {
			t.Errorf("%s gives %s, not %s", v.git, got, v.want)
		}
		if err != nil || i == 0 {
			continue
		}
		before := versions[i-1].want
		if out, err := exec.CommandContext(t.Context(), dpkg, "--compare-versions", before+"-1", "lt", v.want+"-1").CombinedOutput(); err != nil {
			t.Errorf("dpkg does not sort %s before %s: %v %s", before, v.want, err, out)
		}
	}
}

func TestAnUnusableVersionIsRefused(t *testing.T) {
	for _, version := range []string{"", "-x", "v1 0", "../v1", "v1/2", "v1\n", "v1_0"} {
		if err := run(t.Context(), []string{"-version", version, "-to", t.TempDir()}, io.Discard); err == nil || !strings.Contains(err.Error(), "is not a version") {
			t.Errorf("version %q: %v", version, err)
		}
	}
}

func TestPlatforms(t *testing.T) {
	got, err := parsePlatforms(" linux-amd64  darwin-arm64 ")
	if want := []platform{{"linux", "amd64"}, {"darwin", "arm64"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "linux"} {
		if _, err := parsePlatforms(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// TestVariablesOfTools requires that settings for builds reach the tool only, and that other
// variables can have any value.
func TestVariablesOfTools(t *testing.T) {
	maintainer := `PACKAGE_MAINTAINER=Pat "P" O'Brien <pat@example.org>`
	environment, command := toolCommand([]string{"GOOS=darwin", "CGO_ENABLED=0", maintainer}, "example.com/tool@v1", []string{"a"})
	if want := []string{"run", "-exec", "env GOOS=darwin CGO_ENABLED=0", "example.com/tool@v1", "a"}; !slices.Equal(command, want) {
		t.Errorf("the arguments are %q", command)
	}
	if want := []string{"GOOS=", "GOARCH=", "GOFLAGS=", maintainer}; !slices.Equal(environment, want) {
		t.Errorf("the variables are %q", environment)
	}
}

// TestBuildsIgnoreTheSettingsOfTheMachine has the settings of the Go command that change a
// binary. Each must have one value in all builds.
func TestBuildsIgnoreTheSettingsOfTheMachine(t *testing.T) {
	for _, name := range []string{"CGO_ENABLED", "GOFLAGS", "GOEXPERIMENT", "GOAMD64", "GOARM64", "GOWORK", "GOFIPS140"} {
		if !slices.ContainsFunc(buildVariables, func(v string) bool { return strings.HasPrefix(v, name+"=") }) {
			t.Errorf("%s is that of the machine", name)
		}
	}
}

func TestTheLicenseOfGoIsThere(t *testing.T) {
	text, err := (&release{}).licenseOfGo(t.Context())
	if err != nil || !strings.Contains(string(text), "The Go Authors") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestAnArchiveDependsOnPathsAndContentsOnly(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	files := map[string][]byte{"b/c/two": []byte("2"), "b/one": []byte("1"), "a": nil}
	first, err := archive(files, at)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // the order of a map differs
		if again, err := archive(files, at); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("another archive of the same files differs: %v", err)
		}
	}
	z, err := gzip.NewReader(bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	if !z.ModTime.IsZero() || z.Name != "" {
		t.Errorf("the header of gzip has %v and %q", z.ModTime, z.Name)
	}
	var names []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if !h.ModTime.Equal(at) || h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s has %v, %d, %q", h.Name, h.ModTime, h.Uid, h.Uname)
		}
	}
	if want := []string{"a", "b/", "b/c/", "b/c/two", "b/one"}; !slices.Equal(names, want) {
		t.Errorf("the archive has %v, not %v", names, want)
	}
}

const rawSBOM = `{"bomFormat": "CycloneDX", "metadata": {
	"component": {"name": "ocigate", "purl": "pkg:golang/ocigate?goos=linux&type=module"},
	"tools": [{"name": "tool", "hashes": [{"alg": "MD5", "content": "of this machine"}]}]},
	"components": [{"name": "example.com/a/v2"}, {"name": "std"}]}`

func TestAnSBOMIsCompleted(t *testing.T) {
	known, err := parseLicenses([]byte("example.com/a/v2/b,https://example.com/,MIT\nexample.com/a/v2/c,Unknown,BSD-3-Clause\nexample.com/a/v22,Unknown,ISC\n"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := completeSBOM([]byte(rawSBOM), "v1.0.0", time.Unix(1_700_000_000, 0).UTC(), known)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "of this machine") {
		t.Errorf("the SBOM has the checksum of its tool:\n%s", raw)
	}
	type component struct {
		Name, Version, Purl string
		Licenses            []struct{ License struct{ ID string } }
	}
	var bom struct {
		Metadata struct {
			Timestamp string
			Component component
		}
		Components []component
	}
	if err := json.Unmarshal(raw, &bom); err != nil {
		t.Fatal(err)
	}
	if got := bom.Metadata.Component; got.Version != "v1.0.0" || got.Purl != "pkg:golang/ocigate@v1.0.0?goos=linux&type=module" || bom.Metadata.Timestamp != "2023-11-14T22:13:20Z" {
		t.Errorf("%+v at %s", got, bom.Metadata.Timestamp)
	}
	var ids []string
	for _, c := range bom.Components {
		for _, l := range c.Licenses {
			ids = append(ids, l.License.ID)
		}
	}
	if want := []string{"BSD-3-Clause", "MIT", "BSD-3-Clause"}; !slices.Equal(ids, want) {
		t.Errorf("licenses %v, not %v", ids, want)
	}
}

func TestAModuleWithoutALicenseIsAnError(t *testing.T) {
	if _, err := completeSBOM([]byte(rawSBOM), "v1.0.0", time.Now(), map[string]string{"std": "BSD-3-Clause"}); err == nil || !strings.Contains(err.Error(), "example.com/a/v2") {
		t.Error(err)
	}
}

// generatedFiles has what a package contains beside assets.
var generatedFiles = []string{
	"ocigate", "completion/bash", "completion/zsh", "completion/fish", "man/*.1.gz", "man/*.5.gz",
	"doc/changelog.gz", "doc/changelog.Debian.gz", "doc/licenses.tar.gz", "doc/ocigate.cdx.json",
}

// TestPackagesHaveWhatIsThere compares the contents of the packages with the assets.
func TestPackagesHaveWhatIsThere(t *testing.T) {
	var description struct {
		Contents []struct {
			Src, Dst, Type string
			FileInfo       struct{ Mode fs.FileMode } `yaml:"file_info"`
		}
		Scripts map[string]string
	}
	raw := asset(t, "packages/nfpm.yaml")
	if err := yaml.Unmarshal([]byte(raw), &description); err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, c := range description.Contents {
		if c.FileInfo.Mode == 0 {
			t.Errorf("%s has no mode: it would be that of this machine", c.Dst)
		}
		if strings.HasPrefix(c.Dst, "/etc/") && c.Src != "" && c.Type != "config|noreplace" {
			t.Errorf("an upgrade would replace %s", c.Dst)
		}
		used = append(used, c.Src)
	}
	for _, script := range description.Scripts {
		used = append(used, script)
	}
	for _, src := range used {
		if _, err := fs.Stat(assets.Files(), path.Clean(src)); err != nil && src != "" && !slices.Contains(generatedFiles, src) {
			t.Errorf("packages/nfpm.yaml has %s, which nothing makes", src)
		}
	}
	for _, name := range append([]string{"packages/ocigate.yaml", "packages/copyright", "systemd/ocigate.service"}, generatedFiles...) {
		if !slices.Contains(used, name) {
			t.Errorf("packages/nfpm.yaml does not have %s", name)
		}
	}
}

// TestScriptsOfPackages requires that the scripts are valid for a plain shell, and make
// the same user as the file for systemd-sysusers.
func TestScriptsOfPackages(t *testing.T) {
	for name := range strings.FieldsSeq("preinstall postinstall preremove postremove") {
		script := asset(t, "packages/"+name+".sh")
		if !strings.HasPrefix(script, "#!/bin/sh\n") || !strings.Contains(script, "\nset -e\n") {
			t.Errorf("%s is not a script of sh that stops at errors", name)
		}
		c := exec.CommandContext(t.Context(), "sh", "-n")
		c.Stdin = strings.NewReader(script)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
	script := asset(t, "packages/preinstall.sh")
	if strings.Contains(script, "--replace") {
		t.Error("systemd-sysusers would also make the users of all other packages")
	}
	for line := range strings.Lines(asset(t, "systemd/ocigate.sysusers")) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(script, "\n"+line) {
			t.Errorf("packages/preinstall.sh does not have the line %q of systemd/ocigate.sysusers", line)
		}
	}
}

func asset(t *testing.T, name string) string {
	t.Helper()
	content, err := fs.ReadFile(assets.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
