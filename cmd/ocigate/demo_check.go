package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// demoAnswer is the response to a call.
type demoAnswer struct {
	status int
	header http.Header
	body   []byte
}

// A demoSender makes a call once. Its path, key and condition are literal, and it has that
// Authorization header, empty for none.
type demoSender interface {
	send(ctx context.Context, call demoCall, authorization string) (demoAnswer, error)
}

// demoClient is the sender of the demonstration.
type demoClient struct {
	*http.Client
	base string // the address of the API
}

// demoCheck makes calls and keeps the values that later ones need.
type demoCheck struct {
	demoSender
	operation string     // id of the last write
	token     string     // of the last login
	before    demoAnswer // to the call before
}

// checkDemo makes the calls, reports the result of each, and returns an error unless all
// responses are as documented.
func checkDemo(ctx context.Context, base string, calls []demoCall, to io.Writer) error {
	client := demoClient{&http.Client{Timeout: 30 * time.Second}, base}
	defer client.CloseIdleConnections()
	return checkCalls(ctx, client, calls, to)
}

// checkCalls is checkDemo with any sender.
func checkCalls(ctx context.Context, sender demoSender, calls []demoCall, to io.Writer) error {
	c := demoCheck{demoSender: sender}
	report := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	failed := 0
	for _, call := range calls {
		result := "ok"
		if err := c.check(ctx, call); err != nil {
			result = err.Error()
			failed++
		}
		fmt.Fprintf(report, "%s\t%d\t%s\t%s\n", call.method, call.status, call.title, result)
	}
	fmt.Fprintf(report, "calls: %d, not as documented: %d\n", len(calls), failed)
	err := report.Flush()
	if failed > 0 {
		err = errors.Join(err, errors.New("the demonstration's responses are not as documented"))
	}
	return err
}

// How often and how long a condition is checked.
const (
	demoPatience  = 30 * time.Second
	betweenChecks = 100 * time.Millisecond
)

// check makes a call and compares its response with the documented one. A patient call is
// made again until its response is as documented, or its time is over.
func (c *demoCheck) check(ctx context.Context, call demoCall) error {
	call.path = strings.ReplaceAll(call.path, lastOperation, c.operation)
	once := func(ctx context.Context) error { return c.once(ctx, call) }
	if !call.patient {
		return once(ctx)
	}
	return await(ctx, once)
}

// await checks a condition again and again until it holds, and returns its last error if
// that takes too long.
func await(ctx context.Context, condition func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	tick := time.NewTicker(betweenChecks)
	defer tick.Stop()
	err := condition(ctx)
	for err != nil {
		select {
		case <-tick.C:
			if again := condition(ctx); ctx.Err() == nil {
				err = again
			}
		case <-ctx.Done():
			return err
		}
	}
	return nil
}

// once makes a call as often as it is defined, and compares the response that counts.
func (c *demoCheck) once(ctx context.Context, call demoCall) error {
	var answer demoAnswer
	var err error
	if len(call.each) > 0 {
		answer, err = c.makeConcurrently(ctx, call)
	} else {
		for range max(1, call.times) {
			answer, err = c.make(ctx, call)
		}
	}
	if err == nil {
		err = call.compare(answer)
	}
	if err == nil && call.listed {
		err = listedIn(c.before.body, call.body)
	}
	c.before = answer
	c.operation = cmp.Or(answer.header.Get("Operation-Id"), c.operation)
	var session struct {
		Token string `json:"access_token"`
	}
	if json.Unmarshal(answer.body, &session) == nil {
		c.token = cmp.Or(session.Token, c.token)
	}
	return err
}

// makeConcurrently makes a call several times concurrently, and returns the response with
// the documented status.
func (c *demoCheck) makeConcurrently(ctx context.Context, call demoCall) (demoAnswer, error) {
	type made struct {
		demoAnswer
		err error
	}
	answers := make(chan made, len(call.each))
	for _, word := range call.each {
		one := call
		one.path = strings.ReplaceAll(call.path, eachWord, word)
		go func() {
			answer, err := c.make(ctx, one)
			answers <- made{answer, err}
		}()
	}
	var counts demoAnswer
	var statuses []int
	var problems []error
	for range call.each {
		a := <-answers
		problems = append(problems, a.err)
		statuses = append(statuses, a.status)
		if a.status == call.status {
			counts = a.demoAnswer
		}
	}
	if err := errors.Join(problems...); err != nil {
		return demoAnswer{}, err
	}
	slices.Sort(statuses)
	if !slices.Contains(statuses, call.status) || !slices.Contains(statuses, call.besides) {
		return counts, fmt.Errorf("the responses have the statuses %v, not %d and %d", statuses, call.besides, call.status)
	}
	return counts, nil
}

// make makes a call once.
func (c *demoCheck) make(ctx context.Context, call demoCall) (demoAnswer, error) {
	if call.ifMatch == presentTag {
		tag, err := c.tagOf(ctx, call)
		if err != nil {
			return demoAnswer{}, err
		}
		call.ifMatch = tag
	}
	authorization := ""
	switch {
	case call.bearer:
		authorization = "Bearer " + c.token
	case call.user != "":
		authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(call.user+":"+demoSecret))
	}
	return c.send(ctx, call, authorization)
}

// send makes a call once, and reads its response.
func (c demoClient) send(ctx context.Context, call demoCall, authorization string) (demoAnswer, error) {
	body := io.Reader(strings.NewReader(call.body))
	if call.filler > 0 {
		body = bytes.NewReader(make([]byte, call.filler))
	}
	request, err := http.NewRequestWithContext(ctx, call.method, c.base+"/api/v1"+call.path, body)
	if err != nil {
		return demoAnswer{}, err
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	if call.key != "" {
		request.Header.Set("Idempotency-Key", call.key)
	}
	if call.ifMatch != "" {
		request.Header.Set("If-Match", call.ifMatch)
	}
	if call.body != "" || call.filler > 0 {
		request.Header.Set("Content-Type", cmp.Or(call.mediaType, jsonType))
	}
	response, err := c.Do(request)
	if err != nil {
		return demoAnswer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	answered, err := io.ReadAll(response.Body)
	return demoAnswer{response.StatusCode, response.Header, answered}, err
}

// tagOf returns the ETag of the list at the path of a call.
func (c *demoCheck) tagOf(ctx context.Context, call demoCall) (string, error) {
	list, err := c.make(ctx, demoCall{user: call.user, method: http.MethodGet, path: call.path})
	if err != nil {
		return "", err
	}
	tag := list.header.Get("ETag")
	if tag == "" {
		return "", fmt.Errorf("there is no ETag: status %d: %s", list.status, list.body)
	}
	return tag, nil
}

// compare returns an error if a response is not as documented.
func (d demoCall) compare(answer demoAnswer) error {
	body := answer.body
	if answer.status != d.status {
		return fmt.Errorf("status %d: %s", answer.status, body)
	}
	for name, want := range d.answered {
		if got := answer.header.Get(name); got != want {
			return fmt.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	for _, part := range d.has {
		if !bytes.Contains(body, []byte(part)) {
			return fmt.Errorf("without %s: %s", part, body)
		}
	}
	if d.want != "" {
		return sameJSON(d.want, body)
	}
	var failed struct {
		Errors []struct{ Code int }
	}
	if err := json.Unmarshal(body, &failed); err != nil {
		return fmt.Errorf("%w: %s", err, body)
	}
	if d.code != 0 && (len(failed.Errors) != 1 || failed.Errors[0].Code != d.code) {
		return fmt.Errorf("not error %d: %s", d.code, body)
	}
	return nil
}

// sameJSON returns an error if two texts differ in more than white space between tokens.
func sameJSON(want string, got []byte) error {
	var wanted, answered bytes.Buffer
	if err := errors.Join(json.Compact(&wanted, []byte(want)), json.Compact(&answered, got)); err != nil {
		return err
	}
	if !bytes.Equal(wanted.Bytes(), answered.Bytes()) {
		return fmt.Errorf("answered %s", answered.Bytes())
	}
	return nil
}
