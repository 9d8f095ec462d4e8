package gateway

import (
	"net/http"
	"slices"
	"strings"
)

const (
	headerETag        = "Etag"
	headerIfMatch     = "If-Match"
	headerIfNoneMatch = "If-None-Match"
)

// entityTags are those that a condition names, as of RFC 9110, section 13.1.
type entityTags struct {
	any    bool     // "*": whatever there is
	opaque []string // with their quotes, without the mark of a weak one
}

// maxEntityTags bounds how many a condition may name.
const maxEntityTags = 100

// entityTagsOf reads the values of If-Match or If-None-Match. The second result
// is false where they are not in the form of the RFC.
func entityTagsOf(values []string) (entityTags, bool) {
	var tags entityTags
	rest := strings.TrimSpace(strings.Join(values, ","))
	if rest == "*" {
		return entityTags{any: true}, true
	}
	for {
		rest = strings.TrimLeft(rest, " \t,") // empty elements of a list are passed over
		if rest == "" {
			return tags, len(tags.opaque) > 0
		}
		tag, after, ok := cutEntityTag(rest)
		if !ok || len(tags.opaque) == maxEntityTags {
			return entityTags{}, false
		}
		tags.opaque = append(tags.opaque, tag)
		rest = strings.TrimLeft(after, " \t")
		if rest != "" && rest[0] != ',' {
			return entityTags{}, false
		}
	}
}

// cutEntityTag reads one entity tag at the beginning of a text.
func cutEntityTag(text string) (opaque, rest string, ok bool) {
	text = strings.TrimPrefix(text, "W/")
	if !strings.HasPrefix(text, `"`) {
		return "", "", false
	}
	end := strings.IndexByte(text[1:], '"')
	if end < 0 {
		return "", "", false
	}
	opaque, rest = text[:end+2], text[end+2:]
	valid := !strings.ContainsFunc(opaque[1:end+1], func(r rune) bool { return r <= ' ' || r == 0x7F })
	return opaque, rest, valid
}

// match reports whether one of them is the tag of what there is. The mark of a weak
// tag does not count, for If-Match neither: proxies that compress an answer put it
// before tags of ours, which are digests of the content and so are the same
// exactly where that is.
func (t entityTags) match(tag string) bool {
	return t.any || slices.Contains(t.opaque, tag)
}

// isKnown reports whether the caller of a read has what its tag stands for
// already. A condition that cannot be read is none: the whole answer is always
// right.
func isKnown(r *http.Request, tag string) bool {
	values, given := r.Header[headerIfNoneMatch]
	if !given || tag == "" {
		return false
	}
	tags, ok := entityTagsOf(values)
	return ok && tags.match(tag)
}
