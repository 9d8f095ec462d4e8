package gateway_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// The requests that set lists, and the lists that callers read.

// nameOf returns the name of an entry, which is the same for each of its spellings.
func nameOf(entry string) string { return strings.ReplaceAll(entry, "-", "") }

// namesOf returns the names of entries, in their order.
func namesOf(entries []string) []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = nameOf(e)
	}
	return names
}

// list is the list of the entries of one kind that one group has.
type list struct{ group, kind string }

var pathOfList = regexp.MustCompile(`/group/([^/]+)/.*/(numbers|prefixes)/`)

// list returns the list that a request is about, the zero value for none.
func (w simRequest) list() list {
	part := pathOfList.FindStringSubmatch(w.path)
	if part == nil {
		return list{}
	}
	return list{part[1], part[2]}
}

// setsList reports whether the request replaces a list with that of its body.
func (w simRequest) setsList() bool { return w.method == http.MethodPut }

// names returns the names of the entries of the body, in their order.
func (w simRequest) names() []string { return entriesIn(w.body) }

// entriesIn returns the names of the entries in the body of a list, in their order.
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

// holdings returns the entries of a kind that are free, those of the group, and all.
func (s *simulation) holdings(kind, group string) (free, own, all []string) {
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

func (s *simulation) bodyOf(kind string, entries []string) string {
	field := map[string]string{"numbers": "minPhoneNumber", "prefixes": "prefix"}[kind]
	listed := []map[string]string{}
	for _, e := range entries {
		listed = append(listed, map[string]string{field: e})
	}
	body, err := json.Marshal(map[string]any{kind: listed})
	must(s.t, err)
	return string(body)
}

// randomSet returns a request that sets a list: to some of the entries that it has at the
// moment, mostly not all, and some that are free.
func (s *simulation) randomSet(d *dice, kind, group string) simRequest {
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
	return simRequest{method: http.MethodPut, path: listOf(ownTenant, group, kind), body: s.bodyOf(kind, wanted)}
}

// condition returns a random If-Match for a request that sets a list: mostly none, and
// else an entity tag that was just read, or one that may be old.
func (s *simulation) condition(d *dice, w simRequest, send func(simRequest, bool) *response) string {
	switch d.below(12) {
	case 0:
		return "*"
	case 1, 2:
		return s.lists.randomTag(d, w.list())
	case 3, 4, 5:
		got := send(simRequest{method: http.MethodGet, path: w.path}, false)
		if got == nil || got.status != http.StatusOK {
			return ""
		}
		time.Sleep(d.upTo(2 * time.Second))
		return got.header.Get("Etag")
	}
	return ""
}

// readLists are the lists that callers have read, by their entity tags.
type readLists struct {
	mu          sync.Mutex // guards what follows
	tags        map[list][]string
	entries     map[string][]string // sorted names, by tag
	bodies      map[string]string   // by tag
	conflicting []string            // tags that two bodies had
}

// note notes the response to a request, if it is a list.
func (l *readLists) note(w simRequest, got response) {
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
		l.conflicting = append(l.conflicting, tag)
	} else if !known {
		l.tags[of] = append(l.tags[of], tag)
	}
	l.bodies[tag], l.entries[tag] = got.body, slices.Sorted(slices.Values(entriesIn(got.body)))
}

// randomTag returns an entity tag that the list had at some time.
func (l *readLists) randomTag(d *dice, of list) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tags[of]) == 0 {
		return `"none"`
	}
	return pick(d, l.tags[of])
}

// contentOf returns the sorted entries of the list that had a tag.
func (l *readLists) contentOf(tag string) ([]string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries, known := l.entries[tag]
	return entries, known
}
