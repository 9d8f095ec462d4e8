package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ocigate/config/assets"
)

// TestAssetsAreListedPrintedAndWritten compares what the commands print and write with
// the embedded files.
func TestAssetsAreListedPrintedAndWritten(t *testing.T) {
	listed, _, err := execute(t, "", "assets", "list", "--files")
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	written, _, err := execute(t, "", "assets", "write", "--to", to)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range allAssetPaths() {
		if !strings.Contains(listed, path) {
			t.Errorf("the list lacks %s", path)
		}
		want, err := fs.ReadFile(assets.Files(), path)
		if err != nil {
			continue // a folder
		}
		printed, _, err := execute(t, "", "assets", "print", path)
		if err != nil || printed != string(want) {
			t.Errorf("%s is printed differently, error %v", path, err)
		}
		target := filepath.Join(to, path)
		content, err := os.ReadFile(target)
		if err != nil || string(content) != string(want) {
			t.Errorf("%s is written differently, error %v", path, err)
		}
		if !strings.Contains(written, target+"\n") {
			t.Errorf("the path %s is not printed", target)
		}
	}
}

func TestAFileOfAnAssetIsNotReplacedWithoutForce(t *testing.T) {
	to := t.TempDir()
	mine := filepath.Join(to, "ocigate.yaml")
	if err := os.WriteFile(mine, []byte("http: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := execute(t, "", "assets", "write", "ocigate.yaml", "prometheus", "--to", to)
	if err == nil || !strings.Contains(err.Error(), mine+" exists with other content") {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(to, "prometheus")); err == nil {
		t.Error("another asset was written")
	}
	for range 2 { // the second time it has the same content
		if _, _, err := execute(t, "", "assets", "write", "ocigate.yaml", "--to", to, "--force"); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := execute(t, "", "assets", "write", "--to", to); err != nil {
		t.Errorf("the same content is refused: %v", err)
	}
}

func TestAnUnknownAssetIsNamed(t *testing.T) {
	for args, want := range map[string]string{
		"print ocigate.yml":      `did you mean ocigate.yaml?`,
		"print prometheus":       "is a folder",
		"print ../config.go":     `there is no asset "../config.go"`,
		"write ocigate.yaml nix": `there is no asset "nix"`,
	} {
		_, _, err := execute(t, "", append([]string{"assets"}, strings.Fields(args)...)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ocigate assets %s: error %v, want %s", args, err, want)
		}
	}
}
