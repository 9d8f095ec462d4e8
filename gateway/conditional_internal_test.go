package gateway

import (
	"net/http"
	"strings"
	"testing"
)

func TestEntityTags(t *testing.T) {
	const tag = `"0123"`
	for name, c := range map[string]struct {
		values    []string
		ok, match bool
	}{
		"the tag":                   {[]string{`"0123"`}, true, true},
		"the tag as a weak one":     {[]string{`W/"0123"`}, true, true},
		"another":                   {[]string{`"0124"`}, true, false},
		"a part of it":              {[]string{`"012"`}, true, false},
		"any state":                 {[]string{"*"}, true, true},
		"with blanks around":        {[]string{` "0123" `}, true, true},
		"the second of a list":      {[]string{`"a", "0123"`}, true, true},
		"in a list without blanks":  {[]string{`"a","0123","b"`}, true, true},
		"with empty elements":       {[]string{`, "a",, "0123" ,`}, true, true},
		"in a second header":        {[]string{`"a"`, `"0123"`}, true, true},
		"a comma within the quotes": {[]string{`"0123,"`}, true, false},
		"nothing":                   {[]string{""}, false, false},
		"no element":                {[]string{" , "}, false, false},
		"without quotes":            {[]string{`0123`}, false, false},
		"with one quote":            {[]string{`"0123`}, false, false},
		"a lower-case mark":         {[]string{`w/"0123"`}, false, false},
		"a blank within":            {[]string{`"01 23"`}, false, false},
		"something between":         {[]string{`"a" "0123"`}, false, false},
		"any state, among others":   {[]string{`*, "0123"`}, false, false},
		"too many":                  {[]string{strings.Repeat(`"a",`, maxEntityTags+1)}, false, false},
	} {
		tags, ok := entityTagsOf(c.values)
		if ok != c.ok || ok && tags.match(tag) != c.match {
			t.Errorf("%s: read %t, match %t", name, ok, ok && tags.match(tag))
		}
		r := &http.Request{Header: http.Header{headerIfNoneMatch: c.values}}
		if known := IsKnown(r, tag); known != (c.ok && c.match) {
			t.Errorf("%s: known %t", name, known)
		}
	}
	if IsKnown(&http.Request{Header: http.Header{}}, tag) || IsKnown(&http.Request{Header: http.Header{headerIfNoneMatch: {"*"}}}, "") {
		t.Error("known without a condition, or without a tag")
	}
}
