package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"time"
)

// The callers of the simulation, and their requests.

// simRequest is a request that a caller sends, maybe several times.
type simRequest struct {
	method, path, body string
	key                string
	ifMatch            string // empty for none
}

// caller sends one request after the other until over is closed.
func (s *simulation) caller(name string, d *dice, over <-chan struct{}) {
	var mine []simRequest
	requests := 0
	send := func(w simRequest, dry bool) *response {
		requests++
		return s.send(d, w, fmt.Sprintf("%s-%d", name, requests), dry)
	}
	for {
		select {
		case <-over:
			return
		case <-time.After(d.upTo(14 * time.Second)):
		}
		switch n := d.below(20); {
		case n < 11:
			w := s.randomRequest(d)
			if w.setsList() {
				w.ifMatch = s.condition(d, w, send)
			}
			if d.oneIn(2) {
				w.key = fmt.Sprintf("%s-key-%d", name, requests)
				mine = append(mine, w)
			}
			got := send(w, false)
			for tries := d.below(4); w.key != "" && tries > 0 && (got == nil || got.status >= 409 || got.status == http.StatusMultiStatus); tries-- {
				time.Sleep(d.upTo(10 * time.Second))
				got = send(w, false)
			}
		case n < 14 && len(mine) > 0:
			send(pick(d, mine), false)
		case n == 14 && len(mine) > 0:
			other := s.randomRequest(d)
			other.key = pick(d, mine).key
			send(other, false)
		case n == 15:
			s.count("dry run")
			send(s.randomRequest(d), true)
		case n == 16:
			send(simRequest{method: http.MethodGet, path: ownList(pick(d, []string{"numbers", "prefixes"}))}, false)
		case n < 19:
			s.getOperation(d, send)
		default:
			if got := send(simRequest{method: http.MethodGet, path: "/api/v1/operations/?limit=1000&entries=true"}, false); got != nil && got.status == http.StatusOK {
				s.noteListed(got.body)
			}
		}
	}
}

// getOperation reads the operation of a random earlier response.
func (s *simulation) getOperation(d *dice, send func(simRequest, bool) *response) {
	s.mu.Lock()
	var ids []string
	for _, ex := range s.exchanges {
		if ex.response != nil && ex.response.header.Get("Operation-Id") != "" {
			ids = append(ids, ex.response.header.Get("Operation-Id"))
		}
	}
	s.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	got := send(simRequest{method: http.MethodGet, path: "/api/v1/operations/" + pick(d, ids) + "/"}, false)
	if got != nil && got.status == http.StatusOK {
		s.noteListed(`{"operations":[` + got.body + `]}`)
	}
}

// noteListed notes the states of the operations in a response.
func (s *simulation) noteListed(body string) {
	for _, op := range s.read(body).Operations {
		s.mu.Lock()
		seen := listedState{id: op.ID, request: op.RequestID, state: op.State, at: s.now()}
		for _, e := range op.Entries {
			seen.entries = append(seen.entries, e.Outcome)
		}
		s.listed = append(s.listed, seen)
		s.mu.Unlock()
	}
}

// randomRequest returns a write that is likely to be possible at the moment.
func (s *simulation) randomRequest(d *dice) simRequest {
	kind, group := pick(d, []string{"numbers", "numbers", "prefixes"}), pick(d, []string{ownGroup, ownGroup, "ApioGrpOther"})
	free, own, all := s.holdings(kind, group)
	if d.oneIn(2) {
		return s.randomSet(d, kind, group)
	}
	w, from := simRequest{method: http.MethodPost, path: listOf(ownTenant, group, kind)}, free
	if d.oneIn(2) && len(own) > 0 || len(free) == 0 {
		from = own
		w.method = http.MethodDelete
		if d.oneIn(3) {
			w.method, w.path = http.MethodPost, w.path+"remove/"
		}
	}
	if len(from) == 0 || d.oneIn(12) {
		from = all // which is likely to be refused
	}
	var entries []string
	for range 1 + d.below(3) {
		if start := pick(d, from); !slices.Contains(entries, start) {
			entries = append(entries, start)
		}
	}
	w.body = s.bodyOf(kind, entries)
	return w
}

// send sends a request to the gateway. It returns nil if no response arrived: there was
// no gateway, the gateway was killed, or the caller disconnected.
func (s *simulation) send(d *dice, w simRequest, id string, dry bool) *response {
	ex := &exchange{id: id, request: w, dry: dry, write: w.method != http.MethodGet, asked: time.Now()}
	s.mu.Lock()
	s.exchanges = append(s.exchanges, ex)
	s.mu.Unlock()
	g := s.current()
	if g.isKilled() {
		s.logf("%s finds no gateway", id)
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	target := w.path
	if dry {
		target += "?dry_run=true"
	}
	request := httptest.NewRequestWithContext(ctx, w.method, target, strings.NewReader(w.body))
	request.SetBasicAuth(system, clientSecret)
	request.Header.Set("X-Request-Id", id)
	if w.key != "" {
		request.Header.Set("Idempotency-Key", w.key)
	}
	if w.ifMatch != "" {
		request.Header.Set("If-Match", w.ifMatch)
	}
	s.logf("%s sends to gateway %d: %s %s %s %s %s", id, g.number, w.method, path.Join(path.Base(path.Dir(path.Dir(path.Dir(w.path)))), path.Base(w.path)), w.body, w.key, w.ifMatch)
	responses := make(chan *httptest.ResponseRecorder, 1)
	s.work.Go(func() {
		recorder := httptest.NewRecorder()
		g.handler.ServeHTTP(recorder, request)
		responses <- recorder
	})
	var timeout <-chan time.Time
	if ex.write && d.oneIn(8) {
		timeout = time.After(d.upTo(time.Second) / time.Duration(1+d.below(50)))
	}
	select {
	case <-g.killed:
		s.logf("%s gets no response: the gateway is killed", id)
		return nil
	case <-timeout:
		s.count("caller disconnected")
		s.logf("%s disconnects", id)
		return nil
	case recorder := <-responses:
		if g.isKilled() {
			s.logf("%s gets no response: the gateway was killed with it", id)
			return nil
		}
		got := response{recorder.Code, recorder.Header(), recorder.Body.String()}
		s.mu.Lock()
		ex.response, ex.at = &got, s.now()
		s.mu.Unlock()
		s.lists.note(w, got)
		short := got.body
		if !ex.write {
			short = ""
		}
		s.logf("%s gets %d, %s: %.300s", id, got.status, got.header.Get("Operation-Outcome"), strings.TrimSpace(short))
		return &got
	}
}
