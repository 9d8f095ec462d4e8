package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway"
	"ocigate/oci"
)

// Failures between the steps of a write.

// writeHook is a Writer that calls instead in place of the write with that number, from 1.
type writeHook struct {
	gateway.Writer
	at, writes int
	instead    func(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error)
}

func (m *writeHook) Write(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error) {
	if m.writes++; m.writes == m.at {
		return m.instead(ctx, command, before)
	}
	return m.Writer.Write(ctx, command, before)
}

// install returns a setup whose gateway writes through the hook.
func (m *writeHook) install(s setup) setup {
	s.gateway = func(o *gateway.Options) { m.Writer, o.Writer = o.Writer, m }
	return s
}

// beforeWrite calls do before the write.
func (m *writeHook) beforeWrite(do func()) {
	m.instead = func(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error) {
		do()
		return m.Writer.Write(ctx, command, before)
	}
}

// afterWrite calls do after the write.
func (m *writeHook) afterWrite(do func()) {
	m.instead = func(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error) {
		defer do()
		return m.Writer.Write(ctx, command, before)
	}
}

// Once a step is done, the next one is sent also if the caller has disconnected.
func TestCallerWhoDisconnectsBetweenTheSteps(t *testing.T) {
	check := func(t *testing.T, r *rig, got response) {
		t.Helper()
		id := got.wantOutcome(t, "done")
		r.wantWrites(t, 2, 2)
		r.wantEntries(t, id, "done", "answer", "done", "done")
		wantCounted(t, r, "ocigate_operations_total", map[string]float64{"itc_numbers_set done": 1})
		wantCounted(t, r, "ocigate_http_requests_total", map[string]float64{"itc_numbers_set CALLER_LEFT PUT 499": 1, "operation_get none GET 200": 1})
	}
	t.Run("between them", func(t *testing.T) {
		m := &writeHook{at: 2}
		inBubble(t, m.install(setup{}), func(t *testing.T, r *rig) {
			ctx, disconnect := context.WithCancel(t.Context())
			m.beforeWrite(disconnect)
			response, err := r.send(r.request(t, setList()).WithContext(ctx))
			must(t, err)
			check(t, r, readResponse(t, response))
		})
	})
	for step, command := range []string{unassignCommand, assignCommand} {
		t.Run(fmt.Sprintf("during step %d", step+1), func(t *testing.T) {
			inBubble(t, setup{faults: []string{withCommand("slow delay=5s", command)}}, func(t *testing.T, r *rig) {
				check(t, r, r.callAndDisconnect(t, setList(), time.Second))
			})
		})
	}
}

// If the second step cannot be sent, for whatever reason, the response reports that the
// first one was done.
func TestSecondStepThatCannotBeSent(t *testing.T) {
	const timeout = 10 * time.Second
	for name, c := range map[string]struct {
		setup setup
		first string // the fault of the first step
		then  func(t *testing.T, r *rig)
		cause string
	}{
		"the time is over": {then: func(*testing.T, *rig) { time.Sleep(timeout) }, cause: "PLATFORM_TIMEOUT"},
		"there is no session": {
			setup: setup{platform: func(o *oci.Options) { o.OutageWait = -1 }}, // else it waits for the next attempt to log in
			first: "forced-logout", then: func(t *testing.T, r *rig) { r.inject(t, "refuse times=1") }, cause: "PLATFORM_UNAVAILABLE",
		},
		"all sessions are in use": {
			setup: setup{platform: func(o *oci.Options) { o.MaxSessions, o.MaxWait = 1, time.Second }},
			then: func(t *testing.T, r *rig) {
				r.inject(t, "slow delay=15s times=1 command=*PrefixGetSummaryListRequest")
				go r.get(t, "prefixes")
				synctest.Wait()
			},
			cause: "PLATFORM_BUSY",
		},
		"the journal is gone": {
			then: func(t *testing.T, r *rig) {
				restore := r.breakJournal(t)
				time.AfterFunc(timeout, restore)
			},
			cause: "JOURNAL_UNAVAILABLE",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &writeHook{at: 1}
			s := m.install(c.setup)
			sending := s.gateway
			s.gateway = func(o *gateway.Options) { sending(o); o.RequestTimeout = timeout }
			inBubble(t, s, func(t *testing.T, r *rig) {
				if c.first != "" {
					r.inject(t, withCommand(c.first+" times=1", unassignCommand))
				}
				m.afterWrite(func() { c.then(t, r) })
				got := r.call(t, setList().keyed("k"))
				got.wantBody(t, http.StatusMultiStatus, reportOf("rejected"))
				id := got.wantOutcome(t, "partly_done")
				r.wantWrites(t, 1, 1)
				var line map[string]any
				for text := range strings.Lines(r.log.String()) {
					if strings.Contains(text, id) {
						must(t, json.Unmarshal([]byte(text), &line))
					}
				}
				if cause, ok := line["cause"].(string); !ok || !strings.HasPrefix(cause, c.cause+": ") || line["status"] != 207.0 || line["level"] != "INFO" {
					t.Errorf("logged %v", line)
				}
				if failures := counted(t, r, "ocigate_journal_failures_total")[""]; (failures > 0) != (c.cause == "JOURNAL_UNAVAILABLE") {
					t.Errorf("%v failures of the journal are counted", failures)
				}
				time.Sleep(time.Minute)
				for _, r := range []*rig{r, r.afterKill(t)} {
					synctest.Wait()
					r.wantEntries(t, id, "partly_done", "answer", "not_done", "done")
					r.wantOwn(t, keptRange)
					again := r.call(t, setList().keyed("k"))
					again.wantBody(t, http.StatusMultiStatus, reportOf("rejected"))
					again.wantReplay(t, id, "partly_done")
				}
				r.call(t, setList()).wantStatus(t, http.StatusOK)
				r.wantOwn(t, keptRange, addedRange)
				r.wantWrites(t, 2, 2)
			})
		})
	}
}

// If a process is killed between the steps, another process finds out what was done.
func TestGatewayKilledBetweenTheSteps(t *testing.T) {
	killed := &oci.UnsentError{Endpoint: "primary", Err: io.EOF} // what the killed process does next does not matter
	for name, c := range map[string]struct {
		at      int
		instead func(m *writeHook, dies func()) func(context.Context, oci.Write, func(string) error) (oci.Reply, error)
		state   string
		status  int
		report  string
		added   string
		removed string
		applied int
	}{
		"after the first": {2, func(_ *writeHook, dies func()) func(context.Context, oci.Write, func(string) error) (oci.Reply, error) {
			return func(context.Context, oci.Write, func(string) error) (oci.Reply, error) {
				dies()
				return oci.Reply{}, killed
			}
		}, "partly_done", 207, reportOf("rejected"), "not_done", "done", 1},
		"after the intent of the second": {2, func(_ *writeHook, dies func()) func(context.Context, oci.Write, func(string) error) (oci.Reply, error) {
			return func(_ context.Context, _ oci.Write, before func(string) error) (oci.Reply, error) {
				if err := before("primary"); err != nil {
					return oci.Reply{}, err
				}
				dies()
				return oci.Reply{}, killed
			}
		}, "partly_done", 207, reportOf("rejected"), "not_done", "done", 1},
		"after the second": {2, func(m *writeHook, dies func()) func(context.Context, oci.Write, func(string) error) (oci.Reply, error) {
			return func(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error) {
				defer dies()
				return m.Writer.Write(ctx, command, before)
			}
		}, "done", 200, reportOf("added"), "done", "done", 2},
		"after the intent of the first": {1, func(_ *writeHook, dies func()) func(context.Context, oci.Write, func(string) error) (oci.Reply, error) {
			return func(_ context.Context, _ oci.Write, before func(string) error) (oci.Reply, error) {
				if err := before("primary"); err != nil {
					return oci.Reply{}, err
				}
				dies()
				return oci.Reply{}, killed
			}
		}, "not_done", 400, "", "not_done", "not_done", 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := &writeHook{at: c.at}
			inBubble(t, m.install(setup{}), func(t *testing.T, r *rig) {
				var second *rig
				m.instead = c.instead(m, func() { second = r.afterKill(t) })
				asked := setList().keyed("k")
				id := r.call(t, asked).header.Get("Operation-Id")
				writes := len(r.platform.Writes())
				time.Sleep(2 * time.Minute)
				second.wantEntries(t, id, c.state, "reading", c.added, c.removed)
				second.wantWrites(t, writes, c.applied)
				again := second.call(t, asked)
				again.wantReplay(t, id, c.state)
				if c.report == "" {
					again.wantError(t, c.status, "OPERATION_NOT_DONE")
				} else {
					again.wantBody(t, c.status, c.report)
				}
				second.call(t, setList()).wantStatus(t, http.StatusOK)
				second.wantOwn(t, keptRange, addedRange)
				if applied := len(second.platform.Writes()); applied > 3 {
					t.Errorf("%d writes were sent", applied)
				}
			})
		})
	}
}
