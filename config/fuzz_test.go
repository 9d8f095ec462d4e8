package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ocigate/config"
)

// FuzzLoad checks that any file is either accepted, and then equal to the loaded
// output of Print, or refused with problems.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"good", "bad"} {
		paths, err := filepath.Glob(filepath.Join("..", "testdata", "config", pattern, "*.yaml"))
		if err != nil || len(paths) == 0 {
			f.Fatalf("no seeds: %v", err)
		}
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	f.Add(config.Example())
	f.Add([]byte("---\n"))
	f.Add([]byte("? [a, b]\n: c\n<<: {http: {}}\n"))
	noFiles := func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := config.Parse(raw, environ, noFiles)
		if err != nil {
			if list, ok := errors.AsType[*config.Problems](err); !ok || len(list.List) == 0 || c != nil {
				t.Fatalf("not a list of problems: %v", err)
			} else if lines := strings.Count(err.Error(), "\n") + 1; lines != len(list.List) {
				t.Fatalf("%d problems on %d lines: %v", len(list.List), lines, err)
			}
			return
		}
		checkPrinted(t, c)
	})
}
