package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"ocigate/translate/errcode"
)

// Headers with which some frameworks give a POST the meaning of another method.
var methodOverrides = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// overrideProblems returns the problems of a request whose headers ask for another
// method than its own. Without this check, the gateway would do something else than
// the sender meant, for example assign numbers instead of removing them.
func overrideProblems(r *http.Request) []errcode.Problem {
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

// conditions are headers with which a sender asks for only a part of a write, or for a
// write under a condition. Only If-Match is supported, by some routes. The others are
// not evaluated, so a write that has one must be refused.
var conditions = []string{"If-Match", "If-None-Match", "If-Unmodified-Since", "Content-Range"}

// unsupportedHeaders returns the problems of the headers of a write that its sender
// expects to change or to protect the write, but that the gateway does not support.
func unsupportedHeaders(header http.Header, conditional bool) []errcode.Problem {
	var problems []errcode.Problem
	refuse := func(name, reason string) {
		problems = append(problems, errcode.Problem{Parameter: name, Reason: reason})
	}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		switch letters := lettersOf(name); {
		case strings.Contains(letters, "dryrun"):
			refuse(name, "is no header of a write: ask for a dry run by ?dry_run=true or Prefer: dry-run")
		case strings.Contains(letters, "idempot") && name != HeaderIdempotencyKey:
			refuse(name, "is no header of a write: a key is sent as "+HeaderIdempotencyKey)
		case name == headerIfMatch && conditional:
		case name == headerIfMatch:
			refuse(name, "must not be given: this write is done without conditions")
		case slices.Contains(conditions, name):
			refuse(name, "must not be given: a write is done without such a condition, and as a whole")
		}
	}
	return problems
}

// resemblesDryRun reports whether an unknown preference may be a misspelled dry-run.
// By RFC 7240 it would be ignored, and the write done. name is the preference's name.
func resemblesDryRun(name, preference string) bool {
	return strings.Contains(lettersOf(preference), "dry") || strings.Contains(lettersOf(name), "run")
}

// lettersOf returns the ASCII letters of a text, in lower case.
func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return -1
		}
		return r
	}, strings.ToLower(text))
}
