package gateway_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/oci"
	"ocigate/translate"
)

// For whom commands are sent, and how long a caller waits for their turn.

// requests records the requests for which commands are sent, each once.
type requests struct {
	mu   sync.Mutex // guards sent
	sent []oci.Request
}

func (r *requests) note(ctx context.Context) {
	of, ok := oci.RequestOf(ctx)
	if !ok {
		of.Caller = "none"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.sent, of) {
		r.sent = append(r.sent, of)
	}
}

// take returns what was recorded since the last call.
func (r *requests) take() []oci.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := r.sent
	r.sent = nil
	return sent
}

type notingReader struct {
	translate.Reader
	to *requests
}

func (n notingReader) Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	n.to.note(ctx)
	return n.Reader.Read(ctx, commands...)
}

type notingWriter struct {
	gateway.Writer
	to *requests
}

func (n notingWriter) Write(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error) {
	n.to.note(ctx)
	return n.Writer.Write(ctx, command, before)
}

// noting returns a setup that records the requests.
func (r *requests) noting() setup {
	return setup{
		engine: func(o *translate.Options) { o.Reader = notingReader{o.Reader, r} },
		gateway: func(o *gateway.Options) {
			o.Writer = notingWriter{o.Writer, r}
			o.SessionShares = gateway.SessionShares{
				Users:   gateway.SessionShare{Max: 2},
				Clients: map[string]gateway.SessionShare{system: {Weight: 3, Max: 4}},
			}
		},
	}
}

func TestForWhomCommandsAreSent(t *testing.T) {
	var sent requests
	inBubble(t, sent.noting(), func(t *testing.T, r *rig) {
		want := func(what string, want oci.Request) {
			t.Helper()
			if diff := cmp.Diff([]oci.Request{want}, sent.take()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		r.get(t, "numbers").wantStatus(t, http.StatusOK)
		want("a read of a client", oci.Request{Caller: "basic system", Weight: 3, MaxSessions: 4})

		r.call(t, call{path: ownList("numbers"), client: tenant}).wantStatus(t, http.StatusOK)
		want("a client without settings", oci.Request{Caller: "basic tenant"})

		asked := assignFreeRange()
		asked.client = system
		dry := asked
		dry.path += "?dry_run=true"
		r.call(t, dry).wantStatus(t, http.StatusOK)
		want("a dry run", oci.Request{Caller: "basic system", Weight: 3, MaxSessions: 4})
		r.call(t, asked).wantStatus(t, http.StatusCreated)
		want("a write, from its checks to its command", oci.Request{Caller: "basic system", Weight: 3, MaxSessions: 4, Write: true})

		r.call(t, call{path: ownList("numbers"), header: r.bearerOf(t, "groupadmin")}).wantStatus(t, http.StatusOK)
		want("a user", oci.Request{Caller: "token groupadmin", MaxSessions: 2})
	})
}

// The keeper reads unknown operations first. A reading within a request is one of the
// request.
func TestForWhomOperationsAreReadBack(t *testing.T) {
	var sent requests
	inBubble(t, sent.noting(), func(t *testing.T, r *rig) {
		w := writeCaseOf("itc_numbers_assign")
		r.inject(t, withCommand("drop-after-apply times=1", w.command))
		got := r.call(t, w.call)
		got.wantStatus(t, http.StatusCreated)
		for _, of := range sent.take() {
			if of.Caller != "basic "+w.call.client || !of.Write || of.Urgent {
				t.Errorf("a write with its reading is sent for %+v", of)
			}
		}
		r.loseReply(t, writeCaseOf("itc_prefixes_assign"), "")
		sent.take()
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]oci.Request{{Urgent: true}}, sent.take()); diff != "" {
			t.Errorf("the keeper's readings (-want +got):\n%s", diff)
		}
	})
}

// oneSession is a platform with one session, which a request uses for 10 seconds.
func oneSession(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	s := setup{platform: func(o *oci.Options) { o.MaxSessions, o.MaxWait = 1, time.Minute }}
	inBubble(t, s, func(t *testing.T, r *rig) {
		r.inject(t, "slow delay=10s command=*PrefixGetSummaryListRequest times=1")
		ended := make(chan struct{})
		go func() { defer close(ended); r.get(t, "prefixes").wantStatus(t, http.StatusOK) }()
		synctest.Wait()
		test(t, r)
		<-ended
	})
}

// Prefer: wait has a request refused that does not get its turn in time, with nothing done.
func TestWaitForATurn(t *testing.T) {
	for name, c := range map[string]call{"a read": {path: ownList("numbers"), client: system}, "a write": assignFreeRange()} {
		t.Run(name, func(t *testing.T) {
			oneSession(t, func(t *testing.T, r *rig) {
				began := time.Now()
				got := r.call(t, c.with("Prefer", "respond-async, wait=3; x=1", "wait=9"))
				got.wantError(t, http.StatusServiceUnavailable, "PLATFORM_BUSY")
				got.wantRetryAfter(t)
				if took, applied := time.Since(began), got.header.Get("Preference-Applied"); took > 3*time.Second || applied != "wait=3" {
					t.Errorf("it took %v, and applied is %q", took, applied)
				}
				r.wantWrites(t, 0, 0)
			})
		})
	}
	t.Run("ignored", func(t *testing.T) {
		oneSession(t, func(t *testing.T, r *rig) {
			got := r.call(t, call{path: ownList("numbers"), client: system}.with("Prefer", "wait=0"))
			got.wantStatus(t, http.StatusOK)
			if applied := got.header.Get("Preference-Applied"); applied != "" {
				t.Errorf("applied is %q", applied)
			}
		})
	})
	t.Run("longer than a request may take", func(t *testing.T) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) {
			r.inject(t, "stall command=*RangeGetSummaryListRequest")
			began := time.Now()
			r.call(t, call{path: ownList("numbers"), client: system}.with("Prefer", "wait=99999999999999999999")).wantStatus(t, http.StatusGatewayTimeout)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	})
}

// slowBody is a body whose first bytes arrive late.
type slowBody struct {
	io.ReadCloser
	late *sync.Once
}

func (b slowBody) Read(p []byte) (int, error) {
	b.late.Do(func() { time.Sleep(2 * time.Second) })
	return b.ReadCloser.Read(p)
}

// A body that arrives later than its caller waits is no failure of the journal.
func TestWaitThatIsOverBeforeTheBodyHasArrived(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		request := r.request(t, assignFreeRange().with("Prefer", "wait=1"))
		request.Body = slowBody{request.Body, new(sync.Once)}
		got := r.do(t, request)
		got.wantRetryAfter(t)
		if got.status < http.StatusInternalServerError {
			t.Errorf("%d %s", got.status, got.body)
		}
		wantCounted(t, r, "ocigate_journal_failures_total", map[string]float64{"": 0})
		r.wantWrites(t, 0, 0)
	})
}

// A write that was sent is waited for, and all its steps are sent, however short the wait is.
func TestWaitDoesNotEndWrites(t *testing.T) {
	t.Run("of one step", func(t *testing.T) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) {
			r.inject(t, "slow delay=5s command=*AssignListRequest")
			r.call(t, assignFreeRange().with("Prefer", "wait=1")).wantStatus(t, http.StatusCreated)
			r.wantWrites(t, 1, 1)
		})
	})
	t.Run("of two steps", func(t *testing.T) {
		m := &writeHook{at: 1}
		m.afterWrite(func() { time.Sleep(5 * time.Second) })
		inBubble(t, m.install(setup{}), func(t *testing.T, r *rig) {
			got := r.call(t, call{
				method: http.MethodPut, path: ownList("numbers"), client: system,
				body: `{"numbers":[{"minPhoneNumber":"+3226127000"},{"minPhoneNumber":"+3225126999"}]}`,
			}.with("Prefer", "wait=1"))
			got.wantOutcome(t, "done")
			r.wantWrites(t, 2, 2)
		})
	})
	t.Run("whose reply is lost", func(t *testing.T) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) {
			r.inject(t, "slow delay=2s command=*AssignListRequest")
			m := r.inject(t, "drop-after-apply command=*AssignListRequest times=1")
			got := r.call(t, assignFreeRange().with("Prefer", "wait=1"))
			got.wantStatus(t, http.StatusCreated) // its reading has shown that it was done
			if m.Hits() != 1 {
				t.Errorf("the reply was lost %d times", m.Hits())
			}
		})
	})
}

// The time of sessions is counted by caller, and refused requests by reason.
func TestMetricsOfCallers(t *testing.T) {
	r := start(t, setup{})
	trace := r.metrics.Trace()
	trace.SessionUsed("basic system", 2*time.Second)
	trace.SessionUsed("token system", time.Second)
	trace.SessionUsed("oidc other", time.Second)
	trace.SessionUsed("", 4*time.Second)
	series, err := r.metrics.Registry().Gather()
	must(t, err)
	got := map[string]float64{}
	for _, family := range series {
		if name := family.GetName(); name == "ocigate_platform_session_seconds_total" || name == "ocigate_platform_requests_shed_total" {
			for _, m := range family.GetMetric() {
				var labels []string
				for _, l := range m.GetLabel() {
					labels = append(labels, l.GetValue())
				}
				got[strings.Join(labels, " ")] = m.GetCounter().GetValue()
			}
		}
	}
	want := map[string]float64{
		"client system": 2, "client tenant": 0, "client group": 0, "client department": 0, "client user": 0, "user ": 2, "ocigate ": 4,
		"full": 0, "displaced": 0, "deadline": 0, "wait": 0, "left": 0,
	}
	for _, key := range []string{"user ", "ocigate ", "client system"} { // also those of the rig's own session
		got[key] = float64(int(got[key]))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}
