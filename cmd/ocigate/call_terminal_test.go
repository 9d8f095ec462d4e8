//go:build unix

package main

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// These tests specify the command call on a terminal, and as a process: the question for a
// secret, the indentation of bodies, and the exit code of the program.

// callOn runs the command on a terminal.
func (tty *teletype) callOn(t *testing.T, args ...string) chan error {
	t.Helper()
	ended := make(chan error, 1)
	root := newRoot()
	root.SetIn(tty.side)
	root.SetOut(tty.side)
	root.SetErr(tty.side)
	root.SetArgs(slices.Concat([]string{"call"}, args, inGroup))
	go func() { ended <- root.ExecuteContext(t.Context()) }()
	return ended
}

func TestCallAsksForASecretOnATerminal(t *testing.T) {
	t.Setenv(variableSecret, "") // as if it were not set
	url := serveCalls(t, func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "portal" || secret != "hunter2 x" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte(`{"numbers":[]}`))
	})
	for name, test := range map[string]struct {
		typed, wrong, shown string
		flags               []string
	}{
		"and indents the response":    {"hunter2 x", "", "{\r\n  \"numbers\": []\r\n}\r\n", nil},
		"and shows the response raw":  {"hunter2 x", "", `{"numbers":[]}`, []string{"--raw"}},
		"and refuses a blank one":     {"hunter2 ", "the secret ends with a blank", "", nil},
		"and refuses an empty answer": {"", "the secret is empty", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			tty := newTeletype(t)
			ended := tty.callOn(t, append([]string{"itc_numbers_list", "--url", url, "--client", "portal"}, test.flags...)...)
			tty.typeAt("Secret of portal: ", test.typed+"\r")
			err := <-ended
			if (err == nil) != (test.wrong == "") || err != nil && err.Error() != test.wrong {
				t.Errorf("got %v, want %q", err, test.wrong)
			}
			waitFor(t, func() bool { return tty.seen.String() == "Secret of portal: \r\n"+test.shown })
		})
	}
}

// TestCallEndsTheProcessWithItsCode runs the program.
func TestCallEndsTheProcessWithItsCode(t *testing.T) {
	url := serveCalls(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Operation-Outcome", r.Header.Get("Idempotency-Key"))
		w.WriteHeader(http.StatusGatewayTimeout)
	})
	for _, test := range []struct {
		code int
		args []string
	}{
		{1, []string{"itc_numbers_list"}},
		{exitFailed, append([]string{"itc_numbers_list", "--url", url}, inGroup...)},
		{exitUnknown, append([]string{"itc_numbers_set", "--url", url, "--body", "{}", "--idempotency-key", "unknown"}, inGroup...)},
		{exitUnsent, append([]string{"itc_numbers_list", "--url", nowhere}, inGroup...)},
		{0, []string{"itc_numbers_set", "--example"}},
	} {
		c := exec.CommandContext(t.Context(), os.Args[0], append([]string{"call"}, test.args...)...)
		c.Env = forShell(asProgram + "=1")
		var errs output
		c.Stderr = &errs
		err := c.Run()
		if _, ok := errors.AsType[*exec.ExitError](err); (!ok && err != nil) || c.ProcessState.ExitCode() != test.code {
			t.Errorf("%v: %v, want exit code %d: %s", test.args, err, test.code, &errs)
		}
		if test.code != 0 && !strings.Contains(errs.String(), "ocigate: ") {
			t.Errorf("%v: wrote %s", test.args, &errs)
		}
	}
}

// The list of exit codes in the page is that of the help.
func TestCallExitCodesAreThoseOfThePage(t *testing.T) {
	page := readFile(t, filepath.Join(moduleRoot, "cmd", "README.md"))
	found := 0
	var entry string
	check := func() {
		if entry == "" {
			return
		}
		found++
		code, text, _ := strings.Cut(strings.Join(strings.Fields(entry), " "), " ")
		if row := "| " + code + " | " + text + " |\n"; !strings.Contains(page, row) {
			t.Errorf("the page has no row %s", row)
		}
		entry = ""
	}
	for line := range strings.Lines(strings.TrimPrefix(exitCodesHelp, "Exit codes:\n")) {
		if !strings.HasPrefix(line, "     ") {
			check()
		}
		entry += " " + line
	}
	check()
	if found != 9 {
		t.Errorf("%d exit codes", found)
	}
}
