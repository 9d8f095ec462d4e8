//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A write of the campaign, its requests and their responses.

// The kinds of entries, as paths and bodies name them.
const (
	rangeKind  = "numbers"
	prefixKind = "prefixes"
)

// lane is a set of entries that are always assigned and removed together. It belongs to
// one caller.
type lane struct {
	tenant, group, kind string
	entries             []string // the starts of ranges, or prefixes
	assigned            bool     // according to the reports to its caller
}

// write is a change that a caller wants, with all requests until the caller knows the
// result.
type write struct {
	name     string // prefix of the ids of its requests
	lane     *lane
	assign   bool
	method   string
	path     string
	body     string
	client   string
	key      string // the idempotency key, empty for none
	attempts []attempt
	set      *set // nil if it does not replace a list
	rival    bool // it is the opposite of another write at the same time
	result   result
	source   string // how the caller learned the result
	// complaint is something that the caller did not expect, empty for nothing.
	complaint string
}

// result is the final outcome of a write, as its caller knows it.
type result string

// The results. A write that was refused before it was recorded has no operation.
const (
	wasDone    result = "done"
	wasNotDone result = "not_done"
	wasPartly  result = "partly_done"
	wasRefused result = "refused"
	noResult   result = ""
)

// attempt is one request of a write with its response.
type attempt struct {
	requestID string
	began     time.Time
	ended     time.Time
	early     bool  // the caller had a short timeout
	err       error // there was no response
	status    int
	name      string // of the error
	operation string
	outcome   string
	replayed  bool
	wait      time.Duration // Retry-After
	report    []entryReport // of each entry, if it replaces a list
}

// entryReport is the report of a response about an entry.
type entryReport struct{ name, status string }

func (a attempt) String() string {
	if a.err != nil {
		return fmt.Sprintf("%s no answer: %v", a.requestID, a.err)
	}
	return fmt.Sprintf("%s %d %s operation=%s outcome=%s replayed=%t", a.requestID, a.status, a.name, a.operation, a.outcome, a.replayed)
}

// bodyOf returns the body of a write.
func bodyOf(kind string, entries []string) string {
	field := map[string]string{rangeKind: "minPhoneNumber", prefixKind: "prefix"}[kind]
	var listed []string
	for _, e := range entries {
		listed = append(listed, fmt.Sprintf(`{%q:%q}`, field, e))
	}
	return fmt.Sprintf(`{%q:[%s]}`, kind, strings.Join(listed, ","))
}

// aim chooses the route: one of two for a removal.
func (w *write) aim(choice int) {
	w.method, w.path = http.MethodPost, "/api/v1"+itc(w.lane.tenant, w.lane.group, w.lane.kind)
	switch {
	case w.assign:
	case choice == 0:
		w.method = http.MethodDelete
	default:
		w.path += "remove/"
	}
}

// nextRequest returns the id of the next request, or of a later one.
func (w *write) nextRequest(skip int) string {
	return fmt.Sprintf("%s-a%d", w.name, len(w.attempts)+skip)
}

// leftOpen reports whether an earlier request may have been done: it had no response, or
// one with an unknown outcome. The outcome of a later request is independent of it.
func (w *write) leftOpen() bool {
	return slices.ContainsFunc(w.attempts, func(a attempt) bool {
		return a.err != nil || a.outcome == "unknown"
	})
}

// answered derives the result from a response.
func (w *write) answered(a attempt) {
	how := "answer"
	if a.replayed {
		how = "replay"
	}
	switch {
	case a.status == http.StatusMultiStatus:
		w.conclude(wasPartly, how)
		w.set.learn(a)
	case w.set != nil && w.set.stale && a.name == "PRECONDITION_FAILED":
		w.conclude(wasRefused, "failed condition")
	case a.status < 300:
		w.conclude(wasDone, how)
	case a.name == "PARTLY_DONE":
		w.conclude(wasPartly, how)
	case a.name == "PLATFORM_REFUSED" || a.name == "OPERATION_NOT_DONE":
		w.conclude(wasNotDone, how)
	default:
		w.conclude(wasRefused, how)
		w.complaint = "unexpected response: " + a.String()
	}
}

func (w *write) conclude(v result, how string) { w.result, w.source = v, how }

// read reads the relevant parts of a response.
func (a *attempt) read(response *http.Response) error {
	defer func() { _ = response.Body.Close() }() // it was only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var content struct {
		Errors []struct {
			Name string `json:"name"`
		} `json:"errors"`
		Result []struct{ MinPhoneNumber, Prefix, Status string } `json:"result"`
	}
	if response.Header.Get("Content-Type") == "application/json" { // a proxy's own error is not JSON
		if err := json.Unmarshal(body, &content); err != nil {
			return fmt.Errorf("status %d: %w", response.StatusCode, err)
		}
	}
	if len(content.Errors) > 0 {
		a.name = content.Errors[0].Name
	}
	for _, r := range content.Result {
		a.report = append(a.report, entryReport{plainName(r.MinPhoneNumber + r.Prefix), r.Status})
	}
	a.status = response.StatusCode
	a.operation, a.outcome = response.Header.Get("Operation-Id"), response.Header.Get("Operation-Outcome")
	a.replayed = response.Header.Get("Idempotency-Replayed") == "true"
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		a.wait = time.Duration(seconds) * time.Second / hurry
	}
	return nil
}

// hurry is the factor by which callers shorten the Retry-After of responses.
const hurry = 5
