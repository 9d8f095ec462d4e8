//go:build linux && campaign

package main

import "time"

// The full size of the campaign, which the flags can change.
const (
	usualSeeds  = "1,2,3"
	usualWrites = 10_000
)

func planOf(writes int) plan {
	return plan{writes: writes, callers: 48, setters: 16, kills: max(1, writes/500), between: max(4, writes/500), fullDisks: 2, settle: 3 * time.Second}
}
