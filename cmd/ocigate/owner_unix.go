//go:build unix

package main

import (
	"os"
	"syscall"
)

// ownerOf returns the id of the user that a file or folder belongs to, and -1 if it is not known.
func ownerOf(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	if of, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(of.Uid)
	}
	return -1
}
