//go:build !linux

package main

import "errors"

// diskSpace is the free space of the file system that has a folder.
type diskSpace struct {
	free, total uint64
	lost        string
}

// spaceOf returns an error: the free space is only known on Linux.
func spaceOf(string) (diskSpace, error) {
	return diskSpace{}, errors.New("it is not known on this system")
}
