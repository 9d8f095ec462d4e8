package status_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/gateway/operation"
	"ocigate/gateway/status"
	"ocigate/oci"
)

// What the page reports as a problem. To add a case, add an entry with what changes in
// healthy sources, and all problems that are expected, as "severity: text".

func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(*sources)
		headline string
		want     string
	}{
		"none": {func(*sources) {}, "All well", ""},
		"not ready": {func(s *sources) { s.ready = "not ready" }, "1 problem needs attention",
			"fault: This replica is not ready: it does not serve yet, or not any more.\n"},
		"stopping": {func(s *sources) { s.ready = "draining" }, "All well", "notice: This replica is stopping.\n"},
		"the preferred endpoint is down": {func(s *sources) {
			s.stats.Endpoints[1].Idle = 1
			fails(&s.stats.Endpoints[0], "refused")
		}, "1 problem needs attention", "warning: The preferred platform endpoint primary is down. Endpoint secondary is used instead.\n"},
		"the other endpoint is down": {func(s *sources) { fails(&s.stats.Endpoints[1], "refused") }, "1 problem needs attention",
			"warning: Platform endpoint secondary is down.\n"},
		"all endpoints are down": {func(s *sources) {
			fails(&s.stats.Endpoints[0], "refused")
			fails(&s.stats.Endpoints[1], "refused")
		}, "1 problem needs attention", "fault: No platform endpoint can be used.\n"},
		"the account is refused": {func(s *sources) {
			for i := range s.stats.Endpoints {
				fails(&s.stats.Endpoints[i], "refused")
				s.stats.Endpoints[i].AccountRefused = true
			}
		}, "3 problems need attention", "fault: No platform endpoint can be used.\n" +
			"warning: The platform refuses the account of the gateway at endpoint primary.\nwarning: The platform refuses the account of the gateway at endpoint secondary.\n"},
		"no more sessions can be made": {func(s *sources) { s.stats.Endpoints[0].InBackoff = true }, "1 problem needs attention",
			"warning: No new session can be made at platform endpoint primary.\n"},
		"an endpoint is slow": {func(s *sources) { s.stats.Endpoints[0].Slow = true }, "1 problem needs attention",
			"warning: Platform endpoint primary answers far more slowly than another one, which is used instead if it can be.\n"},
		"the preferred endpoint is down and is tried again": {func(s *sources) {
			fails(&s.stats.Endpoints[0], "i/o timeout")
			s.stats.Endpoints[0].Connecting, s.stats.Endpoints[1].Idle = true, 1
		}, "1 problem needs attention", "warning: The preferred platform endpoint primary is down. Endpoint secondary is used instead.\n"},
		"the first session is being made": {func(s *sources) {
			s.stats.Endpoints = []oci.EndpointStats{{Name: "primary", Connecting: true}, {Name: "secondary"}}
		}, "All well", "notice: There is no session with the platform yet.\n"},
		"all sessions are busy": {func(s *sources) { s.stats.Endpoints[0].Busy, s.stats.Endpoints[0].Idle, s.stats.Waiting = 8, 0, 1 }, "1 problem needs attention",
			"warning: All 8 sessions with the platform are busy, and 1 request waits.\n"},
		"requests wait while sessions are made": {func(s *sources) { s.stats.Waiting = 3 }, "All well", ""},
		"the queue is full": {func(s *sources) { s.stats.Waiting = 256 }, "1 problem needs attention",
			"fault: The queue for sessions is full: 256 requests wait, and others get 503.\n"},
		"the journal is not usable": {func(s *sources) {
			s.since, s.journalErr = time.Now().Add(-90*time.Second), errors.New("bolt: no space left")
		}, "1 problem needs attention",
			"fault: Writes are refused: the journal has been unusable for 1 min 30 s: bolt: no space left.\n"},
		"not ready because of the journal": {func(s *sources) {
			s.since, s.journalErr = time.Now().Add(-time.Minute), errors.New("bolt: no space left")
			s.ready = "not ready: writes are refused because the journal has been unusable: bolt: no space left"
		}, "2 problems need attention", "fault: This replica is not ready: its journal is not usable.\n" +
			"fault: Writes are refused: the journal has been unusable for 1 min: bolt: no space left.\n"},
		"an unknown write": {func(s *sources) {
			s.unknown, s.oldest = []operation.Unresolved{unknownWrite("a", 10*time.Second)}, time.Now().Add(-10*time.Second)
		}, "All well", "notice: 1 write has an unknown outcome for 10 s.\n"},
		"old unknown writes": {func(s *sources) {
			s.unknown = []operation.Unresolved{unknownWrite("b", time.Minute), unknownWrite("a", 3*time.Hour)}
			s.unknown[1].Refused = 2
			s.count, s.oldest = 1234, time.Now().Add(-3*time.Hour)
		}, "1 problem needs attention", "warning: 1,234 writes have an unknown outcome, the oldest for 3 h; 2 other writes were refused because of that.\n"},
		"the reload has failed": {func(s *sources) {
			s.reload.Successful, s.reload.Cause = false, "platform.pool.max must be at least 1"
		}, "1 problem needs attention", "warning: The last reload failed: platform.pool.max must be at least 1.\n"},
		"a restart is needed": {func(s *sources) { s.reload.NeedRestart = []string{"http.listen", "journal.folder"} }, "1 problem needs attention",
			"warning: Changes of the configuration need a restart: http.listen, journal.folder.\n"},
		"certificates": {func(s *sources) {
			now := time.Now()
			s.certs = []gateway.Certificate{
				{Use: gateway.UseAPI, NotAfter: now.Add(14*24*time.Hour - time.Second)},
				{Use: gateway.UsePlatformClient, PlatformEndpoint: "primary", NotAfter: now.Add(14 * 24 * time.Hour)},
				{Use: gateway.UsePlatformCA, PlatformEndpoint: "primary", NotAfter: now.Add(-time.Hour)},
				{Use: gateway.UsePlatformServer, PlatformEndpoint: "secondary", NotAfter: now.Add(-2 * time.Hour)},
			}
		}, "3 problems need attention", "fault: The certificate of platform endpoint secondary expired 2 h ago.\n" +
			"warning: The authority for platform endpoint primary has expired, or one of several in its file.\n" +
			"warning: The certificate of the API expires in 13 days 23 h.\n"},
		"no keys of the issuer": {func(s *sources) { s.issuer = &status.Issuer{URL: "https://id.example", Failed: 2} }, "1 problem needs attention",
			"fault: The keys of the token issuer https://id.example were not fetched yet (2 failures).\n"},
		"keys of the issuer": {func(s *sources) {
			s.issuer = &status.Issuer{URL: "https://id.example", LastFetched: time.Now(), Failed: 2}
		}, "All well", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *sources) {
				test.change(s)
				page := status.New(s.options())
				if diff := cmp.Diff(test.want, problemsOf(page.Status(t.Context()))); diff != "" {
					t.Errorf("problems (-want +got)\n%s", diff)
				}
				body := get(t, page, "/status").Body.String()
				if !strings.Contains(body, `<h1 id="headline">`+test.headline+`</h1>`) || !strings.Contains(body, "<title>"+test.headline+" · ") {
					t.Errorf("the headline is not %q", test.headline)
				}
				// Each problem leads to a section that the page has.
				for _, p := range page.Status(t.Context()).Problems {
					if p.Do == "" || !strings.Contains(body, `id="`+p.Section+`"`) {
						t.Errorf("%+v: nothing to do, or no such section", p)
					}
				}
			})
		})
	}
}

// TestFailingRequestsAreAProblem needs samples: the share is that of the last 5 minutes.
func TestFailingRequestsAreAProblem(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sources) {
		page := running(t, s)
		ended := func(good, failed uint64) {
			s.change(func() {
				s.totals.Requests += good + failed
				e := []gateway.ErrorTotal{{Name: "INVALID_PARAMETERS", Status: 400, Count: 1}, {Name: "PLATFORM_BUSY", Status: 503, Count: failed}}
				if len(s.totals.Errors) > 0 {
					e[1].Count += s.totals.Errors[1].Count
				}
				s.totals.Errors = e
			})
			time.Sleep(30 * time.Second)
		}
		want := func(want string) {
			t.Helper()
			if diff := cmp.Diff(want, problemsOf(page.Status(t.Context()))); diff != "" {
				t.Errorf("problems (-want +got)\n%s", diff)
			}
		}
		ended(4, 4) // too few to tell
		want("")
		ended(32, 4)
		want("warning: 18% of the requests of the last 5 minutes failed (8 of 44, mostly PLATFORM_BUSY).\n")
		ended(0, 40)
		want("fault: 57% of the requests of the last 5 minutes failed (48 of 84, mostly PLATFORM_BUSY).\n")
		time.Sleep(5 * time.Minute)
		want("")
		ended(0, 2) // most of few
		want("fault: 100% of the requests of the last 5 minutes failed (2 of 2, mostly PLATFORM_BUSY).\n")
		time.Sleep(5 * time.Minute)
		want("")
		s.change(func() { s.totals.LogLinesDropped = 12 })
		time.Sleep(30 * time.Second)
		want("warning: 12 lines of the log were dropped in the last hour.\n")
		time.Sleep(time.Hour)
		want("")
	})
}
