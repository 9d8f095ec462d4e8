package gateway

import (
	"time"

	"golang.org/x/time/rate"

	"ocigate/gateway/auth"
)

// successor returns the counts of a Gateway with these limits that replaces the one with
// the counts l: l itself with the new limits, so that a request of either Gateway counts
// for both. It returns nil if there are no limits any more; the counts are then lost. A
// nil l has no counts.
func (l *callerLimits) successor(o CallerLimits) *callerLimits {
	switch {
	case o.none():
		return nil
	case l == nil:
		return newCallerLimits(o)
	}
	l.replace(o)
	return l
}

// replace replaces the limits. Each bucket keeps its requests, up to its new size, and a
// full one stays full: it is removed, so that clients that are not listed any more do not
// use memory for ever.
func (l *callerLimits) replace(o CallerLimits) {
	setDefaultRecords(&o)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.options = o
	l.replaceOfClientsLocked(now)
	l.replaceOfUsersLocked(now)
}

// replaceOfClientsLocked applies the limits to the buckets of listed clients. The caller
// holds l.mu.
func (l *callerLimits) replaceOfClientsLocked(now time.Time) {
	for id, bucket := range l.clients {
		limit := l.limitOfLocked(callerKey{auth.MethodBasic, id})
		if limit.PerSecond == 0 || isFull(bucket, now) {
			delete(l.clients, id)
			continue
		}
		limit.applyTo(bucket, now)
	}
}

// replaceOfUsersLocked applies the limit to the buckets of users, and removes those for
// which there is no room any more. The caller holds l.mu.
func (l *callerLimits) replaceOfUsersLocked(now time.Time) {
	each := l.options.Each
	if isFull(l.removed, now) {
		l.removed = each.bucket()
	}
	each.applyTo(l.removed, now)
	for _, key := range l.users.Keys() {
		bucket, _ := l.users.Peek(key)
		if each.PerSecond == 0 || isFull(bucket, now) {
			l.users.Remove(key)
			continue
		}
		each.applyTo(bucket, now)
	}
	for l.users.Len() > l.options.Records {
		l.removeOldestLocked(now)
	}
	l.users.Resize(l.options.Records)
}

// applyTo makes a bucket one of this limit. It keeps its requests, up to the new size.
func (l CallerLimit) applyTo(bucket *rate.Limiter, now time.Time) {
	bucket.SetLimitAt(now, rate.Limit(l.PerSecond))
	bucket.SetBurstAt(now, l.Burst)
}

// isFull reports whether no more requests fit into a bucket.
func isFull(bucket *rate.Limiter, now time.Time) bool {
	return bucket.TokensAt(now) >= float64(bucket.Burst())
}
