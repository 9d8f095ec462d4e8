//go:build !unix

package main

// descriptorLimit returns 0: the limit is only known on Unix.
func descriptorLimit() int { return 0 }
