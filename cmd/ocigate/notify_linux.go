package main

import "golang.org/x/sys/unix"

// monotonicMicroseconds returns the time of the system's monotonic clock, which systemd
// compares with the time at which it has requested a reload: see MONOTONIC_USEC in
// sd_notify(3).
func monotonicMicroseconds() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // every Linux has the clock
	return now.Nano() / 1000
}
