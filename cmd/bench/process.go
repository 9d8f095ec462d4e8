//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// patience is how long a process may take to start, to answer or to stop,
// beyond the time that it is asked to work for.
const patience = 20 * time.Second

// loopback is any free port.
const loopback = "127.0.0.1:0"

// process is a child, measured from outside.
type process struct {
	procfs.Proc
	command *exec.Cmd
	address string         // where it listens
	in      io.WriteCloser // nil for a gateway, which is ended by a signal
	out     *bufio.Reader  // nil for a gateway
	log     *os.File       // nil for a role
}

// roles are what this program can be besides the one that measures. A role
// prints its address, answers lines that it reads, and ends with its input.
var roles = map[string]func(arguments []string, in io.Reader, out io.Writer) error{
	"platform":  platformRole,
	"echo":      echoRole,
	"relay":     relayRole,
	"roundtrip": roundTripRole,
	"facade":    facadeRole,
}

// role starts this program as a role and reads its address.
func (b *bench) role(ctx context.Context, arguments ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, arguments...) //nolint:gosec // this very program
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &process{command: command, in: in, out: bufio.NewReader(out)}
	if err := b.start(p); err != nil {
		return nil, err
	}
	p.address, err = p.line(patience)
	return p, err
}

// start starts the process with an empty environment, so that no setting of
// ours reaches it.
func (b *bench) start(p *process) error {
	p.command.Env = []string{}
	if err := p.command.Start(); err != nil {
		return err
	}
	b.cleanup = append(b.cleanup, p.stop)
	var err error
	p.Proc, err = procfs.NewProc(p.command.Process.Pid)
	return err
}

// line reads a line. A process that takes longer is killed.
func (p *process) line(limit time.Duration) (string, error) {
	timer := time.AfterFunc(limit, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	line, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s gave no answer: %w", p.command.Args[1], err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// ask has a role do what a line says, which may take it so long, and reads its
// answer of one number or more.
func (p *process) ask(takes time.Duration, question string) ([]float64, error) {
	if _, err := fmt.Fprintln(p.in, question); err != nil {
		return nil, err
	}
	answer, err := p.line(takes + patience)
	if err != nil {
		return nil, err
	}
	var numbers []float64
	for field := range strings.FieldsSeq(answer) {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// stop ends the process, by force if it does not end by itself. It may be
// called again.
func (p *process) stop() error {
	if p.command.ProcessState != nil {
		return nil
	}
	end := func() error { return p.command.Process.Signal(syscall.SIGTERM) }
	if p.in != nil {
		end = p.in.Close
	}
	timer := time.AfterFunc(patience, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	err := errors.Join(end(), p.command.Wait())
	if p.log != nil {
		err = errors.Join(err, p.log.Close())
	}
	if err != nil {
		return fmt.Errorf("%s did not end well: %w", filepath.Base(p.command.Path), err)
	}
	return nil
}

// forgetLog keeps the log from filling the disk.
func (p *process) forgetLog() error {
	if p.log == nil {
		return nil
	}
	return p.log.Truncate(0)
}

// cpu is the CPU time that the process has used so far, in seconds.
func (p *process) cpu() (float64, error) {
	stat, err := p.Stat()
	return stat.CPUTime(), err
}

// memory is what the process has resident in bytes, now and at the most since
// it was last forgotten.
func (p *process) memory() (now, most float64, err error) {
	status, err := p.NewStatus()
	return float64(status.VmRSS), float64(status.VmHWM), err
}

// forgetMost makes the present resident memory the most.
func (p *process) forgetMost() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.PID), []byte("5"), 0)
}

// beRole prints where the role listens and answers lines until its input ends.
func beRole(in io.Reader, out io.Writer, address net.Addr, answer func(line string) (string, error)) error {
	if _, err := fmt.Fprintln(out, address); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		said, err := answer(lines.Text())
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, said); err != nil {
			return err
		}
	}
	return lines.Err()
}

// mute is for roles that have nothing to tell.
func mute(line string) (string, error) { return "", fmt.Errorf("unknown request %q", line) }

// listen opens a port and has it served until the process ends.
func listen(serve func(net.Listener) error) (net.Addr, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", loopback)
	if err != nil {
		return nil, err
	}
	go func() {
		fmt.Fprintln(os.Stderr, "bench:", serve(l))
		os.Exit(1)
	}()
	return l.Addr(), nil
}
