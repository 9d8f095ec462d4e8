package config_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// chartFiles are the files that the Helm chart has of other assets, each with its source: a
// chart can only read files of its own folder.
var chartFiles = map[string]string{
	"assets/helm/ocigate/files/rules.yaml":     "assets/prometheus/rules.yaml",
	"assets/helm/ocigate/files/dashboard.json": "assets/grafana/dashboards/ocigate.json",
}

// TestGeneratedChartFiles compares them, or writes them again with -update.
func TestGeneratedChartFiles(t *testing.T) {
	for path, source := range chartFiles {
		want, err := os.ReadFile(source)
		got, errOfCopy := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && errors.Is(errOfCopy, fs.ErrNotExist):
			t.Logf("there is no %s", source)
		case err != nil:
			t.Error(err)
		case *update:
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, want, 0o644)); err != nil {
				t.Fatal(err)
			}
		case errOfCopy != nil || !bytes.Equal(got, want):
			t.Errorf("%s is not %s (%v): run make generate", path, source, errOfCopy)
		}
	}
}
