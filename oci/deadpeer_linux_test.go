package oci

import (
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

func TestTheKernelIsToldWhenAPeerIsDead(t *testing.T) {
	type options struct{ keepAlive, idle, interval, probes, userTimeout int }
	for name, test := range map[string]struct {
		timeout time.Duration
		want    options
	}{
		"5 s":           {5 * time.Second, options{1, 1, 1, 3, 4000}},
		"less than 5 s": {time.Millisecond, options{1, 1, 1, 3, 4000}},
		"12 s":          {12 * time.Second, options{1, 2, 2, 3, 9600}},
		"2 min":         {2 * time.Minute, options{1, 24, 24, 3, 96000}},
		"never":         {-1, options{1, 15, 15, 9, 0}}, // those of a net.Dialer
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			o := Options{Endpoints: []Endpoint{{Address: listener.Addr().String()}}, DeadPeerTimeout: test.timeout}
			checked, err := o.withDefaults()
			if err != nil {
				t.Fatal(err)
			}
			conn, err := newEndpoint(checked.Endpoints[0], checked).connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			option := func(level, name int) (value int) {
				raw, err := conn.socket.Conn.(*net.TCPConn).SyscallConn()
				if err != nil {
					t.Fatal(err)
				}
				_ = raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, name) })
				if err != nil {
					t.Fatal(err)
				}
				return value
			}
			got := options{
				option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE), option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE),
				option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL), option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT), option(syscall.IPPROTO_TCP, tcpUserTimeout),
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(options{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// inNamespaces is set in the process that TestAConnectionIsNotKeptWhenItsHostIsGone starts.
const inNamespaces = "OCI_TEST_IN_NAMESPACES"

// A link between two network namespaces is cut so that neither side gets a FIN or RST, nor
// sees its own interface go down. The test runs itself in new namespaces, as root of a new
// user namespace. It is skipped where that, or a pair of virtual interfaces, is not allowed.
func TestAConnectionIsNotKeptWhenItsHostIsGone(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 8 s")
	}
	if os.Getenv(inNamespaces) != "" {
		cutTheLink(t)
		return
	}
	t.Parallel()
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), inNamespaces+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := again.CombinedOutput()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		t.Skipf("no namespaces here: %v", err)
	}
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	default:
		t.Logf("%s", out)
	}
}

// network is a bridge in this namespace, with a port to another one, where a platform
// listens.
type network struct{ listener net.Listener }

const (
	nearAddress = "10.99.0.1"
	farAddress  = "10.99.0.2"
)

// newNetwork makes the other namespace and the bridge.
func newNetwork(t *testing.T) network {
	t.Helper()
	made, tid, moved := make(chan net.Listener), make(chan int), make(chan bool, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		defer close(made)
		defer close(tid)
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			t.Log(err)
			return
		}
		tid <- syscall.Gettid()
		if !<-moved || !ip(t, "addr add "+farAddress+"/24 dev far", "link set far up") {
			return
		}
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", farAddress+":0")
		if err != nil {
			t.Log(err)
			return
		}
		made <- listener
	}()
	id := <-tid
	moved <- id != 0 && ip(t, "link set lo up", "link add near type bridge", "link add port type veth peer name far",
		"link add other type veth peer name end", // keeps the bridge up without the port
		"link set far netns "+strconv.Itoa(id), "link set port master near", "link set other master near",
		"link set port up", "link set other up", "link set end up", "addr add "+nearAddress+"/24 dev near", "link set near up")
	n := network{<-made}
	if n.listener == nil {
		t.Skip("no network of the test's own is possible here")
	}
	return n
}

// cut has all packets vanish.
func (n network) cut(t *testing.T) {
	t.Helper()
	if !ip(t, "link set port down") {
		t.Fatal("the link could not be cut")
	}
}

// ip runs the program of that name for each of the commands, in the namespace of the
// calling thread.
func ip(t *testing.T, commands ...string) bool {
	for _, c := range commands {
		if out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			t.Logf("ip %s: %v: %s", c, err, out)
			return false
		}
	}
	return true
}

// lostSession is a session that a client of a network has lost, at a time.
type lostSession struct {
	at  time.Time
	err error
}

// client returns a client with one session at a platform that listens, and a channel that
// gets the first session that is lost.
func (p *platform) client(t *testing.T, listener net.Listener, deadPeer time.Duration) (*Client, <-chan lostSession) {
	t.Helper()
	lost := make(chan lostSession, 1)
	c, err := New(Options{
		Release: 24, Endpoints: []Endpoint{{Name: "primary", Address: listener.Addr().String(), UserID: "gate", Password: "secret"}},
		MinSessions: 1, MaxSessions: 1, DeadPeerTimeout: deadPeer, ProbeUnusedInterval: -1,
		Trace: Trace{SessionClosed: func(_ string, _ CloseReason, err error) {
			select {
			case lost <- lostSession{time.Now(), err}:
			default:
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(t.Context(), NewRead("UserGetRequest22")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Close(ctx)
	})
	return c, lost
}

// listen serves the connections of a listener until the end of the test.
func (p *platform) listen(t *testing.T, listener net.Listener) {
	var accepted []net.Conn
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted = append(accepted, conn)
			p.serving.Go(func() { p.serve(&link{conn}) })
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
		for _, conn := range accepted {
			_ = conn.Close()
		}
		p.serving.Wait()
	})
}

// awaitAcknowledged waits until the other side has acknowledged all that the client's
// session has sent.
func awaitAcknowledged(t *testing.T, c *Client) {
	t.Helper()
	c.pool.mu.Lock()
	sessions := slices.Collect(maps.Keys(c.pool.all))
	c.pool.mu.Unlock()
	raw, err := sessions[0].line.socket.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for unacknowledged := int32(1); unacknowledged > 0; time.Sleep(time.Millisecond) {
		_ = raw.Control(func(fd uintptr) {
			// SIOCOUTQ of linux/sockios.h is TIOCOUTQ.
			if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&unacknowledged))); failed != 0 {
				t.Error(failed)
				unacknowledged = 0
			}
		})
	}
}

// cutTheLink is TestAConnectionIsNotKeptWhenItsHostIsGone in the namespaces.
func cutTheLink(t *testing.T) {
	const bound, slow = 5 * time.Second, 7 * time.Second
	n := newNetwork(t)
	arrived := make(chan bool)
	far := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == question.Name() {
			arrived <- true
			return
		}
		wellAnswered(p, c, r)
	}}
	far.listen(t, n.listener)
	near := &platform{answer: slowly(slow)}
	local, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	near.listen(t, local)
	living, _ := near.client(t, local, bound)
	busy, busyLost := far.client(t, n.listener, bound)
	_, idleLost := far.client(t, n.listener, bound)
	sending, sendingLost := far.client(t, n.listener, bound)
	patient, patientLost := far.client(t, n.listener, -1)

	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	defer callers.Wait()
	defer cancel()
	callers.Go(func() {
		if _, err := living.Read(ctx, question); err != nil {
			t.Errorf("a platform that lives and answers after %v: %v", slow, err)
		}
	})
	for _, c := range []*Client{busy, patient} {
		callers.Go(func() { _, _ = c.Read(ctx, question) })
		<-arrived
	}
	awaitAcknowledged(t, busy) // so that it is found by keep-alive, and the sending one by TCP_USER_TIMEOUT
	n.cut(t)
	cut := time.Now()
	callers.Go(func() { _, _ = sending.Read(ctx, question) })
	for name, lost := range map[string]<-chan lostSession{"busy": busyLost, "idle": idleLost, "sending": sendingLost} {
		got := <-lost
		t.Logf("the %s connection ended after %v: %v", name, got.at.Sub(cut), got.err)
		if took := got.at.Sub(cut); took > bound+time.Second {
			t.Errorf("the %s connection ended after %v", name, took)
		}
	}
	time.Sleep(time.Until(cut.Add(bound + time.Second)))
	select {
	case got := <-patientLost:
		t.Errorf("the connection whose peer may be dead ended after %v: %v", got.at.Sub(cut), got.err)
	default:
	}
	time.Sleep(time.Until(cut.Add(slow + time.Second))) // the slow platform has answered
}
