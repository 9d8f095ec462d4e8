//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// bound is a process that ends with the test that started it, and with the whole
// test's process however that ends, be it killed or out of time.
type bound struct {
	command *exec.Cmd
	ended   chan struct{} // closed when it has ended
	failure error         // of its end, for those who have seen it
}

// startBound starts a command as such a process.
func startBound(t *testing.T, command *exec.Cmd) *bound {
	t.Helper()
	b, err := newBound(command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.kill)
	return b
}

// newBound is startBound for those who kill the process themselves when the test
// ends.
func newBound(command *exec.Cmd) (*bound, error) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
	b := &bound{command: command, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The system kills the process when the thread that started it ends.
		// So this one stays with it, and ends afterwards.
		runtime.LockOSThread()
		defer close(b.ended)
		err := command.Start()
		started <- err
		if err == nil {
			b.failure = command.Wait()
		}
	}()
	return b, <-started
}

// kill ends the process with SIGKILL and waits for that. It does nothing where it
// has ended.
func (b *bound) kill() {
	_ = b.command.Process.Kill() // it fails where it has ended already
	<-b.ended
}

// asStarter is an environment variable that has TestBound be a test that is killed
// while a process of its own runs.
const asStarter = "TEST_AS_STARTER"

func TestBound(t *testing.T) {
	if os.Getenv(asStarter) != "" {
		command := exec.Command("sleep", "600")
		command.Stdout = os.Stdout
		startBound(t, command)
		fmt.Println("started")
		select {}
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = read.Close() }()
	command := exec.Command(os.Args[0], "-test.run=^TestBound$")
	command.Env = append(os.Environ(), asStarter+"=1")
	command.Stdout = write
	starter := startBound(t, command)
	_ = write.Close()
	out := readerOf(t, read)
	readLines(t, out, "started")
	starter.kill()
	// Only when both processes are gone has nobody the other end any more.
	if _, err := io.ReadAll(out); err != nil {
		t.Errorf("a process outlives the test that started it: %v", err)
	}
}
