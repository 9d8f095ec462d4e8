// Package assets holds the files that operators need beside the binary: configuration,
// rules and dashboards for monitoring, units and packages, container files and charts.
// They are embedded, so that a binary always has those of its own version, and
// "ocigate assets" prints and writes them.
//
// Each file stands by itself, in the form in which its tool reads it. Nothing in this
// package interprets them.
package assets

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// One line for each folder. The prefix all: includes files whose names begin with "_",
// as the helpers of a Helm chart.
//
//go:embed ocigate.yaml
//go:embed reference.md
//go:embed all:compose
//go:embed all:container
//go:embed all:grafana
//go:embed all:helm
//go:embed all:man
//go:embed all:packages
//go:embed all:prometheus
//go:embed all:systemd
var files embed.FS

// An Asset is a file, or a folder with all files below it that belong together.
type Asset struct {
	Name string // path below config/assets, with slashes
	Help string // what it is for, as a part of a sentence
}

// all lists the assets in the order of [All].
var all = []Asset{
	{"ocigate.yaml", "commented example of the configuration"},
	{"reference.md", "every key of the configuration"},
	{"compose", "compose file with gateway, simulated platform, PostgreSQL, Prometheus and Grafana"},
	{"container", "file that builds a container image"},
	{"grafana", "dashboard for Grafana, and its provisioning"},
	{"helm", "Helm chart for Kubernetes"},
	{"man", "manual pages"},
	{"packages", "what makes deb and rpm packages"},
	{"prometheus", "scrape configuration, alert and recording rules for Prometheus"},
	{"systemd", "unit for systemd, and its user"},
}

// All returns every asset. Together they have every embedded file once.
func All() []Asset { return slices.Clone(all) }

// Files returns the embedded files, with paths below config/assets.
func Files() fs.FS { return files }

// List returns the paths of the files of an asset, or of a file or folder in it, in
// order. Its error reports a name that is neither.
func List(name string) ([]string, error) {
	clean := path.Clean(strings.TrimSuffix(name, "/"))
	info, err := fs.Stat(files, clean)
	if err != nil {
		return nil, fmt.Errorf("there is no asset %q", name)
	}
	if !info.IsDir() {
		return []string{clean}, nil
	}
	var found []string
	err = fs.WalkDir(files, clean, func(p string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, p)
		}
		return err
	})
	return found, err
}

// IsExecutable reports whether a file is a program: a script that begins with "#!".
func IsExecutable(content []byte) bool { return len(content) > 2 && string(content[:2]) == "#!" }
