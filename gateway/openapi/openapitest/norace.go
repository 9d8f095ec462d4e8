//go:build !race

package openapitest

// validates reports whether exchanges are validated: see race.go.
const validates = true
