package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// These tests check a release that was built before, in the folder of RELEASE_FILES, and
// are skipped without one: see .ci/packages.

func releaseFiles(t *testing.T, pattern string) []string {
	t.Helper()
	folder := os.Getenv("RELEASE_FILES")
	if folder == "" {
		t.Skip("RELEASE_FILES names no folder with a release")
	}
	files, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no %s in %s (%v)", pattern, folder, err)
	}
	return files
}

// TestTheReleaseHasValidSBOMs validates the SBOMs with the published schema of CycloneDX,
// whose files are in the folder of CYCLONEDX_SCHEMAS.
func TestTheReleaseHasValidSBOMs(t *testing.T) {
	files := releaseFiles(t, "*.cdx.json")
	compiler := jsonschema.NewCompiler()
	const base = "http://cyclonedx.org/schema/"
	for _, name := range []string{"bom-1.6.schema.json", "spdx.schema.json", "jsf-0.82.schema.json"} {
		path := filepath.Join(os.Getenv("CYCLONEDX_SCHEMAS"), name)
		if name == "jsf-0.82.schema.json" {
			path = strings.Replace(path, ".schema.", ".schemax.", 1) // its name in that folder
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(base+name, schema); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile(base + "bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bom, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(bom); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
		components, _ := bom.(map[string]any)["components"].([]any)
		t.Logf("%s has %d components", filepath.Base(file), len(components))
		if len(components) < 30 {
			t.Errorf("%s has only %d components", filepath.Base(file), len(components))
		}
	}
}
