//go:build race

package openapitest

// validates reports whether exchanges are validated. Under the race detector that takes
// longer than the tests themselves, and the same tests validate them without it.
const validates = false
