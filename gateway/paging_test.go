package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ocigate/gateway"
	"ocigate/translate"
	"ocigate/translate/scope"
)

// Lists that are filtered, sorted and paged: headers, links, and conditions on them. The
// parameters themselves are tested in package translate, and each list has cases in
// testdata/api.

// pagedRoutes returns the routes whose responses can be paged.
func pagedRoutes(t testing.TB) []gateway.Route {
	t.Helper()
	paged := slices.DeleteFunc(slices.Clone(apiRoutes()), func(e gateway.Route) bool {
		return !slices.ContainsFunc(e.Describe().Params, func(p translate.Param) bool { return p.Name == translate.StartIndexParam })
	})
	if len(paged) < 8 {
		t.Fatalf("only %d routes can be paged", len(paged))
	}
	return paged
}

// entriesOf returns the entries of a list.
func (r response) entriesOf(t testing.TB) []string {
	t.Helper()
	r.wantStatus(t, http.StatusOK)
	var body map[string][]json.RawMessage
	must(t, json.Unmarshal([]byte(r.body), &body))
	var entries []string
	for _, list := range body {
		for _, entry := range list {
			entries = append(entries, string(entry))
		}
	}
	return entries
}

var linkValue = regexp.MustCompile(`^<([^<>"]+)>; rel="(next|prev)"$`)

// links returns the paths of the pages that a response links to, by their relation.
func (r response) links(t testing.TB) map[string]string {
	t.Helper()
	links := map[string]string{}
	if values := r.header.Values("Link"); len(values) == 1 {
		for link := range strings.SplitSeq(values[0], ", ") {
			parts := linkValue.FindStringSubmatch(link)
			if parts == nil || links[parts[2]] != "" {
				t.Fatalf("the header Link is %q", values)
			}
			links[parts[2]] = parts[1]
		}
	} else if len(values) > 1 {
		t.Fatalf("there are several headers Link: %q", values)
	}
	return links
}

// A portal that follows the links gets every entry once, and finds the way back.
func TestLinksLeadThroughAllPages(t *testing.T) {
	for _, e := range pagedRoutes(t) {
		t.Run(e.Name, func(t *testing.T) {
			r := start(t, setup{seed: seedOfExample(t, e)})
			asked := goodCall(t, e)
			complete := r.call(t, asked)
			if complete.header.Get("X-Total-Count") != "" || complete.header.Get("Link") != "" {
				t.Errorf("without parameters: %v", complete.header)
			}
			all := complete.entriesOf(t)
			var read []string
			var last response
			path := asked.path + "?pageSize=1&_=1764376000"
			for pages := 0; path != ""; pages++ {
				last = r.call(t, call{path: path, client: asked.client})
				if got := last.header.Get("X-Total-Count"); got != fmt.Sprint(len(all)) {
					t.Errorf("%s: X-Total-Count is %q, want %d", path, got, len(all))
				}
				entries := last.entriesOf(t)
				if len(entries) != 1 || pages > len(all) {
					t.Fatalf("%s has the entries %s", path, entries)
				}
				read = append(read, entries...)
				path = last.links(t)["next"]
				if strings.Contains(path, "_=") {
					t.Errorf("the link %s has the parameter that clients add to bypass caches", path)
				}
			}
			if !slices.Equal(read, all) {
				t.Errorf("the pages have %s, the list has %s", read, all)
			}
			for back := len(all) - 2; back >= 0; back-- {
				last = r.call(t, call{path: last.links(t)["prev"], client: asked.client})
				if got := last.entriesOf(t); len(got) != 1 || got[0] != all[back] {
					t.Fatalf("the way back has %s, want %s", got, all[back])
				}
			}
			if links := last.links(t); links["prev"] != "" {
				t.Errorf("the first page has the links %v", links)
			}
		})
	}
}

// A link is the request with another startIndex, whatever else is in it.
func TestLinksKeepTheRequest(t *testing.T) {
	r := start(t, setup{})
	path := itcAt(scope.Tenant, scope.Target{TenantID: "%41pioSpTest"}) + "numbers/"
	query := url.Values{
		"pageSize": {"1"}, "startIndex": {"2"}, "sensitiveGroupIdContains": {"G"},
		"sortOrders": {"sensitiveDescendingGroupId,insensitiveAscendingMinPhoneNumber"}, "active": {"true"},
	}
	got := r.call(t, call{path: path + "?" + query.Encode(), client: system})
	got.wantStatus(t, http.StatusOK)
	for rel, want := range map[string]string{"next": "3", "prev": "1"} {
		link, err := url.Parse(got.links(t)[rel])
		must(t, err)
		query.Set("startIndex", want)
		if link.EscapedPath() != path || link.Query().Encode() != query.Encode() {
			t.Errorf("the link %s is %s", rel, link)
		}
	}
	// A value that could end the link is encoded in it.
	got = r.call(t, call{path: path + `?pageSize=1&startIndex=9&insensitiveGroupIdContains=%3E%3B%20rel%3D%22x%22,%0A&sortOrders=sensitiveAscendingGroupId`, client: system})
	if got.wantStatus(t, http.StatusOK); got.header.Get("X-Total-Count") != "0" || len(got.links(t)) != 0 {
		t.Errorf("no entry matches, but the headers are %v", got.header)
	}
	got = r.call(t, call{path: path + `?pageSize=1&_=%3E%3B%22`, client: system})
	if links := got.links(t); links["next"] != path+"?pageSize=1&startIndex=2" {
		t.Errorf("the links are %v", links)
	}
}

// A page has its own tag. A caller who has it gets 304, with the present headers.
func TestPagesThatAreKnown(t *testing.T) {
	r := start(t, setup{})
	complete := r.get(t, "numbers").tagOf(t)
	asked := call{path: ownList("numbers") + "?pageSize=1", client: system}
	page := r.call(t, asked)
	tag := page.tagOf(t)
	if tag == complete {
		t.Error("a part of the list has the tag of the complete list")
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		known := asked.with("If-None-Match", tag)
		known.method = method
		got := r.call(t, known)
		if got.status != http.StatusNotModified || got.body != "" || got.header.Get("ETag") != tag || got.header.Get("X-Total-Count") != "2" {
			t.Errorf("%s: %d %v %q", method, got.status, got.header, got.body)
		}
		known.header.Set("If-None-Match", complete)
		if got := r.call(t, known); got.status != http.StatusOK || got.header.Get("Link") != page.header.Get("Link") {
			t.Errorf("%s with the tag of the complete list: %d %v", method, got.status, got.header)
		}
	}
	if got := r.call(t, call{path: ownList("numbers"), client: system}.with("If-None-Match", tag)); got.status != http.StatusOK {
		t.Errorf("the complete list with the tag of a page: %d", got.status)
	}
	// The same entries, asked for in another way.
	if got := r.call(t, call{path: ownList("numbers") + "?phoneNumber=%2B3226127001", client: system}.with("If-None-Match", tag)); got.status != http.StatusNotModified {
		t.Errorf("the same content: %d %v", got.status, got.header)
	}
	if got := r.call(t, call{path: ownList("numbers") + "?sortOrders=sensitiveAscendingMinPhoneNumber", client: system}); got.tagOf(t) != complete {
		t.Errorf("all entries in the platform's order have the tag %s, want %s", got.tagOf(t), complete)
	}
}

// A caller who has read a page, and replaces the list by what they have seen, does not
// remove what they have not seen.
func TestTagOfAPageIsNoConditionOfTheList(t *testing.T) {
	for list, body := range map[string]string{"numbers": rangesBody(keptRange), "prefixes": `{"prefixes":[{"prefix":"+32-01"}]}`} {
		for query, isComplete := range map[string]bool{
			"pageSize=1": false, "assigned=true": false, "responseSizeLimit=1": false, "startIndex=9": false, "phoneNumber=%2B9": false,
			"sortOrders=insensitiveDescendingUserId": true, "sortOrders=insensitiveAscendingUserId": false,
			"startIndex=1": true, "pageSize=2": true, "active=true": true,
		} {
			t.Run(list+"/"+query, func(t *testing.T) {
				inBubble(t, setup{}, func(t *testing.T, r *rig) {
					before := r.get(t, list)
					tag := r.call(t, call{path: ownList(list) + "?" + query, client: tenant}).tagOf(t)
					put := call{method: http.MethodPut, path: ownList(list), client: tenant, body: body}
					got := r.call(t, put.with("If-Match", tag))
					if isComplete {
						got.wantStatus(t, http.StatusOK)
						return
					}
					got.wantError(t, http.StatusPreconditionFailed, "PRECONDITION_FAILED")
					got.wantOutcome(t, "not_done")
					r.wantWrites(t, 0, 0)
					if after := r.get(t, list); after.body != before.body {
						t.Errorf("the list was %s and is %s", before.body, after.body)
					}
				})
			})
		}
	}
}

// HEAD counts without the entries.
func TestHeadCounts(t *testing.T) {
	r := start(t, setup{})
	for query, want := range map[string]string{"?assigned=false": "1", "?startIndex=1&pageSize=1": "2", "?active=false": "0", "": ""} {
		got := r.call(t, call{method: http.MethodHead, path: ownList("numbers") + query, client: system})
		if got.status != http.StatusOK || got.body != "" || got.header.Get("X-Total-Count") != want {
			t.Errorf("%q: %d %v", query, got.status, got.header)
		}
	}
}
