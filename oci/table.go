package oci

import (
	"bytes"
	"hash/maphash"
	"iter"
	"slices"
)

// Table is an OCITable. Its columns are found by heading, because the schema says that
// clients must not rely on their order, and because releases add columns. A table does
// not change.
type Table struct {
	headings Row
	blocks   []block
	rows     int
}

// block holds some rows of a table, so that a large table consists of few allocations,
// each of the size that it needs.
type block struct {
	text string   // of all cells, one after the other
	ends []uint32 // offset in text at which each cell ends
}

const (
	// A block gets no more rows after that much text, or that many cells.
	blockBytes = 64 << 10
	blockCells = 16 << 10
)

// Column is the index of a column in its table, or [NoColumn].
type Column int

// NoColumn is a column that the platform did not send. Its cells are empty.
const NoColumn Column = -1

// Column returns the column with that heading, or [NoColumn].
func (t *Table) Column(heading string) Column {
	for c := range Column(len(t.headings.ends)) {
		if t.headings.Cell(c) == heading {
			return c
		}
	}
	return NoColumn
}

// Len returns the number of rows.
func (t *Table) Len() int { return t.rows }

// Rows iterates over the rows in the platform's order.
func (t *Table) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		columns := len(t.headings.ends)
		for _, b := range t.blocks {
			start := uint32(0)
			for ends := range slices.Chunk(b.ends, columns) {
				if !yield(Row{b.text, start, ends}) {
					return
				}
				start = ends[columns-1]
			}
		}
	}
}

// Row is one row of a [Table].
type Row struct {
	text  string // of its block
	start uint32 // offset in text at which the first cell begins
	ends  []uint32
}

// Cell returns the text in a column of the row: "" if the column is [NoColumn].
func (r Row) Cell(c Column) string {
	switch {
	case c < 0 || int(c) >= len(r.ends):
		return ""
	case c == 0:
		return r.text[r.start:r.ends[0]]
	}
	return r.text[r.ends[c-1]:r.ends[c]]
}

const (
	headingElement = "colHeading"
	rowElement     = "row"
	cellElement    = "col"
)

// table reads an OCITable after the start tag of its first heading: headings, then rows
// with a cell for each of them.
func (s *scanner) table() (*Table, error) {
	opened, err := s.while(headingElement, s.heading)
	if err != nil {
		return nil, err
	}
	headings, err := s.takeHeadings()
	if err != nil {
		return nil, err
	}
	t := &Table{headings: headings}
	if opened {
		opened, err = s.while(rowElement, func() error { return s.row(t) })
	}
	if opened {
		err = protocolError("a table holds an element %.32s out of place", s.tag.local)
	}
	if err == nil {
		err = s.endBlock(t)
	}
	return t, err
}

// endBlock adds the cells that were read since the last block to the table, if
// there are any.
func (s *scanner) endBlock(t *Table) error {
	if len(s.ends) == 0 {
		return nil
	}
	b := s.takeBlock()
	t.blocks = append(t.blocks, b)
	return s.used.block(b, s.at-s.start)
}

// while reads the element whose start tag was just read and those that follow it, as
// long as they have that name. opened reports whether one of another name follows.
func (s *scanner) while(name string, read func() error) (opened bool, err error) {
	for string(s.tag.local) == name {
		if err := read(); err != nil {
			return false, err
		}
		if opened, err := s.child(); !opened || err != nil {
			return false, err
		}
	}
	return true, nil
}

// takeBlock returns a block of the cells that were read since the last one.
func (s *scanner) takeBlock() block {
	b := block{string(s.cells), slices.Clone(s.ends)}
	s.cells, s.ends = s.cells[:0], s.ends[:0]
	return b
}

// headings holds the headings of a table: as they were written, without attributes and
// escapes, from after the first start tag to the last end tag, and as a row. A platform
// sends the same headings many times.
type headings struct {
	raw     []byte
	row     Row
	checked bool // they differ from each other
}

// heading reads a heading after its start tag. After the first one it also reads the
// others, if they are the same as in the table before.
func (s *scanner) heading() error {
	if err := s.readHeading(); err != nil {
		return err
	}
	return s.checkRow(0, 0, maxColumns)
}

// readHeading is heading without the check of limits.
func (s *scanner) readHeading() error {
	if len(s.ends) > 0 || s.empty || len(s.tag.attributes) > 0 || len(s.tag.prefix) > 0 {
		return s.cell()
	}
	unread := s.buffer[s.at:s.end]
	if len(s.known.raw) == 0 || !bytes.HasPrefix(unread, s.known.raw) {
		s.known = plainHeadings(unread)
	}
	if len(s.known.raw) == 0 {
		return s.cell()
	}
	s.at += len(s.known.raw)
	s.pop()
	s.cells = append(s.cells, s.known.row.text...)
	s.ends = append(s.ends, s.known.row.ends...)
	return nil
}

// plainHeadings returns the headings at the head of b, which begins after the start tag
// of the first one, as long as they have no attributes and escapes.
func plainHeadings(b []byte) headings {
	const opening, ending = "<" + headingElement + ">", "</" + headingElement + ">"
	var text []byte
	var ends []uint32
	taken := 0
	for rest, more := b, true; more; {
		n := plainLength(rest)
		if n > maxCell {
			break
		}
		inside := rest[:n]
		if rest, more = bytes.CutPrefix(rest[n:], []byte(ending)); !more {
			break
		}
		text = append(text, inside...)
		ends = append(ends, uint32(len(text))) //nolint:gosec // see maxReplyBytes
		taken = len(b) - len(rest)
		rest, more = bytes.CutPrefix(rest, []byte(opening))
	}
	return headings{raw: bytes.Clone(b[:taken]), row: Row{text: string(text), ends: ends}}
}

// takeHeadings returns a row of the headings that were read, which must differ from
// each other.
func (s *scanner) takeHeadings() (Row, error) {
	if known := &s.known; string(s.cells) == known.row.text && slices.Equal(s.ends, known.row.ends) {
		s.cells, s.ends = s.cells[:0], s.ends[:0]
		if !known.checked {
			if err := checkHeadings(known.row); err != nil {
				return Row{}, err
			}
			known.checked = true
		}
		return known.row, nil
	}
	b := s.takeBlock()
	row := Row{text: b.text, ends: b.ends}
	if err := s.used.block(b, s.at-s.start); err != nil {
		return Row{}, err
	}
	return row, checkHeadings(row)
}

// checkHeadings returns an error if two headings are the same. It compares hashes
// first, since headings may be long and similar. There are at most maxColumns.
func checkHeadings(row Row) error {
	var hashes [maxColumns]uint64
	for c := range Column(len(row.ends)) {
		hashes[c] = maphash.String(hashSeed, row.Cell(c))
		for other := range c {
			if hashes[c] == hashes[other] && row.Cell(c) == row.Cell(other) {
				return twice("a table has heading %.32q twice", row.Cell(c))
			}
		}
	}
	return nil
}

// row reads a row after its start tag.
func (s *scanner) row(t *Table) error {
	before, start, columns := len(s.ends), len(s.cells), len(t.headings.ends)
	s.plainCells()
	err := s.children(func() error {
		if string(s.tag.local) != cellElement {
			return protocolError("a table's row holds an element %.32s", s.tag.local)
		}
		if err := s.cell(); err != nil {
			return err
		}
		s.plainCells()
		return s.checkRow(before, start, columns)
	})
	if err == nil {
		err = s.checkRow(before, start, columns)
	}
	if err != nil {
		return err
	}
	if got := len(s.ends) - before; got != columns {
		return errColumns(columns, got)
	}
	t.rows++
	if len(s.cells) >= blockBytes || len(s.ends) >= blockCells {
		return s.endBlock(t)
	}
	return nil
}

// checkRow checks the limits of the cells of a row, or of the headings of a table, that
// were read so far: the ends from before on, and the text from start on.
func (s *scanner) checkRow(before, start, columns int) error {
	cells := len(s.ends) - before
	switch {
	case cells > maxColumns:
		return &ReplyLimitError{RefusedElements, "columns in a table", maxColumns}
	case cells > columns:
		return errColumns(columns, cells)
	case len(s.cells)-start > maxRow:
		return &ReplyLimitError{RefusedText, "bytes in a table's row", maxRow}
	}
	return nil
}

func errColumns(columns, cells int) error {
	return protocolError("a table of %d columns has a row of %d cells or more", columns, cells)
}

// cell reads a heading or a cell after its start tag, in any spelling.
func (s *scanner) cell() error {
	var opened bool
	var err error
	s.cells, opened, err = s.content(s.cells, maxCell)
	if err == nil && opened {
		return protocolError("a table holds an element %.32s inside a cell", s.tag.local)
	}
	s.ends = append(s.ends, uint32(len(s.cells))) //nolint:gosec // see maxReplyBytes
	return err
}

const (
	emptyCell   = "<" + cellElement + "/>"
	cellOpening = "<" + cellElement + ">"
	cellEnding  = "</" + cellElement + ">"
)

// plainCells reads the next cells as long as they have no attributes, escapes or other
// special spelling, like nearly all cells. It is only a faster way: it accepts nothing
// that children and cell would refuse or read differently.
func (s *scanner) plainCells() {
	if s.empty || len(s.open) >= maxDepth || !s.ours(nil) {
		return
	}
	unread, cells, ends := s.buffer[s.at:s.end], s.cells, s.ends
	for {
		if len(unread) >= len(emptyCell) && string(unread[:len(emptyCell)]) == emptyCell {
			unread = unread[len(emptyCell):]
		} else {
			if len(unread) < len(cellOpening) || string(unread[:len(cellOpening)]) != cellOpening {
				break
			}
			inside := unread[len(cellOpening):]
			n := plainLength(inside)
			rest := inside[n:]
			if n > maxCell {
				break
			}
			if len(rest) < len(cellEnding) || string(rest[:len(cellEnding)]) != cellEnding {
				break
			}
			cells = append(cells, inside[:n]...)
			unread = rest[len(cellEnding):]
		}
		ends = append(ends, uint32(len(cells))) //nolint:gosec // see maxReplyBytes
	}
	s.at, s.cells, s.ends = s.end-len(unread), cells, ends
}
