package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Client is a caller that the operator lists, such as a portal that authenticates
// as a service.
type Client struct {
	// ID is 1..64 letters, digits, "_" and "-". Each client has a different one.
	ID string
	// Hash is the hash of its secret: bcrypt ("$2b$…", cost 10..15) or
	// argon2id as a PHC string, at most 256 MiB, 16 passes and 16 threads.
	// [Hash] makes one. With bcrypt, secrets have at most 72 bytes; longer
	// ones are always rejected, even if the hash was made of one.
	Hash Secret
	// NextHash is the hash of another secret that is also accepted, for a change
	// of the secret without a gap: give the client its new secret while both are
	// accepted, and remove the old one when it is not used any more, which
	// [Principal.Hash] shows. Empty for none.
	NextHash Secret
	// Level and scope: TenantID for a Tenant Admin, TenantID and GroupID for
	// all lower levels, neither for a System Admin.
	Level             Level
	TenantID, GroupID string
}

// mac identifies a client's credential in memory. Its key exists only in this
// process, so it does not reveal the secret.
type mac [sha256.Size]byte

// client is a listed client.
type client struct {
	principal Principal     // without the method and the hash
	hashes    []*clientHash // one or two
}

// hashedClients parses the hashes of the listed clients. Its error lists all
// problems of the list.
func hashedClients(list []Client) ([]*client, error) {
	var errs []error
	seen := make(map[string]bool, len(list))
	hashed := make([]*client, len(list))
	for i, c := range list {
		p := Principal{Name: c.ID, Level: c.Level, TenantID: c.TenantID, GroupID: c.GroupID}
		hashes, hashErr := parseHashes(c)
		errs = append(errs, prefixed(fmt.Sprintf("Clients[%d]", i),
			checkClientID(c.ID, seen), hashErr, p.checkScope()))
		seen[c.ID] = true
		hashed[i] = &client{principal: p, hashes: hashes}
	}
	return hashed, errors.Join(errs...)
}

func checkClientID(id string, seen map[string]bool) error {
	switch {
	case !clientID.MatchString(id):
		return fmt.Errorf("ID: must be 1..64 letters, digits, _ and -, not %q", id)
	case seen[id]:
		return fmt.Errorf("ID: %q must be given only once", id)
	}
	return nil
}

// clients verifies the credentials of listed clients. It is immutable, except for the
// state that it shares with its successors.
type clients struct {
	list        []*client
	byID        map[string]*client
	rememberFor time.Duration
	throttle    *throttle
	macKey      []byte
	hashing     *hashing
	flights     *flights
}

func newClients(list []*client, rememberFor time.Duration, hashConcurrency int, throttle *throttle) *clients {
	c := &clients{
		list:        list,
		byID:        clientsByID(list),
		rememberFor: rememberFor,
		throttle:    throttle,
		macKey:      make([]byte, sha256.Size),
		hashing:     newHashing(hashConcurrency),
		flights:     &flights{running: map[flightKey]*flight{}},
	}
	_, _ = rand.Read(c.macKey) // it never fails: it would rather end the program
	return c
}

func clientsByID(list []*client) map[string]*client {
	byID := make(map[string]*client, len(list))
	for _, listed := range list {
		byID[listed.principal.Name] = listed
	}
	return byID
}

// shown is a credential with the listed client of its id, nil if the id is unknown.
type shown struct {
	credential
	mac    mac
	listed *client
}

func (c *clients) show(cred credential) shown {
	return shown{credential: cred, mac: c.mac(cred.id, cred.secret), listed: c.byID[cred.id]}
}

// authenticate verifies the credential of a listed client. The cache is consulted before
// the limits, so that guesses at the secret of a client cannot lock the client out after
// it was authenticated once.
func (c *clients) authenticate(ctx context.Context, addr netip.Addr, cred credential) (Principal, error) {
	if len(c.list) == 0 {
		return Principal{}, ErrBadCredentials
	}
	s := c.show(cred)
	if _, fresh := s.listed.recall(s.mac, c.rememberFor); !fresh {
		err := c.flights.do(ctx, flightKey{s.mac, addressBlock(addr), s.listed}, func() error {
			return c.admit(ctx, addr, s)
		})
		if err == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			// The next step of the request would fail as if the platform were to blame.
			err = waitEnded(ctx, ReasonBusy)
		}
		if err != nil {
			// Requests that share a verification may differ in the method.
			return Principal{}, throttledBy(s.method, err)
		}
	}
	p := s.listed.principal
	p.Method, p.Hash = s.method, s.listed.hashOf(s.mac)
	return p, nil
}

// admit consults the cache again, because another request may have verified the
// credential in the meantime, and verifies the credential if needed.
func (c *clients) admit(ctx context.Context, addr netip.Addr, s shown) error {
	switch proven, fresh := s.listed.recall(s.mac, c.rememberFor); {
	case fresh:
		return nil
	case proven:
		return c.verify(ctx, s, true, rank{})
	}
	return c.guess(ctx, addr, s)
}

// guess verifies a credential that was not verified before. It counts as an
// attempt for the limits.
func (c *clients) guess(ctx context.Context, addr netip.Addr, s shown) error {
	ctx, cancel := context.WithTimeout(ctx, hashPatience)
	defer cancel()
	attempt, err := c.throttle.admit(ctx, clientTarget(s.id, addr))
	if err != nil {
		return err
	}
	defer attempt.end()
	err = c.verify(ctx, s, false, attempt.rank)
	switch {
	case err == nil:
		attempt.succeed()
	case errors.Is(err, ErrBadCredentials):
		attempt.fail()
	}
	return err
}

// verify hashes a secret as soon as there is a slot, and remembers the credential if the
// secret is correct. For an unknown id it computes the hashes of a listed client, in the
// same slots.
func (c *clients) verify(ctx context.Context, s shown, proven bool, rank rank) error {
	hashed := s.listed
	if hashed == nil {
		hashed = c.dummy(s)
	}
	index, err := c.hashing.matches(ctx, hashed, s.secret, proven, rank)
	switch {
	case err != nil:
		return err
	case index < 0 || s.listed == nil:
		return ErrBadCredentials
	}
	s.listed.hashes[index].remember(s.mac)
	return nil
}

// dummy returns the client whose hashes are computed for an unknown id. It is always
// the same client for one id, so that measurements of the time do not reveal
// whether an id is a client's.
func (c *clients) dummy(s shown) *client {
	m := c.mac(s.id, "")
	return c.list[binary.BigEndian.Uint64(m[:8])%uint64(len(c.list))]
}

// mac returns the MAC of a credential.
func (c *clients) mac(id, secret string) mac {
	h := hmac.New(sha256.New, c.macKey)
	h.Write([]byte(id))
	h.Write([]byte{0}) // neither of the two can contain it
	h.Write([]byte(secret))
	return mac(h.Sum(nil))
}

// flights lets concurrent requests with the same credential share one
// verification. If a client starts with many requests at the same time, its secret
// is hashed, and counted as an attempt, only once.
type flights struct {
	mu      sync.Mutex // guards running; not held during a verification
	running map[flightKey]*flight
}

// flightKey identifies a verification. It contains the address, because the limit
// of one address must not be returned to another, and the client, because another
// listing may have another hash.
type flightKey struct {
	credential mac
	address    netip.Prefix
	listed     *client
}

// flight is a verification in progress.
type flight struct {
	done chan struct{}
	err  error // may be read after done is closed
}

// errAbandoned is the outcome of a verification whose request ended before it.
var errAbandoned = errors.New("verification abandoned")

// do calls verify, or waits for a verification with the same key that is already in
// progress. If the request of that verification ends first, one of the waiting
// requests verifies in its place.
func (f *flights) do(ctx context.Context, key flightKey, verify func() error) error {
	for {
		current, mine := f.join(key)
		if mine {
			return f.lead(ctx, key, current, verify)
		}
		select {
		case <-current.done:
			if !errors.Is(current.err, errAbandoned) {
				return current.err
			}
		case <-ctx.Done():
			return waitEnded(ctx, ReasonBusy)
		}
	}
}

// join returns the verification in progress with that key. If there is none, it
// starts one, which is the caller's (mine).
func (f *flights) join(key flightKey) (current *flight, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if current, ok := f.running[key]; ok {
		return current, false
	}
	current = &flight{done: make(chan struct{}), err: errAbandoned}
	f.running[key] = current
	return current, true
}

// lead calls verify and publishes its result, unless the request ended before it.
func (f *flights) lead(ctx context.Context, key flightKey, mine *flight, verify func() error) error {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.running, key)
		close(mine.done)
	}()
	err := verify()
	if ctx.Err() == nil || err == nil || errors.Is(err, ErrBadCredentials) {
		mine.err = err
	}
	return err
}
