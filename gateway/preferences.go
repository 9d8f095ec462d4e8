package gateway

import (
	"fmt"
	"net/http"
	"strings"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

// preferences are what the headers and the query of a write ask for.
type preferences struct {
	key       string // "" for none
	dryRun    bool
	preferred bool // dryRun was asked for by Prefer
	// ifMatch is the condition of the write, nil for none.
	ifMatch func(tag string) bool
}

// maxKeyLength is the longest idempotency key, in characters.
const maxKeyLength = 255

// preferencesOf reads what a write asks for, and what is wrong with that.
func preferencesOf(r *http.Request, described translate.Description) (preferences, []errcode.Problem) {
	var w preferences
	params, problems := parametersOf(r, described.Params)
	refuse := func(parameter, reason string) {
		problems = append(problems, errcode.Problem{Parameter: parameter, Reason: reason})
	}
	w.dryRun = params[dryRunParameter] == "true"
	for _, value := range r.Header.Values(headerPrefer) {
		for one := range strings.SplitSeq(value, ",") {
			name, rest := preference(one)
			switch {
			case !strings.EqualFold(name, dryRunPreference):
				if resemblesDryRun(name, one) {
					refuse(headerPrefer, fmt.Sprintf("must ask for a dry run by %s, not by %.40q", dryRunPreference, one))
				}
			case rest == "":
				w.dryRun, w.preferred = true, true
			default:
				refuse(headerPrefer, dryRunPreference+" must have neither a value nor parameters")
			}
		}
	}
	if values, ok := r.Header[headerIdempotencyKey]; ok {
		if w.key = keyOf(values); w.key == "" {
			refuse(headerIdempotencyKey, fmt.Sprintf("must be 1 to %d visible ASCII characters, and stand once", maxKeyLength))
		}
	}
	if values, ok := r.Header[headerIfMatch]; ok && described.Conditional {
		tags, valid := entityTagsOf(values)
		if w.ifMatch = tags.match; !valid {
			refuse(headerIfMatch, "must be entity tags in quotes, as an ETag has them, or *")
		}
	}
	return w, append(problems, misplaced(r.Header, described.Conditional)...)
}

// preference is one preference of a Prefer header: its name, and what follows
// that, be it a value or parameters.
func preference(one string) (name, rest string) {
	one = strings.Trim(one, " \t")
	if i := strings.IndexAny(one, " \t=;"); i >= 0 {
		return one[:i], one[i:]
	}
	return one, ""
}

// keyOf is the idempotency key in the header's values, with or without the
// quotes in which a structured field has it, or empty where it is not valid.
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
