//go:build linux

package main

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ocigate/oci"
)

// These tests specify the measurements with the shortest times: every figure has results, and
// the scripted platform is correct. A new figure in allFigures is measured here, too.

// TestMain lets this binary run as the roles that the measurements start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// TestEveryFigureIsMeasured measures each figure for the shortest time. It checks that there
// are results, not the speed.
func TestEveryFigureIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the gateway and starts it many times")
	}
	const small = 1_000
	figures := allFigures(small)
	b, err := newBench(t.Context(), 0, "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	b.large = small
	if err := b.measure(t.Context(), figures, t.Output()); err != nil {
		t.Fatal(err)
	}
	text := table(figures)
	each(figures, func(l line, values []float64) {
		if len(values) != b.rounds(1) {
			t.Errorf("%s: %d rounds gave a value", l.what, len(values))
		}
		for _, v := range values {
			// The difference of two times can have any value on a busy machine.
			if v <= 0 && !strings.HasPrefix(l.what, "median latency that the gateway adds") || math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%s: measured %v", l.what, v)
			}
		}
		if !strings.Contains(text, "| "+l.what) {
			t.Errorf("%s is not in the output", l.what)
		}
	})
	about, err := origin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := writeResults(folder, text+about, figures); err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ratios.md", "scaling.csv", "scaling.svg"} {
		kept, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{b.dir, os.TempDir(), "@" + host, host + ":"} {
			if strings.Contains(string(kept), private) {
				t.Errorf("%s contains %s", name, private)
			}
		}
	}
}

func TestDrawingIsWellFormed(t *testing.T) {
	f := curve("rows", []int{1, 1_000}, byRows, claim{what: "even", from: 1})
	f.values = [][]float64{{2}, {10, 30, 20}, {40, 40, 41}}
	svg, table, err := draw([]*figure{f})
	if err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for err = nil; err == nil; {
		_, err = decoder.Token()
	}
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if diff := cmp.Diff("by,number,microseconds\nrows,1,20.0\nrows,1000,40.0\n", table); diff != "" {
		t.Error(diff)
	}
}

// TestPlatformAnswersTheClient checks the scripted platform with the gateway's client, which
// checks session, tracking id, echoes and the names of the replies.
func TestPlatformAnswersTheClient(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", loopback)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- newPlatform(0, "").serve(l) }()
	latin, err := oci.EncodingByName("ISO-8859-1")
	if err != nil {
		t.Fatal(err)
	}
	client, err := oci.New(oci.Options{
		Endpoints: []oci.Endpoint{{Address: l.Addr().String(), UserID: "bench", Password: "secret"}}, Encoding: latin, MaxSessions: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	replies, err := client.Read(oci.WithTrackingID(t.Context(), "a&b"),
		oci.NewRead("VerifySessionIsValidRequest"),
		oci.NewRead(numbersCommand, oci.Text("serviceProviderId", "t"), oci.Text("groupId", groupID(7, 3))),
		oci.NewRead("GroupServiceGetAuthorizationRequest", oci.Text("groupId", "g")),
		oci.NewRead("NotInTheScriptRequest"),
	)
	if err != nil {
		t.Fatal(err)
	}
	table, err := replies[1].Table(numbersTable)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for row := range table.Rows() {
		got = append(got, row.Cell(table.Column("Number Range Start"))+" "+row.Cell(table.Column("Last Name")))
	}
	if diff := cmp.Diff([]string{"+32-20000000 Peeters", "+32-20000010 ", "+32-20000020 Janssens"}, got); diff != "" {
		t.Error(diff)
	}
	if authorized, _, err := replies[2].Bool("authorized"); err != nil || !authorized {
		t.Errorf("authorized is %v, %v", authorized, err)
	}
	if replies[0].Err() != nil || replies[3].Err() == nil {
		t.Errorf("the first command got %v, the last %v", replies[0].Err(), replies[3].Err())
	}
	if err := client.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestBothReadersReadTheSame(t *testing.T) {
	reply := numbersReply(50)
	ours, err := readWithOCI(reply)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := readWithEtree(reply)
	if err != nil {
		t.Fatal(err)
	}
	if ours != tree || ours == 0 {
		t.Errorf("package oci reads %d bytes, etree %d", ours, tree)
	}
}

func TestChooseRefusesUnknownFigures(t *testing.T) {
	chosen, err := choose(allFigures(1), "reader,small")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"reader", "small"}, names(chosen)); diff != "" {
		t.Error(diff)
	}
	if _, err := choose(allFigures(1), "reader,nothing"); err == nil {
		t.Error("a figure that does not exist was chosen")
	}
}

func TestClaimComparesFromItsPointOn(t *testing.T) {
	points, costs := []int{1, 10, 100}, []float64{400, 20, 160}
	for want, c := range map[float64]claim{20: {from: 1}, 8: {from: 10}, 1.25: {from: 10, each: true}} {
		if got := c.ratio(points, costs); got != want {
			t.Errorf("%+v: %v instead of %v", c, got, want)
		}
	}
}

func TestNumbersAreShort(t *testing.T) {
	for value, want := range map[float64]string{0.123: "0.12", 1: "1.00", 12.34: "12.3", 1234.5: "1234", -25.25: "-25.2"} {
		if got := number(value, ""); got != want {
			t.Errorf("%v is printed as %s", value, got)
		}
	}
	for n, want := range map[int]string{1: "1", 999: "999", 1_000: "1,000", 100_005: "100,005", 2_000_000: "2,000,000"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is printed as %s", n, got)
		}
	}
	if got := quantile([]float64{5, 1, 3, 2, 4}, 0.99); got != 5 {
		t.Errorf("the 99th percentile of 1 to 5 is %v", got)
	}
}
