//go:build linux

package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ocigate/oci/ocisim"
)

// These callers of the campaign replace the complete list of a group, which takes up to two
// steps: a removal, and then an assignment. Each of them has its own group, so that no
// other caller changes its lists.

// ownList is the list of a group and a kind.
type ownList struct {
	tenant, group, kind string
	all                 []string // all entries that the group can have
	has                 []string // entries according to the reports to its caller, sorted
	// tags are the entity tags of earlier contents of the list, by the sorted names with
	// blanks between them.
	tags map[string]string
}

// set is a write that replaces a list.
type set struct {
	list   *ownList
	wanted []string // in the order of the body
	// condition is the If-Match, empty for none. stale reports whether it is of another
	// content, so that nothing may be sent.
	condition string
	stale     bool
	// outcomes holds the final outcome of each entry, by its name: wasDone or wasNotDone.
	outcomes map[string]result
}

const (
	entriesPerList = 7
	// ownGroups is the prefix of the names of groups whose lists are replaced.
	ownGroups = "list"
)

func isOwnGroup(group string) bool { return strings.HasPrefix(group, ownGroups) }

// plainName returns the same text for every spelling of an entry.
func plainName(entry string) string { return strings.NewReplacer("-", "", " ", "").Replace(entry) }

// newSetter returns a caller that replaces lists.
func newSetter(a *campaign, number int) *caller {
	c := &caller{campaign: a, number: a.plan.callers + number, random: a.random(fmt.Sprintf("setter %d", number))}
	for _, kind := range []string{rangeKind, prefixKind} {
		l := &ownList{tenant: tenantName(number), group: fmt.Sprint(ownGroups, number), kind: kind, tags: map[string]string{}}
		for e := range entriesPerList {
			format := map[string]string{rangeKind: "+323%05d0", prefixKind: "+328%05d"}[kind]
			l.all = append(l.all, fmt.Sprintf(format, number*entriesPerList+e))
		}
		c.lists = append(c.lists, l)
	}
	return c
}

// addLists adds the caller's group and the entries of its lists to the tenant.
func (c *caller) addLists(tenant *ocisim.Tenant) {
	group := c.lists[0].group
	tenant.Groups = append(tenant.Groups, ocisim.Group{ID: group, Name: group, UserLimit: 10, Services: []string{"Route List"}})
	for _, l := range c.lists {
		for _, e := range l.all {
			if l.kind == prefixKind {
				tenant.Prefixes = append(tenant.Prefixes, ocisim.Prefix{Prefix: e})
			} else {
				tenant.Ranges = append(tenant.Ranges, ocisim.Range{Start: e, End: e[:len(e)-1] + "9"})
			}
		}
	}
}

// set replaces lists until enough is set.
func (c *caller) set() {
	for !c.campaign.enough.Load() && c.campaign.t.Context().Err() == nil {
		l := c.lists[c.random.IntN(len(c.lists))]
		w := c.nextSet(l)
		if c.random.IntN(10) == 0 {
			c.takeTwo(w)
		} else {
			c.condition(w)
			c.takeSet(w)
		}
		if w.result != wasRefused {
			c.campaign.concluded.Add(1)
		}
	}
}

// nextSet returns the next write on a list. It removes some entries and adds others.
func (c *caller) nextSet(l *ownList) *write {
	var stays, comes []string
	for _, e := range l.all {
		switch has := slices.Contains(l.has, e); {
		case has:
			stays = append(stays, e)
		default:
			comes = append(comes, e)
		}
	}
	some := func(entries []string, most int) []string {
		c.random.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		return entries[:min(len(entries), most)]
	}
	least := min(1, c.random.IntN(4)) // usually both
	goes := least + c.random.IntN(3)
	wanted := append(some(stays, max(0, len(stays)-goes)), some(comes, least+c.random.IntN(3))...)
	return c.newSet(l, wanted)
}

func (c *caller) newSet(l *ownList, wanted []string) *write {
	w := &write{
		name:   fmt.Sprintf("c%02d-w%04d", c.number, len(c.writes)),
		lane:   &lane{tenant: l.tenant, group: l.group, kind: l.kind},
		method: http.MethodPut, path: "/api/v1" + itc(l.tenant, l.group, l.kind), client: l.tenant,
		body: bodyOf(l.kind, wanted), set: &set{list: l, wanted: wanted},
	}
	if c.random.IntN(8) == 0 {
		w.client = systemClient
	}
	if c.random.IntN(5) < 3 {
		w.key = fmt.Sprintf("%d-%s", c.campaign.seed, w.name)
	}
	c.writes = append(c.writes, w)
	return w
}

// condition sometimes adds a condition to a write: the tag of the present content of the
// list, or of an earlier one.
func (c *caller) condition(w *write) {
	l := w.set.list
	switch c.random.IntN(4) {
	case 0:
		w.set.condition = c.readTag(w)
	case 1:
		now := strings.Join(l.has, " ")
		for names, tag := range l.tags {
			if names != now {
				w.set.condition, w.set.stale = tag, true
			}
		}
	}
}

// readTag reads a list, which must agree with the reports to the caller, and returns its
// entity tag. It is empty if the list cannot be read.
func (c *caller) readTag(w *write) string {
	l := w.set.list
	has, tag, err := c.readList(w)
	if err != nil {
		return ""
	}
	if !slices.Equal(has, l.has) {
		w.complaint = fmt.Sprintf("by the reports to the caller, the list is %v, but it is %v", l.has, has)
	}
	l.tags[strings.Join(has, " ")] = tag
	return tag
}

// readList returns the sorted entries of a list, and its entity tag.
func (c *caller) readList(w *write) (has []string, tag string, err error) {
	var body map[string][]struct{ MinPhoneNumber, Prefix string }
	header, err := c.campaign.read(c.campaign.t.Context(), w.client, w.path, &body)
	for _, e := range body[w.set.list.kind] {
		has = append(has, plainName(e.MinPhoneNumber+e.Prefix))
	}
	slices.Sort(has)
	return has, header.Get("Etag"), err
}

// takeSet takes a write to its result, and updates the entries of the list.
func (c *caller) takeSet(w *write) {
	c.take(w)
	l := w.set.list
	if w.result == wasDone {
		l.has = slices.Sorted(slices.Values(w.set.wanted))
	}
	if w.result != wasPartly {
		return
	}
	l.has = slices.DeleteFunc(slices.Clone(l.all), func(e string) bool {
		had, wanted, done := slices.Contains(l.has, e), slices.Contains(w.set.wanted, e), w.set.outcomes[e] == wasDone
		return done && !wanted || !done && !had
	})
	slices.Sort(l.has)
}

// takeTwo takes two concurrent writes on one list to their results. The platform
// decides which of them is the last, so the list is read after that.
func (c *caller) takeTwo(w *write) {
	other := c.nextSet(w.set.list)
	second := &caller{campaign: c.campaign, number: c.number, random: c.campaign.random(other.name)}
	var both sync.WaitGroup
	both.Go(func() { second.take(other) })
	c.take(w)
	both.Wait()
	for c.campaign.t.Context().Err() == nil {
		has, _, err := c.readList(w)
		if err == nil {
			w.set.list.has = has
			return
		}
		c.pause(50 * time.Millisecond)
	}
}

// lastSets reads and replaces each list once more after the end of all faults. Each write
// must be done by its first request. A further write has the tag that the list had before,
// and must be refused for it.
func (c *caller) lastSets() {
	for _, l := range c.lists {
		had := l.has
		w := c.nextSet(l)
		if w.set.condition = c.readTag(w); w.set.condition == "" {
			w.complaint = "after the end of all faults, the list could not be read"
		}
		c.takeSet(w)
		if w.result != wasDone || len(w.attempts) != 1 {
			w.complaint = "after the end of all faults, the last write of this list was not done by its first request"
		}
		if slices.Equal(had, l.has) {
			continue
		}
		late := c.nextSet(l)
		late.set.condition, late.set.stale = w.set.condition, true
		c.takeSet(late)
		if late.result != wasRefused || len(late.attempts) != 1 {
			late.complaint = "after the end of all faults, a write with the tag of an earlier list was not refused by its first request"
		}
	}
}

// learn stores the outcomes of the entries in a response.
func (s *set) learn(a attempt) {
	s.outcomes = map[string]result{}
	for _, r := range a.report {
		s.outcomes[r.name] = wasDone
		if r.status == "rejected" {
			s.outcomes[r.name] = wasNotDone
		}
	}
}

// learnFrom stores the outcomes of the entries of an operation.
func (s *set) learnFrom(op *apiOperation) {
	s.outcomes = map[string]result{}
	for _, e := range op.Entries {
		s.outcomes[plainName(e.Entry)] = e.Outcome
	}
}

// killPoint is a point of a write of several steps at which a gateway is killed.
type killPoint struct {
	name  string
	fault ocisim.Fault // delays a step
}

// killPoints are all such points. The delays are shorter than the gateway's timeout for a
// reply.
var killPoints = []killPoint{
	{"the first was done, and its reply is not received yet", ocisim.Fault{Kind: ocisim.StallAfterApply, Command: "*UnassignListRequest"}},
	{"the second was received, and is not done", ocisim.Fault{Kind: ocisim.Stall, Command: "*AssignListRequest"}},
	{"the first was just done", ocisim.Fault{Kind: ocisim.Drip, Command: "*UnassignListRequest", Delay: time.Microsecond}},
	{"the second was done, and its reply is not received yet", ocisim.Fault{Kind: ocisim.Slow, Command: "*AssignListRequest", Delay: commandTimeout * 3 / 4}},
}

// killBetween kills the gateway at a point of a write of several steps, and starts another
// one.
func (a *campaign) killBetween(t *testing.T, faults *injector, point killPoint, random func(int64) int64) {
	t.Helper()
	for deadline := time.Now().Add(wellAgain); time.Now().Before(deadline); {
		since := time.Now()
		fault := point.fault
		fault.Times = 1
		injection := faults.inject(fault)
		for injection.Hits() == 0 && time.Since(since) < armedFor {
			time.Sleep(time.Millisecond)
		}
		hit := injection.Hits() > 0 && a.hitOwnGroup(point.fault.Kind, since)
		injection.Remove()
		faults.note(point.fault, injection.Hits())
		if !hit {
			continue
		}
		time.Sleep(time.Duration(random(int64(2 * time.Millisecond))))
		a.killGateway(t, false)
		a.between[point.name]++
		return
	}
	t.Errorf("no step of a write was hit by %s", point.fault)
}

// hitOwnGroup reports whether a fault occurred in a write that replaces a list. If the
// command assigns, it must be a second step.
func (a *campaign) hitOwnGroup(kind ocisim.FaultKind, since time.Time) bool {
	for range 20 { // the command may not be in the ledger yet
		ledger := a.platform.Ledger()
		for i, e := range slices.Backward(ledger) {
			if e.Time.Before(since) {
				break
			}
			if e.Write && slices.Contains(e.Faults, kind) {
				return isOwnGroup(e.Group) && (!assigns(&e) || isSecondStep(e, ledger[:i]))
			}
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// isSecondStep reports whether a command follows the removal from the same list, according
// to the earlier entries of the ledger.
func isSecondStep(e ocisim.Entry, before []ocisim.Entry) bool {
	for _, earlier := range slices.Backward(before) {
		if e.Time.Sub(earlier.Time) > commandTimeout {
			return false
		}
		if earlier.Write && laneOf(&earlier) == laneOf(&e) {
			return !assigns(&earlier) && earlier.Applied
		}
	}
	return false
}
