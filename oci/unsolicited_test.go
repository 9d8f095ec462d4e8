package oci

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Random unsolicited data of the platform: a session is closed, and no caller gets the reply
// of another. To cover another kind of data, add it to noisy.

// noisy is a platform that executes its commands, or not, and sends more than it
// was asked: more data may follow each reply, immediately or later.
type noisy struct {
	platform
	mu      sync.Mutex // guards the fields below
	random  *rand.Rand
	done    map[string]bool // by tracking id of a write
	closed  map[string]bool // likewise: it must not be sent again
	again   map[string]bool // likewise: it was sent again
	results map[string]int  // what callers got for their writes, by outcome
}

func (w *noisy) roll(sides int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(sides)
}

func (w *noisy) pause(most int) { time.Sleep(time.Duration(w.roll(most)) * time.Millisecond) }

// The ways of noisy in which no valid reply is sent.
const (
	halfAnAnswer   = 5
	goodbyeInstead = 6
)

func (w *noisy) act(p *platform, c *link, r asked) {
	if r.commands[0] == "AuthenticationRequest" || strings.HasPrefix(r.commands[0], "Login") || r.commands[0] == "LogoutRequest" {
		wellAnswered(p, c, r)
		return
	}
	obeys, how := w.roll(5) > 0, w.roll(16)
	if r.commands[0] == change.Name() {
		w.mu.Lock()
		w.again[r.tracking] = w.closed[r.tracking]
		w.done[r.tracking] = obeys
		w.closed[r.tracking] = obeys || how == halfAnAnswer || how == goodbyeInstead
		w.mu.Unlock()
	}
	w.pause(5)
	answer := document(r, `xsi:type="c:SuccessResponse" xmlns:c="C"`, "")
	if !obeys {
		answer = document(r, `type="Error" xsi:type="c:ErrorResponse" xmlns:c="C"`, "<summary>[Error 2] no</summary><summaryEnglish/>")
	}
	logout := document(asked{session: r.session, echoes: []string{""}}, `xsi:type="LogoutRequest"`, "<reason>Bye</reason>")
	switch how {
	case 0:
		c.cut(w, answer+logout)
	case 1:
		c.cut(w, answer)
		w.pause(5)
		c.cut(w, logout)
	case 2:
		c.cut(w, answer+answer)
	case 3:
		c.cut(w, answer)
		w.pause(5)
		c.cut(w, answer)
	case 4:
		c.cut(w, answer+"<")
	case halfAnAnswer:
		c.cut(w, answer[:w.roll(len(answer))])
		_ = c.Close()
	case goodbyeInstead:
		c.cut(w, logout)
	case 7:
		c.cut(w, answer)
		_ = c.Close()
	default:
		c.cut(w, answer)
	}
}

// document returns a reply to every command of a request.
func document(r asked, attributes, children string) string {
	var b strings.Builder
	b.WriteString(`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="` + namespaceXSI + `"><sessionId xmlns="">` + r.session + `</sessionId>`)
	if r.tracking != "" {
		b.WriteString(`<trackingId xmlns="">` + r.tracking + `</trackingId>`)
	}
	for _, echo := range r.echoes {
		fmt.Fprintf(&b, `<command echo=%q xmlns="" %s>%s</command>`, echo, attributes, children)
	}
	b.WriteString("</BroadsoftDocument>")
	return b.String()
}

// cut sends a text in a few pieces.
func (c *link) cut(w *noisy, text string) {
	for text != "" {
		n := 1 + w.roll(2*len(text))
		n = min(n, len(text))
		// The other side may have closed the connection. That is no error here.
		_, _ = c.Write([]byte(text[:n]))
		text = text[n:]
	}
}

// TestNothingIsMisreportedAfterUnsolicitedData lets callers
// read and write over sessions that are given back as soon as the reply was read, while
// more data may follow it.
func TestNothingIsMisreportedAfterUnsolicitedData(t *testing.T) {
	outcomes := map[string]int{}
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := &noisy{random: rand.New(rand.NewPCG(seed, 1)), results: outcomes,
				done: map[string]bool{}, closed: map[string]bool{}, again: map[string]bool{}}
			w.answer = w.act
			run(t, &w.platform, func(o *Options) {
				o.MaxSessions = 3
				o.BackoffInitial = time.Millisecond
				o.BackoffMax = 10 * time.Millisecond
			}, w.live)
		})
	}
	t.Log(outcomes)
	for _, outcome := range []string{"done", "refused", "not done", "unknown"} {
		if outcomes[outcome] < 20 {
			t.Errorf("too few writes were %s to prove anything: %d", outcome, outcomes[outcome])
		}
	}
}

func (w *noisy) live(t *testing.T, c *Client) {
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for i := range 60 {
				w.pause(10)
				if w.roll(3) == 0 {
					w.ask(t, c)
					continue
				}
				id := "w" + strconv.Itoa(caller) + "-" + strconv.Itoa(i)
				w.write(t, c, id)
			}
		})
	}
	callers.Wait()
}

// ask reads with a timeout so short that many readers time out.
func (w *noisy) ask(t *testing.T, c *Client) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+w.roll(20))*time.Millisecond)
	defer cancel()
	_, _ = c.Read(ctx, questionOf(w.roll(3))) // it succeeds or fails at random
}

// write has a short timeout, too: some writers time out before they have a session.
func (w *noisy) write(t *testing.T, c *Client, id string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(w.roll(10))*time.Millisecond)
	defer cancel()
	reply, err := c.Write(WithTrackingID(ctx, id), change, nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	done := w.done[id]
	outcome := "unknown"
	switch {
	case err == nil && reply.Err() == nil:
		outcome = "done"
		if !done {
			t.Errorf("%s is reported as done and was not", id)
		}
	case err == nil:
		outcome = "refused"
		if done {
			t.Errorf("%s is reported as refused and was done", id)
		}
	case NotDone(err):
		outcome = "not done"
		if done {
			t.Errorf("%s is reported as not done and was: %v", id, err)
		}
	}
	if w.again[id] {
		t.Errorf("%s was sent again, though it was done or its answer lost", id)
	}
	w.results[outcome]++
}
