package translate

import (
	"cmp"
	"unicode"
	"unicode/utf8"
)

// Texts are compared without regard to letter case by the simple case folding of
// Unicode, as in [strings.EqualFold]: one character is compared with one, so that
// ß differs from ss, and no language has rules of its own.

// fold returns the character that represents all characters which differ from r
// in letter case only: the one with the lowest number.
func fold(r rune) rune {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}
	lowest := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		lowest = min(lowest, other)
	}
	return lowest
}

// folded returns the folded characters of a text.
func folded(text string) []rune {
	runes := []rune(text)
	for i, r := range runes {
		runes[i] = fold(r)
	}
	return runes
}

// beginsFolded reports whether a text begins with these characters after folding,
// and what follows them.
func beginsFolded(text string, with []rune) (rest string, ok bool) {
	for _, want := range with {
		r, size := utf8.DecodeRuneInString(text)
		if size == 0 || fold(r) != want {
			return "", false
		}
		text = text[size:]
	}
	return text, true
}

// containsFolded reports whether a text contains these characters after folding.
func containsFolded(text string, inside []rune) bool {
	for i := range text {
		if _, ok := beginsFolded(text[i:], inside); ok {
			return true
		}
	}
	return len(inside) == 0
}

// compareFolded compares two texts by their characters after folding. Folding is slow,
// and sorted texts often begin with the same long path, so equal characters are not folded.
func compareFolded(a, b string) int {
	same := sameBeginning(a, b)
	a, b = a[same:], b[same:]
	for a != "" && b != "" {
		x, sizeX := utf8.DecodeRuneInString(a)
		y, sizeY := utf8.DecodeRuneInString(b)
		if x != y {
			if c := cmp.Compare(fold(x), fold(y)); c != 0 {
				return c
			}
		}
		a, b = a[sizeX:], b[sizeY:]
	}
	return cmp.Compare(len(a), len(b)) // one of them is empty
}

// sameBeginning returns the length in bytes of the characters with which both texts begin.
func sameBeginning(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && (isInside(a, i) || isInside(b, i)) {
		i--
	}
	return i
}

// isInside reports whether a place of a text is inside a character.
func isInside(text string, i int) bool { return i < len(text) && !utf8.RuneStart(text[i]) }
