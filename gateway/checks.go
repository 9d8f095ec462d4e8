package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A check is one of the conditions of readyz or livez.
type check struct {
	name string
	// informative checks are only shown: they never change a status.
	informative bool
	// failure returns why the check fails, or "".
	failure func() string
	// plain is put before the failure in the response without verbose.
	plain string
}

// Inform adds a check to /readyz that is only shown, with ?verbose and as
// /readyz/NAME: it never changes a status. failure returns why the check fails, or "".
// It must return quickly. Inform must be called before the first request.
func (a *Admin) Inform(name string, failure func() string) {
	a.informative = append(a.informative, check{name: name, informative: true, failure: failure})
}

// ping is the check that the process responds.
var ping = check{name: "ping", failure: func() string { return "" }}

func liveChecks() []check { return []check{ping} }

// readyChecks returns the checks of readyz, those that count first.
func (a *Admin) readyChecks() []check {
	checks := []check{
		ping,
		{name: "serving", failure: func() string { return a.stateFailure(notServing, "not ready") }},
		{name: "shutdown", failure: func() string { return a.stateFailure(draining, "draining") }},
	}
	if a.journal != nil {
		checks = append(checks, check{name: "journal", failure: a.journalFailure, plain: "not ready: "})
	}
	return append(checks, a.informative...)
}

func (a *Admin) stateFailure(state int32, text string) string {
	if a.state.Load() == state {
		return text
	}
	return ""
}

// journalFailure returns why the replica is not ready because of its journal, or "".
func (a *Admin) journalFailure() string {
	since, err := a.journal.JournalState()
	if err == nil || time.Since(since) < a.unreadyAfter {
		return ""
	}
	return fmt.Sprintf("writes are refused because the journal has been unusable since %s: %v", since.UTC().Format(time.RFC3339), err)
}

// Unready returns why the replica should get no requests, or "": the response of
// readyz.
func (a *Admin) Unready() string {
	reason, _ := firstFailure(a.readyChecks(), nil)
	return reason
}

// firstFailure returns the failure of the first check that counts, as the response
// without verbose has it.
func firstFailure(checks []check, excluded []string) (reason string, failed bool) {
	for _, c := range checks {
		if c.informative || slices.Contains(excluded, c.name) {
			continue
		}
		if failure := c.failure(); failure != "" {
			return c.plain + failure, true
		}
	}
	return "", false
}

// serveChecks returns a handler in the manner of the health endpoints of Kubernetes' API
// server. Without ?verbose the response is the word good or the first failure. With it,
// each check has a line, and the last line has the result. ?exclude=NAME, which may be
// repeated, leaves a check out.
func serveChecks(name, good string, checks func() []check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		excluded := query["exclude"]
		if query.Has("verbose") {
			writeVerbose(w, name, checks(), excluded)
			return
		}
		if reason, failed := firstFailure(checks(), excluded); failed {
			writeText(w, http.StatusServiceUnavailable, reason)
			return
		}
		writeText(w, http.StatusOK, good)
	}
}

// writeVerbose writes a line for each check:
//
//	[+]NAME ok
//	[-]NAME failed: REASON
//	[+]NAME excluded: ok
//	[+]NAME ok (informative)
//	[!]NAME failed (informative): REASON
func writeVerbose(w http.ResponseWriter, name string, checks []check, excluded []string) {
	var b strings.Builder
	status, result := http.StatusOK, "passed"
	for _, c := range checks {
		if slices.Contains(excluded, c.name) {
			fmt.Fprintf(&b, "[+]%s excluded: ok\n", c.name)
			continue
		}
		switch failure := onOneLine(c.failure()); {
		case failure == "" && c.informative:
			fmt.Fprintf(&b, "[+]%s ok (informative)\n", c.name)
		case failure == "":
			fmt.Fprintf(&b, "[+]%s ok\n", c.name)
		case c.informative:
			fmt.Fprintf(&b, "[!]%s failed (informative): %s\n", c.name, failure)
		default:
			fmt.Fprintf(&b, "[-]%s failed: %s\n", c.name, failure)
			status, result = http.StatusServiceUnavailable, "failed"
		}
	}
	if unknown := notAmong(checks, excluded); unknown != "" {
		fmt.Fprintf(&b, "warn: some health checks cannot be excluded: no matches for %s\n", unknown)
	}
	fmt.Fprintf(&b, "%s check %s", name, result)
	writeText(w, status, b.String())
}

// maxUnknownNames limits the names of checks that a response repeats.
const maxUnknownNames = 5

// notAmong returns the names that are not those of checks, quoted.
func notAmong(checks []check, names []string) string {
	var unknown []string
	for _, name := range names {
		known := slices.ContainsFunc(checks, func(c check) bool { return c.name == name })
		if !known && len(unknown) < maxUnknownNames {
			unknown = append(unknown, fmt.Sprintf("%q", truncated(name, 64)))
		}
	}
	return strings.Join(unknown, ",")
}

// serveCheck returns a handler of a single check, whose name is the last part of the
// path: "ok", or the failure. The status of an informative check is always 200.
func serveCheck(checks func() []check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, c := range checks() {
			if c.name != r.PathValue("check") {
				continue
			}
			switch failure := onOneLine(c.failure()); {
			case failure == "":
				writeText(w, http.StatusOK, "ok")
			case c.informative:
				writeText(w, http.StatusOK, "failed (informative): "+failure)
			default:
				writeText(w, http.StatusServiceUnavailable, "failed: "+failure)
			}
			return
		}
		http.NotFound(w, r)
	}
}

// onOneLine returns a text without control characters, and cuts it if it is too long.
// Texts of the platform must not look like further lines.
func onOneLine(text string) string {
	return short(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text))
}
