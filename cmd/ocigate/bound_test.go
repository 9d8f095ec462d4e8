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

// These helpers run processes that end with the test, also if the test is killed.

// bound is a process that ends with the test that started it, and with the process of all
// tests, even if that is killed or times out.
type bound struct {
	command *exec.Cmd
	ended   chan struct{} // closed when it has ended
	failure error         // of its end, may be read after ended is closed
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

// newBound is startBound for callers that kill the process themselves at the end of the test.
func newBound(command *exec.Cmd) (*bound, error) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
	b := &bound{command: command, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The system kills the process when the thread that started it ends.
		// So this goroutine keeps the thread until the process has ended.
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

// kill ends the process with SIGKILL and waits for its end. It does nothing if it has ended.
func (b *bound) kill() {
	_ = b.command.Process.Kill() // it fails if the process has ended
	<-b.ended
}

// asStarter is an environment variable that makes TestBound the test that is killed while a
// process that it started runs.
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
	// The other end is closed only after both processes have ended.
	if _, err := io.ReadAll(out); err != nil {
		t.Errorf("a process outlives the test that started it: %v", err)
	}
}
