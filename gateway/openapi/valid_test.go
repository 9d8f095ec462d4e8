//go:build !race

// The library takes long to compile, and once more for the race detector.

package openapi_test

import (
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"ocigate/gateway"
	"ocigate/gateway/openapi"
)

// This test specifies that the description is valid OpenAPI 3.1, by another library than
// the one with which requests and responses are validated.

func TestDescriptionIsValid(t *testing.T) {
	for name, text := range map[string][]byte{"JSON": openapi.JSON(), "YAML": openapi.YAML()} {
		t.Run(name, func(t *testing.T) {
			document, err := libopenapi.NewDocument(text)
			if err != nil {
				t.Fatal(err)
			}
			defer document.Release()
			if document.GetVersion() != "3.1.0" {
				t.Errorf("the version is %s", document.GetVersion())
			}
			model, err := document.BuildV3Model()
			if err != nil {
				t.Fatal(err)
			}
			operations := 0
			for item := range model.Model.Paths.PathItems.ValuesFromOldest() {
				operations += item.GetOperations().Len()
			}
			if want := len(gateway.Table()); operations != want {
				t.Errorf("there are %d operations, want %d, one for each route", operations, want)
			}
			all, errs := validator.NewValidator(document)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			defer all.Release()
			if valid, problems := all.ValidateDocument(); !valid {
				for _, p := range problems {
					t.Errorf("%s: %s", p.Message, p.Reason)
				}
			}
		})
	}
}
