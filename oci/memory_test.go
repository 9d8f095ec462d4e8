package oci

import (
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// The memory that large and hostile documents need. To add a case, describe the document as a
// flood, and state the bytes that may be allocated.

// flood is a reader of a document that is never completely in memory: a head, one unit
// repeatedly until that many bytes are read, and a tail.
type flood struct {
	head, unit, tail string
	size             int // of the units
	numbered         bool

	units   []byte // many of them
	start   []byte
	taken   int
	pending []byte
	next    int // the number of the next unit
	ended   bool
}

// prepare makes all that needs memory itself.
func (f *flood) prepare() {
	f.start = []byte(f.head)
	if f.units = make([]byte, 0, 64); !f.numbered {
		f.units = []byte(strings.Repeat(f.unit, max(1, scanBuffer/len(f.unit))))
	}
}

func (f *flood) Read(p []byte) (int, error) {
	if len(f.pending) == 0 && !f.refill() {
		return 0, io.EOF
	}
	n := copy(p, f.pending)
	f.pending = f.pending[n:]
	f.taken += n
	return n, nil
}

// refill brings the next part of the document to read.
func (f *flood) refill() bool {
	switch {
	case f.taken == 0:
		f.pending = f.start
	case f.taken < f.size && f.numbered:
		before, after, _ := strings.Cut(f.unit, "%d") // by hand, since fmt allocates under the race detector
		f.units = append(strconv.AppendInt(append(f.units[:0], before...), int64(f.next), 10), after...)
		f.pending = f.units
		f.next++
	case f.taken < f.size:
		f.pending = f.units
	case !f.ended:
		f.pending, f.ended = []byte(f.tail), true
	default:
		return false
	}
	return true
}

const (
	floodHead  = `<?xml version="1.0" encoding="ISO-8859-3"?><BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="` + namespaceXSI + `"><sessionId xmlns="">s1</sessionId>`
	floodReply = floodHead + `<command xsi:type="XResponse" xmlns="">`
	floodError = floodHead + `<command type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">`
	floodTail  = `</command></BroadsoftDocument>`
	floodTable = floodReply + `<t><colHeading>a</colHeading>`
)

func tableOf(columns int) string {
	var b strings.Builder
	b.WriteString(floodReply + "<t>")
	for i := range columns {
		fmt.Fprintf(&b, "<colHeading>%d</colHeading>", i)
	}
	return b.String()
}

// headingsThatGrow returns as many headings as a table may have, of characters that need
// three bytes in UTF-8.
func headingsThatGrow() string {
	var b strings.Builder
	for i := range maxColumns {
		fmt.Fprintf(&b, "<colHeading>%s%d</colHeading>", strings.Repeat("\xa5", 330), i)
	}
	return b.String()
}

// floods holds documents that are made to need more memory than they have bytes.
var floods = map[string]flood{
	"empty elements":            {head: floodReply, unit: "<a/>", tail: floodTail},
	"short elements":            {head: floodReply, unit: "<aa>xx</aa>", tail: floodTail},
	"elements of many names":    {head: floodReply, unit: "<a%d/>", tail: floodTail, numbered: true},
	"elements in an element":    {head: floodReply + "<a>", unit: "<b/>", tail: "</a>" + floodTail},
	"texts in an element":       {head: floodReply + "<a>", unit: "<b>xx</b>", tail: "</a>" + floodTail},
	"names in an element":       {head: floodReply + "<a>", unit: "<b%d/>", tail: "</a>" + floodTail, numbered: true},
	"elements with children":    {head: floodReply, unit: "<a><b/></a>", tail: floodTail},
	"children of children":      {head: floodReply + "<a>", unit: "<b><c/></b>", tail: "</a>" + floodTail},
	"tables in an element":      {head: floodReply + "<a><b/>", unit: "<t><colHeading/></t>", tail: "</a>" + floodTail},
	"deep elements":             {head: floodReply, unit: strings.Repeat("<b>", maxDepth-2) + strings.Repeat("</b>", maxDepth-2), tail: floodTail},
	"deep elements with texts":  {head: floodReply, unit: strings.Repeat("<b>", maxDepth-2) + "xx" + strings.Repeat("</b>", maxDepth-2), tail: floodTail},
	"deep elements of names":    {head: floodReply, unit: strings.Repeat("<b>", maxDepth-3) + "<c%d/>" + strings.Repeat("</b>", maxDepth-3), tail: floodTail, numbered: true},
	"elements that are nil":     {head: floodReply + "<a>", unit: `<b xsi:nil="1"/>`, tail: "</a>" + floodTail},
	"long texts in an element":  {head: floodReply + "<a>", unit: "<b>" + strings.Repeat("x", 60_000) + "</b>", tail: "</a>" + floodTail},
	"inner texts that grow":     {head: floodReply + "<a>", unit: "<b>" + strings.Repeat("\xa5", 60_000) + "</b>", tail: "</a>" + floodTail},
	"one inner text":            {head: floodReply + "<a><b>", unit: "x", tail: "</b></a>" + floodTail},
	"one inner text that grows": {head: floodReply + "<a><b>", unit: "\xa5", tail: "</b></a>" + floodTail},
	"one inner CDATA section":   {head: floodReply + "<a><b><![CDATA[", unit: "x", tail: "]]></b></a>" + floodTail},
	"long names in an element":  {head: floodReply + "<a>", unit: "<" + strings.Repeat("b", maxName) + "/>", tail: "</a>" + floodTail},
	"text between inner ones":   {head: floodReply + "<a><b/>", unit: "x", tail: "</a>" + floodTail},
	"text among inner ones":     {head: floodReply + "<a>", unit: "<b/>x", tail: "</a>" + floodTail},
	"blanks among inner ones":   {head: floodReply + "<a>", unit: strings.Repeat(" ", 1_000) + "<b/>", tail: "</a>" + floodTail},
	"cells in an element":       {head: floodReply + "<a><b/><t><colHeading>a</colHeading>", unit: "<row><col>x</col></row>", tail: "</t></a>" + floodTail},
	"inner ones in a refusal":   {head: floodError + "<a>", unit: "<b>xx</b>", tail: "</a>" + floodTail},
	"as many inner ones as may be": {
		head: floodReply + "<a>" + strings.Repeat("<b><c>xx</c></b>", maxElements/2-2), unit: "<b/>", tail: "</a>" + floodTail, size: 1,
	},
	"as many deep ones as may be": {
		head: floodReply + strings.Repeat(strings.Repeat("<b>", 16)+strings.Repeat("</b>", 16), maxElements/16), tail: floodTail, unit: " ", size: 1,
	},
	"one text":                   {head: floodReply + "<a>", unit: "x", tail: "</a>" + floodTail},
	"one text that grows":        {head: floodReply + "<a>", unit: "\xa5", tail: "</a>" + floodTail},
	"long texts":                 {head: floodReply, unit: "<a>" + strings.Repeat("x", 60_000) + "</a>", tail: floodTail},
	"texts that grow":            {head: floodReply, unit: "<a>" + strings.Repeat("\xa5", 60_000) + "</a>", tail: floodTail},
	"blanks between elements":    {head: floodReply, unit: " ", tail: floodTail},
	"one text in a refusal":      {head: floodError + "<summary>", unit: "x", tail: "</summary>" + floodTail},
	"elements in a refusal":      {head: floodError, unit: "<a/>", tail: floodTail},
	"one CDATA section":          {head: floodReply + "<a><![CDATA[", unit: "x", tail: "]]></a>" + floodTail},
	"CDATA sections":             {head: floodReply + "<a>", unit: "<![CDATA[xx]]>", tail: "</a>" + floodTail},
	"references":                 {head: floodReply + "<a>", unit: "&lt;", tail: "</a>" + floodTail},
	"comments":                   {head: floodReply, unit: "<!---->", tail: floodTail},
	"instructions":               {head: floodReply, unit: "<?a?>", tail: floodTail},
	"long comments":              {head: floodReply, unit: "<!--" + strings.Repeat("x", 30_000) + "-->", tail: floodTail},
	"attributes":                 {head: floodReply, unit: "<a" + manyAttributes(maxAttributes) + "/>", tail: floodTail},
	"long attributes":            {head: floodReply + "<a>", unit: `<b c="` + strings.Repeat("\xa5", 30_000) + `"/>`, tail: "</a>" + floodTail},
	"prefixes":                   {head: floodReply + "<a>", unit: "<b" + prefixes(30) + "/>", tail: "</a>" + floodTail},
	"long names":                 {head: floodReply, unit: "<" + strings.Repeat("a", 30_000) + "/>", tail: floodTail},
	"a session id":               {head: strings.TrimSuffix(floodHead, "s1</sessionId>"), unit: "x", tail: "</sessionId></BroadsoftDocument>"},
	"session ids":                {head: floodHead, unit: `<sessionId xmlns="">s1</sessionId>`, tail: "</BroadsoftDocument>"},
	"commands":                   {head: floodHead, unit: `<command xsi:type="XResponse" xmlns=""/>`, tail: "</BroadsoftDocument>"},
	"empty cells":                {head: floodTable, unit: "<row><col/></row>", tail: "</t>" + floodTail},
	"empty cells of wide rows":   {head: tableOf(200), unit: "<row>" + strings.Repeat("<col/>", 200) + "</row>", tail: "</t>" + floodTail},
	"short cells":                {head: floodTable, unit: "<row><col>x</col></row>", tail: "</t>" + floodTail},
	"long cells":                 {head: floodTable, unit: "<row><col>" + strings.Repeat("x", 10_000) + "</col></row>", tail: "</t>" + floodTail},
	"cells that grow":            {head: floodTable, unit: "<row><col>" + strings.Repeat("\xa5", 5_000) + "</col></row>", tail: "</t>" + floodTail},
	"cells with attributes":      {head: floodTable, unit: `<row><col a="">x</col></row>`, tail: "</t>" + floodTail},
	"one row of empty cells":     {head: floodTable + "<row>", unit: "<col/>", tail: "</row></t>" + floodTail},
	"one row of cells":           {head: floodTable + "<row>", unit: "<col>x</col>", tail: "</row></t>" + floodTail},
	"one cell":                   {head: floodTable + "<row><col>", unit: "x", tail: "</col></row></t>" + floodTail},
	"rows of many long cells":    {head: tableOf(200), unit: "<row>" + strings.Repeat("<col>"+strings.Repeat("x", 1_000)+"</col>", 200) + "</row>", tail: "</t>" + floodTail},
	"one heading":                {head: floodReply + "<t><colHeading>", unit: "x", tail: "</colHeading></t>" + floodTail},
	"empty headings":             {head: floodReply + "<t>", unit: "<colHeading/>", tail: "</t>" + floodTail},
	"headings":                   {head: floodReply + "<t>", unit: "<colHeading>%d</colHeading>", tail: "</t>" + floodTail, numbered: true},
	"tables of a heading":        {head: floodReply, unit: "<t><colHeading/></t>", tail: floodTail},
	"headings that grow":         {head: floodReply, unit: "<t>" + headingsThatGrow() + "</t>", tail: floodTail},
	"tables of a row":            {head: floodReply, unit: "<t><colHeading>a</colHeading><row><col/></row></t>", tail: floodTail},
	"tables of another heading":  {head: floodReply, unit: "<t><colHeading>%d</colHeading></t>", tail: floodTail, numbered: true},
	"as many elements as may be": {head: floodReply + strings.Repeat("<a>xx</a>", maxElements-2), unit: "<a/>", tail: floodTail, size: 1},
	"elements of fifteen commands": {
		head: floodHead + strings.Repeat(`<command xsi:type="XResponse" xmlns="">`+strings.Repeat("<a/>", 100_000)+`</command>`, 14) + `<command xsi:type="XResponse" xmlns="">`,
		unit: "<a/>", tail: floodTail,
	},
}

// The total that is allocated limits the growth of the process, whenever memory is
// collected.
func TestAReplyCostsNoMoreMemoryThanItsSize(t *testing.T) {
	const limit, fixed = 8 << 20, 4 << 20
	for name, one := range floods {
		t.Run(name, func(t *testing.T) {
			if one.size == 0 {
				one.size = limit - 3<<20
			}
			one.prepare()
			s := newScanner(&one, limit)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			in, err := s.document()
			runtime.ReadMemStats(&after)
			allocated := int(after.TotalAlloc - before.TotalAlloc)
			t.Logf("%d bytes read, %d allocated: %v", one.taken, allocated, err)
			if allocated > one.taken*3/2+fixed {
				t.Errorf("a document of %d bytes, of which %d were read, cost %d bytes", one.size, one.taken, allocated)
			}
			runtime.KeepAlive(in)
		})
	}
}
