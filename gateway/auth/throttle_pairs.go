package auth

import (
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// pair is an account and a block from which attempts are made at it.
type pair struct {
	account account
	block   netip.Prefix // invalid for callers without an address
}

// lane is where the failures of an attempt at an account are counted.
type lane int

const (
	laneNew    lane = iota // the block has not failed at the account
	laneFailed             // it has failed
	laneKnown              // it has succeeded
)

const (
	// knownFor is how long after its last success a pair is known.
	knownFor = 30 * 24 * time.Hour
	// failedFor is how long after its last failure a block uses the failed lane.
	failedFor = 24 * time.Hour
	// pairsPerAccount is the largest number of known pairs of an account.
	pairsPerAccount = 16
)

// pairs are the pairs that have succeeded, with their own failures, and those that have
// failed. There are at most Limit.Records of each, and those used least recently are
// removed. A pair that is not known any more uses the lanes of the account, so
// nothing that makes room here permits more attempts than the lanes do.
// throttle.mu guards it.
type pairs struct {
	limit Limit
	known *simplelru.LRU[pair, *knownPair]
	// blocks are the blocks of the known pairs of each account, the one that
	// succeeded longest ago first.
	blocks map[account][]netip.Prefix
	failed *simplelru.LRU[pair, time.Time] // the last failure, by target.source
}

// knownPair is a pair that has succeeded, with its failures since then.
type knownPair struct {
	counter

	succeeded time.Time
}

func newPairs(limit Limit) *pairs {
	p := &pairs{limit: limit, blocks: map[account][]netip.Prefix{}}
	p.known = newLRU(limit.Records, func(key pair, _ *knownPair) { p.dropBlock(key) })
	p.failed = newLRU[pair, time.Time](limit.Records, nil)
	return p
}

// newLRU returns a cache of a size that was checked.
func newLRU[K comparable, V any](size int, onEvict simplelru.EvictCallback[K, V]) *simplelru.LRU[K, V] {
	cache, err := simplelru.NewLRU(size, onEvict)
	if err != nil {
		panic(err) // the size is positive
	}
	return cache
}

// find returns a known pair, or nil. Looking for it is no use of it: only a success is.
func (p *pairs) find(key pair, now time.Time) *knownPair {
	k, ok := p.known.Peek(key)
	if !ok || now.Sub(k.succeeded) >= knownFor {
		return nil
	}
	return k
}

// laneOf returns the lane of an attempt at that target.
func (p *pairs) laneOf(to target, now time.Time) lane {
	if p.find(to.pair, now) != nil {
		return laneKnown
	}
	if last, ok := p.failed.Peek(to.source); ok && now.Sub(last) < failedFor {
		return laneFailed
	}
	return laneNew
}

// state returns the failures of a known pair and the rest of its delay.
func (p *pairs) state(key pair, now time.Time) (failures int, delay time.Duration) {
	if k := p.find(key, now); k != nil {
		return k.state(&p.limit, now)
	}
	return 0, 0
}

// fail counts a failure of a known pair, and reports whether it is known.
func (p *pairs) fail(key pair, now time.Time) bool {
	k := p.find(key, now)
	if k == nil {
		return false
	}
	k.fail(&p.limit, now)
	return true
}

// noteFailed records that the source of attempts that are not of a known pair has failed.
func (p *pairs) noteFailed(source pair, now time.Time) { p.failed.Add(source, now) }

// noteSuccess makes a pair known, without failures.
func (p *pairs) noteSuccess(key pair, now time.Time) {
	p.failed.Remove(key)
	p.dropBlock(key)
	p.known.Add(key, &knownPair{succeeded: now}) // may drop a block of any account
	blocks := p.blocks[key.account]
	if len(blocks) == pairsPerAccount {
		p.known.Remove(pair{key.account, blocks[0]}) // drops the block too
		blocks = p.blocks[key.account]
	}
	p.blocks[key.account] = append(blocks, key.block)
}

// dropBlock removes the block of a pair that is not known any more.
func (p *pairs) dropBlock(key pair) {
	blocks := p.blocks[key.account]
	i := slices.Index(blocks, key.block)
	if i < 0 {
		return
	}
	if blocks = slices.Delete(blocks, i, i+1); len(blocks) == 0 {
		delete(p.blocks, key.account)
		return
	}
	p.blocks[key.account] = blocks
}

// setLimit replaces the limit. See [table.setLimit].
func (p *pairs) setLimit(limit Limit, now time.Time) {
	same := p.limit.sameDelays(limit)
	p.limit = limit
	p.known.Resize(limit.Records)
	p.failed.Resize(limit.Records)
	if same {
		return
	}
	for _, k := range p.known.Values() {
		k.shorten(&limit, now)
	}
}
