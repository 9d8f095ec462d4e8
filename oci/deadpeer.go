package oci

import (
	"net"
	"time"
)

// leastDeadPeerTimeout is the least value of DeadPeerTimeout: kernels count the parts of
// it in whole seconds.
const leastDeadPeerTimeout = 5 * time.Second

// keepAliveProbes is how many packets of TCP keep-alive in a row may have no answer before
// the kernel ends the connection.
const keepAliveProbes = 3

// endIfPeerIsDead has the kernel end the connection if the other side's kernel has
// acknowledged nothing for a time, at most timeout. It does nothing if the timeout is
// negative, and on a connection that is not TCP.
//
// Keep-alive finds a peer that is gone while nothing is being sent, which includes the
// wait for a reply to a request that has arrived. It is not sent while data is
// unacknowledged: for that, Linux has TCP_USER_TIMEOUT (RFC 5482), which then also decides
// in place of the number of keep-alive probes. Other systems end the connection after
// their own number of retransmissions.
//
// The kernel's parts are shorter than the timeout by a fifth, because its timers are late
// by up to an eighth, and those of keep-alive are whole seconds.
func (s *socket) endIfPeerIsDead(timeout time.Duration) {
	tcp, ok := s.Conn.(*net.TCPConn)
	if !ok || timeout < 0 {
		return
	}
	longest := max(timeout, leastDeadPeerTimeout) * 4 / 5
	every := (longest / (keepAliveProbes + 1)).Truncate(time.Second)
	// Errors do not matter: without these options, the timeouts of commands and probes remain.
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: every, Interval: every, Count: keepAliveProbes})
	setUserTimeout(tcp, longest)
}
