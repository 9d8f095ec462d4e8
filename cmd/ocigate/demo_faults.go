package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"ocigate/config"
	"ocigate/oci/ocisim"
)

// demoFault is a fault that the demonstration can be started with, to show the gateway's
// responses to it.
type demoFault struct {
	name string
	help string
	// platform are faults of the simulated platform, in the text form of package
	// ocisim, and release is its release unless it is 0.
	platform []string
	release  int
	// tune changes the gateway's configuration. Its journal must be below the folder,
	// which exists.
	tune func(c *config.Config, folder string) error
	// calls show the fault. They are made in this order.
	calls []demoCall
}

// The commands of writes, and those of the lists of a group.
const (
	demoWrites = "command=GroupRouteListEnterpriseTrunkNumber*ssignListRequest"
	demoLists  = "command=GroupRouteListEnterpriseTrunkNumber*GetSummaryListRequest"
)

// demoFaults lists the faults that cause the errors that need one.
var demoFaults = []demoFault{
	{
		name: "lost-answer", help: "writes are carried out, and their replies are lost",
		platform: []string{"drop-after-apply " + demoWrites},
		calls: []demoCall{
			{title: "a write whose reply is lost: a reading proves that it was done", user: "tenant", method: "POST", path: demoNumbers, key: "lost-1", body: oneRange, status: 201, want: noAnswer, answered: map[string]string{"Operation-Outcome": "done"}},
			{title: "ask how that is known", user: "tenant", method: "GET", path: "/operations/" + lastOperation + "/", status: 200, has: []string{`"state":"done"`, `"known_by":"reading"`}},
		},
	},
	{
		name: "lost-request", help: "the connection ends before a write is carried out; journal.settle is 3s",
		platform: []string{"drop-before-apply " + demoWrites},
		tune:     func(c *config.Config, _ string) error { c.Journal.Settle = 3 * time.Second; return nil },
		calls: []demoCall{
			{title: "a write that is lost on its way", user: "tenant", method: "POST", path: demoNumbers, key: "lost-1", body: oneRange, status: 504, code: 1015, answered: map[string]string{"Operation-Outcome": "unknown"}},
			{title: "ask for its outcome: readings show after journal.settle that it was not done", user: "tenant", method: "GET", path: "/operations/" + lastOperation + "/", status: 200, patient: true, has: []string{`"state":"not_done"`, `"known_by":"reading"`}},
			{title: "send it again with its key: it is not sent to the platform again", user: "tenant", method: "POST", path: demoNumbers, key: "lost-1", body: oneRange, status: 400, code: 1023, answered: map[string]string{"Idempotency-Replayed": "true"}},
		},
	},
	{
		name: "garbled", help: "replies to writes and lists are not XML",
		platform: []string{"garbage " + demoWrites, "garbage " + demoLists},
		calls: []demoCall{
			{title: "a list that cannot be read", user: "group", method: "GET", path: demoNumbers, status: 502, code: 1011},
			{title: "a write whose reply cannot be read", user: "tenant", method: "POST", path: demoNumbers, body: oneRange, status: 504, code: 1015, answered: map[string]string{"Operation-Outcome": "unknown"}},
			{title: "another write of the same range, while the first is unknown", user: "tenant", method: "POST", path: demoNumbers, body: oneRange, status: 409, code: 1019},
		},
	},
	{
		name: "slow-writes", help: "writes are answered after 4 s",
		platform: []string{"slow delay=4s " + demoWrites},
		calls: []demoCall{
			{title: "a write that is sent again with its key while it runs; the first one is answered with 201", user: "tenant", method: "POST", path: demoNumbers, key: "slow-1", body: oneRange, each: []string{"1", "2"}, besides: 201, status: 409, code: 1021},
		},
	},
	{
		name: "silent", help: "lists of a group get no reply; platform.timeouts.command is 1s",
		platform: []string{"stall " + demoLists},
		tune:     func(c *config.Config, _ string) error { c.Platform.Timeouts.Command = time.Second; return nil },
		calls: []demoCall{
			{title: "a list that is not answered", user: "group", method: "GET", path: demoNumbers, status: 504, code: 1014},
		},
	},
	{
		name: "overload", help: "there is one session, and lists of a group take 3 s; platform.pool.wait is 1s",
		platform: []string{"slow delay=3s " + demoLists},
		tune: func(c *config.Config, _ string) error {
			c.Platform.Pool.Max, c.Platform.Pool.Wait = 1, time.Second
			return nil
		},
		calls: []demoCall{
			{title: "two lists at the same time; the first one is answered with 200", user: "tenant", method: "GET", path: itc("ApioSpTest", "{each}", "numbers"), each: []string{"ApioGrpTest", "ApioGrpOther"}, besides: 200, patient: true, status: 503, code: 1013},
		},
	},
	{
		name: "down", help: "the platform closes every connection",
		platform: []string{"refuse"},
		calls: []demoCall{
			{title: "a platform that is down", user: "group", method: "GET", path: demoNumbers, status: 503, code: 1012},
		},
	},
	{
		name: "refuse-login", help: "the platform refuses every login; the next attempt is minutes later",
		platform: []string{"expired-password"},
		calls: []demoCall{
			{title: "a platform that refuses all logins", user: "group", method: "GET", path: demoNumbers, status: 503, code: 1012},
		},
	},
	{
		name: "refusals", help: "the platform refuses to remove prefixes, and to list the ranges that are free in a tenant",
		platform: []string{
			`error-before-apply number=4999 summary="Not today" command=GroupRouteListEnterpriseTrunkNumberPrefixUnassignListRequest`,
			`error-before-apply number=4999 summary="Not today" command=ServiceProvider*NumberRangeGetAvailableListRequest`,
		},
		calls: []demoCall{
			{title: "a write that the platform refuses", user: "tenant", method: "DELETE", path: demoPrefixes, body: ownPrefix, status: 400, code: 1010, answered: map[string]string{"Operation-Outcome": "not_done"}, has: []string{"Not today"}},
			{title: "a write whose check the platform refuses", user: "tenant", method: "POST", path: demoNumbers, body: oneRange, status: 503, code: 1017},
		},
	},
	{
		name: "half-done", help: "the platform refuses to assign number ranges, so a list that adds and removes some is done in part",
		platform: []string{`error-before-apply number=4999 summary="Not today" command=GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest`},
		calls: []demoCall{
			{title: "a list that is done in part", user: "tenant", method: "PUT", path: demoNumbers, body: wantedRanges, status: 207, want: partOfList, answered: map[string]string{"Operation-Outcome": "partly_done"}},
			{title: "ask for it", user: "tenant", method: "GET", path: "/operations/" + lastOperation + "/", status: 200, has: []string{`"state":"partly_done"`, `{"entry":"+3225126999","outcome":"not_done","step":2},{"entry":"+3226127007","outcome":"done","step":1}`, `"error":{"code":1010,"name":"PLATFORM_REFUSED"`, "Not today"}},
		},
	},
	{
		name: "no-journal", help: "the journal's folder cannot be made",
		tune: func(c *config.Config, folder string) error {
			inTheWay := filepath.Join(folder, "file")
			c.Journal.Folder = filepath.Join(inTheWay, "journal")
			return os.WriteFile(inTheWay, nil, 0o600)
		},
		calls: []demoCall{
			{title: "a write that cannot be recorded", user: "tenant", method: "POST", path: demoNumbers, body: oneRange, status: 503, code: 1018},
			{title: "a read, which still works", user: "group", method: "GET", path: demoNumbers, status: 200, want: documentedNumbers},
		},
	},
	{
		name: "old-release", help: "the platform has release 21, which does not support prefixes",
		release: 21,
		calls: []demoCall{
			{title: "prefixes", user: "group", method: "GET", path: demoPrefixes, status: 400, code: 1025},
			{title: "numbers, which still work", user: "group", method: "GET", path: demoNumbers, status: 200, want: documentedNumbers},
		},
	},
}

// faultByName returns the fault of that name, and an empty fault for an empty name.
func faultByName(name string) (*demoFault, error) {
	if name == "" {
		return &demoFault{}, nil
	}
	var known []string
	for i := range demoFaults {
		if demoFaults[i].name == name {
			return &demoFaults[i], nil
		}
		known = append(known, demoFaults[i].name)
	}
	return nil, fmt.Errorf("--fault must be one of %s, not %q%s", strings.Join(known, ", "), name, config.DidYouMean(name, known))
}

// faultHelp returns the list of the faults for the help of the command.
func faultHelp() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range demoFaults {
		fmt.Fprintf(w, "  %s\t%s\n", f.name, f.help)
	}
	_ = w.Flush() // to memory
	return b.String()
}

// seed returns the seed of the demonstration with the fault.
func (f *demoFault) seed() (ocisim.Seed, error) {
	seed := ocisim.DemoSeed()
	if f.release != 0 {
		seed.Platform.Release = f.release
	}
	var problems []error
	for _, text := range f.platform {
		fault, err := ocisim.ParseFault(text)
		problems = append(problems, err)
		seed.Faults = append(seed.Faults, fault)
	}
	return seed, errors.Join(problems...)
}
