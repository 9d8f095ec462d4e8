package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// This test specifies that the documentation lists every package.

// TestReadmeHasEveryPackage compares the README's table of packages with the keys of
// mayImport, which TestImportsGoOneWay compares with the folders.
func TestReadmeHasEveryPackage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(moduleRoot, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "| package | what lives there |\n")
	if !ok {
		t.Fatal("the README has no table of packages")
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
			t.Errorf("the README's table of packages lacks %s", name)
		}
	}
	for name := range listed {
		if info, err := os.Stat(filepath.Join(moduleRoot, name)); err != nil || !info.IsDir() {
			t.Errorf("the README's table of packages has %s, which is no folder", name)
		}
	}
}
