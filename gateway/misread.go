package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"ocigate/translate/errcode"
)

// Headers with which some frameworks let a POST stand for another method.
var methodOverrides = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// overrides is what is wrong with a request that asks for another method than
// its own: carried out as it stands, it would do something else than its
// sender meant, such as assign what was to be removed.
func overrides(r *http.Request) []errcode.Problem {
	var problems []errcode.Problem
	for _, name := range methodOverrides {
		for _, value := range r.Header[name] {
			if value != "" && !strings.EqualFold(value, r.Method) {
				problems = append(problems, errcode.Problem{
					Parameter: name, Reason: fmt.Sprintf("must not ask for the method %.20q: the method of the request counts", value),
				})
			}
		}
	}
	return problems
}

// conditions are headers under which a write is to be done only in part, or
// only if something holds. Only If-Match is honoured, by some rows. Nothing looks at
// the others, so a write must not be done in spite of them.
var conditions = []string{"If-Match", "If-None-Match", "If-Unmodified-Since", "Content-Range"}

// misplaced is what is wrong with the headers of a write of which the sender
// believes that they change what is done, or protect it, and which would be
// passed over.
func misplaced(header http.Header, conditional bool) []errcode.Problem {
	var problems []errcode.Problem
	refuse := func(name, reason string) {
		problems = append(problems, errcode.Problem{Parameter: name, Reason: reason})
	}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		switch letters := lettersOf(name); {
		case strings.Contains(letters, "dryrun"):
			refuse(name, "is no header of a write: ask for a dry run by ?dry_run=true or Prefer: dry-run")
		case strings.Contains(letters, "idempot") && name != headerIdempotencyKey:
			refuse(name, "is no header of a write: a key is sent as "+headerIdempotencyKey)
		case name == headerIfMatch && conditional:
		case name == headerIfMatch:
			refuse(name, "must not be given: this write is done without conditions")
		case slices.Contains(conditions, name):
			refuse(name, "must not be given: a write is done without such a condition, and as a whole")
		}
	}
	return problems
}

// resemblesDryRun reports whether an unknown preference may be a misspelled
// wish for a dry run. RFC 7240 would have it passed over, and the write done.
// name is the preference's own.
func resemblesDryRun(name, preference string) bool {
	return strings.Contains(lettersOf(preference), "dry") || strings.Contains(lettersOf(name), "run")
}

// lettersOf are the ASCII letters of a text, in lower case.
func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return -1
		}
		return r
	}, strings.ToLower(text))
}
