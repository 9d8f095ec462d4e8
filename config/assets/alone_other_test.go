//go:build !linux

package assets_test

// aloneArgument is not used: see alone_test.go.
const aloneArgument = "run-alone"

func runAlone() {}
