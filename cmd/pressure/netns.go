//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// link is a network link of its own: a pair of virtual interfaces between this host and a
// network namespace. If it is cut, neither side learns it: there is no FIN, no RST, no ICMP,
// and no failure of ARP, as behind a switch or a firewall that has died.
//
// The namespace belongs to one thread of this process and has no name. So the kernel removes
// it, and with it both interfaces, after the process has ended, however that ends, as soon as
// it has given up the last connection in it. The next link removes what is left until then.
//
// A process has one link at a time.
type link struct {
	near, far string // interfaces of this host, and of the namespace
	address   string // of the namespace, without a port
	inside    chan func()
	ended     chan struct{}
}

// The hardware addresses are fixed, so that both sides know that of the other one without
// asking for it.
const nearHardware, farHardware = "02:6f:63:69:00:01", "02:6f:63:69:00:02"

// nearName is the name of the interface of this host, by the id of the process.
const nearName = "oci%dn"

// newLink creates a link. The error is a skippedError on a machine or for a user without network
// namespaces.
func newLink(ctx context.Context) (*link, error) {
	if os.Geteuid() != 0 {
		return nil, &skippedError{"needs root and ip"}
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return nil, &skippedError{"needs root and ip"}
	}
	if err := removeLeftovers(ctx); err != nil {
		return nil, err
	}
	pid := os.Getpid()
	// A network of four addresses for each process, of those for measurements (RFC 2544).
	network := 4 * (pid % (1 << 15))
	host := func(n int) string { return fmt.Sprintf("198.%d.%d.%d", 18+network>>16, network>>8&255, network&255+n) }
	l := &link{
		near: fmt.Sprintf(nearName, pid), far: fmt.Sprintf("oci%df", pid), address: host(2),
		inside: make(chan func()), ended: make(chan struct{}),
	}
	thread := make(chan int)
	refused := make(chan error, 1)
	go l.hold(thread, refused)
	var id int
	select {
	case id = <-thread:
	case err := <-refused:
		return nil, &skippedError{"needs network namespaces: " + err.Error()}
	}
	if err := ip(ctx, fmt.Sprintf("link add %s address %s type veth peer name %s address %s netns %d", l.near, nearHardware, l.far, farHardware, id)); err != nil {
		_ = l.close()
		return nil, &skippedError{"needs virtual interfaces: " + err.Error()}
	}
	err := errors.Join(
		ip(ctx, fmt.Sprintf("addr add %s/30 dev %s", host(1), l.near)),
		ip(ctx, fmt.Sprintf("link set %s up", l.near)),
		l.ip(ctx, fmt.Sprintf("addr add %s/30 dev %s", host(2), l.far)),
		l.ip(ctx, fmt.Sprintf("link set %s up", l.far)),
		ip(ctx, fmt.Sprintf("neigh replace %s lladdr %s nud permanent dev %s", host(2), farHardware, l.near)),
		l.ip(ctx, fmt.Sprintf("neigh replace %s lladdr %s nud permanent dev %s", host(1), nearHardware, l.far)),
	)
	if err != nil {
		_ = l.close()
		return nil, err
	}
	return l, nil
}

// removeLeftovers removes the interfaces of processes that were killed.
func removeLeftovers(ctx context.Context) error {
	interfaces, err := net.Interfaces()
	for _, i := range interfaces {
		var pid int
		if n, _ := fmt.Sscanf(i.Name, nearName, &pid); n != 1 || i.Name != fmt.Sprintf(nearName, pid) {
			continue
		}
		if syscall.Kill(pid, 0) == nil && pid != os.Getpid() {
			continue
		}
		// The kernel may be removing it at the same time.
		if failed := ip(ctx, "link del "+i.Name); failed != nil {
			if _, gone := net.InterfaceByName(i.Name); gone == nil {
				err = errors.Join(err, failed)
			}
		}
	}
	return err
}

// hold makes the namespace and runs functions in it until the link is closed. The thread is
// never used for anything else, and ends with this goroutine.
func (l *link) hold(thread chan<- int, refused chan<- error) {
	defer close(l.ended)
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		refused <- err
		return
	}
	thread <- syscall.Gettid()
	for do := range l.inside {
		do()
	}
}

// run runs a function in the namespace.
func (l *link) run(do func() error) error {
	done := make(chan error, 1)
	l.inside <- func() { done <- do() }
	return <-done
}

// listen listens at a port of the namespace. The listener and its connections can be used by
// any thread.
func (l *link) listen(ctx context.Context, port string) (listener net.Listener, err error) {
	err = l.run(func() error {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp4", net.JoinHostPort(l.address, port))
		return err
	})
	return listener, err
}

// cut cuts the link.
func (l *link) cut(ctx context.Context) error {
	return l.ip(ctx, fmt.Sprintf("link set %s down", l.far))
}

// close removes the interfaces and ends the thread. The listeners in the namespace must be
// closed by their users: the namespace exists as long as one of them does.
func (l *link) close() error {
	_ = ip(context.Background(), "link del "+l.near) // it may not have been made
	close(l.inside)
	<-l.ended
	return nil
}

// ip runs the command of that name in the namespace.
func (l *link) ip(ctx context.Context, line string) error {
	return l.run(func() error { return ip(ctx, line) })
}

// ip runs the command of that name.
func ip(ctx context.Context, line string) error {
	if output, err := exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput(); err != nil { //nolint:gosec // our own arguments
		return fmt.Errorf("ip %s: %w: %s", line, err, output)
	}
	return nil
}
