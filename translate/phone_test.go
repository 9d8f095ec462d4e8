package translate

// This file specifies phone numbers and prefixes: valid spellings, order and
// canonical form. A new case is an entry of a table.

import (
	"strings"
	"testing"
)

func TestIsNumber(t *testing.T) {
	for s, want := range map[string]bool{
		"+3226127000": true, "3226127000": true, "+32-26127000": true, "+32 2 612-70 00": true, "+32-01": true, "0": true, "+1": true, "1--  2": true,
		"": false, "+": false, "-": false, " ": false, "+-": false, "++1": false, "1+": false, " 1": false, "1 ": false, "-1": false, "1-": false,
		"+ 1": false, "+-1": false, "1\t2": false, "1\u00a02": false, "١": false, "1.2": false, "1/2": false, "1:2": false, "a": false, "1a": false, "+32(0)2": false,
	} {
		t.Run(s, func(t *testing.T) {
			if got := isNumber(s); got != want {
				t.Errorf("isNumber(%q) = %v", s, got)
			}
		})
	}
}

func TestIsBelow(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"+321", "+322", true}, {"+322", "+321", false}, {"+321", "+321", false}, {"+3-21", "+32 2", true},
		{"99", "100", true}, {"100", "99", false}, {"+1", "2", false}, {"1", "+2", false},
	} {
		t.Run(test.a+" and "+test.b, func(t *testing.T) {
			if got := isBelow(test.a, test.b); got != test.want {
				t.Errorf("isBelow(%q, %q) = %v", test.a, test.b, got)
			}
		})
	}
}

// FuzzCanonical requires that numbers are compared by + and digits alone.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{"+32-26127000", "3226127000", "+32 2 612", "", "a", "+", "\xff1"} {
		f.Add(seed, "-")
		f.Add(seed, " ")
	}
	f.Fuzz(func(t *testing.T, number, noise string) {
		key := Canonical(number)
		if strings.Trim(key, "+0123456789") != "" {
			t.Errorf("Canonical(%q) = %q", number, key)
		}
		if again := Canonical(key); again != key {
			t.Errorf("Canonical(%q) = %q, of which it is %q", number, key, again)
		}
		if !strings.ContainsAny(noise, "+0123456789") {
			if noisy := Canonical(strings.Join(strings.Split(key, ""), noise)); noisy != key {
				t.Errorf("%q between the characters of %q makes it %q", noise, key, noisy)
			}
		}
		if isNumber(number) && strings.Trim(key, "+") == "" {
			t.Errorf("%q is taken for a number, but holds no digit", number)
		}
		if isBelow(number, number) {
			t.Errorf("%q is below itself", number)
		}
	})
}
