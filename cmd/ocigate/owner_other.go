//go:build !unix

package main

// ownerOf is -1: whose a folder is does not matter here.
func ownerOf(string) int { return -1 }
