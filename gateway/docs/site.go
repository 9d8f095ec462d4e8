package docs

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/translate/scope"
)

// A page is one page of the documentation.
type page struct {
	Path, Title string
	// Summary is one sentence for the first page.
	Summary  string
	template string // name of the file without .html
	viewer   bool   // shows the viewer
	Data     any    // what the template of the page needs
}

// A view is what templates are executed with: a page for one reader.
type view struct {
	*page
	site *site

	Version      string
	Origin       string // scheme and host, without a path
	SignIn       *SignIn
	MaxBodyBytes int64
	MaxEntries   int
	Lifetimes    Lifetimes
}

// rendering identifies a rendered page: everything that its content depends on, besides
// the options.
type rendering struct {
	path, origin string
	signedIn     bool
}

// maxRendered is how many rendered pages are kept. They are compressed: 2 to 6 KB each.
const maxRendered = 128

// A site has all pages and their templates.
type site struct {
	pages     map[string]*page
	listed    []*page // in the order of the navigation
	errors    []*errorPage
	templates map[string]*template.Template
}

// The pages in the navigation, in its order.
func listedPages(routes []gateway.Route, errors []*errorPage) []*page {
	return []*page{
		{Path: Base, Title: "Overview", template: "index"},
		{Path: Base + "getting-started/", Title: "Getting started", template: "getting-started", Summary: "From the first call to the first assigned range, to copy and paste."},
		{Path: Base + "reference/", Title: "API reference", template: "reference", viewer: true, Summary: "Every route with its parameters, bodies and errors. Each can be called from the page."},
		{Path: Base + "login/", Title: "Log in", template: "login", Summary: "The four kinds of credentials, and how long a token lasts.", Data: levels()},
		{Path: Base + "rights/", Title: "Who may do what", template: "rights", Summary: "Levels, their scopes, and the least level of each route.", Data: rightsOf(routes)},
		{Path: Base + "lists/", Title: "Lists", template: "lists", Summary: "Filters, order and pages, and what can be assigned.", Data: listsOf(routes)},
		{Path: Base + "writes/", Title: "What happened to a write", template: "writes", Summary: "What each status promises, and how to find out an unknown outcome.", Data: statusesOf(errors)},
		{Path: Base + "operations/", Title: "Operations", template: "operations", Summary: "The record of each write: its states, and how to poll it.", Data: listParams(routes)},
		{Path: Base + "idempotency/", Title: "Idempotency keys", template: "idempotency", Summary: "How to send a write again without doing it twice."},
		{Path: Base + "limits/", Title: "Limits", template: "limits", Summary: "Sizes, entries, lengths, parameters, and how often a caller may call.", Data: limitsOf(routes)},
		{Path: errorsBase, Title: "Errors", template: "errors", Summary: "One page for each error: what it means, who can fix it, what to do.", Data: errors},
	}
}

// functions are those of the templates.
var functions = template.FuncMap{
	"split": func(name string) []string { return strings.Split(name, "_") },
}

//go:embed templates
var templateFiles embed.FS

// newSite returns the pages for these routes.
func newSite(routes []gateway.Route) *site {
	s := &site{pages: map[string]*page{}, templates: map[string]*template.Template{}}
	s.errors = errorPages(routes)
	s.listed = listedPages(routes, s.errors)
	all := slices.Clone(s.listed)
	for _, e := range s.errors {
		all = append(all, &page{Path: e.Path, Title: e.Name, template: "error", Data: e})
	}
	for _, p := range all {
		s.pages[p.Path] = p
	}
	layout := template.Must(template.New("layout.html").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/diagram.html"))
	for _, p := range append(all, &page{template: "missing"}) {
		if s.templates[p.template] == nil {
			own := template.Must(layout.Clone())
			s.templates[p.template] = template.Must(own.ParseFS(templateFiles, "templates/"+p.template+".html"))
		}
	}
	return s
}

// missing returns the page for a path that does not exist.
func (s *site) missing(path string) *page {
	return &page{Path: Base, Title: "There is no such page", template: "missing", Data: s.near(path)}
}

// render returns the content of a page.
func (s *site) render(v *view) *content {
	v.site = s
	var b bytes.Buffer
	if err := s.templates[v.template].Execute(&b, v); err != nil {
		// The templates are part of the binary, and a test executes each of them.
		panic(fmt.Errorf("docs: %s: %w", v.template, err))
	}
	return compressed("text/html; charset=utf-8", b.Bytes())
}

// Navigation returns the pages in the navigation.
func (v *view) Navigation() []*page { return v.site.listed }

// Errors returns all errors.
func (v *view) Errors() []*errorPage { return v.site.errors }

// IsCurrent reports whether the view is that page, or below it.
func (v *view) IsCurrent(p *page) bool {
	return v.Path == p.Path || p.Path != Base && strings.HasPrefix(v.Path, p.Path)
}

// KeyLength returns the longest Idempotency-Key.
func (v *view) KeyLength() int { return gateway.MaxKeyLength }

// SessionBytes returns the largest body of a login.
func (v *view) SessionBytes() int64 { return gateway.SessionBodyBytes }

// Span returns a duration as a reader writes it.
func (v *view) Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d%day == 0 && d > day:
		return fmt.Sprintf("%d days", d/day)
	case d%time.Hour == 0 && d > time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d%time.Minute == 0 && d > time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return d.String()
}

// Schemes returns the kinds of credentials.
func (v *view) Schemes() []auth.Scheme { return auth.Schemes() }

// Number returns a number as a reader writes it.
func (v *view) Number(n int) string { return thousands(n) }

// Size returns a number of bytes as a reader writes it.
func (v *view) Size(bytes int64) string {
	switch {
	case bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// IsViewer reports whether the page has the viewer.
func (v *view) IsViewer() bool { return v.viewer }

// IsError reports whether the page is that of an error.
func (v *view) IsError() bool { return v.template == "error" }

// PathParams returns the parameters of paths.
func (v *view) PathParams() []scope.Parameter { return scope.User.Parameters() }
