package operation_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ocigate/gateway/operation"
)

// These tests specify what a Verification compares a trail with. To add a case, add an entry
// to the table.

func TestVerification(t *testing.T) {
	t.Parallel()
	lines, _ := sealed(t, operation.Head{}, 6)
	other, otherHead := sealed(t, operation.Head{Sequence: 2, Hash: strings.Repeat("a", 64)}, 4)
	at := func(n int) operation.Head {
		if n == 0 {
			return operation.Head{}
		}
		head, _, err := operation.HeadOf(lines[n-1])
		if err != nil {
			t.Fatal(err)
		}
		return head
	}
	for name, c := range map[string]struct {
		lines [][]byte
		after operation.Head
		heads []operation.Head
		want  string // part of the error, empty for none
	}{
		"accepts its head":                                {lines, at(0), []operation.Head{at(6), at(2), {}}, ""},
		"accepts what follows from an archive":            {lines[3:], at(3), []operation.Head{at(6), at(3)}, ""},
		"accepts archived lines that are still there":     {lines[1:], at(3), []operation.Head{at(6)}, ""},
		"accepts all archived lines":                      {lines, at(3), []operation.Head{at(1)}, ""},
		"accepts an empty trail":                          {nil, at(0), nil, ""},
		"accepts nothing behind an archive":               {nil, at(6), []operation.Head{at(6)}, ""},
		"misses lines at the end":                         {lines[:4], at(0), []operation.Head{at(6)}, "the trail ends with line 4"},
		"misses all lines":                                {nil, at(0), []operation.Head{at(6)}, "the trail has no lines"},
		"misses the lines after an archive":               {nil, at(3), []operation.Head{at(6)}, "the trail has no lines"},
		"misses lines at the beginning":                   {lines[3:], at(0), nil, "the lines before it are missing"},
		"misses lines behind an archive":                  {lines[3:], at(2), nil, "has number 4 where 3 is due"},
		"refuses a trail that does not follow":            {other, at(2), nil, "does not follow"},
		"refuses another line of the number":              {other, operation.Head{Sequence: 2, Hash: strings.Repeat("a", 64)}, []operation.Head{at(6)}, "another hash"},
		"refuses another archived line":                   {lines, otherHead, nil, "is not the line that was archived"},
		"refuses a first line with an archived number":    {lines[2:], operation.Head{Sequence: 3, Hash: otherHead.Hash}, nil, "is not the line that was archived"},
		"refuses archived lines that end too early":       {lines[:2], at(3), nil, "before the end of the archive"},
		"does not know a head that is archived":           {lines[3:], at(3), []operation.Head{at(2)}, "verify it together with the archive"},
		"reports the first of the lines that are missing": {lines[:3], at(0), []operation.Head{at(6), at(5)}, at(5).String()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := operation.Verification{After: c.after, Heads: c.heads}.Run(trail(c.lines, nil))
			switch {
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want an error with %q", err, c.want)
			case c.want == "" && (err != nil || found.Head != at(6) && len(c.lines)+int(c.after.Sequence) > 0):
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

func TestVerificationReportsAcceptances(t *testing.T) {
	t.Parallel()
	lines, head := sealed(t, operation.Head{}, 2)
	line, _, err := operation.Seal(head, operation.Event{Kind: operation.EventTrailAccepted})
	if err != nil {
		t.Fatal(err)
	}
	found, err := operation.Verification{}.Run(trail(append(lines, line), nil))
	if err != nil || found.First != 1 || !slices.Equal(found.Accepted, []int64{3}) {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestHeadHasAText(t *testing.T) {
	t.Parallel()
	_, head := sealed(t, operation.Head{}, 2)
	for _, want := range []operation.Head{head, {}} {
		if got, err := operation.ParseHead(want.String()); err != nil || got != want {
			t.Errorf("%q: %v, %v", want.String(), got, err)
		}
	}
	hash := head.Hash
	for _, text := range []string{"", "2", "2:", "0:" + hash, "x:" + hash, "-1:" + hash, "2:" + hash[1:], "2:" + hash + "0", "2:" + strings.Repeat("x", 64)} {
		var head operation.Head
		if err := head.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted as %v", text, head)
		}
	}
	var broken *operation.HeadError
	if _, err := (operation.Verification{Heads: []operation.Head{head}}).Run(trail(nil, nil)); !errors.As(err, &broken) || broken.Missing != head {
		t.Errorf("%v", err)
	}
}
