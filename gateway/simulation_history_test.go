package gateway_test

import (
	"maps"
	"math"
	"slices"
	"time"

	"ocigate/oci/ocisim"
)

// history is the content of each list over time, by the platform's ledger.
type history map[list][]period

// period is a time in which a list stayed the same. It is as long as the ledger allows:
// the ledger does not have the instant at which a delayed command took effect.
type period struct {
	first, last time.Duration
	names       []string // sorted
}

const forever = time.Duration(math.MaxInt64)

// appliedCommand is a command of the ledger that took effect.
type appliedCommand struct {
	list    list
	assigns bool
	names   []string
	// between which it took effect
	earliest, latest time.Duration
}

// historyOf returns the history by a ledger, which is in the order in which commands took
// effect.
func (s *simulation) historyOf(ledger []ocisim.Entry) history {
	var all []appliedCommand
	earliest := time.Duration(0)
	for _, e := range ledger {
		if !e.Applied {
			continue
		}
		c := appliedCommand{
			list: list{e.Group, kindOf(e.Command)}, assigns: assigns(e.Command), names: namesOf(e.Numbers),
			earliest: max(earliest, e.Time.Sub(s.began)), latest: e.Time.Sub(s.began),
		}
		if slices.Contains(e.Faults, ocisim.ApplyLate) {
			c.latest = forever
		}
		earliest = c.earliest
		all = append(all, c)
	}
	latest := forever
	for i := range slices.Backward(all) {
		latest = min(latest, all[i].latest)
		all[i].latest = max(latest, all[i].earliest)
	}
	h := history{}
	for l, names := range simulatedLists() {
		h[l] = []period{{0, forever, names}}
	}
	for _, c := range all {
		h.add(c)
	}
	return h
}

func (h history) add(c appliedCommand) {
	periods := h.of(c.list)
	last := &periods[len(periods)-1]
	names := map[string]bool{}
	for _, name := range last.names {
		names[name] = true
	}
	for _, name := range c.names {
		if names[name] = true; !c.assigns {
			delete(names, name)
		}
	}
	last.last = c.latest
	h[c.list] = append(periods, period{c.earliest, forever, slices.Sorted(maps.Keys(names))})
}

func (h history) of(l list) []period {
	if len(h[l]) == 0 {
		return []period{{0, forever, nil}}
	}
	return h[l]
}

// simulatedLists returns the content of the lists at the beginning.
func simulatedLists() map[list][]string {
	lists := map[list][]string{}
	tenant := simulatedSeed().Tenants[0]
	add := func(of list, name string) {
		if of.group != "" {
			lists[of] = append(lists[of], nameOf(name))
		}
	}
	for _, r := range tenant.Ranges {
		add(list{r.Group, "numbers"}, r.Start)
	}
	for _, p := range tenant.Prefixes {
		add(list{p.Group, "prefixes"}, p.Prefix)
	}
	for _, names := range lists {
		slices.Sort(names)
	}
	return lists
}

// during returns the contents that a list may have had between two instants, inclusive.
func (h history) during(l list, from, to time.Duration) [][]string {
	var all [][]string
	for _, e := range h.of(l) {
		if e.first <= to && e.last >= from {
			all = append(all, e.names)
		}
	}
	return all
}
