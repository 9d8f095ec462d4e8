package oci

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TableIndex: rows by number, and the bytes of some rows. To add a case, add a table to
// indexedTables.

// indexedTables returns tables of few and of many rows, in one and in several blocks.
func indexedTables(tb testing.TB) map[string]*Table {
	tb.Helper()
	rows := func(n, length int) [][]string {
		cells := make([][]string, n)
		for i := range cells {
			cells[i] = []string{fmt.Sprint(i), strings.Repeat("x", i%7*length), ""}
		}
		return cells
	}
	headings := []string{"a", "b", "c"}
	tables := map[string]*Table{
		"no rows":          tableOfCells(tb, headings),
		"one column":       tableOfCells(tb, []string{"a"}, []string{"1"}, []string{""}, []string{"3"}),
		"one block":        tableOfCells(tb, headings, rows(5, 1)...),
		"blocks of text":   tableOfCells(tb, headings, rows(3_000, 100)...),
		"blocks of cells":  tableOfCells(tb, headings, rows(20_000, 0)...),
		"cells of 1,000 b": tableOfCells(tb, headings, rows(70, 1_000)...),
	}
	for name, table := range tables {
		if several := len(table.blocks) > 1; several != strings.HasPrefix(name, "blocks") && name != "cells of 1,000 b" {
			tb.Errorf("%s: %d blocks", name, len(table.blocks))
		}
	}
	return tables
}

// An index returns the same rows as the table's own iteration.
func TestIndexReturnsTheRowWithANumber(t *testing.T) {
	for name, table := range indexedTables(t) {
		index, number := table.Index(), 0
		for row := range table.Rows() {
			got := index.Row(number)
			for c := range Column(len(table.headings.ends)) {
				if got.Cell(c) != row.Cell(c) {
					t.Fatalf("%s: row %d has %.20q in column %d, want %.20q", name, number, got.Cell(c), c, row.Cell(c))
				}
			}
			number++
		}
		for _, outside := range []int{-1, table.Len()} {
			if !panics(func() { index.Row(outside) }) {
				t.Errorf("%s: there is a row %d of %d", name, outside, table.Len())
			}
		}
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// The bytes of some rows are those of a table of these rows.
func TestRowsWriteTheBytesOfATableOfTheseRows(t *testing.T) {
	for name, table := range indexedTables(t) {
		index := table.Index()
		all := make([]uint32, table.Len())
		for i := range all {
			all[i] = uint32(i)
		}
		if got := rowsContent(t, index, all); got != contentOf(t, table) {
			t.Errorf("%s: all rows write %d bytes, the table %d", name, len(got), len(contentOf(t, table)))
		}
		random := rand.New(rand.NewPCG(1, uint64(table.Len())))
		for range 5 {
			some := slices.Clone(all)
			random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
			some = some[:random.IntN(len(some)+1)]
			var headings []string
			for c := range Column(len(table.headings.ends)) {
				headings = append(headings, table.headings.Cell(c))
			}
			var cells [][]string
			for _, number := range some {
				var row []string
				for c := range Column(len(headings)) {
					row = append(row, index.Row(int(number)).Cell(c))
				}
				cells = append(cells, row)
			}
			if got, want := rowsContent(t, index, some), contentOf(t, tableOfCells(t, headings, cells...)); got != want {
				t.Errorf("%s: %d rows write %d bytes, a table of them %d", name, len(some), len(got), len(want))
			}
		}
	}
}

func rowsContent(tb testing.TB, x TableIndex, numbers []uint32) string {
	tb.Helper()
	var b bytes.Buffer
	n, err := x.WriteRowsTo(&b, numbers)
	if err != nil || n != int64(b.Len()) {
		tb.Fatalf("%d bytes of %d, %v", n, b.Len(), err)
	}
	return b.String()
}
