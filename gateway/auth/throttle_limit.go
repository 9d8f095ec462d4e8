package auth

import (
	"errors"
	"fmt"
	"time"
)

// Limit slows down guessing. A delay begins with the FreeAttempts-th failure and
// with each failure after it. The first delay is BaseDelay; each further one is
// twice the one before, up to MaxDelay. During a delay, attempts are rejected
// without verification and do not count. In each field, 0 means the default.
//
// Attempts in progress count as if they were going to fail: at most FreeAttempts
// minus the failures run at a time, and one at a time after that. Others wait for their
// outcome.
type Limit struct {
	FreeAttempts        int
	BaseDelay, MaxDelay time.Duration
	// DecayAfter is the time after which one failure is removed from the
	// count.
	DecayAfter time.Duration
	// Records is the largest number of accounts, or addresses, whose failures
	// are counted, in each place where they are. Only a verified failure makes a record.
	// To make room, the record with the fewest failures is removed, and of those the one
	// that failed longest ago, but none under delay. If all are under delay, failures of
	// further accounts (or addresses) are counted in a fixed number of shared records.
	Records int
}

func (l *Limit) setDefaults(d Limit) {
	setDefault(&l.FreeAttempts, d.FreeAttempts)
	setDefault(&l.BaseDelay, d.BaseDelay)
	setDefault(&l.MaxDelay, d.MaxDelay)
	setDefault(&l.DecayAfter, d.DecayAfter)
	setDefault(&l.Records, d.Records)
}

// check returns an error with all invalid fields.
func (l *Limit) check(name string) error {
	var errs []error
	if l.FreeAttempts < 1 {
		errs = append(errs, fmt.Errorf("%s.FreeAttempts: must be 1 or more, not %d", name, l.FreeAttempts))
	}
	if l.BaseDelay < 0 {
		errs = append(errs, fmt.Errorf("%s.BaseDelay: must not be negative: %v", name, l.BaseDelay))
	}
	if l.MaxDelay < l.BaseDelay {
		errs = append(errs, fmt.Errorf("%s.MaxDelay: must not be less than BaseDelay: %v", name, l.MaxDelay))
	}
	if l.DecayAfter < 0 {
		errs = append(errs, fmt.Errorf("%s.DecayAfter: must not be negative: %v", name, l.DecayAfter))
	}
	if l.Records < 1 {
		errs = append(errs, fmt.Errorf("%s.Records: must be 1 or more, not %d", name, l.Records))
	}
	return errors.Join(errs...)
}

// delay returns the delay after that many failures.
func (l *Limit) delay(failures int) time.Duration {
	if failures < l.FreeAttempts {
		return 0
	}
	delay := l.BaseDelay
	for range failures - l.FreeAttempts {
		if delay > l.MaxDelay/2 {
			return l.MaxDelay
		}
		delay *= 2
	}
	return delay
}

// sameDelays reports whether two limits differ in nothing but their records.
func (l *Limit) sameDelays(other Limit) bool {
	other.Records = l.Records
	return *l == other
}

// counter counts failures under a limit. The zero value has none.
type counter struct {
	failures int
	counted  time.Time // time of the last reduction of failures
	until    time.Time // end of the delay
}

// left returns the failures without those that are too old by now.
func (c *counter) left(l *Limit, now time.Time) int {
	if c.failures == 0 {
		return 0
	}
	return max(c.failures-int(now.Sub(c.counted)/l.DecayAfter), 0)
}

// state returns the failures that are left and the rest of the delay.
func (c *counter) state(l *Limit, now time.Time) (failures int, delay time.Duration) {
	return c.left(l, now), max(c.until.Sub(now), 0)
}

// decay removes the failures that are too old by now.
func (c *counter) decay(l *Limit, now time.Time) {
	if c.failures == 0 {
		c.counted = now
		return
	}
	expired := now.Sub(c.counted) / l.DecayAfter
	c.failures = max(c.failures-int(expired), 0)
	c.counted = c.counted.Add(expired * l.DecayAfter)
}

// fail counts a failure. Failures beyond the longest delay are not counted, so that
// they do not prolong the time until the count is 0.
func (c *counter) fail(l *Limit, now time.Time) {
	c.decay(l, now)
	if l.delay(c.failures) < l.MaxDelay {
		c.failures++
	}
	if delay := l.delay(c.failures); delay > 0 {
		c.until = later(c.until, now.Add(delay)) // a shared record may be under a longer one
	}
}

// shorten makes a delay that has begun end no later than if it began now under the limit.
func (c *counter) shorten(l *Limit, now time.Time) {
	if latest := now.Add(l.delay(c.failures)); c.until.After(latest) {
		c.until = latest
	}
}

// merge makes c count no less than the other counter does.
func (c *counter) merge(other counter) {
	c.failures = max(c.failures, other.failures)
	c.until = later(c.until, other.until)
	c.counted = later(c.counted, other.counted)
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
