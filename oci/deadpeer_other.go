//go:build !linux

package oci

import (
	"net"
	"time"
)

// setUserTimeout does nothing: the system has no such option.
func setUserTimeout(*net.TCPConn, time.Duration) {}
