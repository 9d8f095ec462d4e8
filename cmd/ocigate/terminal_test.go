//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// These tests specify how the command hash reads a secret from a terminal. A teletype takes
// the place of the user's terminal.

// runMain is an environment variable that makes the test's binary the program, for tests that
// need a process.
const runMain = "OCIGATE_TEST_RUN_MAIN"

func init() {
	if os.Getenv(runMain) != "" {
		_ = os.Unsetenv(runMain) // never fails; loading a configuration would report the variable
		main()
		os.Exit(0)
	}
}

// teletype is a terminal with a user.
type teletype struct {
	t      *testing.T
	person *os.File // the user's side: input and screen
	side   *os.File // the program's side
	before *term.State
	seen   output
}

func newTeletype(t *testing.T) *teletype {
	t.Helper()
	person, side, err := pty.Open()
	if err != nil {
		t.Skipf("no terminals: %v", err)
	}
	tty := &teletype{t: t, person: person, side: side}
	if tty.before, err = term.GetState(int(side.Fd())); err != nil {
		t.Fatal(err)
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(&tty.seen, person) // ends with the terminal
	}()
	t.Cleanup(func() {
		// A goroutine that still reads from the terminal gets lines, and ends. Until then
		// the program's side stays open: its number could become that of another terminal,
		// whose state the goroutine would change at its end.
		_, _ = io.WriteString(person, "\n\n\n")
		for isReading() { // waitFor ends with the context of the test, which has ended
			time.Sleep(time.Millisecond)
		}
		_ = side.Close()
		<-copied
		_ = person.Close()
	})
	return tty
}

// isReading reports whether a goroutine of this process reads a secret from a terminal.
func isReading() bool {
	stacks := make([]byte, 4<<20)
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("term.ReadPassword("))
}

func (tty *teletype) state() *term.State {
	tty.t.Helper()
	state, err := term.GetState(int(tty.side.Fd()))
	if err != nil {
		tty.t.Fatal(err)
	}
	return state
}

// typeAt types as soon as a question is written and the terminal does not show input.
func (tty *teletype) typeAt(question, text string) {
	tty.t.Helper()
	waitFor(tty.t, func() bool {
		return strings.HasSuffix(tty.seen.String(), question) && !reflect.DeepEqual(tty.state(), tty.before)
	})
	if _, err := io.WriteString(tty.person, text); err != nil {
		tty.t.Fatal(err)
	}
}

// hash runs the command on the terminal.
func (tty *teletype) hash(ctx context.Context) (out *output, ended chan error) {
	out, ended = &output{}, make(chan error, 1)
	root := newRoot()
	root.SetIn(tty.side)
	root.SetOut(out)
	root.SetErr(tty.side)
	root.SetArgs([]string{"hash"})
	go func() { ended <- root.ExecuteContext(ctx) }()
	return out, ended
}

func TestHashOnATerminal(t *testing.T) {
	for name, tt := range map[string]struct{ first, again, wrong string }{
		"hashes what is typed twice":         {first: "hunter2 x", again: "hunter2 x"},
		"takes back what is erased":          {first: "hunterr\x7f2 x", again: "hunter2 x"},
		"refuses two secrets":                {first: "hunter2 x", again: "hunter3 x", wrong: "the two secrets differ"},
		"refuses none":                       {wrong: "the secret is empty"},
		"refuses a blank at the end":         {first: "hunter2 ", again: "hunter2 ", wrong: "the secret ends with a blank"},
		"refuses what a key of arrows types": {first: "hunter2\x1b[D", again: "hunter2\x1b[D", wrong: "the secret contains a control character (U+001B)"},
	} {
		t.Run(name, func(t *testing.T) {
			tty := newTeletype(t)
			out, ended := tty.hash(t.Context())
			tty.typeAt("Secret: ", tt.first+"\r")
			tty.typeAt("The same again: ", tt.again+"\r")
			err := <-ended
			switch {
			case tt.wrong == "" && (err != nil || !hashes(t, out.String(), "hunter2 x")):
				t.Errorf("%v, wrote %q", err, out)
			case tt.wrong != "" && (err == nil || err.Error() != tt.wrong || out.String() != ""):
				t.Errorf("%v, wrote %q; want %s", err, out, tt.wrong)
			}
			if !reflect.DeepEqual(tty.state(), tty.before) {
				t.Error("the terminal is not as it was")
			}
			// The screen must not show any part of the input.
			waitFor(t, func() bool { return tty.seen.String() == "Secret: \r\nThe same again: \r\n" })
		})
	}
}

func TestHashOnATerminalCanBeInterrupted(t *testing.T) {
	tty := newTeletype(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, ended := tty.hash(ctx)
	tty.typeAt("Secret: ", "hunt")
	cancel()
	if err := <-ended; err == nil || err.Error() != "interrupted" || out.String() != "" {
		t.Errorf("%v, wrote %q", err, out)
	}
	if !reflect.DeepEqual(tty.state(), tty.before) {
		t.Error("the terminal is not as it was")
	}
}

// TestCtrlCAtTheSecretEndsTheProcess sends Ctrl-C to a process, for which the terminal sends
// it a signal.
func TestCtrlCAtTheSecretEndsTheProcess(t *testing.T) {
	for name, answers := range map[string][]string{"at the first question": {"hunt\x03"}, "at the second question": {"hunter2\r", "\x03"}} {
		t.Run(name, func(t *testing.T) {
			tty := newTeletype(t)
			command := exec.CommandContext(t.Context(), os.Args[0], "hash")
			command.Env = append(os.Environ(), runMain+"=1")
			var out output
			command.Stdin, command.Stdout, command.Stderr = tty.side, &out, tty.side
			command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // so that it gets the terminal's signals
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			for i, question := range []string{"Secret: ", "The same again: "}[:len(answers)] {
				tty.typeAt(question, answers[i])
			}
			if err := command.Wait(); err == nil || command.ProcessState.ExitCode() != 1 {
				t.Errorf("ended with %v", err)
			}
			if !reflect.DeepEqual(tty.state(), tty.before) {
				t.Error("the terminal is not as it was")
			}
			waitFor(t, func() bool { return strings.HasSuffix(tty.seen.String(), "ocigate: interrupted\r\n") })
			if strings.Contains(tty.seen.String(), "hunt") || out.String() != "" {
				t.Errorf("to be seen is %q, written %q", tty.seen.String(), out.String())
			}
		})
	}
}
