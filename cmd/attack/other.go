//go:build !linux

// Command attack needs Linux: it measures processes through /proc.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "attack: it runs on Linux only")
	os.Exit(1)
}
