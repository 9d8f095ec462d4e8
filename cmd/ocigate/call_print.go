package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ocigate/gateway"
	"ocigate/translate/errcode"
)

// maxErrorBytes limits what is read of the body of an error, and maxIndentedBytes of one
// that is indented.
const (
	maxErrorBytes    = 1 << 20
	maxIndentedBytes = 64 << 20
)

// shownHeaders are the headers that --verbose and errors show.
var shownHeaders = []string{
	gateway.HeaderOperationID, gateway.HeaderOperationOutcome, gateway.HeaderReplayed, "Retry-After", "Etag", "Allow", "Location", "Www-Authenticate",
	"Ratelimit", "Ratelimit-Policy", "X-Request-Id", "X-Total-Count",
}

// report prints a response, and returns the error for its exit code.
func (e *endpointCall) report(c *cobra.Command, r apiRequest, response *http.Response, code int) error {
	if code == 0 || response.StatusCode == http.StatusMultiStatus {
		if e.verbose || code != 0 {
			printHeaders(c, response)
		}
		err := e.printBody(c, response.Body)
		switch {
		case err != nil && code == 0 && !e.isWrite():
			return &exitError{exitLost, fmt.Errorf("the response is not complete: %w", err)}
		case err != nil:
			fmt.Fprintf(c.ErrOrStderr(), "the response is not complete: %v\n", err)
		}
		if code != 0 {
			return &exitError{code, partlyText(response.StatusCode, code)}
		}
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxErrorBytes))
	printHeaders(c, response)
	if err == nil {
		err = e.printBody(c, bytes.NewReader(body))
	}
	if err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "the response is not complete: %v\n", err)
	}
	failure := describeFailure(r.base, response.StatusCode, body, code)
	if e.key != "" && r.key != "" && isBeforeKey(response) {
		failure = fmt.Errorf("%w\n  this is about the last request only: what became of an earlier one with the key %s is not known", failure, e.key)
	}
	return &exitError{code, failure}
}

// isBeforeKey reports whether a response to a write may have been made before its
// Idempotency-Key was looked up.
func isBeforeKey(response *http.Response) bool {
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return response.Header.Get(gateway.HeaderReplayed) == ""
	}
	return false
}

// partlyText returns the error for a write that was done in part.
func partlyText(status, code int) error {
	if code == exitUnknown {
		return errorText(statusText(status) + ": whether a part of the write was done is unknown")
	}
	return errorText(statusText(status) + ": the write was done in part")
}

// printBody prints a body to the standard output: as it is, or indented for a terminal.
func (e *endpointCall) printBody(c *cobra.Command, body io.Reader) error {
	out := c.OutOrStdout()
	if reader, ok := out.(io.Reader); e.raw || !ok || !isTerminal(reader) {
		_, err := io.Copy(out, body)
		return err
	}
	read, err := io.ReadAll(io.LimitReader(body, maxIndentedBytes))
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, forTerminal(read))
	return err
}

func isTerminal(r io.Reader) bool {
	_, ok := terminalOf(r)
	return ok
}

// forTerminal returns a body with indentation, and without characters that control a
// terminal.
func forTerminal(body []byte) string {
	var indented bytes.Buffer
	if err := json.Indent(&indented, body, "", "  "); err != nil {
		indented.Reset()
		indented.Write(body)
	}
	text := strings.Map(func(c rune) rune {
		if c == '\n' || c == '\t' || strconv.IsPrint(c) {
			return c
		}
		return '\uFFFD'
	}, indented.String())
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

func statusText(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// printHeaders prints the status and the important headers to the standard error.
func printHeaders(c *cobra.Command, response *http.Response) {
	var b strings.Builder
	fmt.Fprintln(&b, statusText(response.StatusCode))
	for _, name := range shownHeaders {
		for _, value := range response.Header.Values(name) {
			fmt.Fprintf(&b, "%s: %s\n", name, cell(value))
		}
	}
	if response.StatusCode < http.StatusBadRequest { // an error is printed with its page
		for _, value := range response.Header.Values(gateway.HeaderLink) {
			fmt.Fprintf(&b, "%s: %s\n", gateway.HeaderLink, cell(value))
		}
	}
	fmt.Fprint(c.ErrOrStderr(), b.String())
}

// apiFailure is an error of the API, in either form.
type apiFailure struct {
	Code    int    `json:"code"`
	Name    string `json:"name"`
	Message string `json:"message"`
	Detail  string `json:"detail"` // the message in the form of RFC 9457
	failureDetails
	Details failureDetails `json:"details"`
}

type failureDetails struct {
	Problems []struct {
		Pointer   *string `json:"pointer"`
		Parameter string  `json:"parameter"`
		Reason    string  `json:"reason"`
	} `json:"problems"`
	Errors map[string]struct {
		Summary string `json:"summary"`
	} `json:"errors"`
}

// failureOf returns the error in a body, and false if the body is not one of the API.
func failureOf(body []byte) (apiFailure, bool) {
	var list struct {
		Errors json.RawMessage `json:"errors"`
	}
	var failures []apiFailure
	if json.Unmarshal(body, &list) == nil && json.Unmarshal(list.Errors, &failures) == nil && len(failures) > 0 {
		return failures[0], failures[0].Name != ""
	}
	var problem apiFailure
	err := json.Unmarshal(body, &problem)
	problem.Message, problem.Details = problem.Detail, problem.failureDetails
	return problem, err == nil && problem.Name != ""
}

// describeFailure returns the error for a response: what happened, the reasons, what to
// do, and where it is explained.
func describeFailure(base string, status int, body []byte, code int) error {
	var b strings.Builder
	b.WriteString(statusText(status))
	failure, ok := failureOf(body)
	if ok {
		fmt.Fprintf(&b, ": error %d %s: %s", failure.Code, cell(failure.Name), cell(failure.Message))
	}
	for _, p := range failure.Details.Problems {
		problem := errcode.Problem{Parameter: p.Parameter, Reason: p.Reason}
		if p.Pointer != nil {
			problem.Pointer = *p.Pointer
		}
		if !strings.Contains(failure.Message, p.Reason) {
			fmt.Fprintf(&b, "\n  %s", cell(problem.String()))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(failure.Details.Errors)) {
		fmt.Fprintf(&b, "\n  the platform: %s", cell(failure.Details.Errors[key].Summary))
	}
	if known, isKnown := errcode.ByName(failure.Name); isKnown {
		fmt.Fprintf(&b, "\n  %s\n  explained at %s%s", known.Help, base, gateway.ErrorPage(known))
	}
	switch {
	case ok:
	case code == exitRedirect:
		b.WriteString(": the redirect is not followed; is the URL that of the gateway?")
	case code == exitUnknown:
		b.WriteString(": the response is not one of ocigate; whether the write was done is unknown")
	default:
		b.WriteString(": the response is not one of ocigate")
	}
	return errorText(b.String())
}

// errorText is an error that consists of its text.
type errorText string

func (e errorText) Error() string { return string(e) }
