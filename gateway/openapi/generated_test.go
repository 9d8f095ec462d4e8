package openapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// This test specifies that the checked-in description is what the tables of the program
// and the recorded cases give. With -update it writes the files.

var update = flag.Bool("update", false, "write openapi.json and openapi.yaml, and their compressed forms, again")

const testdata = "../../testdata"

func TestGenerated(t *testing.T) {
	description, err := Build(os.DirFS(testdata))
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := YAMLOf(description)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]byte{"openapi.json": description, "openapi.yaml": asYAML} {
		if *update {
			writeFile(t, file, want)
			writeFile(t, file+".gz", compressed(t, want))
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: run make generate (-want +got)\n%s", file, diff)
		}
	}
	if !*update && (!bytes.Equal(JSON(), description) || !bytes.Equal(YAML(), asYAML)) {
		t.Error("the compressed files differ from the others: run make generate")
	}
}

func TestYAMLHasTheSameContent(t *testing.T) {
	var fromJSON, fromYAML any
	if err := json.Unmarshal(JSON(), &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(YAML(), &fromYAML); err != nil {
		t.Fatal(err)
	}
	// Through JSON, so that all numbers have one type.
	text, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	var again any
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(fromJSON, again) {
		t.Error("the two forms differ")
	}
}

func writeFile(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
