package oci

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"
)

// Benchmarks of reading and writing documents. To add one, add a document of the size that
// it measures.

// summaryTable is a reply with the columns of a group's number ranges.
func summaryTable(rows int) []byte {
	var b strings.Builder
	b.WriteString(`<command echo="1" xsi:type="GroupRouteListEnterpriseTrunkNumberRangeGetSummaryListResponse" xmlns=""><numberRangeSummaryTable>`)
	for _, heading := range []string{
		"Number Range Start", "Number Range End", "User Id", "Last Name", "First Name", "Hiragana Last Name", "Hiragana First Name",
		"Phone Number", "Extension", "Department", "Email Address", "Enterprise Trunk", "Is Active", "Extension Length",
	} {
		b.WriteString("<colHeading>" + heading + "</colHeading>")
	}
	for i := range rows {
		if i%2 == 0 {
			fmt.Fprintf(&b, "<row><col>+32-2612%05d0</col><col>+32-2612%05d9</col><col/><col/><col/><col/><col/><col/><col/><col/><col/><col/><col>true</col><col/></row>", i, i)
			continue
		}
		fmt.Fprintf(&b, "<row><col>+32-2612%05d0</col><col>+32-2612%05d9</col><col>user%05d@example.com</col><col>Dup\xe9</col><col>Jan</col><col/><col/>"+
			"<col>+32-26129%05d</col><col>%05d</col><col>Sales</col><col>user%05d@example.com</col><col>trunk</col><col>false</col><col>4</col></row>", i, i, i, i, i, i)
	}
	b.WriteString(`</numberRangeSummaryTable></command>`)
	return []byte(wrap(b.String()))
}

func BenchmarkScan(b *testing.B) {
	for _, rows := range []int{2, 10_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			document := summaryTable(rows)
			stream := bytes.NewReader(document)
			s := newScanner(stream, len(document))
			b.SetBytes(int64(len(document)))
			b.ReportAllocs()
			for b.Loop() {
				stream.Reset(document)
				in, err := s.document()
				if err != nil || in.commands[0].children[0].table.Len() != rows {
					b.Fatal(err)
				}
			}
		})
	}
}

// What it costs to hash a table, as for an ETag.
func BenchmarkTableSHA256(b *testing.B) {
	for _, rows := range []int{2, 10_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			table := tableIn(b, summaryTable(rows))
			length, err := table.WriteTo(io.Discard)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(length)
			b.ReportAllocs()
			for b.Loop() {
				h := sha256.New()
				if _, err := table.WriteTo(h); err != nil {
					b.Fatal(err)
				}
				h.Sum(nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
		})
	}
}
