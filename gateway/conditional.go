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

// entityTags are the entity tags of a condition: RFC 9110, section 13.1.
type entityTags struct {
	any    bool     // "*": any current state
	opaque []string // with their quotes, without the W/ of a weak one
}

// maxEntityTags limits how many entity tags a condition may name.
const maxEntityTags = 100

// entityTagsOf parses the values of If-Match or If-None-Match. The second result
// reports whether they are valid.
func entityTagsOf(values []string) (entityTags, bool) {
	var tags entityTags
	rest := strings.TrimSpace(strings.Join(values, ","))
	if rest == "*" {
		return entityTags{any: true}, true
	}
	for {
		rest = strings.TrimLeft(rest, " \t,") // a list may have empty elements
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

// cutEntityTag parses one entity tag at the beginning of a text.
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

// match reports whether one of the tags is that of the current state. The W/ of a weak
// tag is ignored, also for If-Match: proxies that compress a response add it to the
// gateway's tags. Those are digests of the content, so equal tags mean equal content.
func (t entityTags) match(tag string) bool {
	return t.any || slices.Contains(t.opaque, tag)
}

// IsKnown reports whether the caller of a read already has the content with that tag.
// An invalid condition is ignored: the complete response is always correct.
func IsKnown(r *http.Request, tag string) bool {
	values, given := r.Header[headerIfNoneMatch]
	if !given || tag == "" {
		return false
	}
	tags, ok := entityTagsOf(values)
	return ok && tags.match(tag)
}
