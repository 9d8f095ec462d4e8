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

// Callers of the campaign that replace the whole list of a group, which takes up to
// two steps: what is to go is removed, and then what is to come is assigned. Each of
// them has a group of its own, so that nobody else changes its lists.

// ownList is what a group has of a kind.
type ownList struct {
	tenant, group, kind string
	all                 []string // what the group may have
	has                 []string // as far as its caller was told, sorted
	// tags are the entity tags of what the list has had, by its sorted names with
	// blanks between them.
	tags map[string]string
}

// set is a write that replaces a list.
type set struct {
	list   *ownList
	wanted []string // in the order of the body
	// condition is the If-Match, empty for none. stale reports whether it is that of
	// another list, so that nothing may be sent.
	condition string
	stale     bool
	// told is what the caller knows of each entry in the end, by its name: wasDone or
	// wasNotDone.
	told map[string]verdict
}

const (
	entriesPerList = 7
	// ownGroups begins the names of groups whose lists are replaced as a whole.
	ownGroups = "list"
)

func isOwnGroup(group string) bool { return strings.HasPrefix(group, ownGroups) }

// plainName is the same for every spelling of an entry.
func plainName(entry string) string { return strings.NewReplacer("-", "", " ", "").Replace(entry) }

func newSetter(a *arena, number int) *caller {
	c := &caller{arena: a, number: a.plan.callers + number, random: a.random(fmt.Sprintf("setter %d", number))}
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

// addLists gives the tenant the caller's group, and what its lists may have.
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

// set replaces lists for as long as writes are wanted.
func (c *caller) set() {
	for !c.arena.enough.Load() && c.arena.t.Context().Err() == nil {
		l := c.lists[c.random.IntN(len(c.lists))]
		w := c.nextSet(l)
		if c.random.IntN(10) == 0 {
			c.takeTwo(w)
		} else {
			c.condition(w)
			c.takeSet(w)
		}
		if w.verdict != wasRefused {
			c.arena.verdicts.Add(1)
		}
	}
}

// nextSet is the next write on a list: some of what it has goes, and some that it
// does not have comes.
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
	least := min(1, c.random.IntN(4)) // mostly both
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
		w.key = fmt.Sprintf("%d-%s", c.arena.seed, w.name)
	}
	c.writes = append(c.writes, w)
	return w
}

// condition may give a write a condition: the tag of what the list has, or of what
// it had before.
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

// readTag reads a list, which must be what the caller was told, and returns its
// entity tag; it is empty where the list cannot be read at the moment.
func (c *caller) readTag(w *write) string {
	l := w.set.list
	has, tag, err := c.readList(w)
	if err != nil {
		return ""
	}
	if !slices.Equal(has, l.has) {
		w.complaint = fmt.Sprintf("the caller was told that the list is %v, and it is %v", l.has, has)
	}
	l.tags[strings.Join(has, " ")] = tag
	return tag
}

// readList reads what a list has, sorted, and its entity tag.
func (c *caller) readList(w *write) (has []string, tag string, err error) {
	var body map[string][]struct{ MinPhoneNumber, Prefix string }
	header, err := c.arena.read(c.arena.t.Context(), w.client, w.path, &body)
	for _, e := range body[w.set.list.kind] {
		has = append(has, plainName(e.MinPhoneNumber+e.Prefix))
	}
	slices.Sort(has)
	return has, header.Get("Etag"), err
}

// takeSet takes a write to its end, and learns what the list has then.
func (c *caller) takeSet(w *write) {
	c.take(w)
	l := w.set.list
	if w.verdict == wasDone {
		l.has = slices.Sorted(slices.Values(w.set.wanted))
	}
	if w.verdict != wasPartly {
		return
	}
	l.has = slices.DeleteFunc(slices.Clone(l.all), func(e string) bool {
		had, wanted, done := slices.Contains(l.has, e), slices.Contains(w.set.wanted, e), w.set.told[e] == wasDone
		return done && !wanted || !done && !had
	})
	slices.Sort(l.has)
}

// takeTwo takes two writes on one list to their ends at once. Which of them is the
// last is for the platform to say.
func (c *caller) takeTwo(w *write) {
	other := c.nextSet(w.set.list)
	second := &caller{arena: c.arena, number: c.number, random: c.arena.random(other.name)}
	var both sync.WaitGroup
	both.Go(func() { second.take(other) })
	c.take(w)
	both.Wait()
	for c.arena.t.Context().Err() == nil {
		has, _, err := c.readList(w)
		if err == nil {
			w.set.list.has = has
			return
		}
		c.pause(50 * time.Millisecond)
	}
}

// bowSets is the last thing that such a caller does, when all is well again: each
// list is read, and replaced once more, which must be done.
func (c *caller) bowSets() {
	for _, l := range c.lists {
		w := c.nextSet(l)
		if w.set.condition = c.readTag(w); w.set.condition == "" {
			w.complaint = "with nothing in its way, the list could not be read"
		}
		c.takeSet(w)
		if w.verdict != wasDone || len(w.attempts) != 1 {
			w.complaint = "with nothing in its way, the last write of this list was not done at once"
		}
	}
}

// learn takes what an answer reports of each entry.
func (s *set) learn(a attempt) {
	s.told = map[string]verdict{}
	for _, r := range a.report {
		s.told[r.name] = wasDone
		if r.status == "rejected" {
			s.told[r.name] = wasNotDone
		}
	}
}

// learnFrom takes what an operation says of each entry.
func (s *set) learnFrom(op *told) {
	s.told = map[string]verdict{}
	for _, e := range op.Entries {
		s.told[plainName(e.Entry)] = e.Outcome
	}
}

// betweenWay is a way in which a gateway is killed while a write of several steps is
// on its way.
type betweenWay struct {
	name  string
	fault ocisim.Fault // which holds a step up
}

// The ways. The delays are shorter than the gateway waits for an answer.
var betweenWays = []betweenWay{
	{"the first was done, and its answer is not there yet", ocisim.Fault{Kind: ocisim.StallAfterApply, Command: "*UnassignListRequest"}},
	{"the second was received, and is not done", ocisim.Fault{Kind: ocisim.Stall, Command: "*AssignListRequest"}},
	{"the first was just done", ocisim.Fault{Kind: ocisim.Drip, Command: "*UnassignListRequest", Delay: time.Microsecond}},
	{"the second was done, and its answer is not there yet", ocisim.Fault{Kind: ocisim.Slow, Command: "*AssignListRequest", Delay: commandTimeout * 3 / 4}},
}

// killBetween kills the gateway while a write of several steps is on its way, and
// starts another one in its place.
func (a *arena) killBetween(t *testing.T, trouble *trouble, way betweenWay, random func(int64) int64) {
	t.Helper()
	for deadline := time.Now().Add(wellAgain); time.Now().Before(deadline); {
		since := time.Now()
		fault := way.fault
		fault.Times = 1
		injection := trouble.inject(fault)
		for injection.Hits() == 0 && time.Since(since) < armedFor {
			time.Sleep(time.Millisecond)
		}
		hit := injection.Hits() > 0 && a.hitOwnGroup(way.fault.Kind, since)
		injection.Remove()
		trouble.note(way.fault, injection.Hits())
		if !hit {
			continue
		}
		time.Sleep(time.Duration(random(int64(2 * time.Millisecond))))
		a.killGateway(t, false)
		a.between[way.name]++
		return
	}
	t.Errorf("no step of a write was hit by %s", way.fault)
}

// hitOwnGroup reports whether a fault has hit a write on a list that is replaced as a
// whole; one that assigns must be a second step.
func (a *arena) hitOwnGroup(kind ocisim.FaultKind, since time.Time) bool {
	for range 20 { // the ledger may not have it yet
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

// isSecondStep reports whether a write comes right after the removal from the same
// list, by what the platform has received before.
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
