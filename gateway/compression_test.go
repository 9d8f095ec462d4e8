package gateway_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// HEAD, Content-Length and gzip. A case that needs a larger list injects more rows.

// Tables whose lists fill one piece in part, and several.
const (
	someRows = "huge-table rows=30 command=GroupRouteList*GetSummaryListRequest"
	manyRows = "huge-table rows=500 command=GroupRouteList*GetSummaryListRequest"
)

func TestHeadIsGetWithoutItsBody(t *testing.T) {
	small, onePiece, large := start(t, setup{}), start(t, setup{faults: []string{someRows}}), start(t, setup{faults: []string{manyRows}})
	for _, c := range []struct {
		name   string
		r      *rig
		call   call
		status int
	}{
		{"a list", small, call{path: ownList("prefixes"), client: system}, 200},
		{"a list of one piece", onePiece, call{path: ownList("prefixes"), client: system}, 200},
		{"a list of one piece, compressed", onePiece, call{path: ownList("prefixes"), client: system, header: acceptGzip}, 200},
		{"a large list", large, call{path: ownList("prefixes"), client: system}, 200},
		{"a large list, compressed", large, call{path: ownList("prefixes"), client: system, header: acceptGzip}, 200},
		{"an error", small, call{path: listOf(ownTenant, "nobody", "numbers"), client: system}, 404},
		{"no credentials", small, call{path: ownList("numbers")}, 401},
		{"too low a level", small, call{path: ownList("numbers"), client: user}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			get := c.r.call(t, c.call)
			get.wantStatus(t, c.status)
			c.call.method = http.MethodHead
			head := c.r.call(t, c.call)
			head.wantStatus(t, c.status)
			if head.body != "" {
				t.Errorf("HEAD has a body: %q", head.body)
			}
			if length := head.header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(get.body)) {
				t.Errorf("HEAD has the Content-Length %s, the body of GET has %d bytes", length, len(get.body))
			}
			for _, h := range []http.Header{get.header, head.header} {
				for _, ofOne := range []string{"Content-Length", "Date", "X-Request-Id"} {
					h.Del(ofOne)
				}
			}
			if diff := cmp.Diff(get.header, head.header); diff != "" {
				t.Errorf("headers (-GET +HEAD):\n%s", diff)
			}
		})
	}
}

var acceptGzip = http.Header{"Accept-Encoding": {"gzip"}}

func TestCompression(t *testing.T) {
	for rows, fault := range map[int]string{30: someRows, 500: manyRows} {
		t.Run(fmt.Sprintf("compresses a list of %d if gzip is accepted", rows), func(t *testing.T) {
			r := start(t, setup{faults: []string{fault}})
			plain := r.get(t, "prefixes")
			if plain.header.Get("Content-Encoding") != "" {
				t.Fatal("compressed although gzip was not accepted")
			}
			var list struct {
				Prefixes []json.RawMessage `json:"prefixes"`
			}
			must(t, json.Unmarshal([]byte(plain.body), &list))
			if len(list.Prefixes) != rows {
				t.Fatalf("%d prefixes, want %d", len(list.Prefixes), rows)
			}
			got := r.call(t, call{path: ownList("prefixes"), client: system, header: acceptGzip})
			if got.header.Get("Content-Encoding") != "gzip" || len(got.body) >= len(plain.body) {
				t.Fatalf("not compressed: %v, %d bytes", got.header, len(got.body))
			}
			if got.header.Get("Content-Type") != "application/json" || !strings.Contains(got.header.Get("Vary"), "Accept-Encoding") {
				t.Errorf("headers %v", got.header)
			}
			if gunzip(t, got.body) != plain.body {
				t.Error("another body than without compression")
			}
		})
	}
	t.Run("leaves a short list as it is", func(t *testing.T) {
		got := start(t, setup{}).call(t, call{path: ownList("available_prefixes"), client: system, header: acceptGzip})
		if got.header.Get("Content-Encoding") != "" || !json.Valid([]byte(got.body)) {
			t.Errorf("compressed: %v", got.header)
		}
	})
}

func TestLengths(t *testing.T) {
	for name, c := range map[string]struct {
		faults []string
		sized  bool
	}{
		"a small list":             {nil, true},
		"a list of one piece":      {[]string{someRows}, true},
		"a list of several pieces": {[]string{manyRows}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, setup{faults: c.faults})
			get := r.get(t, "numbers")
			want := ""
			if c.sized {
				want = strconv.Itoa(len(get.body))
			}
			head := r.call(t, call{method: http.MethodHead, path: ownList("numbers"), client: system})
			for method, got := range map[string]response{"GET": get, "HEAD": head} {
				got.wantStatus(t, http.StatusOK)
				if length := got.header.Get("Content-Length"); length != want {
					t.Errorf("%s has the Content-Length %q, want %q", method, length, want)
				}
			}
		})
	}
}

func TestGzipThatIsRefused(t *testing.T) {
	r := start(t, setup{faults: []string{"huge-table rows=300"}})
	for _, value := range []string{"gzip;q=0", "br, gzip; q=0.0"} {
		got := r.call(t, call{path: ownList("prefixes"), client: system, header: http.Header{"Accept-Encoding": {value}}})
		if got.wantStatus(t, http.StatusOK); got.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: the answer is encoded as %s", value, got.header.Get("Content-Encoding"))
		}
	}
}

func gunzip(t *testing.T, body string) string {
	t.Helper()
	reader, err := gzip.NewReader(strings.NewReader(body))
	must(t, err)
	text, err := io.ReadAll(reader)
	must(t, err)
	must(t, reader.Close())
	return string(text)
}
