//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// stamped reads from a connection and records when the kernel received the bytes that were
// read last. The service time counts from there, so that the time in which an idle machine
// wakes the scripted platform is not a part of the gateway's time.
type stamped struct {
	raw  syscall.RawConn
	last time.Time
	oob  [64]byte
}

func newStamped(conn net.Conn) (*stamped, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("the kernel stamps no %T", conn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	var refused error
	err = raw.Control(func(fd uintptr) {
		refused = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
	})
	return &stamped{raw: raw}, errors.Join(err, refused)
}

// Read implements io.Reader.
func (s *stamped) Read(b []byte) (int, error) {
	var n, size int
	var failed error
	err := s.raw.Read(func(fd uintptr) bool {
		n, size, _, _, failed = syscall.Recvmsg(int(fd), b, s.oob[:], 0)
		return !errors.Is(failed, syscall.EAGAIN)
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	s.last = time.Now() // bytes that arrived before timestamps were enabled have none
	messages, err := syscall.ParseSocketControlMessage(s.oob[:size])
	for _, m := range messages {
		if m.Header.Type == syscall.SCM_TIMESTAMPNS && len(m.Data) == 16 { // seconds and nanoseconds
			seconds, nanoseconds := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			s.last = time.Unix(int64(seconds), int64(nanoseconds)) //nolint:gosec // times fit
		}
	}
	return n, err
}
