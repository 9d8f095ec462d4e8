//go:build validated

package main

import "ocigate/gateway/openapi/openapitest"

// The tests that build the program as a file of its own build it with this tag, so that
// its requests and responses are validated, too. No release has it.
func init() { aroundAPI = openapitest.Handler }
