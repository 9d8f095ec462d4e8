package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
)

// Writes of several steps in the simulation: callers that set a whole list, and
// what goes wrong between the steps of such a write.

// leastOfSteps is how often what has to do with several steps has to happen in as
// many stories as usual.
var leastOfSteps = map[string]int{
	"steps: both were sent": 20, "steps: the first was no success": 40, "steps: the second was no success": 2,
	"steps: the second was never sent": 6, "steps: died between two": 2, "steps: died in flight": 6, "steps: a full disk between two": 2,
	"steps: one alone was needed": 25, "steps: none was needed": 2,
	"steps: the set was partly done": 25, "steps: the first stayed done without the second": 12,
	"set: answered 200": 40, "set: answered 207, partly_done": 15, "set: answered 207, unknown": 2, "set: a 207 was replayed": 8,
	"set: the condition held": 20, "set: the condition failed": 30, "set: a dry run": 15,
}

// nameOf is the same for every spelling of an entry.
func nameOf(entry string) string { return strings.ReplaceAll(entry, "-", "") }

// namesOf are entries by their names, in order.
func namesOf(entries []string) []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = nameOf(e)
	}
	return names
}

// list is what one group has of a kind.
type list struct{ group, kind string }

var pathOfList = regexp.MustCompile(`/group/([^/]+)/.*/(numbers|prefixes)/`)

// list is the one that a request is about, the zero value for none.
func (w wish) list() list {
	part := pathOfList.FindStringSubmatch(w.path)
	if part == nil {
		return list{}
	}
	return list{part[1], part[2]}
}

// setsList reports whether it is to make a list what its body has.
func (w wish) setsList() bool { return w.method == http.MethodPut }

// names are the entries of the body, in order.
func (w wish) names() []string { return entriesIn(w.body) }

// entriesIn are the names of the entries in a body of a list, in order.
func entriesIn(body string) []string {
	var lists map[string][]struct{ MinPhoneNumber, Prefix string }
	if json.Unmarshal([]byte(body), &lists) != nil {
		return nil
	}
	names := []string{}
	for _, entries := range lists {
		for _, e := range entries {
			names = append(names, nameOf(e.MinPhoneNumber+e.Prefix))
		}
	}
	return names
}

// holdings are the entries of a kind that are free, the group's own, and all.
func (s *story) holdings(kind, group string) (free, own, all []string) {
	holdings := s.platform.Ranges(ownTenant)
	if kind == "prefixes" {
		holdings = s.platform.Prefixes(ownTenant)
	}
	for _, h := range holdings {
		all = append(all, h.Start)
		switch h.Group {
		case "":
			free = append(free, h.Start)
		case group:
			own = append(own, h.Start)
		}
	}
	return free, own, all
}

func (s *story) bodyOf(kind string, entries []string) string {
	field := map[string]string{"numbers": "minPhoneNumber", "prefixes": "prefix"}[kind]
	listed := []map[string]string{}
	for _, e := range entries {
		listed = append(listed, map[string]string{field: e})
	}
	body, err := json.Marshal(map[string]any{kind: listed})
	must(s.t, err)
	return string(body)
}

// wishList makes up what a group is to have, from what it has at the moment: some
// of that, mostly not all, and some that is free.
func (s *story) wishList(d *dice, kind, group string) wish {
	free, own, all := s.holdings(kind, group)
	wanted := slices.Clone(own)
	least := 1
	if d.oneIn(4) {
		least = 0
	}
	for drop := least + d.below(3); drop > 0 && len(wanted) > 0; drop-- {
		at := d.below(len(wanted))
		wanted = slices.Delete(wanted, at, at+1)
	}
	take := func(from []string) {
		if len(from) > 0 {
			if e := pick(d, from); !slices.Contains(wanted, e) {
				wanted = append(wanted, e)
			}
		}
	}
	for range least + d.below(3) {
		take(free)
	}
	if d.oneIn(15) {
		take(all) // which another group may have
	}
	if d.oneIn(2) {
		slices.Reverse(wanted)
	}
	return wish{method: http.MethodPut, path: listOf(ownTenant, group, kind), body: s.bodyOf(kind, wanted)}
}

// condition makes up the If-Match of a request that sets a list: mostly none, and
// else an entity tag that was just read, or one that may be old.
func (s *story) condition(d *dice, w wish, ask func(wish, bool) *answer) string {
	switch d.below(12) {
	case 0:
		return "*"
	case 1, 2:
		return s.lists.tag(d, w.list())
	case 3, 4, 5:
		got := ask(wish{method: http.MethodGet, path: w.path}, false)
		if got == nil || got.status != http.StatusOK {
			return ""
		}
		time.Sleep(d.upTo(2 * time.Second))
		return got.header.Get("Etag")
	}
	return ""
}

// listing is what was read of lists, by their entity tags.
type listing struct {
	mu      sync.Mutex // guards what follows
	tags    map[list][]string
	entries map[string][]string // sorted names, by tag
	bodies  map[string]string   // by tag
	differ  []string            // tags that were there with two bodies
}

// note notes the answer to a request, where it is a list.
func (l *listing) note(w wish, got answer) {
	tag := got.header.Get("Etag")
	of := w.list()
	if w.method != http.MethodGet || got.status != http.StatusOK || tag == "" || of == (list{}) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tags == nil {
		l.tags, l.entries, l.bodies = map[list][]string{}, map[string][]string{}, map[string]string{}
	}
	if body, known := l.bodies[tag]; known && body != got.body {
		l.differ = append(l.differ, tag)
	} else if !known {
		l.tags[of] = append(l.tags[of], tag)
	}
	l.bodies[tag], l.entries[tag] = got.body, slices.Sorted(slices.Values(entriesIn(got.body)))
}

// tag is one that a list had at some time, or another list's.
func (l *listing) tag(d *dice, of list) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tags[of]) == 0 {
		return `"none"`
	}
	return pick(d, l.tags[of])
}

// with are the sorted entries of the list that had a tag.
func (l *listing) with(tag string) ([]string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries, known := l.entries[tag]
	return entries, known
}

// handing is a command that writes, when it was handed to a socket.
type handing struct {
	request string
	command string
	names   []string
	at      time.Duration
}

// assigns reports whether a command gives a group what it names, or else takes it
// from the group.
func assigns(command string) bool { return !strings.Contains(command, "Unassign") }

// kindOf is the kind of what a command names.
func kindOf(command string) string {
	if strings.Contains(command, "NumberPrefix") {
		return "prefixes"
	}
	return "numbers"
}

var (
	isWrite     = regexp.MustCompile(`xsi:type="([A-Za-z0-9]*ssignListRequest)"`)
	writtenName = regexp.MustCompile(`<(?:numberRangeStart|numberPrefix)[^>]*>([^<]*)<`)
)

// writeOf is what a document writes, and for which request.
func writeOf(document []byte) (handing, bool) {
	id, command := bearsID.FindSubmatch(document), isWrite.FindSubmatch(document)
	if id == nil || command == nil {
		return handing{}, false
	}
	h := handing{request: string(id[1]), command: string(command[1])}
	for _, name := range writtenName.FindAllSubmatch(document, -1) {
		h.names = append(h.names, nameOf(string(name[1])))
	}
	return h, true
}

// handedOver notes a command that is handed to a socket, and lets something go
// wrong with it where it is a step of a set.
func (s *story) handedOver(w *wire, h handing) {
	h.at = s.now()
	s.mu.Lock()
	s.handed[h.request] = append(s.handed[h.request], h)
	isStep, commands := s.wishOf(h.request).setsList(), map[string]bool{}
	for _, one := range s.handed[h.request] {
		commands[one.command] = true
	}
	step, intended := len(commands), s.intents[h.request]
	s.mu.Unlock()
	if intended < step {
		s.failf("%s sends its step %d, and intents of %d steps are recorded", h.request, step, intended)
	}
	if isStep && s.inTrouble() {
		s.troubleStep(w, h, step)
	}
}

// noteIntent notes an intent that is recorded.
func (s *story) noteIntent(op operation.Operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intents[op.Caller.RequestID] = op.Step
}

// wishOf is what a request asks for. The caller has the mutex.
func (s *story) wishOf(request string) wish {
	for _, told := range s.told {
		if told.request == request {
			return told.wish
		}
	}
	return wish{}
}

// troubleStep may have a step go wrong: its gateway dies, or the platform does not
// answer it as it should.
func (s *story) troubleStep(w *wire, h handing, step int) {
	switch w.dice.below(12 / step) {
	case 0:
		if w.generation.number < maxLives {
			s.count("steps: died in flight")
			w.generation.die("with a step in flight")
		}
	case 1, 2:
		s.injectForStep(ocisim.Fault{Kind: pick(w.dice, []ocisim.FaultKind{
			ocisim.ErrorBeforeApply, ocisim.ErrorBeforeApply, ocisim.ErrorAfterApply, ocisim.DropBeforeApply, ocisim.DropAfterApply,
			ocisim.Stall, ocisim.StallAfterApply, ocisim.HalfReply, ocisim.LoseLogin, ocisim.ForcedLogout,
		}), Command: h.command, Times: 1})
	}
}

// stepFaults are faults that were injected for steps.
type stepFaults struct {
	mu       sync.Mutex // guards what follows
	injected []*ocisim.Injection
}

func (s *story) injectForStep(fault ocisim.Fault) {
	s.steps.mu.Lock()
	defer s.steps.mu.Unlock()
	if !s.inTrouble() {
		return
	}
	injection, err := s.platform.Inject(fault)
	must(s.t, err)
	s.logf("fault for a step: %s", fault)
	s.steps.injected = append(s.steps.injected, injection)
}

// endStepFaults removes them, when nothing goes wrong any more.
func (s *story) endStepFaults() {
	s.steps.mu.Lock()
	defer s.steps.mu.Unlock()
	for _, injection := range s.steps.injected {
		injection.Remove()
	}
}

// meetStep decides what becomes of the intent of a further step, which is about to
// be recorded: the gateway dies before it, in it or after it, or the disk fills.
func (d *disk) meetStep() {
	s := d.gateway.story
	if !s.inTrouble() {
		return
	}
	switch d.dice.below(6) {
	case 0, 1:
		if d.gateway.number < maxLives {
			d.mu.Lock()
			d.until = 1
			d.mu.Unlock()
		}
	case 2:
		s.count("steps: a full disk between two")
		s.logf("the disk is full between two steps")
		s.diskFull.Store(true)
		time.AfterFunc(d.dice.upTo(6*time.Second), func() { s.diskFull.Store(false) })
	}
}

// passAnswers passes what the platform answers, and notes each success once the
// gateway has read it.
func (w *wire) passAnswers() {
	const end = "</BroadsoftDocument>"
	var pending []byte
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.far.Read(buffer)
		if n > 0 {
			if passed, failed := w.near.Write(buffer[:n]); passed < n || failed != nil {
				return
			}
		}
		pending = append(pending, buffer[:n]...)
		for {
			document, rest, whole := bytes.Cut(pending, []byte(end))
			if !whole {
				break
			}
			w.network.story.answered(document)
			pending = bytes.Clone(rest)
		}
		if err != nil {
			return
		}
	}
}

// answered notes a document that the gateway has read.
func (s *story) answered(document []byte) {
	id := bearsID.FindSubmatch(document)
	if id == nil || !bytes.Contains(document, []byte(`SuccessResponse"`)) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed[string(id[1])] = append(s.passed[string(id[1])], s.now())
}

func (h handing) String() string { return fmt.Sprintf("%s %v at %v", h.command, h.names, h.at) }
