package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// packagesPage has the table of packages.
const packagesPage = "cmd/README.md"

// TestPageHasEveryPackage compares the table of packages with the table mayImport,
// which TestImportsGoOneWay compares with the folders.
func TestPageHasEveryPackage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(moduleRoot, packagesPage))
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "| package | content |\n")
	if !ok {
		t.Fatalf("%s has no table of packages", packagesPage)
	}
	table, _, _ := strings.Cut(after, "\n\n")
	listed := map[string]bool{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "`"); len(cells) > 2 && strings.HasPrefix(line, "| `") {
			listed[cells[1]] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(mayImport)) {
		if !listed[name] {
			t.Errorf("%s lacks package %s", packagesPage, name)
		}
	}
	for name := range listed {
		if info, err := os.Stat(filepath.Join(moduleRoot, name)); err != nil || !info.IsDir() {
			t.Errorf("%s has package %s, which is not a folder", packagesPage, name)
		}
	}
}
