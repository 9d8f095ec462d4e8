package status_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/gateway/operation"
	"ocigate/gateway/status"
	"ocigate/oci"
)

// The page and the document. With -update, TestGolden writes testdata again: a new
// state is an entry in its table.

var update = flag.Bool("update", false, "write the files of testdata again")

// style is what the files of testdata leave out.
var style = regexp.MustCompile(`(?s)<style>(.*?)</style>`)

func TestGolden(t *testing.T) {
	for name, test := range map[string]struct {
		path   string
		change func(*sources)
	}{
		"healthy.html": {"/status", func(*sources) {}},
		"troubled.html": {"/status?refresh=0&config=1", func(s *sources) {
			fails(&s.stats.Endpoints[0], "connection refused")
			s.stats.Endpoints[0].InBackoff, s.stats.Endpoints[0].NextTry = true, time.Now().Add(100*time.Second)
			s.stats.Endpoints[1].Idle = 1
			s.stats.Endpoints[1].Dialect = oci.Dialect{Release: 21, Set: true, Fallbacks: []oci.Fallback{{Feature: "tracking_id", Use: "left out"}}}
			s.unknown, s.oldest = []operation.Unresolved{unknownWrite("019ad0a0-0000-7000-8000-000000000001", time.Hour)}, time.Now().Add(-time.Hour)
			s.unknown[0].Refused, s.unknown[0].RefusedAt = 3, time.Now().Add(-time.Minute)
			s.unknown[0].Readings.Failure = "oci: no endpoint"
			s.reload = gateway.Reload{At: time.Now().Add(-time.Hour), TriedAt: time.Now().Add(-time.Minute), Trigger: "SIGHUP", Cause: "platform.pool.max must be at least 1", NeedRestart: []string{"http.listen"}}
			s.totals.Requests, s.totals.Errors = 1234, []gateway.ErrorTotal{{Name: "PLATFORM_UNAVAILABLE", Status: 503, Count: 1200}}
			s.certs[0].NotAfter = time.Now().Add(3 * 24 * time.Hour)
			s.issuer = &status.Issuer{URL: "https://id.example", Keys: 2, Fetched: 3, LastFetched: time.Now().Add(-time.Minute)}
		}},
		"status.json": {"/status.json", func(s *sources) {
			fails(&s.stats.Endpoints[1], "connection refused")
			s.unknown, s.oldest = []operation.Unresolved{unknownWrite("019ad0a0-0000-7000-8000-000000000001", time.Hour)}, time.Now().Add(-time.Hour)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *sources) {
				page := running(t, s)
				s.change(func() { test.change(s) })
				time.Sleep(time.Minute)
				got := style.ReplaceAllString(get(t, page, test.path).Body.String(), "<style></style>")
				file := filepath.Join("testdata", name)
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("run go test ./gateway/status -update (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// hostile is what texts of the platform and of callers may be.
const hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{.Version}}\u202e\x00\n\r" + "javascript:x"

// hostileSources has as much as possible of what others determine.
func hostileSources(n int) *sources {
	s := healthy()
	long := hostile + strings.Repeat("ab<&", 2_000)
	s.stats.Endpoints = nil
	for range n {
		e := oci.EndpointStats{Name: long, Address: long, Dialect: oci.Dialect{Release: 24, Version: long, Fallbacks: []oci.Fallback{{Feature: long, Use: long}}}, PeerCertificateNotAfter: time.Now()}
		fails(&e, long)
		s.stats.Endpoints = append(s.stats.Endpoints, e)
		u := unknownWrite(long, time.Hour)
		u.Route, u.Target.TenantID, u.Target.GroupID, u.Target.UserID, u.PlatformEndpoint = long, long, long, long, long
		u.Held, u.HeldCount = []string{long, long, long, long, long, long, long}, 5000
		u.Readings.Failure = long
		s.unknown = append(s.unknown, u)
		s.certs = append(s.certs, gateway.Certificate{Use: gateway.CertificateUse(long), PlatformEndpoint: long, NotAfter: time.Now()})
		s.totals.Errors = append(s.totals.Errors, gateway.ErrorTotal{Name: long, Status: 503, Count: 1})
		s.reload.Changed, s.reload.NeedRestart = append(s.reload.Changed, long), append(s.reload.NeedRestart, long)
	}
	s.oldest = time.Now().Add(-time.Hour)
	s.since, s.journalErr = time.Now().Add(-time.Hour), errors.New(long)
	s.ready, s.config = long, strings.Repeat(long, 50)
	s.reload.Successful, s.reload.Cause, s.reload.Trigger = false, long, long
	s.issuer = &status.Issuer{URL: long}
	return s
}

func TestTextsAreEscapedAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		few := status.New(hostileSources(100).options())
		most := 10_000
		if testing.Short() {
			most = 1000
		}
		many := status.New(hostileSources(most).options())
		for _, path := range []string{"/status", "/status?config=1", "/status.json"} {
			small, large := get(t, few, path).Body.String(), get(t, many, path).Body.String()
			// With more of everything, only the numbers grow.
			if len(large) > 2<<20 || len(large) > len(small)+1000 {
				t.Errorf("%s: %d bytes, and %d with less of the same", path, len(large), len(small))
			}
			for _, bad := range []string{"<script", "<img", "\u202e", "\x00"} {
				if strings.Contains(large, bad) {
					t.Errorf("%s contains %q", path, bad)
				}
			}
		}
		if body := get(t, few, "/status").Body.String(); !strings.Contains(body, "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&gt;&lt;img src=x onerror=alert(1)&gt;{{.Version}}    javascript:x") {
			t.Error("the text is not in the page")
		}
	})
}

// TestASourceThatHangs makes the keeper hang: the page must name it, and have the rest.
func TestASourceThatHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sources) {
		s.hangs = make(chan struct{})
		page := status.New(s.options())
		for range 3 {
			start := time.Now()
			body := get(t, page, "/status").Body.String()
			if took := time.Since(start); took != 2*time.Second {
				t.Errorf("the page took %v", took)
			}
			for _, want := range []string{"The state of the journal is not known: it was not returned within 2 s.", "The state of the journal was not returned in time.", "primary", "No response had an error."} {
				if !strings.Contains(body, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
		}
		close(s.hangs)
		synctest.Wait() // the first call has returned
		s.change(func() { s.hangs = nil })
		if got := page.Status(t.Context()); len(got.Unanswered) > 0 || got.Journal == nil || !got.Journal.Usable {
			t.Errorf("after it hung: %v, %+v", got.Unanswered, got.Journal)
		}
	})
}

// TestASourceThatPanics must not end the program.
func TestASourceThatPanics(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sources) {
		o := s.options()
		o.Reload = func() gateway.Reload { panic("a fault") }
		got := status.New(o).Status(t.Context())
		if diff := cmp.Diff([]string{"reload"}, got.Unanswered); diff != "" || got.Platform == nil {
			t.Errorf("unanswered (-want +got)\n%s", diff)
		}
	})
}

func TestSectionsWithoutSourceAreAbsent(t *testing.T) {
	page := status.New(status.Options{Version: "v1"})
	body := get(t, page, "/status").Body.String()
	if strings.Contains(body, "<section id") || !strings.Contains(body, "All well") {
		t.Errorf("got\n%s", style.ReplaceAllString(body, ""))
	}
	var keys []string
	for line := range strings.SplitSeq(get(t, page, "/status.json").Body.String(), "\n") {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			keys = append(keys, strings.Trim(name, `"`))
		}
	}
	if diff := cmp.Diff([]string{"at", "version", "started_at", "ready", "health", "problems", "unanswered"}, keys); diff != "" {
		t.Errorf("keys (-want +got)\n%s", diff)
	}
}

func TestHeaders(t *testing.T) {
	page := status.New(status.Options{})
	response := get(t, page, "/status")
	digest := sha256.Sum256([]byte(style.FindStringSubmatch(response.Body.String())[1]))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if got := response.Header().Get("Content-Security-Policy"); got != want {
		t.Errorf("the policy is\n%s, want\n%s", got, want)
	}
	for path, kind := range map[string]string{"/status": "text/html; charset=utf-8", "/status.json": "application/json"} {
		h := get(t, page, path).Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Type") != kind {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestRefresh(t *testing.T) {
	page := status.New(status.Options{})
	for query, want := range map[string]string{
		"": `10; url=/status"`, "?refresh=2": `2; url=/status?refresh=2"`, "?refresh=3600": `3600; url=/status?refresh=3600"`,
		"?refresh=0": "", "?config=1": `10; url=/status?refresh=10&amp;config=1"`, "?x=%22%3E%3Cscript": `10; url=/status?refresh=10"`,
	} {
		response := get(t, page, "/status"+query)
		_, after, refreshes := strings.Cut(response.Body.String(), `<meta http-equiv="refresh" content="`)
		if response.Code != http.StatusOK || refreshes != (want != "") || !strings.HasPrefix(after, want) {
			t.Errorf("%q: %d, %.40q", query, response.Code, after)
		}
	}
	for _, query := range []string{"?refresh=1", "?refresh=3601", "?refresh=-1", "?refresh=", "?refresh=ten", "?refresh=0.5"} {
		if response := get(t, page, "/status"+query); response.Code != http.StatusBadRequest || response.Body.String() != "refresh must be 0, or a whole number of seconds from 2 to 3600\n" {
			t.Errorf("%q: %d %q", query, response.Code, response.Body)
		}
	}
}

func TestMount(t *testing.T) {
	mux := http.NewServeMux()
	status.New(status.Options{}).Mount(mux)
	for request, want := range map[string]int{
		"GET /": 302, "HEAD /status": 200, "GET /status.json": 200, "GET /other": 404, "GET /status/": 404, "POST /status": 405, "POST /": 405,
	} {
		method, path, _ := strings.Cut(request, " ")
		recorder := httptest.NewRecorder()
		mux.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		if recorder.Code != want {
			t.Errorf("%s: %d, want %d", request, recorder.Code, want)
		}
	}
}

// TestKeysAreDocumented requires a name and a meaning for each field of the document. The
// page of this package has them in a table.
func TestKeysAreDocumented(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var check func(of reflect.Type)
	check = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || seen[of] {
			return
		}
		seen[of] = true
		for field := range of.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" || name != strings.ToLower(name) || field.Tag.Get("doc") == "" {
				t.Errorf("%s.%s has no key in small letters, or no meaning", of.Name(), field.Name)
			}
			check(field.Type)
		}
	}
	check(reflect.TypeFor[status.Status]())
	if len(seen) < 15 {
		t.Errorf("only %d types were found", len(seen))
	}
}
