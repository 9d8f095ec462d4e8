//go:build !linux

// Command pressure needs Linux: it measures processes through /proc, and cuts links between
// network namespaces.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "pressure: it runs on Linux only")
	os.Exit(1)
}
