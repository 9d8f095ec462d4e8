//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"ocigate/cmd/internal/measure"
	"ocigate/oci/ocisim"
)

// targets is the number of groups, each of a tenant of its own. They are so many that no two
// requests at the same time are for the same one, because the gateway may join equal reads.
const targets = 4096

// numbersEach is the number of numbers that each tenant has.
const numbersEach = 9

func tenantName(i int) string { return fmt.Sprintf("t%d", i%targets) }

func numberName(target, i int) string { return fmt.Sprintf("+32%09d", 200_000_000+target*10+i) }

// platformSeed returns a platform with all groups, none of which has a number yet.
func platformSeed() ocisim.Seed {
	seed := ocisim.Seed{Administrators: []ocisim.Administrator{{ID: "gateway", Password: "gateway-secret", Type: "System"}}}
	for i := range targets {
		tenant := ocisim.Tenant{ID: tenantName(i), Groups: []ocisim.Group{{ID: "g", UserLimit: 10, Services: []string{"Route List"}}}}
		for n := range numbersEach {
			tenant.Ranges = append(tenant.Ranges, ocisim.Range{Start: numberName(i, n), End: numberName(i, n)})
		}
		seed.Tenants = append(seed.Tenants, tenant)
	}
	return seed
}

// path returns the path of the numbers of a group.
func path(target int) string {
	return "/api/v1/tenant/" + tenantName(target) + "/group/g/services/immediate_trunking_connectivity/numbers/"
}

// entry is a number that a write assigns to its group. A write that was certainly not done is
// followed by another one; any other is the last one of its entry.
type entry struct {
	target int
	number string
	writes []*answer
}

// entries are those of a site.
type entries struct {
	mu   sync.Mutex // guards the fields
	free []*entry   // the one that has been free longest first
	all  map[string]*entry
}

func newEntries() *entries {
	e := &entries{all: map[string]*entry{}}
	for n := range numbersEach {
		for target := range targets {
			one := &entry{target: target, number: numberName(target, n)}
			e.all[one.number] = one
			e.free = append(e.free, one)
		}
	}
	return e
}

// take returns an entry that no other write has, and nil if there is none.
func (e *entries) take() *entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.free) == 0 {
		return nil
	}
	first := e.free[0]
	e.free = e.free[1:]
	return first
}

// end adds the answer of a write to its entry, which becomes free again if the write was
// certainly not done.
func (e *entries) end(a *answer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a.entry.writes = append(a.entry.writes, a)
	if a.outcome() == outcomeNotDone {
		e.free = append(e.free, a.entry)
	}
}

// truth is what became of all writes of a site, by the platform's own record.
type truth struct {
	writes                  int // that the platform carried out
	duplicated, misreported int
	unknown                 int // that stayed unknown
}

// settled waits until no write of the gateways is unknown, and compares what was reported of
// each write, in its answer and as an operation, with the platform's ledger. The journal of the
// gateway must have all writes of the site.
func (s *site) settled(ctx context.Context, limit time.Duration) (truth, error) {
	var t truth
	var reported map[string]string // states by request ids
	began := time.Now()
	for {
		var err error
		if reported, t.unknown, err = s.operations(ctx); err != nil {
			return t, err
		}
		if t.unknown == 0 || time.Since(began) > limit {
			break
		}
		if err := measure.Pause(ctx, 500*time.Millisecond); err != nil {
			return t, err
		}
	}
	received, applied := map[string]int{}, map[string]int{}
	for _, e := range s.platform.Ledger() {
		if !e.Write || len(e.Numbers) == 0 || e.Error == notLoggedIn {
			continue
		}
		number := strings.ReplaceAll(e.Numbers[0], "-", "")
		received[number]++
		if e.Applied {
			applied[number]++
			t.writes++
		}
	}
	s.entries.mu.Lock()
	defer s.entries.mu.Unlock()
	for number, e := range s.entries.all {
		if received[number] > 1 || applied[number] > 1 {
			t.duplicated++
		}
		if e.misreported(applied[number] > 0, reported) {
			t.misreported++
		}
	}
	return t, nil
}

// notLoggedIn is the number of the platform's error for a command without a login. It is the
// only error after which a write may be sent once more.
const notLoggedIn = 9900

// misreported reports whether an answer or an operation contradicts the platform. Only the
// last write of an entry can have been done.
func (e *entry) misreported(applied bool, reported map[string]string) bool {
	if len(e.writes) == 0 {
		return applied
	}
	for i, w := range e.writes {
		done := applied && i == len(e.writes)-1
		for _, said := range []string{w.outcome(), reported[w.id]} {
			if said == outcomeDone && !done || said == outcomeNotDone && done {
				return true
			}
		}
	}
	return false
}

// operations returns the states of all operations by the ids of their requests, and how many
// are not settled.
func (s *site) operations(ctx context.Context) (states map[string]string, open int, err error) {
	states = map[string]string{}
	for before := ""; ; {
		status, body, err := s.fetch(ctx, "http://"+s.api+"/api/v1/operations/?limit=1000"+before, patience)
		if err != nil {
			return nil, 0, err
		}
		if status != http.StatusOK {
			return nil, 0, fmt.Errorf("the operations cannot be listed: %d %.300s", status, body)
		}
		var page struct {
			Operations []struct {
				RequestID string `json:"request_id"`
				State     string `json:"state"`
			} `json:"operations"`
			Next string `json:"next"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, 0, err
		}
		for _, o := range page.Operations {
			states[o.RequestID] = o.State
			if o.State != outcomeDone && o.State != outcomeNotDone {
				open++
			}
		}
		if page.Next == "" {
			return states, open, nil
		}
		before = "&before=" + page.Next
	}
}

// figures returns the rows that the truth must keep in each case.
func (t truth) figures() []figure {
	return []figure{
		noted("writes that the platform carried out", float64(t.writes), ""),
		atMost("writes that were duplicated", float64(t.duplicated), "", 0),
		atMost("writes that were misreported", float64(t.misreported), "", 0),
		atMost("writes that stayed unknown", float64(t.unknown), "", 0),
	}
}
