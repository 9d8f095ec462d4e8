package docs_test

// This file specifies what every page has in common: that it is there, that its links
// lead somewhere, that it needs nothing inline, and how it is sent. A new page is
// checked by being linked.

import (
	"compress/gzip"
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ocigate/gateway/docs"
)

// get returns the response to a request from a remote reader.
func get(t *testing.T, h http.Handler, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return serve(h, r)
}

func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func textOf(t *testing.T, response *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	target   = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	ids      = regexp.MustCompile(` id="([^"]*)"`)
	inline   = regexp.MustCompile(`<style|<script[^>]*>[^<]|<script(>| [^>]*[^r]c?>)| style=| on[a-z]+=|javascript:`)
	external = regexp.MustCompile(`^(https?:)?//`)
)

// crawl returns the texts of all pages that links lead to, by their paths. It reports
// links that lead nowhere.
func crawl(t *testing.T, h http.Handler) map[string]string {
	t.Helper()
	pages := map[string]string{}
	next := []string{docs.Base}
	for len(next) > 0 {
		path := next[0]
		next = next[1:]
		if _, seen := pages[path]; seen {
			continue
		}
		response := get(t, h, path)
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", path, response.StatusCode)
		}
		pages[path] = textOf(t, response)
		if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
			continue
		}
		for _, link := range target.FindAllStringSubmatch(pages[path], -1) {
			to, _, _ := strings.Cut(link[1], "#")
			switch {
			case external.MatchString(to):
				t.Errorf("%s: the link %s leads to another host", path, to)
			case strings.HasPrefix(to, docs.Base):
				next = append(next, to)
			case strings.HasPrefix(to, "/openapi."):
				if response := get(t, h, to); response.StatusCode != http.StatusOK {
					t.Errorf("%s: %s has the status %d", path, to, response.StatusCode)
				}
			case to != "":
				t.Errorf("%s: the link %s leads out of the documentation", path, to)
			}
		}
	}
	return pages
}

func TestPages(t *testing.T) {
	pages := crawl(t, docs.New(docs.Options{Version: "v1.2.3"}))
	if len(pages) < 40 {
		t.Errorf("links lead to %d pages and assets only", len(pages))
	}
	for path, text := range pages {
		if !strings.HasSuffix(path, "/") {
			continue // an asset
		}
		if found := inline.FindString(text); found != "" {
			t.Errorf("%s has something inline, which its policy forbids: %q", path, found)
		}
		seen := map[string]bool{}
		for _, id := range ids.FindAllStringSubmatch(text, -1) {
			if seen[id[1]] {
				t.Errorf("%s has the id %s twice", path, id[1])
			}
			seen[id[1]] = true
		}
		for _, part := range []string{"<title>", "<h1>", `<a class="skip" href="#content">`, `<main id="content"`, "<html lang=\"en\">", "ocigate v1.2.3"} {
			if strings.Count(text, part) != 1 {
				t.Errorf("%s does not have exactly one %s", path, part)
			}
		}
		if strings.Contains(text, "{{") || strings.Contains(text, "<no value>") {
			t.Errorf("%s shows a part of its template", path)
		}
	}
}

func TestPathWithoutSlashLeadsToThePage(t *testing.T) {
	h := docs.New(docs.Options{})
	for _, path := range []string{"/docs", "/docs/errors", "/docs/errors/OUTCOME_UNKNOWN", "/docs/reference"} {
		response := get(t, h, path)
		if got := response.Header.Get("Location"); response.StatusCode != http.StatusMovedPermanently || got != path+"/" {
			t.Errorf("%s: status %d, Location %q", path, response.StatusCode, got)
		}
	}
}

func TestUnknownPath(t *testing.T) {
	h := docs.New(docs.Options{})
	for _, path := range []string{"/docs/nothing/", "/docs/errors/x/y/", "/docs/assets/", "/docs/assets/swagger-ui.js", "/docs/%2e%2e/", "/docs/errors/" + strings.Repeat("A", 5000) + "/"} {
		if response := get(t, h, path); response.StatusCode != http.StatusNotFound || response.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%.40s: status %d, headers %v", path, response.StatusCode, response.Header)
		}
	}
}

// The names in a path of an error are compared with those that exist.
func TestUnknownErrorListsNearNames(t *testing.T) {
	h := docs.New(docs.Options{})
	for path, want := range map[string]string{
		"OUTCOME_UNKNWN":  "OUTCOME_UNKNOWN",
		"outcome_unknown": "OUTCOME_UNKNOWN",
		"Outcome-Unknown": "OUTCOME_UNKNOWN",
		"TIMEOUT":         "PLATFORM_TIMEOUT",
		"KEY_REUSED":      "IDEMPOTENCY_KEY_REUSED",
		"NOT_FOUND":       "ROUTE_NOT_FOUND",
	} {
		response := get(t, h, "/docs/errors/"+path+"/")
		text := textOf(t, response)
		if response.StatusCode != http.StatusNotFound || !strings.Contains(text, `href="/docs/errors/`+want+`/"`) {
			t.Errorf("%s: status %d, and %s is not listed", path, response.StatusCode, want)
		}
	}
	if text := textOf(t, get(t, h, "/docs/errors/QQQQQQQQQ/")); strings.Contains(text, "resemble") {
		t.Error("a name that resembles none has near names")
	}
}

// A path is never shown as it was sent.
func TestPathIsNotReflected(t *testing.T) {
	h := docs.New(docs.Options{})
	text := textOf(t, get(t, h, "/docs/errors/%3Cscript%3Ealert(1)%3C/script%3E/"))
	if strings.Contains(text, "alert(1)") {
		t.Errorf("the page shows the path:\n%s", text)
	}
}

func TestOnlyReadingIsServed(t *testing.T) {
	h := docs.New(docs.Options{})
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		response := serve(h, httptest.NewRequest(method, docs.Base, nil))
		if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d, Allow %q", method, response.StatusCode, response.Header.Get("Allow"))
		}
	}
}

// The paths of one page that is rendered, one embedded file and one compressed file.
var sent = []string{docs.Base, "/docs/assets/style.css", "/docs/assets/swagger-ui-bundle.js"}

func TestCompressionDoesNotChangeTheContent(t *testing.T) {
	h := docs.New(docs.Options{})
	for _, path := range sent {
		plain := get(t, h, path)
		zipped := get(t, h, path, "Accept-Encoding", "br, gzip;q=0.5")
		if plain.Header.Get("Content-Encoding") != "" || zipped.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: encodings %q and %q", path, plain.Header.Get("Content-Encoding"), zipped.Header.Get("Content-Encoding"))
		}
		if plain.Header.Get("Vary") != "Accept-Encoding" || zipped.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: no Vary", path)
		}
		if plain.Header.Get("Etag") == zipped.Header.Get("Etag") {
			t.Errorf("%s: both forms have the tag %s", path, plain.Header.Get("Etag"))
		}
		reader, err := gzip.NewReader(zipped.Body)
		if err != nil {
			t.Fatal(err)
		}
		unzipped, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if text := textOf(t, plain); text != string(unzipped) || text == "" {
			t.Errorf("%s: %d bytes plain, %d bytes after decompressing", path, len(text), len(unzipped))
		}
	}
}

// The content also differs by what the gateway has added before, such as Origin for CORS.
func TestVaryIsExtended(t *testing.T) {
	h := docs.New(docs.Options{})
	for _, path := range append(sent, "/docs/nothing/", "/openapi.json", "/openapi.yaml") {
		w := httptest.NewRecorder()
		w.Header().Add("Vary", "Origin")
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := w.Result().Header.Values("Vary"); !slices.Equal(got, []string{"Origin", "Accept-Encoding"}) {
			t.Errorf("%s: Vary is %q", path, got)
		}
	}
}

func TestGzipIsOnlySentIfAccepted(t *testing.T) {
	h := docs.New(docs.Options{})
	for accept, want := range map[string]bool{
		"gzip": true, "GZIP": true, "br, gzip;q=0.1": true, "gzip; q=1": true,
		"": false, "br": false, "gzip;q=0": false, "gzip;q=0, *": false,
	} {
		got := get(t, h, docs.Base, "Accept-Encoding", accept).Header.Get("Content-Encoding") == "gzip"
		if got != want {
			t.Errorf("Accept-Encoding: %s: compressed %v, want %v", accept, got, want)
		}
	}
}

func TestHeadHasTheHeadersOfGet(t *testing.T) {
	h := docs.New(docs.Options{})
	for _, path := range sent {
		r := httptest.NewRequest(http.MethodHead, path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		head, full := serve(h, r), get(t, h, path, "Accept-Encoding", "gzip")
		for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding", "Etag"} {
			if got, want := head.Header.Get(name), full.Header.Get(name); got != want || got == "" {
				t.Errorf("%s: HEAD has %s %q, GET %q", path, name, got, want)
			}
		}
		if text := textOf(t, head); text != "" {
			t.Errorf("%s: HEAD has a body of %d bytes", path, len(text))
		}
	}
}

func TestUnchangedContentIsNotSentAgain(t *testing.T) {
	h := docs.New(docs.Options{})
	for _, path := range sent {
		tag := get(t, h, path).Header.Get("Etag")
		for _, known := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			response := get(t, h, path, "If-None-Match", known)
			if text := textOf(t, response); response.StatusCode != http.StatusNotModified || text != "" || response.Header.Get("Etag") != tag {
				t.Errorf("%s with %s: status %d, %d bytes", path, known, response.StatusCode, len(text))
			}
		}
		if response := get(t, h, path, "If-None-Match", `"other"`); response.StatusCode != http.StatusOK {
			t.Errorf("%s with another tag: status %d", path, response.StatusCode)
		}
	}
	if response := get(t, h, "/docs/nothing/", "If-None-Match", "*"); response.StatusCode != http.StatusNotFound {
		t.Errorf("a missing page: status %d", response.StatusCode)
	}
}

func TestSecurityHeaders(t *testing.T) {
	h := docs.New(docs.Options{})
	for _, path := range append(sent, "/docs/nothing/", "/docs/reference/", "/docs") {
		header := get(t, h, path).Header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "private, no-cache",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		policy := strings.Split(header.Get("Content-Security-Policy"), "; ")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'"} {
			if !slices.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %s", path, policy, want)
			}
		}
		for _, part := range policy {
			if strings.Contains(part, "unsafe") || strings.Contains(part, "*") || strings.Contains(part, "http") {
				t.Errorf("%s: the policy has %s", path, part)
			}
		}
	}
	if policy := get(t, h, docs.Base).Header.Get("Content-Security-Policy"); strings.Contains(policy, "connect-src") {
		t.Errorf("a page without the viewer may connect: %s", policy)
	}
}

// A page shows the host that the reader used, and nothing else that a client can choose.
func TestHostOfTheReader(t *testing.T) {
	h := docs.New(docs.Options{})
	for name, test := range map[string]struct{ host, proto, want string }{
		"a name":                  {"portal.example.com", "", "http://portal.example.com/api/"},
		"a name with a port":      {"portal.example.com:8443", "", "http://portal.example.com:8443/api/"},
		"in lower case":           {"Portal.Example.COM", "", "http://portal.example.com/api/"},
		"an address":              {"[2001:db8::1]:8080", "", "http://[2001:db8::1]:8080/api/"},
		"TLS at a proxy":          {"portal.example.com", "https", "https://portal.example.com/api/"},
		"TLS at the first of two": {"portal.example.com", "https, http", "https://portal.example.com/api/"},
		"an unknown protocol":     {"portal.example.com", "javascript", "http://portal.example.com/api/"},
		"markup":                  {`"><script>alert(1)</script>`, "", "https://gateway.example/api/"},
		"a command":               {"example.com;rm", "", "https://gateway.example/api/"},
		"a substitution":          {"$(id).example.com", "", "https://gateway.example/api/"},
		"a path":                  {"example.com/evil", "", "https://gateway.example/api/"},
		"credentials":             {"a@example.com", "", "https://gateway.example/api/"},
		"a line feed":             {"example.com\nX: y", "", "https://gateway.example/api/"},
		"a name that is too long": {strings.Repeat("a", 300), "", "https://gateway.example/api/"},
		"nothing":                 {"", "", "https://gateway.example/api/"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/docs/getting-started/", nil)
			r.Host = test.host
			r.Header.Set("X-Forwarded-Proto", test.proto)
			text := regexp.MustCompile(`</?span[^>]*>`).ReplaceAllString(textOf(t, serve(h, r)), "")
			if !strings.Contains(text, "POST "+test.want+"v1/login/") {
				t.Errorf("the page does not have %s", test.want)
			}
			if strings.Contains(text, "alert(1)") || strings.Contains(text, "$(id)") {
				t.Error("the page shows what the client sent")
			}
		})
	}
}

// A request as one that arrives at a local address.
func arrived(host, local string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/docs/reference/", nil)
	r.Host = host
	address, err := net.ResolveTCPAddr("tcp", local)
	if err != nil {
		panic(err)
	}
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(address)))
}

func TestCredentialsAreShownOnLoopbackOnly(t *testing.T) {
	h := docs.New(docs.Options{SignIn: &docs.SignIn{Client: "shown", Secret: "s3cret"}})
	for name, test := range map[string]struct {
		host, local string
		want        bool
	}{
		"loopback":                     {"127.0.0.1:8080", "127.0.0.1:8080", true},
		"another loopback address":     {"127.0.0.2", "127.0.0.2:80", true},
		"localhost":                    {"localhost:8080", "127.0.0.1:8080", true},
		"version 6":                    {"[::1]:8080", "[::1]:8080", true},
		"a public address":             {"192.0.2.1:8080", "192.0.2.1:8080", false},
		"a public address, forged":     {"localhost", "192.0.2.1:8080", false},
		"a proxy on the same machine":  {"portal.example.com", "127.0.0.1:8080", false},
		"a name that begins like one":  {"localhost.example.com:8080", "127.0.0.1:8080", false},
		"a name with an address in it": {"127.0.0.1.example.com", "127.0.0.1:8080", false},
	} {
		t.Run(name, func(t *testing.T) {
			text := textOf(t, serve(h, arrived(test.host, test.local)))
			if got := strings.Contains(text, "s3cret"); got != test.want {
				t.Errorf("the credentials are shown: %v, want %v", got, test.want)
			}
		})
	}
	if text := textOf(t, get(t, h, "/docs/reference/")); strings.Contains(text, "s3cret") {
		t.Error("the credentials are shown at an unknown address")
	}
}

// A proxy on the same machine forwards requests from elsewhere, with the host that the
// client chose.
func TestCredentialsAreNotShownThroughAProxy(t *testing.T) {
	h := docs.New(docs.Options{SignIn: &docs.SignIn{Client: "shown", Secret: "s3cret"}})
	for _, name := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"} {
		r := arrived("localhost:8080", "127.0.0.1:8080")
		r.Header.Set(name, "192.0.2.1")
		if strings.Contains(textOf(t, serve(h, r)), "s3cret") {
			t.Errorf("the credentials are shown to a request with %s", name)
		}
	}
}

// The parameters with which calls succeed are those of a demonstration.
func TestViewerHasParametersOfTheDemonstration(t *testing.T) {
	parameters := map[string]map[string]string{"itc_prefixes_assign": {"tenant_id": `bar"tenant`}}
	h := docs.New(docs.Options{SignIn: &docs.SignIn{Client: "shown", Secret: "s3cret", Parameters: parameters}})
	attribute := regexp.MustCompile(` data-parameters="([^"]*)"`)
	found := attribute.FindStringSubmatch(textOf(t, serve(h, arrived("127.0.0.1:8080", "127.0.0.1:8080"))))
	if want := `{"itc_prefixes_assign":{"tenant_id":"bar\"tenant"}}`; found == nil || html.UnescapeString(found[1]) != want {
		t.Errorf("the parameters are %q, want %s", found, want)
	}
	if text := textOf(t, get(t, h, "/docs/reference/")); attribute.MatchString(text) {
		t.Error("a remote reader gets the parameters")
	}
}
