package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"ocigate/config/assets"
)

// fromTag matches what git describe prints for a commit after a tag.
var fromTag = regexp.MustCompile(`^(.+)-([0-9]+)-g([0-9a-f]+)$`)

// packageVersion returns the version of packages for one of git describe, so that deb and
// rpm sort them by age: 1.0.0~rc.1 for v1.0.0-rc.1, which is before 1.0.0, and
// 1.0.0+3.gce5b02a for v1.0.0-3-gce5b02a, which is after it. Without any tag it is
// 0.0.0+gce5b02a.
func packageVersion(version string) string {
	version, isDirty := strings.CutSuffix(version, "-dirty")
	later := ""
	if parts := fromTag.FindStringSubmatch(version); parts != nil {
		version, later = parts[1], "+"+parts[2]+".g"+parts[3]
	}
	base, ok := strings.CutPrefix(version, "v")
	if !ok {
		base = "0.0.0+g" + version
	}
	base = strings.Replace(base, "-", "~", 1)
	base = strings.ReplaceAll(base, "-", ".") + later
	if !isDirty {
		return base
	}
	if strings.Contains(base, "+") {
		return base + ".dirty"
	}
	return base + "+dirty"
}

// manualFiles returns the manual pages, compressed, and the completion scripts, as they
// are in the archive of the manual and in packages.
func (r *release) manualFiles(ctx context.Context) (map[string][]byte, error) {
	paths, err := assets.List("man")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, name := range paths {
		content, err := fs.ReadFile(assets.Files(), name)
		if err != nil {
			return nil, err
		}
		if files[name+".gz"], err = compress(content); err != nil {
			return nil, err
		}
	}
	scripts, err := r.completions(ctx)
	for shell, script := range scripts {
		files["completion/"+shell] = script
	}
	return files, err
}

// manual writes the archive of manual pages and completion scripts, for those who install
// a binary by hand.
func (r *release) manual(ctx context.Context) error {
	files, err := r.manualFiles(ctx)
	if err != nil {
		return err
	}
	content, err := archive(files, r.time)
	if err != nil {
		return err
	}
	return r.write("ocigate-"+r.version+"-manual.tar.gz", content)
}

// packages builds a deb and an rpm for each platform with Linux.
func (r *release) packages(ctx context.Context) error {
	common, err := r.packageFiles(ctx)
	if err != nil {
		return err
	}
	for _, p := range r.platforms {
		if p.system != "linux" {
			continue
		}
		folder := filepath.Join(r.work, "package-"+p.arch)
		files := maps.Clone(common)
		for name, source := range map[string]string{"ocigate": r.pathOf(p), "doc/ocigate.cdx.json": r.sbomOf(p)} {
			if files[name], err = os.ReadFile(source); err != nil { //nolint:gosec // this program has written it
				return err
			}
		}
		if err := r.stage(folder, files); err != nil {
			return err
		}
		variables := []string{
			"PACKAGE_VERSION=" + r.packageVersion, "PACKAGE_ARCH=" + p.arch, "PACKAGE_MAINTAINER=" + r.maintainer,
			fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.time.Unix()),
		}
		for _, kind := range []string{"deb", "rpm"} {
			if _, err := r.tool(ctx, folder, variables, nfpm, "package", "-f", "packages/nfpm.yaml", "-p", kind, "-t", r.to); err != nil {
				return err
			}
		}
	}
	return nil
}

// packageFiles returns the files that packages of all platforms have, by the paths in
// packages/nfpm.yaml.
func (r *release) packageFiles(ctx context.Context) (map[string][]byte, error) {
	files, err := r.manualFiles(ctx)
	if err != nil {
		return nil, err
	}
	for _, asset := range []string{"ocigate.yaml", "packages", "systemd"} {
		paths, err := assets.List(asset)
		if err != nil {
			return nil, err
		}
		for _, name := range paths {
			if files[name], err = fs.ReadFile(assets.Files(), name); err != nil {
				return nil, err
			}
		}
	}
	if files["doc/licenses.tar.gz"], err = os.ReadFile(filepath.Join(r.to, "licenses.tar.gz")); err != nil {
		return nil, err
	}
	changes, err := os.ReadFile(filepath.FromSlash("cmd/CHANGELOG.md"))
	if err != nil {
		return nil, err
	}
	if files["doc/changelog.gz"], err = compress(changes); err != nil {
		return nil, err
	}
	files["doc/changelog.Debian.gz"], err = compress(r.debianChangelog())
	return files, err
}

// debianChangelog returns the changelog of the package itself, in Debian's form.
func (r *release) debianChangelog() []byte {
	return fmt.Appendf(nil, "ocigate (%s-1) stable; urgency=medium\n\n  * Release %s: see changelog.gz.\n\n -- %s  %s\n",
		r.packageVersion, r.version, r.maintainer, r.time.Format(time.RFC1123Z))
}

// stage writes files below a new folder, with the time of the release.
func (r *release) stage(folder string, files map[string][]byte) error {
	for name, content := range files {
		target := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Join(folder, filepath.FromSlash(path.Dir(name))), 0o755); err != nil { //nolint:gosec // no secrets
			return err
		}
		if err := os.WriteFile(target, content, 0o644); err != nil { //nolint:gosec // packages/nfpm.yaml has the modes
			return err
		}
		if err := os.Chtimes(target, r.time, r.time); err != nil {
			return err
		}
	}
	return nil
}
