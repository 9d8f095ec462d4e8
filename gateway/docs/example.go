package docs

import (
	"bytes"
	"encoding/json"
	"fmt"

	"ocigate/gateway"
	"ocigate/gateway/openapi"
	"ocigate/translate/errcode"
)

// examples has the bodies of errors in the description: by the name of the error, and
// for problem+json with the ending [openapi.ProblemEnding].
type examples map[string]json.RawMessage

// readExamples reads them from the description.
func readExamples() examples {
	var described struct {
		Components struct {
			Examples map[string]struct {
				Value json.RawMessage `json:"value"`
			} `json:"examples"`
		} `json:"components"`
	}
	if err := json.Unmarshal(openapi.JSON(), &described); err != nil {
		panic(fmt.Errorf("docs: the description: %w", err)) // it is embedded, and a test reads it
	}
	found := examples{}
	for name, example := range described.Components.Examples {
		found[name] = example.Value
	}
	return found
}

// of returns the bodies of an error in its two forms. An error that no route returns
// has no example in the description: its body is that without details.
func (e examples) of(code *errcode.Code) (plain, problem string) {
	bare := gateway.ErrorBodies(errcode.New(code))
	forms := make([]string, len(bare))
	for i, ending := range []string{"", openapi.ProblemEnding} {
		body, described := e[code.Name+ending]
		if !described {
			encoded, err := json.Marshal(bare[i])
			if err != nil {
				panic(fmt.Errorf("docs: the body of %s: %w", code.Name, err)) // its type has only texts and numbers
			}
			body = encoded
		}
		var b bytes.Buffer
		if err := json.Indent(&b, body, "", "  "); err != nil {
			panic(fmt.Errorf("docs: the example of %s: %w", code.Name, err)) // it is a part of valid JSON
		}
		forms[i] = b.String()
	}
	return forms[0], forms[1]
}
