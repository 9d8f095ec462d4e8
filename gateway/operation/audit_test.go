package operation_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// These tests specify the lines of the audit trail, and which trails Verify accepts. To add a
// case, add a trail to the table of TestVerifyAccepts or TestVerifyRefuses.

// sealed returns a trail of some lines, and its head.
func sealed(t testing.TB, from operation.Head, n int) ([][]byte, operation.Head) {
	t.Helper()
	head := from
	var lines [][]byte
	for i := range n {
		line, next, err := operation.Seal(head, operation.Event{
			Time: time.Date(2026, 11, 1, 0, 0, i, 0, time.UTC), Kind: operation.EventLogin, Caller: operation.Caller{Name: fmt.Sprint("user-", i)},
		})
		if err != nil {
			t.Fatal(err)
		}
		lines, head = append(lines, line), next
	}
	return lines, head
}

// trail iterates over lines, and then an error if there is one.
func trail(lines [][]byte, last error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, line := range lines {
			if !yield(line, nil) {
				return
			}
		}
		if last != nil {
			yield(nil, last)
		}
	}
}

func changed(line []byte, from, to string) []byte {
	return bytes.Replace(line, []byte(from), []byte(to), 1)
}

func TestVerifyAccepts(t *testing.T) {
	t.Parallel()
	lines, head := sealed(t, operation.Head{}, 5)
	for name, c := range map[string]struct {
		lines [][]byte
		want  operation.Head
	}{
		"an empty trail": {nil, operation.Head{}},
		"a whole trail":  {lines, head},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := operation.Verify(trail(c.lines, nil)); err != nil || got != c.want {
				t.Errorf("%v, %v, want %v", got, err, c.want)
			}
		})
	}
	t.Run("one of which the end is away, but for its head", func(t *testing.T) {
		t.Parallel()
		_, want := sealed(t, operation.Head{}, 4)
		if got, err := operation.Verify(trail(lines[:4], nil)); err != nil || got != want || got == head {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	})
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	lines, head := sealed(t, operation.Head{}, 5)
	again, _ := sealed(t, operation.Head{Sequence: 2, Hash: head.Hash}, 1)
	edit := func(i int, line []byte) [][]byte {
		edited := slices.Clone(lines)
		edited[i] = line
		return edited
	}
	for name, c := range map[string]struct {
		lines [][]byte
		line  int64
	}{
		"one of which the beginning is away":  {lines[3:], 1},
		"one of which nothing but the end is": {lines[4:], 1},
		"a line that was changed":             {edit(2, changed(lines[2], "user-2", "user-3")), 3},
		"a first line that was changed":       {edit(0, changed(lines[0], "user-0", "user-1")), 1},
		"a last line that was changed":        {edit(4, changed(lines[4], "user-4", "user-3")), 5},
		"a number that was changed":           {edit(2, changed(lines[2], `"seq":3`, `"seq":4`)), 3},
		"a hash that was changed":             {edit(1, slices.Concat(lines[1][:len(lines[1])-3], []byte(`0"}`))), 2},
		"a line that has another one's hash":  {edit(1, slices.Concat(lines[1][:len(lines[1])-66], lines[2][len(lines[2])-66:])), 2},
		"a hash in capital letters":           {edit(1, slices.Concat(lines[1][:len(lines[1])-66], bytes.ToUpper(lines[1][len(lines[1])-66:]))), 2},
		"something behind a line":             {edit(1, slices.Concat(lines[1], []byte(" "))), 2},
		"something before a line":             {edit(1, slices.Concat([]byte(" "), lines[1])), 2},
		"a line that was emptied":             {edit(1, nil), 2},
		"a line that was cut off":             {edit(4, lines[4][:100]), 5},
		"a line that was left out":            {slices.Delete(slices.Clone(lines), 2, 3), 3},
		"lines that changed places":           {[][]byte{lines[0], lines[2], lines[1], lines[3]}, 2},
		"a line that is there twice":          {slices.Insert(slices.Clone(lines), 2, lines[1]), 3},
		"a line of another trail":             {edit(2, again[0]), 3},
		"a trail that begins again":           {slices.Concat(lines, lines), 6},
		"a line that goes on from an earlier": {[][]byte{lines[0], lines[1], relinked(t, lines[0])}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := operation.Verify(trail(c.lines, nil))
			if broken, ok := errors.AsType[*operation.BrokenError](err); !ok || broken.Line != c.line {
				t.Errorf("%v, want line %d to be broken", err, c.line)
			}
		})
	}
	t.Run("a trail that cannot be read", func(t *testing.T) {
		t.Parallel()
		want := errors.New("no more")
		if got, err := operation.Verify(trail(lines, want)); !errors.Is(err, want) || got != head {
			t.Errorf("%v, %v, want %v, %v", got, err, head, want)
		}
	})
}

// relinked returns a third line that follows from the first.
func relinked(t *testing.T, first []byte) []byte {
	t.Helper()
	head, _, err := operation.HeadOf(first)
	if err != nil {
		t.Fatal(err)
	}
	head.Sequence = 2
	lines, _ := sealed(t, head, 1)
	return lines[0]
}

func TestSealedLineHasTheEvent(t *testing.T) {
	t.Parallel()
	op := operation.Operation{
		ID: "op", State: operation.Done, Caller: operation.Caller{Name: `"hash":"`, Client: true, Level: "system", Method: "client", ClientIP: "192.0.2.1", RequestID: "r"},
		Route: "assign", Target: scope.Target{TenantID: "t", GroupID: "g", UserID: "u"}, PlatformEndpoint: "node", Basis: operation.ByReading,
		Entries: []operation.Entry{{
			Kind: "number", Given: "+32 2", Key: "+322", Start: "+32-2", End: "+32-9",
			Before: json.RawMessage(`{"groupId":null}`), After: json.RawMessage(`{"groupId":"g"}`), Step: 1, Outcome: operation.Done,
		}},
	}
	want := operation.EventOf(operation.EventCorrection, &op, time.Date(2026, 11, 1, 1, 2, 3, 4, time.FixedZone("", 3600)))
	before := operation.Head{Sequence: 41, Hash: strings.Repeat("ab", 32)}
	line, head, err := operation.Seal(before, want)
	if err != nil {
		t.Fatal(err)
	}
	var got operation.Event
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
	again, previous, err := operation.HeadOf(line)
	if err != nil || again != head || head.Sequence != 42 || previous != before.Hash {
		t.Errorf("the head is %v behind %s, %v, want %v behind %s", again, previous, err, head, before.Hash)
	}
	if bytes.ContainsAny(line, "\n\r") {
		t.Errorf("it is more than one line: %q", line)
	}
}

// FuzzHeadOf checks HeadOf against its description: each line that it accepts ends in the
// hash of all that precedes it.
func FuzzHeadOf(f *testing.F) {
	lines, _ := sealed(f, operation.Head{}, 3)
	for _, line := range lines {
		f.Add(line)
		f.Add(changed(line, "user", "User"))
		f.Add(line[:len(line)-1])
		f.Add(slices.Concat(line, line))
	}
	f.Add([]byte(nil))
	f.Add([]byte(`,"hash":"`))
	f.Add([]byte(`{"seq":1,"hash":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		head, _, err := operation.HeadOf(line)
		if err != nil {
			return
		}
		const field, end = `,"hash":"`, `"}`
		body, found := bytes.CutSuffix(line, []byte(field+head.Hash+end))
		if sum := sha256.Sum256(body); !found || hex.EncodeToString(sum[:]) != head.Hash {
			t.Errorf("%q was taken", line)
		}
	})
}

// FuzzVerify changes a byte of a trail, which must be detected.
func FuzzVerify(f *testing.F) {
	lines, head := sealed(f, operation.Head{}, 3)
	for line := range uint8(4) {
		f.Add(line, uint16(10), byte(1))
		f.Add(line, uint16(300), byte(0x20))
		f.Add(line, uint16(250), byte(0))
	}
	f.Fuzz(func(t *testing.T, line uint8, at uint16, bits byte) {
		spoiled := slices.Clone(lines)
		i := int(line) % len(spoiled)
		spoiled[i] = bytes.Clone(spoiled[i])
		spoiled[i][int(at)%len(spoiled[i])] ^= bits
		got, err := operation.Verify(trail(spoiled, nil))
		broken, isBroken := errors.AsType[*operation.BrokenError](err)
		switch {
		case bits == 0 && (err != nil || got != head):
			t.Errorf("%v, %v, want %v", got, err, head)
		case bits != 0 && (!isBroken || broken.Line != int64(i)+1):
			t.Errorf("%v, %v, want line %d to be broken", got, err, i+1)
		}
	})
}
