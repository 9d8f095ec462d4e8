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

// patience is how long a process may take to start, to answer or to stop, in addition to its
// working time.
const patience = 20 * time.Second

// loopback is any free port.
const loopback = "127.0.0.1:0"

// process is a child process that is measured from outside.
type process struct {
	procfs.Proc
	command *exec.Cmd
	address string         // listening address
	in      io.WriteCloser // nil for a gateway, which a signal ends
	out     *bufio.Reader  // nil for a gateway
	log     *os.File       // nil for a role
}

// roles are the functions of this program in child processes. A role prints its address,
// answers lines of its input, and ends at the end of its input.
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
	command := exec.CommandContext(ctx, self, arguments...) //nolint:gosec // this program itself
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

// start starts the process with an empty environment, so that no setting of this process
// affects it.
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

// line reads a line. It kills the process if that takes too long.
func (p *process) line(limit time.Duration) (string, error) {
	timer := time.AfterFunc(limit, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	line, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s gave no answer: %w", p.command.Args[1], err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// ask sends a line to a role, which may take that time, and reads its answer of one or more
// numbers.
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

// stop ends the process, with SIGKILL if it does not end in time. It may be called several
// times.
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

// truncateLog truncates the log, so that it does not fill the disk.
func (p *process) truncateLog() error {
	if p.log == nil {
		return nil
	}
	return p.log.Truncate(0)
}

// cpu returns the CPU time that the process has used so far, in seconds.
func (p *process) cpu() (float64, error) {
	stat, err := p.Stat()
	return stat.CPUTime(), err
}

// memory returns the resident memory of the process in bytes: the present value, and the peak
// since the last call of resetPeak.
func (p *process) memory() (now, most float64, err error) {
	status, err := p.NewStatus()
	return float64(status.VmRSS), float64(status.VmHWM), err
}

// resetPeak sets the peak to the present resident memory.
func (p *process) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.PID), []byte("5"), 0)
}

// beRole prints the address of the role and answers lines until the end of its input.
func beRole(in io.Reader, out io.Writer, address net.Addr, answer func(line string) (string, error)) error {
	if _, err := fmt.Fprintln(out, address); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		got, err := answer(lines.Text())
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, got); err != nil {
			return err
		}
	}
	return lines.Err()
}

// noAnswer answers the lines of roles without results.
func noAnswer(line string) (string, error) { return "", fmt.Errorf("unknown request %q", line) }

// listen opens a port and serves it until the process ends.
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
