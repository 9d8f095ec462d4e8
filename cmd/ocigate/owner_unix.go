//go:build unix

package main

import (
	"os"
	"syscall"
)

// ownerOf returns the id of the user that a folder belongs to, and -1 if it is not known.
func ownerOf(folder string) int {
	info, err := os.Stat(folder)
	if err != nil {
		return -1
	}
	if of, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(of.Uid)
	}
	return -1
}
