package assets_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// These helpers run tools on the assets: this program, and tools of others that may be
// missing.

// moduleRoot is the path of the module for this package's tests.
const moduleRoot = "../.."

// toolsRequired makes tests fail that are skipped without it, because a tool is missing.
// .ci/deploy sets it.
const toolsRequired = "DEPLOY_REQUIRED"

// missing skips a test, or fails it if its tools are required.
func missing(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv(toolsRequired) != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// tool returns the path of a program.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed")
	}
	return path
}

// folderOf returns the folder that a variable names, with published schemas.
func folderOf(t *testing.T, variable string) string {
	t.Helper()
	folder := os.Getenv(variable)
	if folder == "" {
		missing(t, "the variable "+variable+" is not set; .ci/deploy sets it")
	}
	return folder
}

var built struct {
	once   sync.Once
	folder string
	err    error
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == aloneArgument {
		runAlone()
	}
	code := m.Run()
	if built.folder != "" {
		_ = os.RemoveAll(built.folder) // it is in the folder for temporary files
	}
	os.Exit(code)
}

// binary returns the path of this program, built as a release is. A short run skips the
// tests that need it.
func binary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it runs the program as a process")
	}
	built.once.Do(func() {
		if built.folder, built.err = os.MkdirTemp("", "ocigate-assets"); built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=v1.0.0", "-o", filepath.Join(built.folder, "ocigate"), "./cmd/ocigate")
		build.Dir = moduleRoot
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			built.err = errors.Join(err, errors.New(string(out)))
		}
		if built.err == nil {
			built.err = os.Chmod(built.folder, 0o755) // other users run it
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.folder, "ocigate")
}

// run runs a command, and returns what it has printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// object is a part of a YAML document.
type object map[string]any

// documents reads all documents of a YAML text.
func documents(t *testing.T, text string) []object {
	t.Helper()
	var found []object
	for d := yaml.NewDecoder(bytes.NewReader([]byte(text))); ; {
		var one object
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if one != nil {
			found = append(found, one)
		}
	}
}

// at returns the value at a path of keys and positions, or nil.
func at(in any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			switch m := in.(type) {
			case object:
				in = m[step]
			case map[string]any:
				in = m[step]
			default:
				return nil
			}
		case int:
			list, ok := in.([]any)
			if !ok || step >= len(list) {
				return nil
			}
			in = list[step]
		}
	}
	return in
}

// write writes a file that every user may read.
func write(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
