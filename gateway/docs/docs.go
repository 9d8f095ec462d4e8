// Package docs serves the documentation of the API to callers, under /docs/: pages
// that are generated from the table of routes and the errors, a page for each error
// at the address in problem+json, and a viewer of the description that makes calls.
// All files are embedded, and no page loads anything from another host.
//
// The pages can be read without JavaScript. A script adds buttons to copy commands,
// and is needed by the viewer only.
//
//	handler := docs.New(docs.Options{Version: "v1.0.0", MaxBodyBytes: 1 << 20})
//
// Pages are rendered when they are first asked for, and kept compressed, up to
// maxRendered of them. Assets are sent from the binary, where they are compressed.
package docs

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/openapi"
	"ocigate/translate"
)

// Base is the path of the first page. All other pages are below it.
const Base = gateway.DocsPath

// Options are the options of [New]. All may be zero.
type Options struct {
	// Version is shown at the end of every page.
	Version string
	// MaxBodyBytes is the limit of a request's body, as in [gateway.Options].
	MaxBodyBytes int64
	// MaxEntries is the most entries of a write, as in [translate.Options].
	MaxEntries int
	// Lifetimes are settings that the pages state.
	Lifetimes Lifetimes
	// SignIn are credentials for the commands of the pages and for the viewer. They
	// are for a demonstration only: they are ignored unless the request arrives at a
	// loopback address, names a loopback host, and was not forwarded by a proxy. nil means
	// that readers use their own.
	SignIn *SignIn
}

// Lifetimes are times after which callers cannot use something any more. The pages do
// not state those that are 0.
type Lifetimes struct {
	Token     time.Duration // of a login
	Key       time.Duration // an Idempotency-Key identifies its request
	Operation time.Duration // the outcome of a write can be read
}

// A SignIn has credentials that the pages show to every reader.
type SignIn struct {
	Client, Secret     string // of a listed client at the level System Admin
	Username, Password string // of an administrator of the tenant, to log in
	// Parameters are values of path parameters with which calls succeed, by the names of
	// routes and of parameters. The viewer fills them in instead of the examples of the
	// description.
	Parameters map[string]map[string]string
}

// ParametersJSON returns the parameters as a JSON object.
func (s *SignIn) ParametersJSON() (string, error) {
	text, err := json.Marshal(s.Parameters)
	return string(text), err
}

// A Handler serves the pages. It is safe for concurrent use.
type Handler struct {
	options     Options
	description http.Handler
	site        func() *site // parses the templates when the first page is asked for
	assets      map[string]*asset

	mu       sync.Mutex             // guards rendered
	rendered map[rendering]*content // at most maxRendered
}

// New returns a Handler for GET and HEAD of all paths below [Base], and of those of the
// description.
func New(o Options) *Handler {
	if o.MaxBodyBytes <= 0 {
		o.MaxBodyBytes = gateway.DefaultBodyBytes
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = translate.MaxEntries
	}
	h := &Handler{options: o, description: openapi.Handler(), assets: assets(), rendered: map[rendering]*content{}}
	h.site = sync.OnceValue(func() *site { return newSite(gateway.Table()) })
	return h
}

// ServeHTTP implements http.Handler. It redirects a page's path without the final
// slash to the page. The response to any other path that does not exist is a page
// with the status 404.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == gateway.DescriptionJSONPath || r.URL.Path == gateway.DescriptionYAMLPath {
		h.description.ServeHTTP(w, r)
		return
	}
	setSecurityHeaders(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "This page can only be read.", http.StatusMethodNotAllowed)
		return
	}
	path := r.URL.Path
	if found, ok := h.assets[path]; ok {
		found.serve(w, r)
		return
	}
	site := h.site()
	page, ok := site.pages[path]
	switch {
	case ok:
		h.servePage(w, r, page)
	case site.pages[path+"/"] != nil:
		w.Header().Set("Location", path+"/") // path is one of the pages, so it needs no escaping
		w.WriteHeader(http.StatusMovedPermanently)
	default:
		h.serveMissing(w, r, site.missing(path))
	}
}

// servePage responds with a page, which is rendered once for each origin.
func (h *Handler) servePage(w http.ResponseWriter, r *http.Request, p *page) {
	v := h.viewOf(r, p)
	key := rendering{path: p.Path, origin: v.Origin, signedIn: v.SignIn != nil}
	h.mu.Lock()
	found := h.rendered[key]
	h.mu.Unlock()
	if found == nil {
		found = h.site().render(v)
		h.mu.Lock()
		if len(h.rendered) >= maxRendered {
			clear(h.rendered) // a client may send any Host
		}
		h.rendered[key] = found
		h.mu.Unlock()
	}
	setPolicy(w.Header(), p.viewer)
	found.serve(w, r, http.StatusOK)
}

// serveMissing responds with the page for a path that does not exist, which is not
// kept.
func (h *Handler) serveMissing(w http.ResponseWriter, r *http.Request, p *page) {
	setPolicy(w.Header(), false)
	h.site().render(h.viewOf(r, p)).serve(w, r, http.StatusNotFound)
}

// viewOf returns the view of a page for a request.
func (h *Handler) viewOf(r *http.Request, p *page) *view {
	v := &view{page: p, Version: h.options.Version, Origin: originOf(r), MaxBodyBytes: h.options.MaxBodyBytes, MaxEntries: h.options.MaxEntries, Lifetimes: h.options.Lifetimes}
	if isLocal(r) {
		v.SignIn = h.options.SignIn
	}
	return v
}

// The policies allow what is sent from here, and nothing inline. A page may not be
// framed. The viewer calls the API, and its style sheet has images as data.
const (
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
		"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	viewerPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

func setPolicy(header http.Header, viewer bool) {
	value := policy
	if viewer {
		value = viewerPolicy
	}
	header.Set("Content-Security-Policy", value)
}

// setSecurityHeaders sets the headers that every response has.
func setSecurityHeaders(header http.Header) {
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	// A page depends on the host and the protocol of the request, and an update of the
	// gateway changes it: it is asked for again each time, which costs a 304.
	header.Set("Cache-Control", "private, no-cache")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}
