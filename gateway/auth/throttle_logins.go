package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// LoginLimit limits successes: Burst of them at a time, and PerSecond in the long run
// (a token bucket). In each field, 0 means the default.
type LoginLimit struct {
	Burst     int
	PerSecond float64
}

// maxBurst is the largest Burst. A time.Duration holds the time until that many logins are
// allowed again, also by the smallest PerSecond.
const maxBurst = 1 << 20

func (l *LoginLimit) setDefaults(d LoginLimit) {
	setDefault(&l.Burst, d.Burst)
	setDefault(&l.PerSecond, d.PerSecond)
}

// check returns an error with all invalid fields.
func (l *LoginLimit) check(name string) error {
	var errs []error
	if l.Burst < 1 || l.Burst > maxBurst {
		errs = append(errs, fmt.Errorf("%s.Burst: must be from 1 to %d, not %d", name, maxBurst, l.Burst))
	}
	if l.PerSecond < 0.001 || l.PerSecond > 1e6 {
		errs = append(errs, fmt.Errorf("%s.PerSecond: must be from 0.001 to 1000000, not %v", name, l.PerSecond))
	}
	return errors.Join(errs...)
}

// interval is the time in which one more login is allowed.
func (l *LoginLimit) interval() time.Duration {
	return time.Duration(float64(time.Second) / l.PerSecond)
}

// meter applies a LoginLimit to all accounts, or to all blocks. It stores for each key the
// time at which its bucket will be full (the generic cell rate algorithm). Its memory is
// bounded: the key used least recently is removed. Its bucket is nearly always full by
// then. If it is not, new buckets begin as empty as it was, so that nobody gains by being
// removed. throttle.mu guards it.
type meter[K comparable] struct {
	limit   LoginLimit
	full    *simplelru.LRU[K, time.Time]
	removed time.Time // the latest time in full of a key that was removed
}

func newMeter[K comparable](limit LoginLimit, records int) *meter[K] {
	m := &meter[K]{limit: limit}
	m.full = newLRU(records, func(_ K, full time.Time) { m.removed = later(m.removed, full) })
	return m
}

// fullAt returns when the bucket of a key is full: now, or later.
func (m *meter[K]) fullAt(key K, now time.Time) time.Time {
	full, ok := m.full.Peek(key)
	if !ok {
		full = m.removed
	}
	return later(full, now)
}

// wait returns how long a login of a key has to wait. 0 means not at all.
func (m *meter[K]) wait(key K, now time.Time) time.Duration {
	interval := m.limit.interval()
	spare := time.Duration(m.limit.Burst-1) * interval
	return max(m.fullAt(key, now).Sub(now)-spare, 0)
}

// take counts a login of a key.
func (m *meter[K]) take(key K, now time.Time) {
	m.full.Add(key, m.fullAt(key, now).Add(m.limit.interval()))
}

// setLimit replaces the limit. Buckets keep the number of logins that they lack.
func (m *meter[K]) setLimit(limit LoginLimit, records int, now time.Time) {
	before := m.limit.interval()
	m.limit = limit
	scale := func(full time.Time) time.Time {
		missing := float64(max(full.Sub(now), 0)) / float64(before)
		missing = min(missing, float64(limit.Burst))
		return now.Add(time.Duration(missing * float64(limit.interval())))
	}
	if before != limit.interval() {
		for _, key := range m.full.Keys() { // oldest first, so that Add keeps the order
			full, _ := m.full.Peek(key)
			m.full.Add(key, scale(full))
		}
		m.removed = scale(m.removed)
	}
	m.full.Resize(records)
}
