//go:build !unix

package main

// ownerOf returns -1: on this system the owner of a file does not matter.
func ownerOf(string) int { return -1 }
