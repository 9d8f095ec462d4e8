package docs

import (
	"net/http"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"ocigate/gateway"
	"ocigate/translate/errcode"
)

const errorsBase = Base + "errors/"

// An errorPage is what the page of an error shows.
type errorPage struct {
	*errcode.Code
	Path string
	// Promise is what the status means for a write.
	Promise promise
	// OnlyReads reports whether no write returns the error.
	OnlyReads bool
	// Everywhere reports whether every route can return the error, and Router whether
	// a request gets it that reaches no route. Otherwise Routes lists those that can
	// return it; it may be empty.
	Everywhere, Router bool
	Routes             []gateway.Route
	// Plain and Problem are examples of the body in its two forms.
	Plain, Problem string
}

// StatusText returns the name of the status.
func (e *errorPage) StatusText() string {
	if e.Status == errcode.CallerLeft.Status {
		return "Client Closed Request"
	}
	return http.StatusText(e.Status)
}

// Inline returns the help as segments of text and code.
func (e *errorPage) Inline() []segment { return inline(e.Help) }

// errorPages returns the pages of all errors, in the order of status and number.
func errorPages(routes []gateway.Route) []*errorPage {
	var pages []*errorPage
	examples := readExamples()
	for code := range errcode.All() {
		p := &errorPage{Code: code, Path: gateway.ErrorPage(code), Promise: promiseOf(code)}
		p.Everywhere = true
		p.Router = slices.Contains(gateway.RouterErrors(), code)
		writes := false
		for _, route := range routes {
			if !slices.Contains(route.Errors(), code) {
				p.Everywhere = false
				continue
			}
			p.Routes = append(p.Routes, route)
			writes = writes || route.Change != nil
		}
		p.OnlyReads = len(p.Routes) > 0 && !writes
		p.Plain, p.Problem = examples.of(code)
		pages = append(pages, p)
	}
	slices.SortStableFunc(pages, func(a, b *errorPage) int { return a.Status - b.Status })
	return pages
}

// A segment is a part of a sentence.
type segment struct {
	Text string
	Code bool
}

// inline splits a sentence of the error table into text and code: words with an
// underscore or dots within, and names of headers.
func inline(text string) []segment {
	var segments []segment
	add := func(text string, code bool) {
		if n := len(segments); n > 0 && segments[n-1].Code == code {
			segments[n-1].Text += text
		} else if text != "" {
			segments = append(segments, segment{text, code})
		}
	}
	for word := range strings.SplitAfterSeq(text, " ") {
		core := strings.TrimRight(word, " .,:;)")
		isCode := isName(core)
		add(core, isCode)
		add(word[len(core):], false)
	}
	return segments
}

// headerNames are the header fields that the texts of errors name.
var headerNames = []string{"Allow", "Retry-After", "X-Request-Id", "Idempotency-Key", "ETag", "If-Match"}

func isName(word string) bool {
	return strings.ContainsAny(word, "_/") || strings.Contains(word, ".") || slices.Contains(headerNames, word)
}

// near returns the pages of the errors whose names resemble the last part of a path,
// the nearest one first; none if it does not begin as the path of an error.
func (s *site) near(path string) []*errorPage {
	rest, ok := strings.CutPrefix(path, errorsBase)
	if !ok {
		return nil
	}
	name := strings.ToUpper(strings.NewReplacer("-", "_", " ", "_").Replace(strings.Trim(rest, "/")))
	if len(name) > 64 {
		return nil
	}
	type candidate struct {
		page     *errorPage
		distance int
	}
	var candidates []candidate
	for _, e := range s.errors {
		d := levenshtein.ComputeDistance(name, e.Name)
		if shared := sharedWords(name, e.Name); d <= len(e.Name)/3 || shared > 0 {
			candidates = append(candidates, candidate{e, d - 4*shared})
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return a.distance - b.distance })
	var found []*errorPage
	for _, c := range candidates[:min(len(candidates), 5)] {
		found = append(found, c.page)
	}
	return found
}

// sharedWords returns how many words two names have in common.
func sharedWords(a, b string) int {
	shared, words := 0, strings.Split(b, "_")
	for word := range strings.SplitSeq(a, "_") {
		if len(word) > 2 && slices.Contains(words, word) {
			shared++
		}
	}
	return shared
}
