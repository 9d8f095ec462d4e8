package auth

import (
	"container/list"
	"hash/maphash"
	"math/bits"
	"time"
)

// table counts the failures of all accounts, or of all blocks of addresses, in bounded
// memory. It is not safe for concurrent use: throttle.mu guards all tables.
//
// A new record of a full table takes the place of the one with the fewest failures, and of
// those the one that failed longest ago. A record under delay is never removed: as long as
// all are, failures of other keys are counted in shared records, which keys use by a keyed
// hash. So no failure is forgotten to make room, except those of keys with few.
type table[K comparable] struct {
	limit   Limit
	records map[K]*list.Element // of *record[K]
	// classes are the records by the class of their failures, those that failed longest
	// ago first.
	classes [classCount]list.List
	shared  []counter // nil until it is needed
	seed    maphash.Seed
}

// record holds the failures of one key.
type record[K comparable] struct {
	counter

	key   K
	class int
}

const (
	// Up to exactClasses, each number of failures is a class; above that, each power of 2.
	exactClasses = 16
	classCount   = 32

	// sharedRecords is the number of shared records. More would only make it less likely
	// that one key delays another.
	sharedRecords = 1 << 10

	// evictionTries is how many records of a class are tried for one that may be removed.
	// Usually the first has the earliest end of its delay.
	evictionTries = 8
)

func classOf(failures int) int {
	if failures < exactClasses {
		return failures
	}
	return min(exactClasses-bits.Len(exactClasses)+bits.Len(uint(failures)), classCount-1)
}

func newTable[K comparable](limit Limit) *table[K] {
	return &table[K]{limit: limit, records: map[K]*list.Element{}, seed: maphash.MakeSeed()}
}

func recordOf[K comparable](e *list.Element) *record[K] {
	r, _ := e.Value.(*record[K])
	return r
}

// state returns the failures of a key and the rest of its delay.
func (t *table[K]) state(key K, now time.Time) (failures int, delay time.Duration) {
	if e, ok := t.records[key]; ok {
		failures, delay = recordOf[K](e).state(&t.limit, now)
	}
	if t.shared != nil {
		f, d := t.sharedOf(key).state(&t.limit, now)
		failures, delay = max(failures, f), max(delay, d)
	}
	return failures, delay
}

// fail counts a failure of a key.
func (t *table[K]) fail(key K, now time.Time) {
	e, ok := t.records[key]
	if !ok {
		if len(t.records) >= t.limit.Records && !t.evict(now) {
			t.sharedOf(key).fail(&t.limit, now)
			return
		}
		e = t.classes[0].PushBack(&record[K]{key: key})
		t.records[key] = e
	}
	r := recordOf[K](e)
	r.fail(&t.limit, now)
	t.classes[r.class].Remove(e)
	t.place(r, false)
}

// place puts a record into the class of its failures: at the front if it failed longer ago
// than the others there. It is in no class before.
func (t *table[K]) place(r *record[K], front bool) {
	r.class = classOf(r.failures)
	if front {
		t.records[r.key] = t.classes[r.class].PushFront(r)
		return
	}
	t.records[r.key] = t.classes[r.class].PushBack(r)
}

// evict removes the record that is worth the least, and reports whether there is one that
// may be removed.
func (t *table[K]) evict(now time.Time) bool {
	t.ageOldest(now)
	for class := range t.classes {
		e := t.classes[class].Front()
		for range evictionTries {
			if e == nil {
				break
			}
			if r := recordOf[K](e); !r.until.After(now) {
				t.remove(e)
				return true
			}
			e = e.Next()
		}
	}
	return false
}

// ageOldest moves the oldest record of each class to the class of the failures that are
// left by now.
func (t *table[K]) ageOldest(now time.Time) {
	for class := range t.classes {
		e := t.classes[class].Front()
		if e == nil {
			continue
		}
		r := recordOf[K](e)
		r.decay(&t.limit, now)
		if classOf(r.failures) != class {
			t.classes[class].Remove(e)
			t.place(r, true)
		}
	}
}

func (t *table[K]) remove(e *list.Element) {
	r := recordOf[K](e)
	t.classes[r.class].Remove(e)
	delete(t.records, r.key)
}

// sharedOf returns the shared record of a key.
func (t *table[K]) sharedOf(key K) *counter {
	if t.shared == nil {
		t.shared = make([]counter, sharedRecords)
	}
	return &t.shared[maphash.Comparable(t.seed, key)%sharedRecords]
}

// setLimit replaces the limit. Failures are kept, except those of the records for which
// there is no room any more and that are not under delay: those that are go into shared
// records. A delay that has begun ends no later than if it began now under the new limit.
func (t *table[K]) setLimit(limit Limit, now time.Time) {
	same := t.limit.sameDelays(limit)
	t.limit = limit
	if !same {
		t.shorten(now)
	}
	for len(t.records) > limit.Records {
		if !t.evict(now) {
			t.share()
		}
	}
}

// shorten makes each delay end no later than if it began now under the limit.
func (t *table[K]) shorten(now time.Time) {
	for _, e := range t.records {
		recordOf[K](e).shorten(&t.limit, now)
	}
	for i := range t.shared {
		t.shared[i].shorten(&t.limit, now)
	}
}

// share moves a record with the fewest failures into its shared record.
func (t *table[K]) share() {
	for class := range t.classes {
		if e := t.classes[class].Front(); e != nil {
			r := recordOf[K](e)
			t.sharedOf(r.key).merge(r.counter)
			t.remove(e)
			return
		}
	}
}
