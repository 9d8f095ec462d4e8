// Package openapi has the OpenAPI 3.1 description of the API. [Build] makes it from the
// table of routes, the shapes of bodies, the table of errors and the tables of headers,
// so that no path, key, code or limit is written down here. The result is checked in as
// openapi.json and openapi.yaml, which "make generate" writes and a test compares.
//
// The program has only the compressed files. [JSON] and [YAML] return their content, and
// [Handler] serves them:
//
//	http.Handle(gateway.DescriptionJSONPath, openapi.Handler())
package openapi

import (
	_ "embed" // the description
	"io"
)

//go:embed openapi.json.gz
var compressedJSON []byte

//go:embed openapi.yaml.gz
var compressedYAML []byte

// JSON returns the description as JSON. Each call decompresses it.
func JSON() []byte { return content(compressedJSON) }

// YAML returns the description as YAML, with the same content. Each call decompresses
// it.
func YAML() []byte { return content(compressedYAML) }

// content returns the content of an embedded file.
func content(compressed []byte) []byte {
	text, err := io.ReadAll(decompressing(compressed))
	if err != nil {
		panic(err)
	}
	return text
}
