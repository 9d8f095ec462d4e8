//go:build !linux

package main

// monotonicMicroseconds returns 0: systemd is only on Linux.
func monotonicMicroseconds() int64 { return 0 }
