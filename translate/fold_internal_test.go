package translate

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// These tests specify how texts are compared without regard to letter case. To add a case,
// add characters to foldedCharacters.

// foldedCharacters are of one to four bytes, some with the same first bytes as others, and
// some that differ in letter case only.
var foldedCharacters = []string{"a", "A", "b", "z", "é", "É", "è", "К", "к", "л", "ſ", "s", "\u212a", "k", "€", "₭", "𐐀", "𐐨", "𐐩"}

// The comparison is that of the lists of folded characters.
func TestTextsAreComparedByTheirFoldedCharacters(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(most int) string {
		var b strings.Builder
		for range random.IntN(most + 1) {
			b.WriteString(foldedCharacters[random.IntN(len(foldedCharacters))])
		}
		return b.String()
	}
	equal := 0
	for range 20_000 {
		beginning := text(2)
		a, b := beginning+text(2), beginning+text(2)
		got, want := compareFolded(a, b), slices.Compare(folded(a), folded(b))
		if got != want {
			t.Fatalf("%q is compared with %q as %d, want %d", a, b, got, want)
		}
		if want == 0 && a != b {
			equal++
		}
	}
	if equal == 0 {
		t.Error("no two texts differed in letter case only")
	}
}

// BenchmarkCompareFolded compares texts with the same long beginning, such as the paths of
// departments.
func BenchmarkCompareFolded(b *testing.B) {
	beginning := strings.Repeat("Отдел ", 10)
	for b.Loop() {
		if compareFolded(beginning+"1", beginning+"2") >= 0 {
			b.Fatal("the texts are not in their order")
		}
	}
}
