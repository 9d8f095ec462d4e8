//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// The evidence of findings, and the numbers of a run.

// sent returns the operations that the platform received.
func (k *checker) sent() []*recorded {
	var sent []*recorded
	for _, op := range k.operations {
		if len(op.received) > 0 {
			sent = append(sent, op)
		}
	}
	return sent
}

const clock = "15:04:05.000000"

// show returns the evidence about an operation.
func (k *checker) show(op *recorded) string {
	var b strings.Builder
	text, err := json.Marshal(op.apiOperation)
	if err != nil {
		text = []byte(err.Error())
	}
	fmt.Fprintf(&b, "operation %s", text)
	for _, e := range op.received {
		fmt.Fprintf(&b, "\n  ledger %s connection %d %s %v applied=%t error=%d faults=%v", e.Time.UTC().Format(clock), e.Connection, e.Command, e.Numbers, e.Applied, e.Error, e.Faults)
	}
	for _, l := range k.trail[op.ID] {
		fmt.Fprintf(&b, "\n  audit %d %s %s %s %s", l.number, l.Time.Format(clock), l.Kind, l.Outcome, l.Basis)
	}
	return b.String()
}

// report prints the numbers of the run.
func (k *checker) report() {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	section := func(title string, counts map[string]int) {
		fmt.Fprintf(table, "%s\t\n", title)
		for _, name := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
			return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
		}) {
			fmt.Fprintf(table, "  %s\t%d\n", name, counts[name])
		}
	}
	answers, results, outcomes, totals := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, c := range slices.Concat(k.campaign.callers, k.campaign.setters) {
		for _, w := range c.writes {
			results[fmt.Sprintf("%s, by %s", w.result, w.source)]++
			totals["writes of the callers"]++
			for _, a := range w.attempts {
				answers[answerName(&a)]++
				if a.replayed {
					totals["responses that were replayed"]++
				}
			}
		}
	}
	sets := k.countSets()
	var unknown []time.Duration // how long operations were unknown
	for _, op := range k.operations {
		outcomes[fmt.Sprintf("%s, known by %s", op.State, op.KnownBy)]++
		if len(op.Corrections) > 0 {
			totals["operations corrected"]++
		}
		if !op.UnknownAt.IsZero() {
			unknown = append(unknown, op.EndedAt.Sub(op.UnknownAt))
		}
	}
	slices.Sort(unknown)
	totals["operations"] = len(k.operations)
	totals["operations that were sent"] = len(k.sent())
	totals["writes that the platform received"] = len(k.ledger)
	totals["faults"] = k.faults.total
	totals["kills"] = k.campaign.kills
	totals["stops by a signal"] = k.campaign.stops
	totals["reloads"] = k.campaign.reloads
	totals["full disks"] = k.campaign.fullDisks
	totals["operations that were unknown, and resolved"] = len(unknown)
	section("totals", totals)
	section("requests, by response", answers)
	section("writes, by their callers' results", results)
	section("operations, by outcome", outcomes)
	section("writes of several steps", sets)
	section("faults, by kind", k.faults.hits)
	_ = table.Flush() // a strings.Builder returns no errors
	if len(unknown) > 0 {
		fmt.Fprintf(&b, "operations were unknown for %s in the median and %s at most; none was unknown %s after the end of all faults\n",
			unknown[len(unknown)/2].Round(time.Millisecond), unknown[len(unknown)-1].Round(time.Millisecond), k.unknownFor.Round(time.Millisecond))
	}
	for _, name := range findingNames {
		fmt.Fprintf(&b, "%d %s, ", k.findings[name], name)
	}
	k.t.Logf("seed %d\n%s", k.campaign.seed, strings.TrimSuffix(b.String(), ", "))
}

func answerName(a *attempt) string {
	switch {
	case a.err != nil && a.early:
		return "none, because of a short timeout of the caller"
	case a.err != nil:
		return "none"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, a.name))
}
