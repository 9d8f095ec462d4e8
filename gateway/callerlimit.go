package gateway

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"ocigate/gateway/auth"
	"ocigate/translate/errcode"
)

// CallerLimits limit how many requests one caller may make. Requests without valid
// credentials are not counted here: those to log in are throttled by package auth. A
// logout is not counted either, so that it is always possible.
type CallerLimits struct {
	// Each is the limit of each caller. The zero value means no limit.
	Each CallerLimit
	// Clients has other limits for listed clients, by their ids.
	Clients map[string]CallerLimit
	// Records is the largest number of users whose requests are counted at a time.
	// Listed clients come on top. Default 16,384.
	Records int
}

// CallerLimit is a token bucket: it holds Burst requests, and PerSecond of them are
// added each second, until it is full.
type CallerLimit struct {
	PerSecond float64
	Burst     int // 1 or more, if PerSecond is not 0
}

const defaultLimitRecords = 1 << 14

// callerLimitPolicy is the name of the policy in the headers.
const callerLimitPolicy = `"caller"`

// window returns the time in which an empty bucket becomes full.
func (l CallerLimit) window() time.Duration { return l.timeFor(float64(l.Burst)) }

// timeFor returns the time in which that many requests are added.
func (l CallerLimit) timeFor(requests float64) time.Duration {
	return time.Duration(max(requests, 0) / l.PerSecond * float64(time.Second))
}

// policy returns the value of [HeaderRateLimitPolicy].
func (l CallerLimit) policy() string {
	return fmt.Sprintf("%s;q=%d;w=%s", callerLimitPolicy, l.Burst, seconds(l.window()))
}

// callerKey identifies a caller. Users and listed clients of one name are different
// callers, and so are users of different sources. Names of users of the platform that
// differ only in letter case are one caller: the platform may ignore the case, and then
// a user could have a limit for each spelling of their name in a login.
type callerKey struct {
	method auth.Method
	name   string
}

func callerKeyOf(who auth.Principal) callerKey {
	switch who.Method {
	case auth.MethodToken, auth.MethodCookie: // the same token, as browsers keep it
		return callerKey{auth.MethodToken, strings.ToLower(who.Name)}
	case auth.MethodAPIKey: // the secret of a client, in another header
		return callerKey{auth.MethodBasic, who.Name}
	}
	return callerKey{who.Method, who.Name}
}

// callerLimits counts the requests of all callers. Its memory is bounded: each listed
// client has a bucket as long as the process runs, and there are so many buckets of
// users as the options say. The one used least recently makes room. It is nearly always
// full, and then its user loses nothing by that and gains nothing. If it is not, a new
// bucket could give its user requests that they have used up. So as long as a removed
// bucket would not be full, new ones begin as empty as that.
//
// The successor of a Gateway uses the same counts, with its own limits.
type callerLimits struct {
	mu      sync.Mutex // guards the fields below
	options CallerLimits
	clients map[string]*rate.Limiter
	users   *simplelru.LRU[callerKey, *rate.Limiter]
	removed *rate.Limiter // at most as full as any removed bucket would be now
}

// newCallerLimits returns the counts for these limits, or nil if there are none.
func newCallerLimits(o CallerLimits) *callerLimits {
	if o.none() {
		return nil
	}
	setDefaultRecords(&o)
	users, err := simplelru.NewLRU[callerKey, *rate.Limiter](o.Records, nil)
	if err != nil {
		panic(err) // the size is positive
	}
	return &callerLimits{options: o, clients: map[string]*rate.Limiter{}, users: users, removed: o.Each.bucket()}
}

// none reports whether there are no limits.
func (o CallerLimits) none() bool { return o.Each.PerSecond == 0 && len(o.Clients) == 0 }

func setDefaultRecords(o *CallerLimits) {
	if o.Records <= 0 {
		o.Records = defaultLimitRecords
	}
}

// bucket returns a full bucket.
func (l CallerLimit) bucket() *rate.Limiter { return rate.NewLimiter(rate.Limit(l.PerSecond), l.Burst) }

// limitOfLocked returns the limit of a caller, the zero value for none. The caller of
// this function holds l.mu.
func (l *callerLimits) limitOfLocked(key callerKey) CallerLimit {
	if other, ok := l.options.Clients[key.name]; ok && key.method == auth.MethodBasic {
		return other
	}
	return l.options.Each
}

// count counts a request of a caller. It returns the limit of the caller, whether the
// request is allowed, and how many requests are left. It counts nothing for a caller
// without a limit.
func (l *callerLimits) count(key callerKey) (limit CallerLimit, allowed bool, left float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit = l.limitOfLocked(key); limit.PerSecond == 0 {
		return limit, true, 0
	}
	now := time.Now()
	bucket := l.bucketLocked(key, limit, now)
	allowed = bucket.AllowN(now, 1)
	return limit, allowed, bucket.TokensAt(now)
}

// bucketLocked returns the bucket of a caller with that limit. The caller of this
// function holds l.mu.
func (l *callerLimits) bucketLocked(key callerKey, limit CallerLimit, now time.Time) *rate.Limiter {
	if key.method == auth.MethodBasic {
		bucket, ok := l.clients[key.name]
		if !ok {
			bucket = limit.bucket()
			l.clients[key.name] = bucket
		}
		return bucket
	}
	bucket, ok := l.users.Get(key)
	if !ok {
		bucket = limit.bucket()
		l.makeRoomLocked(now)
		drain(bucket, l.removed.TokensAt(now), now)
		l.users.Add(key, bucket)
	}
	return bucket
}

// makeRoomLocked removes the bucket used least recently, if there is no room for another
// one. The caller holds l.mu.
func (l *callerLimits) makeRoomLocked(now time.Time) {
	if l.users.Len() >= l.options.Records {
		l.removeOldestLocked(now)
	}
}

// removeOldestLocked removes the bucket used least recently. The caller holds l.mu.
func (l *callerLimits) removeOldestLocked(now time.Time) {
	if _, oldest, ok := l.users.RemoveOldest(); ok {
		drain(l.removed, oldest.TokensAt(now), now)
	}
}

// drain takes requests out of a bucket, until it has no more than that many.
func drain(bucket *rate.Limiter, left float64, now time.Time) {
	if excess := bucket.TokensAt(now) - max(left, 0); excess > 0 {
		bucket.AllowN(now, min(int(math.Ceil(excess)), int(bucket.TokensAt(now))))
	}
}

// take counts a request of a caller, and adds the headers about their limit. If the
// limit is exceeded, it returns an error and the request is not to be carried out. A nil
// l has no limits.
func (l *callerLimits) take(who auth.Principal, header http.Header) error {
	if l == nil {
		return nil
	}
	limit, allowed, left := l.count(callerKeyOf(who))
	if limit.PerSecond == 0 {
		return nil
	}
	header.Set(HeaderRateLimitPolicy, limit.policy())
	header.Set(HeaderRateLimit, fmt.Sprintf("%s;r=%d;t=%s", callerLimitPolicy, int(max(left, 0)), seconds(limit.timeFor(float64(limit.Burst)-left))))
	if allowed {
		return nil
	}
	return &errcode.Error{
		Code: errcode.TooManyRequests, RetryAfter: max(limit.timeFor(1-left), time.Nanosecond),
		Cause: fmt.Errorf("gateway: the caller may make %v requests per second, and %d at a time", limit.PerSecond, limit.Burst),
	}
}
