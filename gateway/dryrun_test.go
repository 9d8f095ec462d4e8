package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// Dry runs of all routes that write.

// dryRunResponse is the response to a dry run.
type dryRunResponse struct {
	DryRun  bool           `json:"dry_run"`
	Changes []dryRunChange `json:"changes"`
}

type dryRunChange struct {
	Entry  string          `json:"entry"`
	Start  string          `json:"start"`
	End    string          `json:"end"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// dryRunRequests are the ways in which a caller asks for a dry run.
var dryRunRequests = map[string]func(call) call{
	"by the query":              func(c call) call { c.path += "?dry_run=true"; return c },
	"by Prefer":                 func(c call) call { return c.with("Prefer", "dry-run") },
	"by Prefer among others":    func(c call) call { return c.with("Prefer", "respond-async, wait=10", "return=minimal ,Dry-Run") },
	"by both":                   func(c call) call { c.path += "?dry_run=true"; return c.with("Prefer", "dry-run") },
	"by Prefer against a query": func(c call) call { c.path += "?dry_run=false"; return c.with("Prefer", "dry-run") },
}

// wantUntouched checks that nothing was sent, and nothing recorded.
func (r *rig) wantUntouched(t *testing.T) {
	t.Helper()
	r.wantWrites(t, 0, 0)
	got := r.call(t, call{path: "/api/v1/operations/", client: system})
	if strings.TrimSpace(got.body) != `{"operations":[]}` {
		t.Errorf("recorded is %s", got.body)
	}
	if events := r.events(t); len(events) != 0 {
		t.Errorf("the audit trail has %+v", events)
	}
}

func TestDryRunTellsWhatWouldChange(t *testing.T) {
	for way, asked := range dryRunRequests {
		for _, w := range writeCases() {
			t.Run(way+"/"+w.route, func(t *testing.T) {
				r := start(t, setup{})
				for _, c := range []call{w.call, w.call.keyed("k")} {
					got := r.call(t, asked(c))
					got.wantStatus(t, http.StatusOK)
					got.wantNoOperation(t)
					var reported dryRunResponse
					strictly(t, got.body, &reported)
					e := w.Entry
					want := dryRunResponse{true, []dryRunChange{{e.Given, e.Start, e.End, json.RawMessage(e.Before), json.RawMessage(e.After)}}}
					if diff := cmp.Diff(want, reported); diff != "" {
						t.Errorf("response (-want +got):\n%s", diff)
					}
					applied := ""
					if strings.Contains(way, "Prefer") || way == "by both" {
						applied = "dry-run"
					}
					if strings.Contains(way, "among others") {
						applied = "wait=10, dry-run"
					}
					if got := got.header.Get("Preference-Applied"); got != applied {
						t.Errorf("Preference-Applied is %q, want %q", got, applied)
					}
				}
				r.wantUntouched(t)
				// Neither the entry nor the key is used up.
				r.call(t, w.call.keyed("k")).wantFirst(t, w.status)
			})
		}
	}
}

func TestDryRunTellsThePlatformsSpelling(t *testing.T) {
	r := start(t, setup{seed: func(s *ocisim.Seed) { s.Platform.Dashes = true }})
	asked := assignFreeRange()
	asked.path += "?dry_run=true"
	asked.body = `{"numbers":[{"minPhoneNumber":"+32 25127000"},{"minPhoneNumber":"+3225126999"}]}`
	got := r.call(t, asked)
	want := `{"dry_run":true,"changes":[` +
		`{"entry":"+32 25127000","start":"+32-25127000","end":"+32-25127999","before":{"groupId":null},"after":{"groupId":"ApioGrpTest"}},` +
		`{"entry":"+3225126999","start":"+32-25126999","end":"+32-25126999","before":{"groupId":null},"after":{"groupId":"ApioGrpTest"}}]}`
	if diff := cmp.Diff(want, strings.TrimSpace(got.body)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

// A dry run is refused as the write would be.
func TestDryRunIsRefusedAsTheWriteIs(t *testing.T) {
	for name, c := range map[string]struct {
		faults []string
		change func(*call)
		status int
	}{
		"no credentials":                 {change: func(c *call) { c.client = anonymous }, status: 401},
		"too low a level":                {change: func(c *call) { c.client = group }, status: 403},
		"another's tenant":               {change: func(c *call) { c.path = listOf("footenant", "foogroup", "numbers") }, status: 403},
		"a bad form":                     {change: func(c *call) { c.body = `{"numbers":[{}]}` }, status: 400},
		"no JSON":                        {change: func(c *call) { c.body = "x" }, status: 416},
		"a bad key":                      {change: func(c *call) { *c = c.keyed("a b") }, status: 400},
		"an entry that is not available": {change: func(c *call) { c.body = `{"numbers":[{"minPhoneNumber":"+3225129000"}]}` }, status: 400},
		"another end": {change: func(c *call) {
			c.body = `{"numbers":[{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127001"}]}`
		}, status: 400},
		"a missing group":             {change: func(c *call) { c.path = listOf(ownTenant, "nobody", "numbers") }, status: 404},
		"a group without the service": {change: func(c *call) { c.path = listOf(ownTenant, "ApioGrpNoService", "numbers") }, status: 404},
		"Enterprise mode": {
			change: func(c *call) { c.path, c.client = listOf("ApioEntTest", "ApioEntGrpTest", "numbers"), system }, status: 400,
		},
		"a platform that is gone":         {faults: []string{"refuse"}, status: 503},
		"a platform that cannot be asked": {faults: []string{"stall command=ServiceProviderGetRequest17sp1"}, status: 503},
	} {
		for _, way := range []string{"by the query", "by Prefer"} {
			asked := dryRunRequests[way]
			t.Run(name+"/"+way, func(t *testing.T) {
				inBubble(t, setup{faults: c.faults}, func(t *testing.T, r *rig) {
					write := writeCaseOf("itc_numbers_assign").call
					change(c.change, &write)
					got := r.call(t, asked(write))
					got.wantStatus(t, c.status)
					got.wantNoOperation(t)
					r.wantUntouched(t)
					if diff := cmp.Diff(r.call(t, write).body, got.body); diff != "" {
						t.Errorf("(-write +dry run):\n%s", diff)
					}
				})
			})
		}
	}
}

// A malformed preference may be meant as a dry run, so nothing is done.
func TestDryRunThatIsAskedForBadly(t *testing.T) {
	r := start(t, setup{})
	for name, c := range map[string]struct {
		query  string
		prefer string
		place  string
	}{
		"a number":                      {"?dry_run=1", "", "dry_run"},
		"another letter case":           {"?dry_run=True", "", "dry_run"},
		"nothing":                       {"?dry_run=", "", "dry_run"},
		"no value":                      {"?dry_run", "", "dry_run"},
		"blanks":                        {"?dry_run=true%20", "", "dry_run"},
		"twice":                         {"?dry_run=true&dry_run=true", "", "dry_run"},
		"both":                          {"?dry_run=true&dry_run=false", "", "dry_run"},
		"semicolons":                    {"?x=1;dry_run=true", "", "query"},
		"half an escape":                {"?dry_run=true%", "", "query"},
		"a misspelled name":             {"?dryrun=true", "", "dryrun"},
		"a preference with a value":     {"", "dry-run=true", "Prefer"},
		"a preference with a parameter": {"", "dry-run; level=1", "Prefer"},
		"a preference among others":     {"", "return=minimal, dry-run=yes", "Prefer"},
		"a longer name":                 {"", "dry-runs", "Prefer"},
		"an underscore":                 {"", "dry_run", "Prefer"},
		"a misspelled preference":       {"", "dyr-run", "Prefer"},
		"a preference in quotes":        {"", `"dry-run"`, "Prefer"},
		"another preference's value":    {"", "x=dry-run", "Prefer"},
		"another preference's part":     {"", "return=minimal; dry-run", "Prefer"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := assignFreeRange()
			asked.path += c.query
			if c.prefer != "" {
				asked = asked.with("Prefer", c.prefer)
			}
			failure := r.call(t, asked).wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
			if len(failure.Details.Problems) != 1 || failure.Details.Problems[0].Parameter != c.place {
				t.Errorf("problems %+v", failure.Details.Problems)
			}
			asked.body = "{}"
			if failure := r.call(t, asked).wantError(t, http.StatusBadRequest, "JSON_SCHEMA_VALIDATION"); len(failure.Details.Problems) != 2 {
				t.Errorf("not all problems are reported: %+v", failure.Details.Problems)
			}
		})
	}
	r.wantUntouched(t)
}

func TestRequestsThatAreNoDryRun(t *testing.T) {
	for name, c := range map[string]struct{ query, prefer string }{
		"by the query":        {"?dry_run=false", ""},
		"other preferences":   {"", "return=minimal, respond-async"},
		"an empty preference": {"", ","},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, setup{})
			asked := assignFreeRange()
			asked.path += c.query
			got := r.call(t, asked.with("Prefer", c.prefer))
			got.wantStatus(t, http.StatusCreated)
			got.wantOutcome(t, "done")
			if got.header.Get("Preference-Applied") != "" {
				t.Error("a preference was applied")
			}
			r.wantWrites(t, 1, 1)
		})
	}
}

// A preference may be ignored, but not a parameter.
func TestReadsHaveNoDryRun(t *testing.T) {
	r := start(t, setup{})
	plain := r.get(t, "numbers")
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		got := r.call(t, call{method: method, path: ownList("numbers"), client: system}.with("Prefer", "dry-run"))
		got.wantStatus(t, http.StatusOK)
		if got.header.Get("Preference-Applied") != "" || method == http.MethodGet && got.body != plain.body {
			t.Errorf("%s: %v %s", method, got.header, got.body)
		}
		r.call(t, call{method: method, path: ownList("numbers") + "?dry_run=true", client: system}).wantStatus(t, http.StatusBadRequest)
	}
}

// A dry run only reads: it does not wait for a write of the same entries, and holds no
// entries.
func TestDryRunBesideAWrite(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		w := writeCaseOf("itc_numbers_assign")
		r.loseReply(t, w, "")
		asked := w.call
		asked.path += "?dry_run=true"
		r.call(t, asked).wantStatus(t, http.StatusOK)
	})
	inBubble(t, setup{faults: []string{"slow delay=5s command=ServiceProviderGetRequest17sp1 times=1"}}, func(t *testing.T, r *rig) {
		asked := writeCaseOf("itc_numbers_assign").call
		asked.path += "?dry_run=true"
		ended := make(chan response, 1)
		go func() { ended <- r.call(t, asked) }()
		synctest.Wait()
		r.call(t, writeCaseOf("itc_numbers_assign").call).wantStatus(t, http.StatusCreated)
		(<-ended).wantStatus(t, http.StatusOK)
	})
}

// A dry run is not recorded, so it needs no journal.
func TestDryRunWithoutAJournal(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		r.breakJournal(t)
		asked := writeCaseOf("itc_numbers_assign").call
		asked.path += "?dry_run=true"
		r.call(t, asked).wantStatus(t, http.StatusOK)
	})
}
