package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Limit slows down guessing. A delay begins with the FreeAttempts-th failure and
// with each failure after it. The first delay is BaseDelay; each further one is
// twice the one before, up to MaxDelay. During a delay, attempts are rejected
// without verification and do not count. In each field, 0 means the default.
//
// Attempts in progress count as if they were going to fail: at most FreeAttempts
// minus the failures run at a time, and one at a time after that.
type Limit struct {
	FreeAttempts        int
	BaseDelay, MaxDelay time.Duration
	// DecayAfter is the time after which one failure is removed from the
	// count.
	DecayAfter time.Duration
	// Records is the largest number of accounts, or addresses, whose failures
	// are counted. Only a verified failure makes a record, and the record
	// used least recently is removed to make room. An attacker who wants to
	// remove the record of one account has to fail at Records others, and
	// each address used for that has only the FreeAttempts of the address
	// limit immediately, and then one for each DecayAfter or MaxDelay,
	// whichever is shorter.
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

// record holds the failures of one account or address.
type record struct {
	failures int
	counted  time.Time // time of the last reduction of failures
	until    time.Time // end of the delay
}

// limiter applies a limit to all accounts, or to all addresses. It is not safe for
// concurrent use: throttle.mu guards both limiters, and all methods need it held.
type limiter[K comparable] struct {
	limit   Limit
	records *simplelru.LRU[K, *record]
	// pending counts the attempts in progress. It is separate from the
	// records, so that removing a record does not lose them.
	pending map[K]int
}

func newLimiter[K comparable](limit Limit) *limiter[K] {
	records, err := simplelru.NewLRU[K, *record](limit.Records, nil)
	if err != nil {
		panic(err) // the size was checked
	}
	return &limiter[K]{limit: limit, records: records, pending: map[K]int{}}
}

// setLimit replaces the limit. Failures are kept, except those of the records for which
// there is no room any more. A delay that has begun ends no later than if it began now
// under the new limit.
func (l *limiter[K]) setLimit(limit Limit, now time.Time) {
	if l.limit == limit {
		return
	}
	l.limit = limit
	l.records.Resize(limit.Records)
	for _, r := range l.records.Values() {
		if latest := now.Add(limit.delay(r.failures)); r.until.After(latest) {
			r.until = latest
		}
	}
}

// record returns the record of a key, without the failures that are too old by now.
// If there is none, it returns an empty record that is not stored yet.
func (l *limiter[K]) record(key K, now time.Time) *record {
	r, ok := l.records.Get(key)
	if !ok {
		return &record{counted: now}
	}
	expired := int(now.Sub(r.counted) / l.limit.DecayAfter)
	r.failures = max(r.failures-expired, 0)
	r.counted = r.counted.Add(time.Duration(expired) * l.limit.DecayAfter)
	return r
}

// wait returns how long a new attempt has to wait. 0 means not at all.
func (l *limiter[K]) wait(key K, now time.Time) time.Duration {
	r := l.record(key, now)
	if delay := r.until.Sub(now); delay > 0 {
		return delay
	}
	if l.pending[key] >= max(l.limit.FreeAttempts-r.failures, 1) {
		return l.limit.BaseDelay
	}
	return 0
}

// reserve counts an attempt in progress.
func (l *limiter[K]) reserve(key K) { l.pending[key]++ }

// release ends an attempt in progress.
func (l *limiter[K]) release(key K) {
	l.pending[key]--
	if l.pending[key] == 0 {
		delete(l.pending, key)
	}
}

// fail counts a failure. Failures beyond the longest delay are not counted, so that
// they do not prolong the time until the count is 0.
func (l *limiter[K]) fail(key K, now time.Time) {
	r := l.record(key, now)
	if l.limit.delay(r.failures) < l.limit.MaxDelay {
		r.failures++
	}
	if delay := l.limit.delay(r.failures); delay > 0 {
		r.until = now.Add(delay)
	}
	l.records.Add(key, r)
}

// clear removes the failures of a key.
func (l *limiter[K]) clear(key K) { l.records.Remove(key) }

// account identifies the target of guesses. It is a digest, so that all records have
// the same size.
type account [sha256.Size]byte

// accountOfUser returns the account of a folded user id: see userNames.account.
func accountOfUser(folded string) account { return sha256.Sum256([]byte("user\x00" + folded)) }

// accountOfClient returns the account of a listed client.
func accountOfClient(id string) account { return sha256.Sum256([]byte("client\x00" + id)) }

// addressBlock returns the block that an address is counted as: the address itself
// for IPv4, and its /64 for IPv6, the smallest block that one subscriber gets. It
// is invalid for an invalid address.
func addressBlock(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	block, _ := addr.Prefix(bits) // bits fits the address
	return block
}

// throttle limits attempts by account and by address.
type throttle struct {
	mu        sync.Mutex // guards accounts and addresses; not held during a verification
	accounts  *limiter[account]
	addresses *limiter[netip.Prefix]
}

func newThrottle(accounts, addresses Limit) *throttle {
	return &throttle{
		accounts:  newLimiter[account](accounts),
		addresses: newLimiter[netip.Prefix](addresses),
	}
}

// setLimits replaces both limits.
func (t *throttle) setLimits(accounts, addresses Limit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.accounts.setLimit(accounts, now)
	t.addresses.setLimit(addresses, now)
}

// attempt is the permission to verify one credential. If the verification had a
// result, one of fail and succeed is called; end is called in any case.
type attempt struct {
	throttle *throttle
	account  account
	address  netip.Prefix
}

// admit returns an attempt, or a [*ThrottledError].
func (t *throttle) admit(account account, addr netip.Addr) (*attempt, error) {
	a := &attempt{throttle: t, account: account, address: addressBlock(addr)}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	wait := t.accounts.wait(a.account, now)
	if a.address.IsValid() {
		wait = max(wait, t.addresses.wait(a.address, now))
	}
	if wait > 0 {
		return nil, &ThrottledError{RetryAfter: wait}
	}
	t.accounts.reserve(a.account)
	if a.address.IsValid() {
		t.addresses.reserve(a.address)
	}
	return a, nil
}

// fail counts a failure of the account and of the address.
func (a *attempt) fail() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	now := time.Now()
	a.throttle.accounts.fail(a.account, now)
	if a.address.IsValid() {
		a.throttle.addresses.fail(a.address, now)
	}
}

// succeed removes the failures of the account. The address keeps its failures:
// otherwise an attacker with one account could guess at others without limit.
func (a *attempt) succeed() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.throttle.accounts.clear(a.account)
}

// end ends the attempt.
func (a *attempt) end() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.throttle.accounts.release(a.account)
	if a.address.IsValid() {
		a.throttle.addresses.release(a.address)
	}
}
