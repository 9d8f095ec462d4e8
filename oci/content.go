package oci

import (
	"encoding/binary"
	"io"
)

// contentBuffer is the maximum that WriteTo writes at a time, in bytes.
const contentBuffer = 8 << 10

// WriteTo writes the headings and cells of the table in a form for hash functions and
// the like: two tables write the same bytes if and only if they have the same headings
// and rows in the same order. The form does not depend on the way in which the
// platform has written the document, nor on how the table is held in memory. It may change between versions of this package.
//
// WriteTo writes all lengths and then all texts, in pieces of 8 KiB: one byte for each
// short cell, and its text. It returns the number of bytes written, and an error of w.
func (t *Table) WriteTo(w io.Writer) (written int64, err error) {
	c := content{to: w, buffer: make([]byte, 0, min(contentBuffer, t.contentLength()))}
	c.length(len(t.headings.ends)) // with the number of rows, it gives the number of lengths
	c.length(t.rows)
	c.lengths(t.headings.start, t.headings.ends)
	for _, b := range t.blocks {
		c.lengths(0, b.ends)
	}
	c.text(t.headings.text)
	for _, b := range t.blocks {
		c.text(b.text)
	}
	c.flush()
	return c.written, c.err
}

// contentLength returns approximately how many bytes WriteTo writes.
func (t *Table) contentLength() int {
	length := 2*binary.MaxVarintLen64 + len(t.headings.ends) + len(t.headings.text)
	for _, b := range t.blocks {
		length += len(b.ends) + len(b.text)
	}
	return length
}

// content writes a table through a buffer. After an error it writes nothing more.
type content struct {
	to      io.Writer
	buffer  []byte
	written int64
	err     error
}

func (c *content) flush() {
	if c.err == nil && len(c.buffer) > 0 {
		var n int
		n, c.err = c.to.Write(c.buffer)
		c.written += int64(n)
	}
	c.buffer = c.buffer[:0]
}

func (c *content) length(n int) {
	if cap(c.buffer)-len(c.buffer) < binary.MaxVarintLen64 {
		c.flush()
	}
	c.buffer = binary.AppendUvarint(c.buffer, uint64(n)) //nolint:gosec // a length
}

// lengths writes the lengths of cells with these ends, the first of which begins at
// start.
func (c *content) lengths(start uint32, ends []uint32) {
	for _, end := range ends {
		n := end - start
		start = end
		if n < 1<<7 && len(c.buffer) < cap(c.buffer) { // nearly always
			c.buffer = append(c.buffer, byte(n))
			continue
		}
		c.length(int(n))
	}
}

func (c *content) text(text string) {
	for len(text) > 0 {
		if len(c.buffer) == cap(c.buffer) {
			c.flush()
		}
		n := copy(c.buffer[len(c.buffer):cap(c.buffer)], text)
		c.buffer, text = c.buffer[:len(c.buffer)+n], text[n:]
	}
}
