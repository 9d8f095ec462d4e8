package oci

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// Table.WriteTo: equal tables write the same bytes, different ones do not. To add a case, add
// a document to the tables of equal or different tables.

// tableIn returns the table in the only element of a document's only reply.
func tableIn(tb testing.TB, document []byte) *Table {
	tb.Helper()
	replies, err := ParseReplies(document)
	if err != nil {
		tb.Fatal(err)
	}
	for e := range replies[0].All() {
		table, err := e.Table()
		if err != nil {
			tb.Fatal(err)
		}
		return table
	}
	tb.Fatal("the answer is empty")
	return nil
}

// tableOfCells returns a table of those headings and rows.
func tableOfCells(tb testing.TB, headings []string, rows ...[]string) *Table {
	tb.Helper()
	var b strings.Builder
	for _, heading := range headings {
		b.WriteString("<colHeading>" + heading + "</colHeading>")
	}
	for _, cells := range rows {
		b.WriteString("<row>")
		for _, cell := range cells {
			b.WriteString("<col>" + cell + "</col>")
		}
		b.WriteString("</row>")
	}
	return tableIn(tb, []byte(reply("<t>"+b.String()+"</t>")))
}

func contentOf(tb testing.TB, t *Table) string {
	tb.Helper()
	var b bytes.Buffer
	n, err := t.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		tb.Fatalf("%d bytes of %d, %v", n, b.Len(), err)
	}
	return b.String()
}

func TestTablesOfOtherContentWriteOtherBytes(t *testing.T) {
	long, longer := strings.Repeat("x", 127), strings.Repeat("x", 128)
	row := func(cells ...string) []string { return cells }
	seen := map[string]string{}
	for name, table := range map[string]*Table{
		"no rows":               tableOfCells(t, row("a", "b")),
		"other headings":        tableOfCells(t, row("ab", "")),
		"one heading":           tableOfCells(t, row("ab")),
		"headings in an order":  tableOfCells(t, row("b", "a")),
		"empty cells":           tableOfCells(t, row("a", "b"), row("", "")),
		"more empty cells":      tableOfCells(t, row("a", "b"), row("", ""), row("", "")),
		"a heading as a row":    tableOfCells(t, row("a"), row("b")),
		"a row":                 tableOfCells(t, row("a", "b"), row("c", "d")),
		"cells cut elsewhere":   tableOfCells(t, row("a", "b"), row("cd", "")),
		"cells behind":          tableOfCells(t, row("a", "b"), row("", "cd")),
		"rows in an order":      tableOfCells(t, row("a", "b"), row("c", "d"), row("e", "f")),
		"rows in another order": tableOfCells(t, row("a", "b"), row("e", "f"), row("c", "d")),
		"as many cells in rows": tableOfCells(t, row("a"), row("c"), row("d"), row("e"), row("f")),
		"a length of a byte":    tableOfCells(t, row("a", "b"), row(long, "x")),
		"a length of two bytes": tableOfCells(t, row("a", "b"), row(longer, "")),
		"the same behind":       tableOfCells(t, row("a", "b"), row("", longer)),
		"a letter":              tableOfCells(t, row("a", "b"), row("c", "\xe9")),
	} {
		content := contentOf(t, table)
		if other, ok := seen[content]; ok {
			t.Errorf("%s and %s write the same", name, other)
		}
		seen[content] = name
	}
}

// split returns the same table in blocks of that many rows.
func split(t *Table, rows int) *Table {
	columns := len(t.headings.ends)
	other := &Table{headings: t.headings, rows: t.rows}
	for chunk := range slices.Chunk(slices.Collect(t.Rows()), rows) {
		var b block
		for _, row := range chunk {
			for c := range Column(columns) {
				b.text += row.Cell(c)
				b.ends = append(b.ends, uint32(len(b.text)))
			}
		}
		other.blocks = append(other.blocks, b)
	}
	return other
}

func TestATableWritesTheSameHoweverItIsHeldInMemory(t *testing.T) {
	table := tableIn(t, summaryTable(3_000))
	want := contentOf(t, table)
	if len(table.blocks) < 2 || len(want) < 2*contentBuffer {
		t.Fatalf("a table of %d blocks that writes %d bytes shows nothing", len(table.blocks), len(want))
	}
	for _, rows := range []int{1, 7, 1_000, 3_000} {
		if contentOf(t, split(table, rows)) != want {
			t.Errorf("in blocks of %d rows it writes something else", rows)
		}
	}
}

func TestATableWritesTheSameHoweverItsDocumentIsWritten(t *testing.T) {
	plain := summaryTable(50)
	table := string(plain[bytes.Index(plain, []byte("<command")):bytes.Index(plain, []byte("</Broad"))])
	other := strings.NewReplacer("<col/>", "<col></col>", "</row>", "<!-- x --></row>\n", "+32", "&#43;32", "<colHeading>", "<colHeading >").Replace(table)
	if contentOf(t, tableIn(t, plain)) != contentOf(t, tableIn(t, []byte(wrap(other)))) {
		t.Error("it writes something else")
	}
}

// limitedWriter fails after that many bytes.
type limitedWriter struct{ left, calls int }

var errFull = errors.New("full")

func (w *limitedWriter) Write(p []byte) (int, error) {
	w.calls++
	if len(p) > w.left {
		n := w.left
		w.left = 0
		return n, errFull
	}
	w.left -= len(p)
	return len(p), nil
}

func TestWritingATableEndsWithTheFirstError(t *testing.T) {
	table := tableIn(t, summaryTable(3_000))
	all := len(contentOf(t, table))
	for _, limit := range []int{0, 1, contentBuffer, contentBuffer + 1, all - 1} {
		w := &limitedWriter{left: limit}
		if n, err := table.WriteTo(w); !errors.Is(err, errFull) || n != int64(limit) || w.calls > 1+limit/(contentBuffer-10) {
			t.Errorf("limit %d: %d bytes in %d calls, %v", limit, n, w.calls, err)
		}
	}
	w := &limitedWriter{left: all}
	if n, err := table.WriteTo(w); err != nil || n != int64(all) {
		t.Errorf("%d bytes of %d, %v", n, all, err)
	}
}

func TestWritingATableCostsNoCallForEachCell(t *testing.T) {
	for _, rows := range []int{0, 1, 100, 10_000} {
		table := tableIn(t, summaryTable(rows))
		w := &limitedWriter{left: 1 << 30}
		n, err := table.WriteTo(w)
		if err != nil || w.calls > 1+int(n)/(contentBuffer-10) {
			t.Errorf("%d rows: %d bytes in %d calls, %v", rows, n, w.calls, err)
		}
		if allocations := testing.AllocsPerRun(10, func() { _, _ = table.WriteTo(io.Discard) }); allocations > 2 {
			t.Errorf("%d rows: %v allocations", rows, allocations)
		}
	}
}

// Replicas of the same version compare hashes of it.
func TestATableWritesTheNumbersThenTheLengthsThenTheTexts(t *testing.T) {
	table := tableOfCells(t, []string{"a", "b"}, []string{"xy", "z"})
	if got, want := contentOf(t, table), "\x02\x01\x01\x01\x02\x01abxyz"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
