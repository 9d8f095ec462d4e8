package auth

import (
	"testing"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// foldings are the ways in which a platform, its database or the encoding of a request
// may map a character to others.
func foldings() map[string]func(string) string {
	runes := func(by func(rune) rune) func(string) string {
		return func(s string) string {
			out := []rune(s)
			for i, r := range out {
				out[i] = by(r)
			}
			return string(out)
		}
	}
	all := map[string]func(string) string{
		"simple lower": runes(unicode.ToLower), "simple upper": runes(unicode.ToUpper), "simple title": runes(unicode.ToTitle),
		"simple fold":          runes(unicode.SimpleFold),
		"Turkish simple lower": runes(unicode.TurkishCase.ToLower), "Turkish simple upper": runes(unicode.TurkishCase.ToUpper),
		"full fold": cases.Fold().String,
		"NFC":       norm.NFC.String, "NFD": norm.NFD.String, "NFKC": norm.NFKC.String, "NFKD": norm.NFKD.String,
	}
	for _, tag := range []string{"und", "tr", "lt"} {
		all["full lower "+tag] = cases.Lower(language.MustParse(tag)).String
		all["full upper "+tag] = cases.Upper(language.MustParse(tag)).String
	}
	return all
}

func isASCIILetter(s string) bool {
	return len(s) == 1 && (s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z')
}

// Of all the characters of Unicode, each that some folding turns into an ASCII letter is
// counted as this letter.
func TestCharactersThatFoldToALetterAreThatLetter(t *testing.T) {
	if testing.Short() {
		t.Skip("it is one long loop in one goroutine")
	}
	t.Parallel()
	found := map[rune]bool{}
	ways := foldings()
	for r := range rune(unicode.MaxRune + 1) {
		if !unicode.IsGraphic(r) && !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) {
			continue // not assigned: nothing maps it
		}
		for name, fold := range ways {
			once := fold(string(r))
			for _, folded := range []string{once, norm.NFKC.String(once), cases.Fold().String(once)} {
				if !isASCIILetter(folded) {
					continue
				}
				if r > unicode.MaxASCII {
					found[r] = true
				}
				if got, want := foldName("x"+string(r)), foldName("x"+folded); got != want {
					t.Errorf("%U %c is %q, but by %s it is %q", r, r, got, name, want)
				}
			}
		}
	}
	t.Logf("%d characters beyond ASCII fold to an ASCII letter", len(found))
	for _, r := range "ſ\u212Aıİａ\uFF21ⓐ𝐚ª" {
		if !found[r] {
			t.Errorf("%U %c is not among them", r, r)
		}
	}
}

// All names that are one name without regard to letter case are one account.
func TestFoldNameIsStable(t *testing.T) {
	if testing.Short() {
		t.Skip("it is one long loop in one goroutine")
	}
	t.Parallel()
	ways := foldings()
	for r := range rune(unicode.MaxRune + 1) {
		if isUnseen(r) || !norm.NFKC.IsNormalString(string(r)) {
			continue // refused
		}
		want := foldName(string(r))
		if again := foldName(want); again != want {
			t.Errorf("%U %c is %q, and folded again %q", r, r, want, again)
		}
		for _, way := range []string{"simple lower", "simple upper", "simple title", "simple fold", "full fold"} {
			if got := foldName(ways[way](string(r))); got != want {
				t.Errorf("%U %c is %q, but by %s it is %q", r, r, want, way, got)
			}
		}
	}
}
