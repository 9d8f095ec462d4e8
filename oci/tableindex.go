package oci

import (
	"io"
	"sort"
)

// A TableIndex finds the rows of a [Table] by their numbers, which are from 0 in the
// platform's order. It is much smaller than the table. A TableIndex does not change.
type TableIndex struct {
	table *Table
	after []int // by block: the number of the first row behind it
}

// Index returns an index of the table's rows.
func (t *Table) Index() TableIndex {
	x := TableIndex{table: t, after: make([]int, len(t.blocks))}
	rows, columns := 0, len(t.headings.ends)
	for i, b := range t.blocks {
		rows += len(b.ends) / columns
		x.after[i] = rows
	}
	return x
}

// Row returns the row with that number. It panics if the table has no such row.
func (x TableIndex) Row(number int) Row {
	i := sort.SearchInts(x.after, number+1)
	if i > 0 {
		number -= x.after[i-1]
	}
	b, columns := x.table.blocks[i], len(x.table.headings.ends)
	from, start := number*columns, uint32(0)
	if from > 0 {
		start = b.ends[from-1]
	}
	return Row{b.text, start, b.ends[from : from+columns]}
}

// WriteRowsTo writes what [Table.WriteTo] writes for a table that has only the rows
// with those numbers, in that order.
func (x TableIndex) WriteRowsTo(w io.Writer, numbers []uint32) (written int64, err error) {
	headings := x.table.headings
	c := content{to: w, buffer: make([]byte, 0, min(contentBuffer, roomForHeadings+len(numbers)*roomForRow))}
	c.length(len(headings.ends))
	c.length(len(numbers))
	c.lengths(headings.start, headings.ends)
	for _, number := range numbers {
		row := x.Row(int(number))
		c.lengths(row.start, row.ends)
	}
	c.text(headings.text)
	for _, number := range numbers {
		row := x.Row(int(number))
		c.text(row.text[row.start:row.ends[len(row.ends)-1]])
	}
	c.flush()
	return c.written, c.err
}

// roomForHeadings and roomForRow are what headings and a row usually take of the
// buffer of WriteRowsTo, in bytes.
const (
	roomForHeadings = 512
	roomForRow      = 256
)
