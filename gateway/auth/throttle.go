package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Limit slows down guessing. With the FreeAttempts-th failure a delay begins,
// and with each failure after it: BaseDelay at first, then twice the one
// before, up to MaxDelay. During a delay attempts are refused unseen and do
// not count. In each field, 0 stands for the default.
//
// Attempts under way are counted as if they were going to fail: at most
// FreeAttempts less the failures run at a time, and one at a time later on.
type Limit struct {
	FreeAttempts        int
	BaseDelay, MaxDelay time.Duration
	// ForgetAfter is how long it takes until one failure is forgotten.
	ForgetAfter time.Duration
	// Records is how many accounts, or addresses, with failures are kept in
	// mind. Only a verified failure makes a record, and the one least
	// recently tried makes room. So an attacker who wants the record of one
	// account forgotten has to fail at Records others, and each address used
	// for that grants only the FreeAttempts of the address limit at once,
	// and then one for each ForgetAfter or MaxDelay, whichever is shorter.
	Records int
}

func (l *Limit) setDefaults(d Limit) {
	setDefault(&l.FreeAttempts, d.FreeAttempts)
	setDefault(&l.BaseDelay, d.BaseDelay)
	setDefault(&l.MaxDelay, d.MaxDelay)
	setDefault(&l.ForgetAfter, d.ForgetAfter)
	setDefault(&l.Records, d.Records)
}

func (l *Limit) check(name string) error {
	var errs []error
	if l.FreeAttempts < 1 {
		errs = append(errs, fmt.Errorf("%s.FreeAttempts: must be 1 or more, is %d", name, l.FreeAttempts))
	}
	if l.BaseDelay < 0 {
		errs = append(errs, fmt.Errorf("%s.BaseDelay: must not be negative, is %v", name, l.BaseDelay))
	}
	if l.MaxDelay < l.BaseDelay {
		errs = append(errs, fmt.Errorf("%s.MaxDelay: must not be less than BaseDelay, is %v", name, l.MaxDelay))
	}
	if l.ForgetAfter < 0 {
		errs = append(errs, fmt.Errorf("%s.ForgetAfter: must not be negative, is %v", name, l.ForgetAfter))
	}
	if l.Records < 1 {
		errs = append(errs, fmt.Errorf("%s.Records: must be 1 or more, is %d", name, l.Records))
	}
	return errors.Join(errs...)
}

// delay is how long to wait after that many failures.
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
	counted  time.Time // failures are as of this time
	until    time.Time // the end of the delay
}

// limiter applies a limit to all accounts, or to all addresses. Its user locks
// it.
type limiter[K comparable] struct {
	limit   Limit
	records *simplelru.LRU[K, *record]
	// pending counts the attempts under way. It is apart from the records,
	// so that dropping a record does not lose them.
	pending map[K]int
}

func newLimiter[K comparable](limit Limit) *limiter[K] {
	records, err := simplelru.NewLRU[K, *record](limit.Records, nil)
	if err != nil {
		panic(err) // the size was checked
	}
	return &limiter[K]{limit: limit, records: records, pending: map[K]int{}}
}

// record finds the record of a key as of now, or makes an empty one that is
// not kept yet.
func (l *limiter[K]) record(key K, now time.Time) *record {
	r, ok := l.records.Get(key)
	if !ok {
		return &record{counted: now}
	}
	forgotten := int(now.Sub(r.counted) / l.limit.ForgetAfter)
	r.failures = max(r.failures-forgotten, 0)
	r.counted = r.counted.Add(time.Duration(forgotten) * l.limit.ForgetAfter)
	return r
}

// wait is how long a new attempt has to wait, 0 for not at all.
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

func (l *limiter[K]) reserve(key K) { l.pending[key]++ }

func (l *limiter[K]) release(key K) {
	l.pending[key]--
	if l.pending[key] == 0 {
		delete(l.pending, key)
	}
}

// fail counts a failure. Failures beyond the longest delay are not counted, so
// that it does not take longer to forget them.
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

func (l *limiter[K]) clear(key K) { l.records.Remove(key) }

// account is what guesses are made at. It is a digest, so that all records
// are of one size.
type account [sha256.Size]byte

// accountOfUser regards names that differ in case alone as one, since the
// platform may.
func accountOfUser(name string) account {
	return sha256.Sum256([]byte("user\x00" + strings.ToLower(name)))
}

func accountOfClient(id string) account { return sha256.Sum256([]byte("client\x00" + id)) }

// addressBlock is what an address is counted as: IPv6 by its /64, which is the
// least that one subscriber is given. It is invalid for an invalid address.
func addressBlock(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	block, _ := addr.Prefix(bits) // bits fits the address
	return block
}

// throttle slows down guessing, by account and by address.
type throttle struct {
	mu        sync.Mutex
	accounts  *limiter[account]
	addresses *limiter[netip.Prefix]
}

func newThrottle(accounts, addresses Limit) *throttle {
	return &throttle{
		accounts:  newLimiter[account](accounts),
		addresses: newLimiter[netip.Prefix](addresses),
	}
}

// attempt is the right to verify one guess. One of fail and succeed is called
// where the guess was judged, and end in any case.
type attempt struct {
	throttle *throttle
	account  account
	address  netip.Prefix
}

// admit grants an attempt, or refuses it with a [*ThrottledError].
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

func (a *attempt) fail() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	now := time.Now()
	a.throttle.accounts.fail(a.account, now)
	if a.address.IsValid() {
		a.throttle.addresses.fail(a.address, now)
	}
}

// succeed clears the account. The address keeps its failures: else somebody
// with an account of their own could guess at others without end.
func (a *attempt) succeed() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.throttle.accounts.clear(a.account)
}

func (a *attempt) end() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.throttle.accounts.release(a.account)
	if a.address.IsValid() {
		a.throttle.addresses.release(a.address)
	}
}
