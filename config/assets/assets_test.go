package assets_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ocigate/config/assets"
)

// TestEveryFileBelongsToOneAsset compares the table of assets with the embedded files and
// with the folder.
func TestEveryFileBelongsToOneAsset(t *testing.T) {
	var listed []string
	for _, a := range assets.All() {
		paths, err := assets.List(a.Name)
		if err != nil || len(paths) == 0 {
			t.Errorf("asset %s has %d files, error %v", a.Name, len(paths), err)
		}
		if a.Help == "" {
			t.Errorf("asset %s has no help", a.Name)
		}
		listed = append(listed, paths...)
	}
	slices.Sort(listed)
	if twice := slices.Compact(slices.Clone(listed)); len(twice) != len(listed) {
		t.Errorf("a file belongs to two assets: %v", listed)
	}
	if embedded := filesIn(t, assets.Files()); !slices.Equal(embedded, listed) {
		t.Errorf("embedded are %v, and the assets have %v", embedded, listed)
	}
	onDisk := slices.DeleteFunc(filesIn(t, os.DirFS(".")), func(p string) bool {
		return filepath.Dir(p) == "." && (strings.HasSuffix(p, ".go") || p == "README.md")
	})
	if !slices.Equal(onDisk, listed) {
		t.Errorf("the folder has %v, and the assets have %v", onDisk, listed)
	}
}

func filesIn(t *testing.T, files fs.FS) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(files, ".", func(p string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

func TestAnUnknownNameIsAnError(t *testing.T) {
	for _, name := range []string{"", "..", "../config.go", "nothing", "assets.go", "/etc/passwd"} {
		if paths, err := assets.List(name); err == nil && name != "" {
			t.Errorf("%q has %v", name, paths)
		}
	}
}

// TestThePageHasEveryAsset compares the table of the page with the table of assets.
func TestThePageHasEveryAsset(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range assets.All() {
		if !strings.Contains(string(page), "\n| `"+a.Name+"` |") && !strings.Contains(string(page), "\n| [`"+a.Name+"`]("+a.Name+") |") {
			t.Errorf("README.md has no row for %s", a.Name)
		}
	}
}

// TestTheUnitNamesTheVersionOfThePage compares the oldest version of systemd in the unit with
// that of the page.
func TestTheUnitNamesTheVersionOfThePage(t *testing.T) {
	version := regexp.MustCompile(`systemd (\d+) or later`)
	unit := version.FindString(read(t, "systemd/ocigate.service"))
	for _, page := range version.FindAllString(read(t, "../README.md"), -1) {
		if page != unit {
			t.Errorf("the unit is for %q, and the page has %q", unit, page)
		}
	}
}
