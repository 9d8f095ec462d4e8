package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ocigate/gateway"
	"ocigate/gateway/operation"
)

// The wait between two questions about an operation, if the response to the last one has
// no Retry-After because it is an error.
const (
	firstPollDelay = time.Second
	maxPollDelay   = 30 * time.Second
)

// operationAnswer is a response to the question for an operation.
type operationAnswer struct {
	status  int
	after   time.Duration // of Retry-After, 0 for none
	outcome string
	body    []byte
	failure error // of a status other than 200
}

// waitFor asks for the operation of a write until its outcome is known, and prints it.
func (e *endpointCall) waitFor(c *cobra.Command, client *http.Client, r apiRequest, response *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxErrorBytes))
	if err != nil {
		body = nil // the header has what is needed
	}
	printHeaders(c, response)
	id := response.Header.Get(gateway.HeaderOperationID)
	var first error
	if response.StatusCode == http.StatusMultiStatus {
		first = partlyText(response.StatusCode, exitUnknown) // the body is a report, and no error
	} else {
		first = describeFailure(r.base, response.StatusCode, body, exitUnknown)
	}
	route, ok := routeNamed("operation_get")
	if !operation.IsID(id) || !ok {
		err := e.printBody(c, bytes.NewReader(body))
		return &exitError{exitUnknown, errors.Join(fmt.Errorf("%w\n  the response names no operation to wait for", first), err)}
	}
	ask := apiRequest{
		method: route.Method, base: r.base, credentials: r.credentials,
		target:  strings.ReplaceAll(route.FullPath(), "{operation_id}", url.PathEscape(id)),
		headers: []header{{"Accept", jsonType}},
	}
	fmt.Fprintf(c.ErrOrStderr(), "the outcome is unknown; waiting up to %s for it\n", e.wait)
	last, err := pollOutcome(c.Context(), e.wait, retryAfter(response.Header), func(ctx context.Context) (operationAnswer, error) {
		return ask.operation(ctx, client)
	})
	if last.outcome != "" {
		body = last.body
	}
	if printed := e.printBody(c, bytes.NewReader(body)); err == nil {
		err = printed
	}
	if err != nil {
		return &exitError{exitUnknown, fmt.Errorf("%w\n  %w", first, err)}
	}
	return outcomeError(id, last.outcome)
}

// outcomeError returns the error for the final outcome of an operation, nil for done.
func outcomeError(id, outcome string) error {
	code := exitUnknown
	switch operation.State(outcome) {
	case operation.Done:
		return nil
	case operation.NotDone:
		code = exitRefused
	case operation.PartlyDone:
		code = exitPartly
	}
	return &exitError{code, fmt.Errorf("the outcome of the write %s is %s", id, cell(outcome))}
}

// operation asks for an operation once.
func (r apiRequest) operation(ctx context.Context, client *http.Client) (operationAnswer, error) {
	response, err := r.do(ctx, client, nil)
	if err != nil {
		return operationAnswer{}, err
	}
	defer func() { _ = response.Body.Close() }() // the body was read
	got := operationAnswer{status: response.StatusCode, after: retryAfter(response.Header)}
	if got.body, err = io.ReadAll(io.LimitReader(response.Body, maxErrorBytes)); err != nil {
		return got, err
	}
	if got.status != http.StatusOK {
		got.failure = describeFailure(r.base, got.status, got.body, exitRefused)
		return got, nil
	}
	var op struct {
		Outcome string `json:"outcome"`
	}
	if err := json.Unmarshal(got.body, &op); err != nil || op.Outcome == "" {
		return got, errors.New("the response to the question for the outcome is not one of ocigate")
	}
	got.outcome = op.Outcome
	return got, nil
}

// pollOutcome asks until the outcome is known, or known to stay unknown, or the time is
// over. It waits as long as each response asks for. It returns the last answer that has
// an outcome; its error is the reason why there is no final one.
func pollOutcome(ctx context.Context, most, after time.Duration, ask func(context.Context) (operationAnswer, error)) (last operationAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	delay := firstPollDelay
	for {
		if after <= 0 {
			after, delay = delay, min(2*delay, maxPollDelay)
		}
		timer := time.NewTimer(after)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return last, errors.Join(fmt.Errorf("interrupted; the outcome is still unknown: %w", context.Cause(ctx)), err)
			}
			return last, errors.Join(fmt.Errorf("after %s, the outcome is still unknown", most), err)
		}
		var got operationAnswer
		got, err = ask(ctx)
		after = got.after
		switch {
		case err != nil: // lost; asked again
		case got.status >= http.StatusInternalServerError, got.status == http.StatusTooManyRequests:
			err = got.failure // asked again
		case got.status == http.StatusOK && got.outcome != string(operation.Unknown):
			return got, nil
		case got.status == http.StatusOK && after <= 0:
			return got, nil // an operator has released it: it stays unknown
		case got.status == http.StatusOK:
			last = got
		default:
			return last, fmt.Errorf("the question for the outcome was refused: %w", got.failure)
		}
	}
}

// retryAfter returns the time in a Retry-After in seconds, 0 for none.
func retryAfter(from http.Header) time.Duration {
	seconds, err := strconv.ParseUint(from.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
