package gateway

import (
	"fmt"
	"iter"
	"net/http"
	"strings"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

// preferences are what the headers and the query of a write ask for.
type preferences struct {
	key       string // the idempotency key, "" for none
	dryRun    bool
	preferred bool // dryRun was asked for by Prefer
	// ifMatch reports whether the condition of the write holds for the entity tag of
	// the current state; nil for no condition.
	ifMatch func(tag string) bool
}

// maxKeyLength is the longest idempotency key, in characters.
const maxKeyLength = 255

// preferencesOf returns the preferences of a write, and their problems.
func preferencesOf(r *http.Request, described translate.Description) (preferences, []errcode.Problem) {
	var prefs preferences
	params, problems := parametersOf(r, described.Params)
	refuse := func(parameter, reason string) {
		problems = append(problems, errcode.Problem{Parameter: parameter, Reason: reason})
	}
	prefs.dryRun = params[dryRunParameter] == "true"
	for one := range preferred(r.Header) {
		name, rest := preference(one)
		switch {
		case !strings.EqualFold(name, dryRunPreference):
			if resemblesDryRun(name, one) {
				refuse(headerPrefer, fmt.Sprintf("must ask for a dry run by %s, not by %.40q", dryRunPreference, one))
			}
		case rest == "":
			prefs.dryRun, prefs.preferred = true, true
		default:
			refuse(headerPrefer, dryRunPreference+" must have neither a value nor parameters")
		}
	}
	if values, ok := r.Header[HeaderIdempotencyKey]; ok {
		if prefs.key = keyOf(values); prefs.key == "" {
			refuse(HeaderIdempotencyKey, fmt.Sprintf("must be 1 to %d visible ASCII characters, and be given only once", maxKeyLength))
		}
	}
	if values, ok := r.Header[headerIfMatch]; ok && described.Conditional {
		tags, valid := entityTagsOf(values)
		if prefs.ifMatch = tags.match; !valid {
			refuse(headerIfMatch, "must be entity tags in quotes, as an ETag has them, or *")
		}
	}
	return prefs, append(problems, unsupportedHeaders(r.Header, described.Conditional)...)
}

// preferred returns the preferences in the Prefer headers of a request, as they were sent.
func preferred(header http.Header) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, value := range header.Values(headerPrefer) {
			for one := range strings.SplitSeq(value, ",") {
				if !yield(one) {
					return
				}
			}
		}
	}
}

// preference splits one preference of a Prefer header into its name and the rest: a
// value or parameters.
func preference(one string) (name, rest string) {
	one = strings.Trim(one, " \t")
	if i := strings.IndexAny(one, " \t=;"); i >= 0 {
		return one[:i], one[i:]
	}
	return one, ""
}

// keyOf returns the idempotency key in the values of its header, or "" if it is not
// valid. A key may be in quotes, as a structured field has it.
func keyOf(values []string) string {
	if len(values) != 1 {
		return ""
	}
	key := values[0]
	if inner, ok := strings.CutPrefix(key, `"`); ok {
		if key, ok = strings.CutSuffix(inner, `"`); !ok {
			return ""
		}
	}
	if len(key) > maxKeyLength || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
		return ""
	}
	return key
}
