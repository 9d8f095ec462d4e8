//go:build linux && !campaign

package main

import "time"

// The size of a campaign of some seconds, which the flags can change.
const (
	usualSeeds  = "1"
	usualWrites = 300
)

func planOf(writes int) plan {
	return plan{writes: writes, callers: 48, setters: 16, kills: 3, between: 4, fullDisks: 1, settle: 2500 * time.Millisecond}
}
