package openapi

import (
	"bytes"
	"encoding/json"
	"testing"
)

// This test specifies that the description has no component without a use. References in
// extensions count.

func TestEveryComponentIsUsed(t *testing.T) {
	var description struct {
		Components map[string]map[string]json.RawMessage `json:"components"`
	}
	if err := json.Unmarshal(JSON(), &description); err != nil {
		t.Fatal(err)
	}
	if len(description.Components["schemas"]) == 0 {
		t.Fatal("there are no schemas")
	}
	for kind, components := range description.Components {
		if kind == "securitySchemes" {
			continue // they are referenced by their names
		}
		for name := range components {
			if !bytes.Contains(JSON(), []byte(`"#/components/`+kind+`/`+name+`"`)) {
				t.Errorf("nothing references the component %s of %s", name, kind)
			}
		}
	}
}
