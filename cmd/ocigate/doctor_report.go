package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// checkState is the result of a check.
type checkState string

// The states of a check. Only a failed one changes the exit code.
const (
	checkOK      checkState = "ok"
	checkNote    checkState = "note"
	checkFailed  checkState = "failed"
	checkSkipped checkState = "skipped"
)

// word returns the state as the first word of a line.
func (s checkState) word() string {
	if s == checkFailed {
		return "FAILED"
	}
	return string(s)
}

// A check is one line of the command doctor. Its JSON is that of --json.
type check struct {
	// Name is the kind of check, such as "dns".
	Name string `json:"check"`
	// Of is what was checked, if there are several: the name of an endpoint, or a key
	// of the configuration.
	Of      string     `json:"of,omitempty"`
	State   checkState `json:"state"`
	Tried   string     `json:"tried,omitempty"`
	Seconds float64    `json:"seconds"`
	// Found is what the check found out, Cause why it failed or what is to be noted, and
	// Do what to do about that.
	Found string `json:"found,omitempty"`
	Cause string `json:"cause,omitempty"`
	Do    string `json:"do,omitempty"`
	// ExitCode is the exit code for a failure, 0 otherwise.
	ExitCode int `json:"exit_code,omitempty"`

	code int // ExitCode if the check fails
}

// report collects the checks, and prints each as soon as it was made.
type report struct {
	to      io.Writer
	json    bool
	checks  []check
	failure error // of writing
}

// ok adds a check that has succeeded.
func (r *report) ok(c check, took time.Duration, found string) {
	c.State, c.Found = checkOK, found
	r.add(c, took)
}

// note adds a check that has succeeded, with something that the operator should know.
func (r *report) note(c check, took time.Duration, cause, do string) {
	c.State, c.Cause, c.Do = checkNote, cause, do
	r.add(c, took)
}

// fail adds a check that has failed.
func (r *report) fail(c check, took time.Duration, cause, do string) {
	c.State, c.Cause, c.Do, c.ExitCode = checkFailed, cause, do, c.code
	r.add(c, took)
}

// skip adds a check that was not made, and why.
func (r *report) skip(c check, why string) {
	c.State, c.Cause, c.Tried = checkSkipped, why, ""
	r.add(c, 0)
}

// add adds a check and prints it. Texts of other programs are made safe for a terminal.
func (r *report) add(c check, took time.Duration) {
	c.Seconds = took.Seconds()
	for _, text := range []*string{&c.Of, &c.Tried, &c.Found, &c.Cause, &c.Do} {
		*text = printable(*text)
	}
	r.checks = append(r.checks, c)
	if !r.json {
		r.print(c.String())
	}
}

func (r *report) print(text string) {
	if _, err := io.WriteString(r.to, text); err != nil && r.failure == nil {
		r.failure = err
	}
}

// indent is the width of the column with the states.
const indent = 9

// String returns the line of a check, and a second one, which is indented, with what was
// found or what is to be done.
func (c check) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s", indent, c.State.word())
	for _, part := range []string{c.Of, c.title()} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	if c.State == checkSkipped {
		b.WriteString(c.Cause + "\n")
		return b.String()
	}
	fmt.Fprintf(&b, "%s (%s)\n", c.Tried, duration(c.Seconds))
	more := c.Found
	if c.Cause != "" {
		more = c.Cause
		if c.Do != "" {
			if !strings.HasSuffix(more, "?") {
				more += "."
			}
			more += " To do: " + c.Do
		}
	}
	if more != "" {
		fmt.Fprintf(&b, "%*s%s\n", indent, "", more)
	}
	return b.String()
}

// title returns the name of the check as lines have it.
func (c check) title() string {
	switch c.Name {
	case "dns", "tcp", "tls":
		return strings.ToUpper(c.Name)
	}
	return strings.ReplaceAll(c.Name, "_", " ")
}

// duration returns a time as lines have it.
func duration(seconds float64) string {
	switch {
	case seconds < 0.01:
		return fmt.Sprintf("%.1f ms", 1000*seconds)
	case seconds < 1:
		return fmt.Sprintf("%.0f ms", 1000*seconds)
	}
	return fmt.Sprintf("%.1f s", seconds)
}

// doctorResult is the JSON of --json.
type doctorResult struct {
	Version  string  `json:"version"`
	Checks   []check `json:"checks"`
	Failed   int     `json:"failed"`
	Notes    int     `json:"notes"`
	ExitCode int     `json:"exit_code"`
}

// end prints the end of the report, and returns the error with the exit code.
func (r *report) end() error {
	result := doctorResult{Version: versionText(), Checks: r.checks}
	var first check
	for _, c := range r.checks {
		switch c.State {
		case checkNote:
			result.Notes++
		case checkFailed:
			if result.Failed++; result.Failed == 1 {
				first, result.ExitCode = c, c.ExitCode
			}
		}
	}
	if r.json {
		text, err := json.MarshalIndent(result, "", "  ")
		if err != nil {
			return err
		}
		r.print(string(text) + "\n")
	} else if result.Failed == 0 {
		r.print(fmt.Sprintf("\nNo check has failed. %s\n", numbered(result.Notes, "note", "notes")))
	}
	if r.failure != nil || result.Failed == 0 {
		return r.failure
	}
	name := strings.TrimPrefix(first.Of+" "+first.title(), " ")
	return &exitError{result.ExitCode, fmt.Errorf("%s failed; the first is %s: %s", numbered(result.Failed, "check has", "checks have"), name, first.Cause)}
}

// numbered returns a number with its noun.
func numbered(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// longestText limits each text of a check, in characters.
const longestText = 600

// printable returns a text without control characters, and cuts one that is too long.
func printable(text string) string {
	runes := []rune(strings.ToValidUTF8(text, "\uFFFD"))
	if len(runes) > longestText {
		runes = append(runes[:longestText], '…')
	}
	for i, c := range runes {
		if !strconv.IsPrint(c) {
			runes[i] = '\uFFFD'
		}
	}
	return string(runes)
}
