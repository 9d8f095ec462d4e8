package translate

// This file specifies that strings are escaped as encoding/json escapes them. A
// new case is a seed of the fuzz test.

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzAppendString compares the strings with those of encoding/json.
func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{
		"", "plain", `quo"te and back\slash`, "<a href='x'>&</a>", "a/b", "\x00\x01\x1f\x7f", "\b\f\n\r\t\v", "Hélène Dupré", "日本", "😀",
		"\u2027\u2028\u2029\u202a", "\ufffd", "\xff", "a\xc3", "\xe2\x80", "\xed\xa0\x80", "\xf0\x9f\x98", "é\xffé", "\u0080\u009f",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(s); err != nil {
			t.Fatal(err)
		}
		got := string(appendString([]byte("before"), s))
		if want := "before" + strings.TrimSuffix(want.String(), "\n"); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	})
}
