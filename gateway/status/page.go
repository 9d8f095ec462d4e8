package status

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for the template and the style
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The paths of the page.
const (
	pathPage = "/status"
	pathJSON = "/status.json"
)

// The interval of ?refresh, in seconds; 0 means that the page does not refresh itself.
const (
	defaultRefresh = 10
	minRefresh     = 2
	maxRefresh     = 3600
)

// A Page serves the status of a gateway. It is an http.Handler for GET /status and
// GET /status.json, and redirects / to /status.
type Page struct {
	options Options
	history *history
	calling map[string]chan struct{} // by source; holds a token while it is called
}

// New returns a page. Its plots are empty until [Page.Run] has taken samples.
func New(o Options) *Page {
	if o.StartedAt.IsZero() {
		o.StartedAt = time.Now()
	}
	if o.Ready == nil {
		o.Ready = func() string { return "" }
	}
	p := &Page{options: o, history: newHistory(), calling: map[string]chan struct{}{}}
	for _, source := range sources {
		p.calling[source] = make(chan struct{}, 1)
	}
	return p
}

// Mount adds the paths of the page to a listener for operators.
func (p *Page) Mount(on interface {
	Handle(pattern string, handler http.Handler)
},
) {
	on.Handle("GET "+pathPage, p)
	on.Handle("GET "+pathJSON, p)
	on.Handle("GET /{$}", p)
}

// Status returns the facts of the page, with the configuration.
func (p *Page) Status(ctx context.Context) *Status { return p.gather(ctx, true) }

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	switch r.URL.Path {
	case "/":
		http.Redirect(w, r, pathPage, http.StatusFound)
	case pathJSON:
		p.serveJSON(w, r)
	case pathPage:
		p.servePage(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *Page) serveJSON(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(p.Status(r.Context())); err != nil {
		http.Error(w, "status: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	write(w, b.Bytes())
}

func (p *Page) servePage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	refresh, err := refreshOf(query)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	v := &view{Refresh: refresh, ShowConfig: query.Get("config") == "1", HasConfig: p.options.Config != nil}
	v.Self = pathPage
	if r.URL.RawQuery != "" {
		v.Self = v.Link(refresh, v.ShowConfig)
	}
	v.Status = p.gather(r.Context(), v.ShowConfig)
	a := assets()
	var b bytes.Buffer
	if err := a.page.Execute(&b, v); err != nil {
		http.Error(w, "status: "+err.Error(), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", a.policy)
	header.Set("Referrer-Policy", "no-referrer")
	write(w, b.Bytes())
}

func write(w http.ResponseWriter, content []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // the client may have disconnected
}

// refreshOf returns the interval in seconds that a request asks for.
func refreshOf(query url.Values) (int, error) {
	if !query.Has("refresh") {
		return defaultRefresh, nil
	}
	n, err := strconv.Atoi(query.Get("refresh"))
	if err != nil || n != 0 && (n < minRefresh || n > maxRefresh) {
		return 0, fmt.Errorf("refresh must be 0, or a whole number of seconds from %d to %d", minRefresh, maxRefresh)
	}
	return n, nil
}

//go:embed assets/page.html
var pageSource string

//go:embed assets/style.css
var styleSource string

// styleMark is where the template has the style. The style is put there before the
// template is parsed, since html/template leaves the text of a template as it is.
const styleMark = "/* style */"

// pageAssets are what all pages share.
type pageAssets struct {
	page   *template.Template
	policy string // the Content-Security-Policy
}

// assets are made for the first page.
var assets = sync.OnceValue(func() *pageAssets {
	source := strings.Replace(pageSource, styleMark, styleSource, 1)
	digest := sha256.Sum256([]byte(styleSource))
	return &pageAssets{
		page: template.Must(template.New("page").Funcs(functions).Parse(source)),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'; img-src data:; " +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
})
