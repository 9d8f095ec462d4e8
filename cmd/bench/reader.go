//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/beevik/etree"
	"golang.org/x/text/encoding/charmap"

	"ocigate/oci"
)

// reader compares package oci with etree. Both read each cell of a reply.
func reader(ctx context.Context, b *bench, round func(...float64)) error {
	reply := numbersReply(b.large)
	size := float64(len(reply))
	for range b.rounds(7) {
		ours, err := timeOf(b, func() (int, error) { return readWithOCI(reply) })
		if err != nil {
			return err
		}
		tree, err := timeOf(b, func() (int, error) { return readWithEtree(reply) })
		if err != nil {
			return err
		}
		if ours.read != tree.read {
			return errors.New("package oci and etree read different cells")
		}
		round(tree.seconds/ours.seconds, size/ours.seconds/1e6, ours.allocated/size,
			size/1e6, ours.seconds*1e3, tree.seconds*1e3, tree.allocated/size)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// cost is the cost of reading a reply once.
type cost struct {
	seconds, allocated float64
	read               int // bytes in all cells
}

// timeOf reads repeatedly for a slice of time, at least once, so that garbage collection is a
// part of the time.
func timeOf(b *bench, read func() (int, error)) (cost, error) {
	var before, after runtime.MemStats
	runtime.GC() // removes earlier garbage
	runtime.ReadMemStats(&before)
	start := time.Now()
	for count := 1.0; ; count++ {
		n, err := read()
		if err != nil {
			return cost{}, err
		}
		took := time.Since(start)
		if took < b.slice() {
			continue
		}
		runtime.ReadMemStats(&after)
		return cost{took.Seconds() / count, float64(after.TotalAlloc-before.TotalAlloc) / count, n}, nil
	}
}

func readWithOCI(document []byte) (int, error) {
	replies, err := oci.ParseReplies(document)
	if err != nil {
		return 0, err
	}
	table, err := replies[0].Table(numbersTable)
	if err != nil {
		return 0, err
	}
	var columns []oci.Column
	for _, heading := range headings {
		columns = append(columns, table.Column(heading))
	}
	read := 0
	for row := range table.Rows() {
		for _, column := range columns {
			read += len(row.Cell(column))
		}
	}
	return read, nil
}

func readWithEtree(document []byte) (int, error) {
	tree := etree.NewDocument()
	tree.ReadSettings.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		if !strings.EqualFold(charset, "ISO-8859-1") {
			return nil, fmt.Errorf("unknown charset %q", charset)
		}
		return charmap.ISO8859_1.NewDecoder().Reader(input), nil
	}
	if err := tree.ReadFromBytes(document); err != nil {
		return 0, err
	}
	read := 0
	for _, row := range tree.Root().SelectElement("command").SelectElement(numbersTable).SelectElements("row") {
		for _, cell := range row.ChildElements() {
			read += len(cell.Text())
		}
	}
	return read, nil
}
