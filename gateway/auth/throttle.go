package auth

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// # Limits on guessing
//
// An attempt is a credential that has to be verified: a login, or the secret of a listed
// client that was not verified before. It has an account, and an address block: the IPv4
// address, or the /64 of an IPv6 address, which is the smallest block that one subscriber
// gets. Callers without an address (a Unix socket) are one block.
//
// Failures are counted in these places. Each has its own free attempts and then its own
// delays (see [Limit]):
//
//   - Lanes of the account. A pair of account and block that has logged in within
//     knownFor has a lane of its own, the pair lane: failures from elsewhere do not delay
//     it. A block that has never failed at the account uses the account's new lane. A
//     block that has failed uses the account's failed lane. So an address that guesses
//     delays itself, and neither pairs that are known nor addresses that are new. A
//     guesser with many addresses delays new addresses, but not known pairs. Here an IPv6
//     block is its /48, because one subscriber may get that many (RFC 6177) and would
//     be new at the account with each /64 of it.
//   - The block, at all accounts.
//   - The network (/24, or /48) at all accounts, with more free attempts. Known pairs are
//     not delayed by it: other addresses of the network are elsewhere.
//
// # The bound at one account
//
// AccountLimit.FreeAttempts F is split: the new lane has F-F/2 and the failed lane has
// F/2 (integer division; with F=1, a failure in the new lane counts in the failed one
// too). So blocks that are not known have F attempts at once, all together, and a single
// block has 1+F/2 of them. A known pair has F of its own, but only a guesser at
// that address can use them. After the free attempts, each lane admits one
// attempt for each delay. In a time T, a lane therefore admits at most
//
//	free + log2(MaxDelay/BaseDelay)+1 + T/MaxDelay + T/DecayAfter
//
// attempts that fail. No success resets a lane of the account: a success makes the pair
// known and clears only the failures of the pair. (If it reset the lanes, each login of
// the user would give a guesser F attempts again.) Failures at the account are removed
// with time only.
//
// # Attempts in progress
//
// Attempts in progress count as if they were going to fail, so that many at the same time
// are not more than the limit. An attempt that exceeds a limit only because of
// them waits for their outcome, in the order of arrival: a success admits it, and a
// failure that starts a delay refuses it at once. From one new block (or /48), one
// attempt at a time is in progress at an account: its outcome decides the lane of the
// others. The number of waiting attempts and the time are bounded.
//
// # Memory
//
// Tables of failures have at most Limit.Records records. A record under delay is never
// removed. See table.
//
// # Successes
//
// Each login costs the platform a verification and the audit trail a line, so successes
// are limited too, by [LoginLimit], per account and per block.
//
// # Capacity
//
// An admitted attempt still waits for a slot: verifications at the platform, and hashes
// of listed clients, are limited in total. There, known pairs and proven credentials come
// first, and guesses are ordered by the failures of their address. See slots.

// account identifies the target of guesses. It is a digest, so that all records have
// the same size.
type account [sha256.Size]byte

// accountOfUser returns the account of a folded user id: see userNames.account.
func accountOfUser(folded string) account { return sha256.Sum256([]byte("user\x00" + folded)) }

// accountOfClient returns the account of a listed client.
func accountOfClient(id string) account { return sha256.Sum256([]byte("client\x00" + id)) }

// Lengths of the prefixes that count as one address, and as one network.
const (
	blockBits4, blockBits6     = 32, 64
	networkBits4, networkBits6 = 24, 48
)

// addressBlock returns the block that an address is counted as. It is invalid for an
// invalid address.
func addressBlock(addr netip.Addr) netip.Prefix { return prefixOf(addr, blockBits4, blockBits6) }

// addressNetwork returns the network of an address, which is invalid for an invalid
// address.
func addressNetwork(addr netip.Addr) netip.Prefix {
	return prefixOf(addr, networkBits4, networkBits6)
}

func prefixOf(addr netip.Addr, bits4, bits6 int) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := bits4
	if addr.Is6() {
		bits = bits6
	}
	prefix, _ := addr.Prefix(bits) // bits fits the address
	return prefix
}

// limits are the settings of a throttle.
type limits struct {
	account, address, network    Limit
	accountLogins, addressLogins LoginLimit
}

// newLane returns the limit of the lane for blocks without failures at the account.
func (l *limits) newLane() Limit {
	lane := l.account
	lane.FreeAttempts -= l.account.FreeAttempts / 2
	return lane
}

// failedLane returns the limit of the lane for blocks that have failed at the account.
func (l *limits) failedLane() Limit {
	lane := l.account
	lane.FreeAttempts = max(l.account.FreeAttempts/2, 1)
	return lane
}

// throttle limits attempts by account and by address.
type throttle struct {
	mu     sync.Mutex // guards the fields below; not held during a verification
	limits limits
	// fresh and failed are the new lane and the failed lane of the accounts.
	fresh, failed *table[account]
	pairs         *pairs
	blocks        *table[netip.Prefix]
	networks      *table[netip.Prefix]
	// logins of accounts and of blocks
	accountLogins *meter[account]
	blockLogins   *meter[netip.Prefix]
	gates         map[gateKey]*gate
	waiting       int // attempts that wait at all gates
}

func newThrottle(l limits) *throttle {
	return &throttle{
		limits:        l,
		fresh:         newTable[account](l.newLane()),
		failed:        newTable[account](l.failedLane()),
		pairs:         newPairs(l.account),
		blocks:        newTable[netip.Prefix](l.address),
		networks:      newTable[netip.Prefix](l.network),
		accountLogins: newMeter[account](l.accountLogins, l.account.Records),
		blockLogins:   newMeter[netip.Prefix](l.addressLogins, l.address.Records),
		gates:         map[gateKey]*gate{},
	}
}

// setLimits replaces the limits. What was counted is kept.
func (t *throttle) setLimits(l limits) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.limits = l
	t.fresh.setLimit(l.newLane(), now)
	t.failed.setLimit(l.failedLane(), now)
	t.pairs.setLimit(l.account, now)
	t.blocks.setLimit(l.address, now)
	t.networks.setLimit(l.network, now)
	t.accountLogins.setLimit(l.accountLogins, l.account.Records, now)
	t.blockLogins.setLimit(l.addressLogins, l.address.Records, now)
}

// target is what an attempt is made at, and from where.
type target struct {
	pair
	// source is the pair whose failures decide between the new lane and the failed one:
	// with IPv6, that of the /48.
	source  pair
	network netip.Prefix
	// keep reports whether a success makes the pair known. That is so for users. A
	// listed client whose secret was verified is not subject to the limits at all, and
	// one that was not must have the same limits as an unknown id.
	keep bool
}

func userTarget(user account, addr netip.Addr) target {
	return targetOf(user, addr, true)
}

func clientTarget(id string, addr netip.Addr) target {
	return targetOf(accountOfClient(id), addr, false)
}

func targetOf(at account, addr netip.Addr, keep bool) target {
	block, network := addressBlock(addr), addressNetwork(addr)
	to := target{pair{at, block}, pair{at, block}, network, keep}
	if block.Addr().Is6() {
		to.source.block = network
	}
	return to
}

// attempt is the permission to verify one credential. If the verification had a
// result, one of fail and succeed is called; end is called in any case.
type attempt struct {
	throttle *throttle
	target   target
	lane     lane
	rank     rank
	gates    []gateKey // where it is in progress
}

// admit returns an attempt. It may wait for others that are in progress. Its error is a
// [*ThrottledError], or the context's.
func (t *throttle) admit(ctx context.Context, target target) (*attempt, error) {
	a := &attempt{throttle: t, target: target}
	w, err := t.enter(a)
	if w != nil {
		err = t.await(ctx, w)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// demand is the state of one gate for an attempt.
type demand struct {
	key      gateKey
	delay    time.Duration // of the failures that are counted there
	capacity int           // attempts that may be in progress, 1 or more
}

// demandsLocked sets the lane and the rank of an attempt, and returns the gates that it
// has to pass.
func (t *throttle) demandsLocked(a *attempt, now time.Time) []demand {
	to := a.target
	a.lane = t.pairs.laneOf(to, now)
	demands := make([]demand, 0, 4)
	add := func(key gateKey, free, failures int, delay time.Duration) {
		demands = append(demands, demand{key, delay, max(free-failures, 1)})
	}
	switch a.lane {
	case laneKnown:
		failures, delay := t.pairs.state(to.pair, now)
		add(gateKey{kind: gatePair, account: to.account, prefix: to.block}, t.limits.account.FreeAttempts, failures, delay)
	case laneFailed:
		failures, delay := t.failed.state(to.account, now)
		add(gateKey{kind: gateFailed, account: to.account}, t.failed.limit.FreeAttempts, failures, delay)
	case laneNew:
		add(gateKey{kind: gateSource, account: to.account, prefix: to.source.block}, 1, 0, 0)
		failures, delay := t.fresh.state(to.account, now)
		add(gateKey{kind: gateNew, account: to.account}, t.fresh.limit.FreeAttempts, failures, delay)
	}
	if !to.block.IsValid() {
		return demands
	}
	failures, delay := t.blocks.state(to.block, now)
	a.rank.block = failures
	add(gateKey{kind: gateBlock, prefix: to.block}, t.blocks.limit.FreeAttempts, failures, delay)
	failures, delay = t.networks.state(to.network, now)
	a.rank.network = failures
	if a.lane != laneKnown {
		add(gateKey{kind: gateNetwork, prefix: to.network}, t.networks.limit.FreeAttempts, failures, delay)
	}
	return demands
}

// refusedLocked returns a [*ThrottledError] if an attempt has to wait for the end of a
// delay, or exceeds the limits of logins.
func (t *throttle) refusedLocked(to target, demands []demand, now time.Time) error {
	var delay time.Duration
	for _, d := range demands {
		delay = max(delay, d.delay)
	}
	if delay > 0 {
		return &ThrottledError{RetryAfter: delay, Reason: ReasonFailures}
	}
	delay = t.accountLogins.wait(to.account, now)
	if to.block.IsValid() {
		delay = max(delay, t.blockLogins.wait(to.block, now))
	}
	if delay > 0 {
		return &ThrottledError{RetryAfter: delay, Reason: ReasonLogins}
	}
	return nil
}

// fail counts a failure in the lane of the attempt, and of its block and network.
func (a *attempt) fail() {
	t, to := a.throttle, a.target
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	switch {
	case a.lane == laneKnown && t.pairs.fail(to.pair, now):
	case a.lane == laneNew:
		t.fresh.fail(to.account, now)
		if t.limits.account.FreeAttempts < 2 {
			t.failed.fail(to.account, now)
		}
		t.pairs.noteFailed(to.source, now)
	default:
		t.failed.fail(to.account, now)
		t.pairs.noteFailed(to.source, now)
	}
	if to.block.IsValid() {
		t.blocks.fail(to.block, now)
		t.networks.fail(to.network, now)
	}
}

// succeed makes the pair known, clears its own failures, and counts a login. The lanes of
// the account and the block keep their failures: otherwise an attacker with one account
// could guess at others without limit.
func (a *attempt) succeed() {
	t, to := a.throttle, a.target
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if to.keep {
		t.pairs.noteSuccess(to.pair, now)
	}
	t.accountLogins.take(to.account, now)
	if to.block.IsValid() {
		t.blockLogins.take(to.block, now)
	}
}

// end ends the attempt, and decides those that wait for it.
func (a *attempt) end() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.throttle.leaveLocked(a)
}
