package translate_test

// This file specifies how an Answer writes JSON: escaping, flushing and
// allocations. A new kind of cell is a row in TestEveryKindOfCellIsEscaped.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate"
	"ocigate/translate/scope"
)

// numbers is a list of so many number ranges, of which every fourth has no
// user, another fourth a user without a department, and the rest one with a
// department of a long path.
func numbers(t testing.TB, rows int) translate.Body {
	t.Helper()
	p := newPlatform(t)
	p.Answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", numberColumns, numberRows(rows)...))
	return listed(t, p)
}

func numberRows(rows int) []string {
	lines := make([]string, rows)
	for i := range lines {
		owner := fmt.Sprintf(`user%d@sip.example.com|Test|Test|||+32-2%07d|4000|Sales \ West|mail%d@example.com|Trunk|false|`, i, i, i)
		switch i % 4 {
		case 0:
			owner = "||||||||||true|"
		case 1:
			owner = fmt.Sprintf(`user%d@sip.example.com|Dupré|Hélène|||+32-2%07d|4000||mail%d@example.com||true|4`, i, i, i)
		}
		lines[i] = fmt.Sprintf("+32-2612%06d|+32-2612%06d|%s", 10*i, 10*i+9, owner)
	}
	return lines
}

func listed(t testing.TB, p *platform) translate.Body {
	t.Helper()
	list, err := p.query(translate.Options{}).Read(t.Context(), testGroup, nil)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestEveryKindOfCellIsEscaped(t *testing.T) {
	const cell = "\"q\" \\ <b>&</b> \u2028 é"
	const json = `"\"q\" \\ <b>&</b> \u2028 é"`
	p := newPlatform(t)
	p.Answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable",
		"Number Range Start|Group Id|User Id|Last Name|First Name|Extension|Department|Email Address|Enterprise Trunk|Extension Length",
		"\"+1\"\\-2\u2028"+strings.Repeat("|"+cell, 9)))
	p.Answers[departments] = refusal("Error", 5404, "unauthorized")
	group := scope.Target{TenantID: `a "tenant" \`, GroupID: `a "group" \`}
	list, err := p.query(translate.Options{}).Read(t.Context(), group, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"numbers":[{"minPhoneNumber":"+12","maxPhoneNumber":"","groupId":` + json + `,"userId":` + json +
		`,"lastName":` + json + `,"firstName":` + json + `,"phoneNumber":"","extension":` + json + `,"department":{"tenantId":"a \"tenant\" \\","groupId":"a \"group\" \\"` +
		`,"departmentName":"<b>&</b> \u2028 é","fullPathName":` + json +
		`},"emailAddress":` + json + `,"enterpriseTrunk":` + json + `,"active":false,"extensionLength":` + json + `}]}`
	if diff := cmp.Diff(want, body(t, list)); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

// A receiver records what is written to it, and fails after its limit.
type receiver struct {
	text  strings.Builder
	sizes []int
	takes int
}

var errGone = errors.New("gone")

func (r *receiver) Write(b []byte) (int, error) {
	r.sizes = append(r.sizes, len(b))
	if len(r.sizes) > r.takes {
		return 0, errGone
	}
	return r.text.Write(b)
}

func TestListIsFlushedWhenTheBufferIsFull(t *testing.T) {
	const size = 8 << 10
	list := numbers(t, 100)
	whole := body(t, list) + "\n"
	t.Run("of the buffer's size", func(t *testing.T) {
		to := &receiver{takes: 1000}
		w := bufio.NewWriterSize(to, size)
		if err := list.WriteJSON(w); err != nil {
			t.Fatal(err)
		}
		if got := to.text.Len() + w.Buffered(); got != len(whole) {
			t.Errorf("%d bytes are written or in the buffer, want %d", got, len(whole))
		}
		if err := w.Flush(); err != nil || to.text.String() != whole {
			t.Errorf("%v, written was %s", err, to.text.String())
		}
		if len(to.sizes) < 5 || slices.Max(to.sizes) > size {
			t.Errorf("written in pieces of %v", to.sizes)
		}
	})
	t.Run("in one piece if the buffer is large enough", func(t *testing.T) {
		to := &receiver{}
		w := bufio.NewWriterSize(to, 2*len(whole))
		if err := list.WriteJSON(w); err != nil || len(to.sizes) > 0 || w.Buffered() != len(whole) {
			t.Errorf("%v, %d bytes are in the buffer, written were %v", err, w.Buffered(), to.sizes)
		}
	})
	t.Run("none after a failed write", func(t *testing.T) {
		to := &receiver{takes: 2}
		if err := list.WriteJSON(bufio.NewWriterSize(to, size)); !errors.Is(err, errGone) || len(to.sizes) != 3 {
			t.Errorf("%v, written in pieces of %v", err, to.sizes)
		}
	})
	long := strings.Repeat("x", 2*size)
	t.Run("none after a failed write, at every limit", func(t *testing.T) {
		p := newPlatform(t)
		p.Answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", "Number Range Start|Last Name", "+1|"+long))
		list := listed(t, p)
		whole := len(body(t, list)) + 1
		for name, size := range map[string]int{"in the head": 8, "in a row": whole - 4, "behind the rows": whole - 1} {
			to := &receiver{}
			if err := list.WriteJSON(bufio.NewWriterSize(to, size)); !errors.Is(err, errGone) || len(to.sizes) != 1 {
				t.Errorf("%s: %v, written in pieces of %v", name, err, to.sizes)
			}
		}
	})
	t.Run("for rows of every size", func(t *testing.T) {
		p := newPlatform(t)
		p.Answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", "Number Range Start|Last Name", "+1|"+long, "+2|", "+3|"+long))
		list := listed(t, p)
		to := &receiver{takes: 1000}
		w := bufio.NewWriterSize(to, size)
		if err := errors.Join(list.WriteJSON(w), w.Flush()); err != nil || to.text.String() != body(t, list)+"\n" {
			t.Errorf("%v, %d bytes written", err, to.text.Len())
		}
		if got := strings.Count(to.text.String(), long); got != 2 {
			t.Errorf("%d of 2 long cells are there", got)
		}
	})
}

func TestRowsAreWrittenWithoutAllocations(t *testing.T) {
	list := numbers(t, 1000)
	w := bufio.NewWriterSize(io.Discard, 32<<10)
	allocations := testing.AllocsPerRun(10, func() {
		if err := list.WriteJSON(w); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 5 {
		t.Errorf("%v allocations for 1,000 rows", allocations)
	}
}

func BenchmarkListWriteJSON(b *testing.B) {
	for _, rows := range []int{2, 10_000} {
		b.Run(fmt.Sprintf("%d rows", rows), func(b *testing.B) {
			list := numbers(b, rows)
			b.SetBytes(int64(len(body(b, list))))
			b.ReportAllocs()
			w := bufio.NewWriterSize(io.Discard, 32<<10)
			for b.Loop() {
				if err := list.WriteJSON(w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
