//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The requests of the campaign's callers: writes, and reads of operations.

// apiOperation is an operation of the API.
type apiOperation struct {
	ID          string    `json:"id"`
	State       result    `json:"state"`
	Outcome     string    `json:"outcome"`
	KnownBy     string    `json:"known_by"`
	Endpoint    string    `json:"endpoint"`
	TenantID    string    `json:"tenant_id"`
	GroupID     string    `json:"group_id"`
	RequestedBy string    `json:"requested_by"`
	RequestID   string    `json:"request_id"`
	ReceivedAt  time.Time `json:"received_at"`
	IntendedAt  time.Time `json:"intended_at"`
	SentAt      time.Time `json:"sent_at"`
	UnknownAt   time.Time `json:"doubted_at"`
	EndedAt     time.Time `json:"ended_at"`
	Entries     []struct {
		Entry   string `json:"entry"`
		Outcome result `json:"outcome"`
	} `json:"entries"`
	Corrections []json.RawMessage `json:"corrections"`
}

type operationPage struct {
	Operations []apiOperation `json:"operations"`
	Next       string         `json:"next"`
}

// find searches the operations of the caller's scope, the latest first, back to the start
// of the request.
func (c *caller) find(w *write, a attempt) (apiOperation, bool, error) {
	query := "limit=200&entries=true&tenant_id=" + w.lane.tenant
	for before := ""; ; {
		var page operationPage
		if err := c.get(w.client, "/api/v1/operations/?"+query+before, &page); err != nil {
			return apiOperation{}, false, err
		}
		for _, op := range page.Operations {
			if op.RequestID == a.requestID {
				return op, true, nil
			}
			if op.ReceivedAt.Before(a.began) {
				return apiOperation{}, false, nil
			}
		}
		if page.Next == "" {
			return apiOperation{}, false, nil
		}
		before = "&before=" + page.Next
	}
}

// statusError is a status other than 200.
type statusError int

func (e statusError) Error() string { return "status " + strconv.Itoa(int(e)) }

func (c *caller) get(client, path string, into any) error {
	return c.campaign.get(c.campaign.t.Context(), client, path, into)
}

// get reads JSON from the gateway.
func (a *campaign) get(ctx context.Context, client, path string, into any) error {
	_, err := a.read(ctx, client, path, into)
	return err
}

// read reads JSON from the gateway, and returns the header of the response.
func (a *campaign) read(ctx context.Context, client, path string, into any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.gateway.api+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth(client, campaignSecret)
	response, err := a.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response.StatusCode)
	}
	return response.Header, json.Unmarshal(body, into)
}

// patience is the usual timeout of a caller for a response, which is longer than the gateway
// takes.
const patience = requestTimeout + 4*commandTimeout

// attempt sends the request of a write once, sometimes with a short timeout.
func (c *caller) attempt(w *write, requestID string) attempt {
	if c.random.IntN(20) > 0 || c.campaign.enough.Load() {
		return c.send(w, requestID, patience)
	}
	return c.send(w, requestID, time.Duration(1+c.random.IntN(300))*time.Millisecond)
}

// send sends the request of a write with a timeout for its response.
func (c *caller) send(w *write, requestID string, wait time.Duration) attempt {
	a := attempt{requestID: requestID, began: time.Now(), early: wait < patience}
	ctx, cancel := context.WithTimeout(c.campaign.t.Context(), wait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, w.method, "http://"+c.campaign.gateway.api+w.path, strings.NewReader(w.body))
	if err != nil {
		a.err = err
		return a
	}
	request.SetBasicAuth(w.client, campaignSecret)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Request-Id", a.requestID)
	if w.key != "" {
		request.Header.Set("Idempotency-Key", w.key)
	}
	if w.set != nil && w.set.condition != "" {
		request.Header.Set("If-Match", w.set.condition)
	}
	response, err := c.campaign.transport.RoundTrip(request)
	if err == nil {
		err = a.read(response)
	}
	a.err, a.ended = err, time.Now()
	if a.name == "JOURNAL_UNAVAILABLE" {
		c.campaign.unrecorded.Add(1)
	}
	return a
}

// pause waits before the next request.
func (c *caller) pause(d time.Duration) {
	select {
	case <-time.After(max(d, 10*time.Millisecond)):
	case <-c.campaign.t.Context().Done():
	}
}
