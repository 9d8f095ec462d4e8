package gateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"ocigate/gateway"
	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// Entity tags, If-None-Match of reads and If-Match of writes, for all routes.

// tagOf returns the entity tag of a good response to a read.
func (r response) tagOf(t testing.TB) string {
	t.Helper()
	r.wantStatus(t, http.StatusOK)
	tags := r.header.Values("ETag")
	if len(tags) != 1 || len(tags[0]) < 10 || tags[0][0] != '"' {
		t.Fatalf("the ETag is %q, want one that is strong", tags)
	}
	return tags[0]
}

// queries returns the routes that read from the platform.
func queries() []gateway.Route {
	return slices.DeleteFunc(slices.Clone(apiRoutes()), func(e gateway.Route) bool { return e.Query == nil })
}

// A caller who has the response already is not sent it again.
func TestReadsThatAreKnown(t *testing.T) {
	for _, e := range queries() {
		t.Run(e.Name, func(t *testing.T) {
			r := start(t, setup{seed: seedOfExample(t, e)})
			asked := goodCall(t, e)
			plain := r.call(t, asked)
			tag := plain.tagOf(t)
			for condition, known := range map[string]bool{
				tag: true, "W/" + tag: true, "*": true, `"another", ` + tag: true,
				`"another"`: false, tag[1 : len(tag)-1]: false, "": false,
			} {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					asked := asked.with("If-None-Match", condition)
					asked.method = method
					got := r.call(t, asked)
					status, body := http.StatusOK, plain.body
					if known {
						status = http.StatusNotModified
					}
					if known || method == http.MethodHead {
						body = ""
					}
					if got.status != status || got.body != body || got.header.Get("ETag") != tag || got.header.Get("Cache-Control") != "no-store" {
						t.Errorf("%s with %s: %d %v %q", method, condition, got.status, got.header, got.body)
					}
				}
			}
			if got := r.call(t, asked.with("If-Match", `"another"`)); got.status != http.StatusOK { // of no concern to a read
				t.Errorf("with If-Match: %d %s", got.status, got.body)
			}
			wantCounted(t, r, "ocigate_http_requests_total", map[string]float64{
				e.Name + " none GET 200": 5, e.Name + " none HEAD 200": 3, e.Name + " none GET 304": 4, e.Name + " none HEAD 304": 4,
			})
			asked.client = anonymous
			if got := r.call(t, asked.with("If-None-Match", tag)); got.status != http.StatusUnauthorized || got.header.Get("ETag") != "" {
				t.Errorf("without credentials: %d %v", got.status, got.header)
			}
		})
	}
}

// An error has no entity tag, and no condition makes it a good response.
func TestErrorsHaveNoTag(t *testing.T) {
	inBubble(t, setup{faults: []string{"error-before-apply number=4999 command=*PrefixGetSummaryListRequest"}}, func(t *testing.T, r *rig) {
		got := r.call(t, call{path: ownList("prefixes"), client: system}.with("If-None-Match", "*"))
		got.wantError(t, http.StatusBadGateway, "PLATFORM_ERROR")
		if got.header.Get("ETag") != "" {
			t.Errorf("ETag is %q", got.header.Get("ETag"))
		}
	})
}

// Every gateway has the same tag of the same content, whatever it has asked before,
// and another one of another content.
func TestTagsAreTheSameEverywhere(t *testing.T) {
	for _, e := range queries() {
		t.Run(e.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := setup{seed: seedOfExample(t, e)}
				asked := goodCall(t, e)
				first := startInBubble(t, s)
				tag := first.call(t, asked).tagOf(t)
				for name, r := range map[string]*rig{
					"asked again": first, "another process": first.afterKill(t), "another before another platform": startInBubble(t, s),
					"with one session": startInBubble(t, setup{seed: s.seed, platform: func(o *oci.Options) { o.MaxSessions = 1 }}),
				} {
					if got := r.call(t, asked).tagOf(t); got != tag {
						t.Errorf("%s: %s, want %s", name, got, tag)
					}
				}
			})
		})
	}
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		tags := map[string]string{r.get(t, "numbers").tagOf(t): "as it was"}
		for _, starts := range [][]string{{keptRange}, {keptRange, addedRange}, {keptRange, addedRange, "+3225128000"}} {
			r.call(t, setRanges(starts...)).wantStatus(t, http.StatusOK)
			tag := r.get(t, "numbers").tagOf(t)
			if same, known := tags[tag]; known {
				t.Errorf("%v has the tag of %s", starts, same)
			}
			tags[tag] = fmt.Sprint(starts)
		}
		r.call(t, setRanges(keptRange, removedRange)).wantStatus(t, http.StatusOK)
		if tag := r.get(t, "numbers").tagOf(t); tags[tag] != "as it was" {
			t.Errorf("the first list has another tag than before")
		}
	})
}

// conditionalRoutes returns the routes that honour If-Match, and the ones that list what they
// replace.
func conditionalRoutes(t *testing.T) map[string]call {
	t.Helper()
	lists := map[string]call{}
	for _, w := range writeCases() {
		route, _ := routeNamed(w.route)
		if route.Describe().Conditional {
			lists[w.route] = call{path: w.call.path, client: w.call.client}
		}
	}
	if len(lists) == 0 {
		t.Fatal("no route supports If-Match")
	}
	return lists
}

// If two callers change what they have read, the second gets an error.
func TestWritesUnderACondition(t *testing.T) {
	for route, list := range conditionalRoutes(t) {
		t.Run(route, func(t *testing.T) {
			inBubble(t, setup{}, func(t *testing.T, r *rig) {
				w := writeCaseOf(route)
				tag := r.call(t, list).tagOf(t)
				r.call(t, w.call.with("If-Match", tag).keyed("first")).wantFirst(t, w.status)
				r.wantHolder(t, w, true)
				writes := len(r.platform.Writes())
				for _, asked := range []call{w.call, w.call.keyed("second")} {
					got := r.call(t, asked.with("If-Match", tag))
					got.wantError(t, http.StatusPreconditionFailed, "PRECONDITION_FAILED")
					got.wantOutcome(t, "not_done")
				}
				// The key belongs to the first request with it.
				r.call(t, w.call.with("If-Match", tag).keyed("first")).wantStatus(t, w.status)
				r.call(t, w.call.with("If-Match", `"another"`).keyed("first")).wantError(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
				r.call(t, w.call.keyed("first")).wantError(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
				if n := len(r.platform.Writes()); n != writes {
					t.Errorf("%d writes were sent", n-writes)
				}
				// Neither the key nor the entries are used up.
				present := r.call(t, list).tagOf(t)
				if present == tag {
					t.Errorf("the tag is %s as before", tag)
				}
				r.call(t, w.call.with("If-Match", present).keyed("second")).wantFirst(t, w.status)
			})
		})
	}
}

// The condition is checked against the list at the time of the write, so it also fails
// after a change that did not pass this gateway.
func TestConditionAgainstAnotherPortal(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		tag := r.get(t, "numbers").tagOf(t)
		second := r.afterKill(t)
		_, err := second.client.Write(t.Context(), oci.NewWrite(assignCommand,
			oci.Text("serviceProviderId", ownTenant), oci.Text("groupId", ownGroup), oci.Text("numberRangeStart", addedRange)), nil)
		must(t, err)
		r.call(t, setRanges(keptRange).with("If-Match", tag)).wantError(t, http.StatusPreconditionFailed, "PRECONDITION_FAILED")
		r.wantOwn(t, keptRange, addedRange, removedRange)
		r.call(t, setRanges(keptRange).with("If-Match", second.get(t, "numbers").tagOf(t))).wantStatus(t, http.StatusOK)
		r.wantOwn(t, keptRange)
	})
	// The list of another group has another tag.
	inBubble(t, setup{seed: func(s *ocisim.Seed) { s.Tenants[0].Ranges = nil }}, func(t *testing.T, r *rig) {
		tag := r.call(t, call{path: listOf(ownTenant, "ApioGrpOther", "numbers"), client: tenant}).tagOf(t)
		r.call(t, setRanges().with("If-Match", tag)).wantError(t, http.StatusPreconditionFailed, "PRECONDITION_FAILED")
		r.call(t, setRanges().with("If-Match", r.get(t, "numbers").tagOf(t))).wantBody(t, http.StatusOK, `{"result":[]}`)
	})
}

// A route that does not evaluate conditions refuses requests that have one.
func TestConditionsThatAreNotHonoured(t *testing.T) {
	honoured := conditionalRoutes(t)
	for _, w := range writeCases() {
		for _, name := range []string{"If-Match", "If-None-Match", "If-Unmodified-Since"} {
			if _, ok := honoured[w.route]; ok && name == "If-Match" {
				continue
			}
			t.Run(w.route+"/"+name, func(t *testing.T) {
				r := start(t, setup{})
				failure := r.call(t, w.call.with(name, "*")).wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
				if problems := failure.Details.Problems; len(problems) != 1 || problems[0].Parameter != name {
					t.Errorf("problems %+v", problems)
				}
				r.wantUntouched(t)
			})
		}
	}
}

// So is a read of the journal, until there is something new in it.
func TestReadsOfTheJournalThatAreKnown(t *testing.T) {
	r := start(t, setup{})
	id := r.call(t, assignFreeRange()).header.Get("Operation-Id")
	one, list := call{path: "/api/v1/operations/" + id + "/", client: system}, call{path: "/api/v1/operations/", client: system}
	tags := map[string]string{}
	for _, asked := range []call{one, list} {
		plain := r.call(t, asked)
		tag := plain.tagOf(t)
		if got := r.call(t, asked.with("If-None-Match", tag)); got.status != http.StatusNotModified || got.body != "" || got.header.Get("ETag") != tag {
			t.Errorf("%s: %d %v %q", asked.path, got.status, got.header, got.body)
		}
		if got := r.call(t, asked.with("If-None-Match", `"another"`)); got.status != http.StatusOK || got.body != plain.body {
			t.Errorf("%s with another tag: %d %s", asked.path, got.status, got.body)
		}
		tags[asked.path] = tag
	}
	r.call(t, call{method: http.MethodDelete, path: ownList("numbers"), client: tenant, body: freeRange})
	if got := r.call(t, one).tagOf(t); got != tags[one.path] {
		t.Errorf("after another write, the operation has the tag %s, had %s", got, tags[one.path])
	}
	if got := r.call(t, list).tagOf(t); got == tags[list.path] {
		t.Errorf("after another write, the list still has the tag %s", got)
	}
}
